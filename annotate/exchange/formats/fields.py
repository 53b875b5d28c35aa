"""Which fields each form reads. What a record has beside them is not passed over in silence.

A field that could change what the record means (MEANING) refuses it, unless it only says again what was read; any
other is counted by name.

A form's fields are a dictionary: name -> the fields of the objects below it, or None where whatever stands there is
read or kept as it is; "*" stands for every name.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.records import Unusable

Fields = Mapping[str, "Fields | None"]
MAX_NAMES = 100  # different names in one report
MAX_NAME = 80
OTHERS = "…"
ANSWER = re.compile(
    r"((better|worse|good|bad)[_-])?(completion|response|answer|output|reply|candidate|generation)s?([_-]?(\d+|[a-z]))?"
)
# Names of fields that, where they are filled and not read, make a record mean something else than what is stored.
MEANING = re.compile(
    r"(messages|conversations?|dialogues?|turns|history|system|system_prompt|context|contexts|documents|replies"
    r"|tools?|tool_calls|functions?|function_call|refusal|reasoning(_content)?|thinking|thoughts?"
    r"|images?|audios?|videos?|attachments?"
    r"|weights?|loss_weight|mask|masked|train|trainable"
    r"|prompts?|instructions?|questions?|chosen|rejected|margins?|tiers|votes?|winner|best|worst|label|kto_tag"
    r"|((overall|chosen|rejected)[_-])?(ranks?|rankings?|scores?|ratings?|rewards?|pref|preferences?|preferred)"
    r"|(score|rating|reward|rank)[_-](chosen|rejected)"
    r"|helpfulness|correctness|coherence"
    r"|" + ANSWER.pattern + ")"
)


def names(spelled: str, **below: Fields | None) -> dict[str, Fields | None]:
    return dict.fromkeys(spelled.split()) | below


# Ids and languages are read of every record.
ANY = names("id language lang")
TURN = names(
    "role from value weight tool_calls function_call reasoning_content reasoning thinking",
    content=names("type text"),
)
COLUMNS = names("system system_prompt tools functions")
DIALOGUE = COLUMNS | names("prompt_id", messages=TURN, conversations=TURN)
# Trees keep every field and give it back; those named here are Open-Assistant's own.
MESSAGE = names(
    "message_id parent_id user_id created_date text role lang review_count review_result deleted rank synthetic "
    "model_name detoxify message_tree_id tree_state emojis labels events user_message_id parent_message_id "
    "task_message_id"
)
TREE: dict[str, Fields | None] = {**MESSAGE}
TREE["replies"] = TREE
REVIEW = names("worker_id system annotations") | names(
    " ".join(
        f"{name}-{what}" for name in ("correctness", "selection", "overall") for what in ("rating", "rank")
    )
)
INSTANCE = names("input output")
QUESTION = names("id question answers is_impossible")

FIELDS: dict[str, Fields] = {
    "oasst": TREE | names("origin", prompt=TREE),
    "oasst-flat": MESSAGE,
    "pandalm": names(
        "instruction input response1 response2 annotator1 annotator2 annotator3 idx cmp_key motivation_app"
    ),
    "squality": names("passage-id", questions={"*": {"*": names("response overall", reviews=REVIEW)}}),
    "llmbar": names("input output_1 output_2 label"),
    "k-wise": names(
        "prompt tiers shown_order strength middle_unordered all_bad criteria is_surplus review_state annotator source "
        "created_at seconds_spent margin campaign split",
        completions=names("id text policy_version sampling author"),
        ratings=names("completion criterion value scale_min scale_max flags"),
    ),
    "csv": names(
        "kind prompt text policy_version place num_completions strength criterion rating scale_min scale_max flags "
        "all_bad annotator source created_at seconds_spent is_surplus review_state num_pastes pasted_characters "
        "completion messages weight margin middle_unordered num_suggestions num_suggestions_used characters_changed"
    ),
    "ranks": names("prompt completions ranks"),
    "nectar": names("prompt turns num_responses source good_natured", answers=names("answer model rank")),
    "dpo": DIALOGUE
    | names(
        "instruction input question history margin score_chosen score_rejected chosen_score rejected_score"
    )
    | names("", prompt=TURN, chosen=TURN, rejected=TURN),
    "hh": names("chosen rejected margin score_chosen score_rejected chosen_score rejected_score"),
    "kto": DIALOGUE | names("label", prompt=TURN, completion=TURN),
    "sampling-report": names("prompt", results=names("sampling_config sampling_params outputs")),
    "messages": DIALOGUE | names("weight"),
    "sharegpt": DIALOGUE | names("weight"),
    "prompt-completion": COLUMNS | names("weight prompt_id", prompt=TURN, completion=TURN),
    "user-oriented": names("motivation_app instruction", instances=INSTANCE),
    "self-instruct": names("name instruction is_classification", instances=INSTANCE),
    "alpaca": names("instruction input output history system weight"),
    "afriqa": names("question answers split translated_question translated_answer translation_type"),
    "expert-questions": names("question annotator_id answers metadata"),
    "question-answer": names("question answer context example_id system system_prompt weight"),
    "squad": names("title theme", paragraphs=names("context", qas=QUESTION)),
    "reference-answers": names("question_id answer_id model_id choices tstamp"),
    "questions": names("question_id category turns reference"),
    "prompts": names("text prompt_id system system_prompt", prompt=TURN),
}


HEADER = names("model_name date args version")  # what stands before the list of a document

# Where a form has several ways to say one thing, the first that a record fills is read. All others must repeat it.
ONE_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "dpo": (
        ("prompt",),
        ("question",),
        ("instruction", "input", "history"),
        ("messages",),
        ("conversations",),
    ),
    "kto": (("prompt", "completion"), ("messages",), ("conversations",)),
    "messages": (("messages",), ("conversations",)),
    "sharegpt": (("messages",), ("conversations",)),
    "prompts": (("prompt",), ("text",)),
}


def unread_fields(value: Any, fields: Fields) -> Iterator[tuple[str, Any]]:
    """The filled fields that are not among `fields`, at every depth: ("messages.name", "Ann")."""
    return _unread(value, {**fields, **ANY}, "")


def _unread(value: Any, fields: Fields, above: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        for entry in value:
            if isinstance(entry, dict):
                yield from _unread(entry, fields, above)
        return
    for name, found in value.items() if isinstance(value, dict) else ():
        if is_empty(found):
            continue
        name = name if name in fields or "*" not in fields else "*"
        if name not in fields:
            yield f"{above}{name}"[:MAX_NAME], found
        elif below := fields[name]:
            yield from _unread(found, below, above if below is fields else f"{above}{name}.")


def changes_meaning(name: str) -> bool:
    return MEANING.fullmatch(name.rpartition(".")[2].casefold()) is not None


def checked(value: Any, form: str, texts: Iterable[str] = ()) -> set[str]:
    """Names of the fields that were not read; Unusable where one of them could change what the record means.

    `texts` is what was read: a field that holds nothing else has been read after all.
    """
    others = other_ways(value, form)
    unread = [*unread_fields(value, FIELDS[form]), *((name, value[name]) for name in others)]
    read = {text.strip() for text in texts} if unread else set()
    left = list(dict.fromkeys(name for name, found in unread if not repeats(found, read)))
    if grave := [name for name in left if name in others or changes_meaning(name)]:
        listed = ", ".join(f'"{name}"' for name in grave[:5])
        raise Unusable(
            _(
                "Not read, though it could change what the record means: %(fields)s. Take that out, or rename it to a "
                "field that the guide has for it."
            )
            % {"fields": listed}
        )
    return set(left)


def other_ways(value: Any, form: str) -> list[str]:
    """The filled fields of ONE_OF that are not those that are read."""
    if not isinstance(value, dict):
        return []
    ways = [[name for name in way if not is_empty(value.get(name))] for way in ONE_OF.get(form, ())]
    return [name for way in [way for way in ways if way][1:] for name in way]


def repeats(found: Any, read: set[str]) -> bool:
    """Whether a text, or every turn of a dialogue, is among the texts that were read."""
    if isinstance(found, str):
        return found.strip() in read
    said = [one.get("content", one.get("value")) for one in found] if is_turns(found) else []
    return bool(said) and all(isinstance(one, str) and one.strip() in read for one in said)


def is_turns(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(one, dict) for one in found)


def is_empty(found: Any) -> bool:
    if isinstance(found, str):
        found = found.strip()
    return found in (None, "", [], {}, "[]", "{}", "null")


def count(unread: Counter[str], found: Iterable[str]) -> None:
    for name in found:
        unread[name if name in unread or len(unread) < MAX_NAMES else OTHERS] += 1
