"""What a submission must be, beyond its shape: pure rules, each refusal with its field and a reason."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError


def refuse(field: str, reason: str, code: str = "invalid") -> ValidationError:
    return ValidationError({field: [ErrorDetail(reason, code)]})


def check_dialogue(messages: Sequence[dict[str, Any]], prompt: Sequence[dict[str, Any]]) -> None:
    """The prompt, unchanged, then turns that alternate and end with the assistant."""
    said = [(m["role"], m["content"]) for m in messages]
    asked = [(m["role"], m["content"]) for m in prompt]
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
    ratings: Sequence[dict[str, Any]],
    *,
    completions: Sequence[int],
    flags: Sequence[str],
    all_bad: bool,
) -> None:
    """Tiers and ratings name this unit's completions only, each once, and flags are the campaign's."""
    offered, seen = set(completions), set()
    for i, tier in enumerate(tiers):
        for j, completion in enumerate(tier):
            if completion not in offered:
                raise refuse(f"tiers[{i}][{j}]", _("This completion is not part of this unit."), "unknown")
            if completion in seen:
                raise refuse(f"tiers[{i}][{j}]", _("This completion is ranked twice."), "twice")
            seen.add(completion)
    if len(seen) < 2 and not all_bad:
        raise refuse("tiers", _("Rank at least two completions, or mark all of them as bad."), "too_few")
    rated = set()
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
