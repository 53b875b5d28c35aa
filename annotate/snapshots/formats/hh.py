"""Anthropic HH: {chosen, rejected}, each a whole dialogue as one string with Human: and Assistant: turns.

Two turns of one speaker running are one turn. Only the last reply is what was judged, so a pair that differs
earlier is refused, and so is one whose chosen reply is empty: there is nothing in it to learn to say.
"""

import re
from collections.abc import Iterator

from django.utils.translation import gettext as _

from annotate.snapshots.formats.records import (
    CompletionRow,
    Feedback,
    RankingRow,
    Record,
    Unusable,
    identity,
    take_text,
)

TURN = re.compile(r"(?:^|\n\n)(Human|Assistant):")
ROLES = {"Human": "user", "Assistant": "assistant"}


def parse(record: Record) -> Iterator[Feedback]:
    chosen = dialogue(take_text(record.value, "chosen"), "chosen")
    rejected = dialogue(take_text(record.value, "rejected"), "rejected")
    if chosen == rejected:
        raise Unusable(_("Both sides are the same, so nothing was chosen."))
    if chosen[:-1] != rejected[:-1]:
        raise Unusable(
            _("The two sides differ before the last reply, so it is not clear which text was judged.")
        )
    better, worse = chosen[-1]["content"], rejected[-1]["content"]
    if not better:
        raise Unusable(_("The chosen reply is empty."))
    prompt = chosen[:-1]
    yield Feedback(
        line=record.line,
        messages=prompt,
        completions=[CompletionRow(text, identity(text)) for text in (better, worse)],
        rankings=[RankingRow([[0], [1]], identity(prompt, better, worse))],
    )


def dialogue(text: str, side: str) -> list[dict[str, str]]:
    """Turns, the last one an assistant's, speakers in turn."""
    before, *parts = TURN.split(text)
    if before.strip() or not parts:
        raise Unusable(_('The %(side)s side does not begin with a turn marked "Human:".') % {"side": side})
    turns: list[dict[str, str]] = []
    for speaker, content in zip(parts[::2], parts[1::2], strict=True):
        role, content = ROLES[speaker], content.strip()
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] = f"{turns[-1]['content']}\n\n{content}".strip()
        else:
            turns.append({"role": role, "content": content})
    if turns[-1]["role"] != "assistant" or len(turns) < 2:
        raise Unusable(_("The %(side)s side does not end with a reply by the assistant.") % {"side": side})
    return turns
