"""Dialogues, whole or in two parts, and dialogues with a thumb up or down.

A dialogue is a demonstration, its prompt the turns before the first reply. A thumb (KTO) is a rating 0 or 1 of the
last reply.
"""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.records import (
    CompletionRow,
    DemonstrationRow,
    Feedback,
    RatingRow,
    Record,
    Unusable,
    identity,
    kind,
    rest,
    take,
)
from annotate.exchange.formats.turns import Turns, as_turns, opening, turns, with_columns

COLUMNS = ("system", "system_prompt", "tools", "functions", "weight")


def parse_dialogue(record: Record) -> Iterator[Feedback]:
    value = record.value
    about = rest(value, "messages", "conversations", "id", *COLUMNS)
    yield as_feedback(record.line, turns(value), value.get("id"), about)


def as_feedback(line: int, dialogue: Turns, given: Any, about: dict[str, Any]) -> Feedback:
    """A demonstration of a dialogue that was answered; else a prompt that waits for an answer."""
    prompt = opening(dialogue)
    is_answered = dialogue[-1]["role"] == "tool_call" or (
        dialogue[-1]["role"] == "assistant" and bool(dialogue[-1]["content"].strip())
    )
    if len(dialogue) > len(prompt) and not is_answered:
        raise Unusable(_("The dialogue does not end with a reply by the assistant."))
    demonstration = DemonstrationRow(dialogue, identity(dialogue, given=given), metadata=about)
    return Feedback(line, prompt, demonstrations=[demonstration] if is_answered else [])


def parse_completed(record: Record) -> Iterator[Feedback]:
    """TRL's {prompt, completion}, each a text or a list of messages: a dialogue in two parts."""
    value = record.value
    about = rest(value, "prompt", "completion", "id", *COLUMNS)
    yield as_feedback(record.line, completed(value), value.get("id"), about)


def completed(value: dict[str, Any]) -> Turns:
    messages: list[Any] = []
    for name, role in (("prompt", "user"), ("completion", "assistant")):
        part = take(value, name)
        messages += part if isinstance(part, list) else [{"role": role, "content": part}]
    return with_columns(value, as_turns(messages))


def parse_thumb(record: Record) -> Iterator[Feedback]:
    value = record.value
    label = take(value, "label")
    if not isinstance(label, bool):
        raise Unusable(_('The field "label" is %(kind)s, not true or false.') % {"kind": kind(label)})
    dialogue = completed(value) if "completion" in value else turns(value)
    opening(dialogue)
    prompt, said = judged(dialogue)
    rating = RatingRow("thumbs_up", float(label), identity(dialogue, given=value.get("id")))
    yield Feedback(
        line=record.line,
        messages=prompt,
        completions=[CompletionRow(said, identity(said), ratings=[rating])],
    )


def judged(dialogue: Turns) -> tuple[Turns, str]:
    """What was asked, and the last reply, which is what was judged."""
    *prompt, last = dialogue
    if last["role"] == "tool_call" or (prompt and prompt[-1]["role"] in ("tool_call", "reasoning")):
        raise Unusable(
            _("The judged reply has reasoning or tool calls beside its text; only texts can be compared.")
        )
    if last["role"] != "assistant" or not prompt:
        raise Unusable(_("The dialogue does not end with a reply by the assistant."))
    return prompt, last["content"]
