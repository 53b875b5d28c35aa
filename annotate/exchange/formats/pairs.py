"""Two replies to one dialogue, a chosen and a rejected one: a ranking of two.

What was asked stands in `prompt` (a text or turns), in `question`, in `instruction` with `input` and `history`, in
`messages` or `conversations`, or is how both sides begin (TRL's implicit prompt, UltraFeedback). Only the last reply
was judged, so a pair that differs earlier is refused, and so is one whose chosen reply is empty: there is nothing
in it to learn to say.
"""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats import hh
from annotate.exchange.formats.chat import judged
from annotate.exchange.formats.fields import is_empty
from annotate.exchange.formats.instructions import asked
from annotate.exchange.formats.records import (
    CompletionRow,
    Feedback,
    RankingRow,
    Record,
    Unusable,
    assistant,
    identity,
    number,
    take,
    take_text,
    user,
)
from annotate.exchange.formats.turns import Turns, as_turns, history, with_columns

SCORES = (("score_chosen", "score_rejected"), ("chosen_score", "rejected_score"))


def parse(record: Record) -> Iterator[Feedback]:
    value = record.value
    chosen, rejected = side(value, "chosen"), side(value, "rejected")
    before = asked_before(value)
    if before in (chosen, rejected):
        before = None  # UltraFeedback says the chosen dialogue once more in `messages`
    prompt, better = judged(whole(chosen, before, value))
    other_prompt, worse = judged(whole(rejected, before, value))
    if prompt != other_prompt:
        raise Unusable(differ_earlier())
    yield ranked(record, with_columns(value, prompt), better, worse)


def differ_earlier() -> str:
    return _("The two sides differ before the last reply, so it is not clear which text was judged.")


def parse_hh(record: Record) -> Iterator[Feedback]:
    """Two whole dialogues as text, with turns marked Human: and Assistant:."""
    chosen = hh.dialogue(take_text(record.value, "chosen"), "chosen")
    rejected = hh.dialogue(take_text(record.value, "rejected"), "rejected")
    if chosen == rejected:
        raise Unusable(_("Both sides are the same, so nothing was chosen."))
    if chosen[:-1] != rejected[:-1]:
        raise Unusable(differ_earlier())
    yield ranked(record, chosen[:-1], chosen[-1]["content"], rejected[-1]["content"])


def ranked(record: Record, prompt: Turns, better: str, worse: str) -> Feedback:
    if prompt[-1]["role"] not in ("user", "tool"):
        raise Unusable(_("The dialogue before the two replies does not end with the user."))
    if better == worse:
        raise Unusable(_("Both replies are the same, so nothing was chosen."))
    if not better.strip():
        raise Unusable(_("The chosen reply is empty."))
    about = margin_of(record.value)
    own = [about["margin"]] if about else []
    return Feedback(
        line=record.line,
        messages=prompt,
        completions=[CompletionRow(said, identity(said)) for said in (better, worse)],
        rankings=[
            RankingRow(
                [[0], [1]],
                identity(prompt, better, worse, *own, given=record.value.get("id")),
                metadata=about,
            )
        ],
    )


def side(value: dict[str, Any], name: str) -> Turns:
    """`chosen` or `rejected`: a text, one turn, or turns."""
    found = take(value, name)
    if isinstance(found, str):
        return hh.dialogue(found, name) if hh.is_marked(found) else [assistant(found)]
    return as_turns(found if isinstance(found, list) else [found])


def asked_before(value: dict[str, Any]) -> Turns | None:
    """What stands before both sides, without its columns; None where the sides say it themselves."""
    prompt = value.get("prompt")
    if isinstance(prompt, list):
        return as_turns(prompt)
    if not is_empty(prompt):
        return hh.asked(take_text(value, "prompt"))
    if not is_empty(value.get("question")):
        return [user(take_text(value, "question"))]
    if "instruction" in value:
        return [*history(value), *asked(value)]
    found = value.get("messages", value.get("conversations"))
    return as_turns(found) if isinstance(found, list) and found else None


def whole(said: Turns, before: Turns | None, value: dict[str, Any]) -> Turns:
    """A side with what stands before it. A side that begins with the question must begin with that very question."""
    if said[0]["role"] not in ("user", "system"):
        if before is None:
            raise Unusable(_("Both sides are mere replies, and no field says what they answer."))
        return [*before, *said]
    if before is None or said[: len(before)] == before:
        return said
    if isinstance(value.get("prompt"), str) and any(one in said[:-1] for one in before):
        return said
    raise Unusable(_("The sides do not begin with what the record says that was asked."))


def margin_of(value: dict[str, Any]) -> dict[str, float]:
    """By how much the chosen one is better: `margin`, or the difference of the two scores."""
    if not is_empty(value.get("margin")):
        margin = number(value, "margin")
    else:
        names = next((pair for pair in SCORES if any(not is_empty(value.get(name)) for name in pair)), None)
        if names is None:
            return {}
        better, worse = (number(value, name) for name in names)
        margin = better - worse
    if margin < 0:
        raise Unusable(_("Its margin or its scores say that the rejected reply is the better one."))
    return {"margin": margin}
