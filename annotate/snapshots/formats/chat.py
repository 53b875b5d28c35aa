"""Dialogues: messages [{role, content}], ShareGPT [{from, value}], DPO's pairs and KTO's thumbs.

A dialogue is a demonstration, its prompt the turns before the first reply. A function call is no text of the
assistant's: it keeps a role of its own (tool_call, its result tool), so such dialogues are kept and given back,
and left out of snapshots. DPO: a ranking of two. KTO: a rating 0 or 1 of the last reply.
"""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotate.snapshots.formats.records import (
    MAX_TURNS,
    CompletionRow,
    DemonstrationRow,
    Feedback,
    RankingRow,
    RatingRow,
    Record,
    Unusable,
    identity,
    kind,
    rest,
    take,
    take_list,
    take_text,
)

ROLES = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "system": "system",
    "function_call": "tool_call",
    "tool_call": "tool_call",
    "observation": "tool",
    "tool": "tool",
    "function": "tool",
}


def turns(value: dict[str, Any]) -> list[dict[str, str]]:
    """The dialogue, whichever of the two spellings it has."""
    name = "messages" if "messages" in value else "conversations"
    found = [turn(said) for said in take_list(value, name)]
    if not found:
        raise Unusable(_("The dialogue has no turns."))
    if len(found) > MAX_TURNS:
        raise Unusable(_("The dialogue has more than %(limit)s turns.") % {"limit": MAX_TURNS})
    return found


def turn(said: Any) -> dict[str, str]:
    speaker, content = ("role", "content") if isinstance(said, dict) and "role" in said else ("from", "value")
    role = take_text(said, speaker)
    if role not in ROLES:
        raise Unusable(
            _('The speaker "%(role)s" is not known: user, assistant and system are, and tool calls.')
            % {"role": role[:30]}
        )
    return {"role": ROLES[role], "content": take_text(said, content)}


def opening(dialogue: list[dict[str, str]]) -> list[dict[str, str]]:
    """The turns before the first reply; at least one of them is the user's."""
    end = next(
        (i for i, said in enumerate(dialogue) if said["role"] in ("assistant", "tool_call")), len(dialogue)
    )
    if not any(said["role"] == "user" for said in dialogue[:end]):
        raise Unusable(_("The dialogue does not begin with a user, so it answers nothing."))
    return dialogue[:end]


def parse_dialogue(record: Record) -> Iterator[Feedback]:
    value = record.value
    dialogue = turns(value)
    prompt = opening(dialogue)
    about = rest(value, "messages", "conversations", "id")
    demonstration = DemonstrationRow(dialogue, identity(dialogue, given=value.get("id")), metadata=about)
    is_answered = dialogue[-1]["role"] == "assistant" and bool(dialogue[-1]["content"].strip())
    if len(dialogue) > len(prompt) and not is_answered:
        raise Unusable(_("The dialogue does not end with a reply by the assistant."))
    yield Feedback(record.line, prompt, demonstrations=[demonstration] if is_answered else [])


def parse_completed(record: Record) -> Iterator[Feedback]:
    """TRL's {prompt, completion}, each a text or a list of messages: a dialogue in two parts."""
    value = record.value
    parts = {"prompt": "user", "completion": "assistant"}
    messages: list[Any] = []
    for name, role in parts.items():
        part = take(value, name)
        messages += part if isinstance(part, list) else [{"role": role, "content": part}]
    yield from parse_dialogue(Record(record.line, {**rest(value, *parts), "messages": messages}))


def reply(value: Any, name: str) -> str:
    """`chosen` or `rejected`: one turn, a list of one turn, or the text alone."""
    found = take(value, name)
    if isinstance(found, str):
        return found
    if isinstance(found, list):
        if len(found) != 1:
            raise Unusable(
                _('The field "%(name)s" is a list of %(count)s turns where one reply was expected.')
                % {"name": name, "count": len(found)}
            )
        found = found[0]
    said = turn(found)
    if said["role"] != "assistant":
        raise Unusable(_('The field "%(name)s" is no reply by the assistant.') % {"name": name})
    return said["content"]


def parse_pair(record: Record) -> Iterator[Feedback]:
    value = record.value
    prompt = value.get("prompt")
    if isinstance(prompt, str):
        dialogue = [{"role": "user", "content": prompt}]
    else:
        dialogue = turns({"messages": prompt} if isinstance(prompt, list) else value)
    if dialogue[-1]["role"] not in ("user", "tool"):
        raise Unusable(_("The dialogue before the two replies does not end with the user."))
    better, worse = reply(value, "chosen"), reply(value, "rejected")
    if better == worse:
        raise Unusable(_("Both replies are the same, so nothing was chosen."))
    if not better.strip():
        raise Unusable(_("The chosen reply is empty."))
    yield Feedback(
        line=record.line,
        messages=dialogue,
        completions=[CompletionRow(said, identity(said)) for said in (better, worse)],
        rankings=[RankingRow([[0], [1]], identity(dialogue, better, worse, given=value.get("id")))],
    )


def parse_thumb(record: Record) -> Iterator[Feedback]:
    value = record.value
    label = take(value, "label")
    if not isinstance(label, bool):
        raise Unusable(_('The field "label" is %(kind)s, not true or false.') % {"kind": kind(label)})
    if isinstance(value.get("prompt"), str):
        dialogue = [
            {"role": "user", "content": value["prompt"]},
            {"role": "assistant", "content": take_text(value, "completion")},
        ]
    else:
        dialogue = turns(value)
    if dialogue[-1]["role"] != "assistant" or len(dialogue) < 2:
        raise Unusable(_("The dialogue does not end with a reply by the assistant."))
    opening(dialogue)
    said = dialogue[-1]["content"]
    rating = RatingRow("thumbs_up", float(label), identity(dialogue, given=value.get("id")))
    yield Feedback(
        line=record.line,
        messages=dialogue[:-1],
        completions=[CompletionRow(said, identity(said), ratings=[rating])],
    )
