"""Which fields each form reads. What a record has beside them is not passed over in silence: it is counted by name.

A form's fields are a dictionary: name -> the fields of the objects below it, or None where whatever stands there is
read or kept as it is; "*" stands for every name.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Fields = Mapping[str, "Fields | None"]
MAX_NAMES = 100  # different names in one report
MAX_NAME = 80
OTHERS = "…"


def names(spelled: str, **below: Fields | None) -> dict[str, Fields | None]:
    return dict.fromkeys(spelled.split()) | below


# Ids and languages are read of every record.
ANY = names("id language lang")
TURN = names("role content from value")
DIALOGUE = names("tools", messages=TURN, conversations=TURN)
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
    "dpo": DIALOGUE | names("prompt", chosen=TURN, rejected=TURN),
    "hh": names("chosen rejected"),
    "kto": DIALOGUE | names("prompt completion label"),
    "sampling-report": names("prompt", results=names("sampling_config sampling_params outputs")),
    "messages": DIALOGUE,
    "sharegpt": DIALOGUE,
    "prompt-completion": names("", prompt=TURN, completion=TURN),
    "user-oriented": names("motivation_app instruction", instances=INSTANCE),
    "self-instruct": names("name instruction is_classification", instances=INSTANCE),
    "alpaca": names("instruction input output"),
    "afriqa": names("question answers split translated_question translated_answer translation_type"),
    "expert-questions": names("question annotator_id answers metadata"),
    "question-answer": names("question answer context example_id"),
    "squad": names("title theme", paragraphs=names("context", qas=QUESTION)),
    "reference-answers": names("question_id answer_id model_id choices tstamp"),
    "questions": names("question_id category turns reference"),
    "prompts": names("prompt text"),
}


def unread_fields(value: Any, fields: Fields) -> set[str]:
    """Names of the filled fields that are not among `fields`, at every depth: "messages.name"."""
    return set(_unread(value, {**fields, **ANY}, ""))


def _unread(value: Any, fields: Fields, above: str) -> Iterator[str]:
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
            yield f"{above}{name}"[:MAX_NAME]
        elif below := fields[name]:
            yield from _unread(found, below, above if below is fields else f"{above}{name}.")


def is_empty(found: Any) -> bool:
    if isinstance(found, str):
        found = found.strip()
    return found in (None, "", [], {}, "[]", "{}", "null")


def count(unread: Counter[str], found: Iterable[str]) -> None:
    for name in found:
        unread[name if name in unread or len(unread) < MAX_NAMES else OTHERS] += 1
