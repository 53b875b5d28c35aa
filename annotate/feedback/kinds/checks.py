"""What a submission must be, beyond its shape: pure rules, each refusal with its field and a reason."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError


def refuse(field: str, reason: str, code: str = "invalid") -> ValidationError:
    return ValidationError({field: [ErrorDetail(reason, code)]})


# In submitted tiers: the answer that the person wrote, which has no id before it is stored.
OWN = 0


def check_dialogue(
    messages: Sequence[dict[str, Any]], prompt: Sequence[dict[str, Any]], *, may_instruct: bool = False
) -> None:
    """The prompt, unchanged, then turns that alternate and end with the assistant.

    `may_instruct`: a system message may stand before a prompt that has none.
    """
    said = [(m["role"], m["content"]) for m in messages]
    asked = [(m["role"], m["content"]) for m in prompt]
    if may_instruct and said and said[0][0] == "system" and (not asked or asked[0][0] != "system"):
        if not said[0][1].strip():
            raise refuse("messages[0].content", _("This message is empty."), "blank")
        asked = [said[0], *asked]
    if said[: len(asked)] != asked:
        raise refuse(
            "messages", _("The dialogue must begin with the prompt's messages, unchanged."), "prompt"
        )
    if len(said) == len(asked):
        raise refuse("messages", _("Nothing was written after the prompt."), "empty")
    for i, (role, content) in enumerate(said[len(asked) :], start=len(asked)):
        if not content.strip():
            raise refuse(f"messages[{i}].content", _("This message is empty."), "blank")
        if role == "system" and i > 0:
            raise refuse(f"messages[{i}].role", _("Only the first message may be a system message."), "role")
        before = said[i - 1][0] if i else "system"
        if role == before or (role == "assistant" and before == "system"):
            reason = _("After a message of %(before)s, one of %(role)s cannot follow.")
            raise refuse(f"messages[{i}].role", reason % {"before": before, "role": role}, "role")
    if said[-1][0] != "assistant":
        raise refuse("messages", _("The last message must be the assistant's."), "last_role")


def check_ranking(
    tiers: Sequence[Sequence[int]],
    criteria: Mapping[str, Sequence[Sequence[int]]],
    *,
    completions: Sequence[int],
    asked_criteria: Sequence[str],
    own_answer: str,
    may_answer: bool,
    all_bad: bool,
) -> None:
    """Each order names this unit's completions only, each once; `OWN` is one of them when an answer was written."""
    if own_answer and not may_answer:
        raise refuse("own_answer", _("This campaign does not ask for an answer of your own."), "not_asked")
    offered = {*completions, OWN} if own_answer else set(completions)
    _check_order("tiers", tiers, offered, all_bad)
    for name in criteria:
        if name not in asked_criteria:
            reason = _("“%(criterion)s” is not one of this campaign's criteria.") % {"criterion": name}
            raise refuse(f"criteria.{name}", reason, "unknown")
    for name in asked_criteria:
        _check_order(f"criteria.{name}", criteria.get(name, []), offered, all_bad)


def check_choice(
    verdict: str, chosen: int | None, strength: int | None, *, completions: Sequence[int]
) -> None:
    """A choice names one of the two and its strength; a tie and "both bad" name neither."""
    if verdict == "better":
        if chosen not in completions:
            raise refuse("chosen", _("Choose one of this unit's two completions."), "unknown")
        if strength is None:
            raise refuse("strength", _("Say how much better it is."), "required")
        return
    for field, value in (("chosen", chosen), ("strength", strength)):
        if value is not None:
            raise refuse(field, _("A tie, or two that are bad, have no better one."), "not_better")


def _check_order(field: str, tiers: Sequence[Sequence[int]], offered: set[int], all_bad: bool) -> None:
    seen = set()
    for i, tier in enumerate(tiers):
        for j, completion in enumerate(tier):
            if completion not in offered:
                raise refuse(f"{field}[{i}][{j}]", _("This completion is not part of this unit."), "unknown")
            if completion in seen:
                raise refuse(f"{field}[{i}][{j}]", _("This completion is ranked twice."), "twice")
            seen.add(completion)
    if len(seen) < 2 and not all_bad:
        raise refuse(field, _("Rank at least two completions, or mark all of them as bad."), "too_few")


def check_ratings(
    ratings: Sequence[dict[str, Any]], *, completions: Sequence[int], flags: Sequence[str], must_rate: bool
) -> None:
    """Ratings name this unit's completions, each once and, with `must_rate`, each; flags are the campaign's."""
    offered, rated = set(completions), set()
    for i, rating in enumerate(ratings):
        if rating["completion"] not in offered:
            raise refuse(
                f"ratings[{i}].completion", _("This completion is not part of this unit."), "unknown"
            )
        if rating["completion"] in rated:
            raise refuse(f"ratings[{i}].completion", _("This completion is rated twice."), "twice")
        rated.add(rating["completion"])
        for flag in rating["flags"]:
            if flag not in flags:
                reason = _("“%(flag)s” is not one of this campaign's flags.") % {"flag": flag}
                raise refuse(f"ratings[{i}].flags", reason, "unknown")
    if must_rate and {rating["completion"] for rating in ratings if rating["value"] is not None} != offered:
        raise refuse("ratings", _("This campaign asks for a rating of each completion."), "too_few")
