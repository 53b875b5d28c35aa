"""How completions, ratings and people are written, in an export and in a snapshot alike."""

from typing import Any

from django.db.models import Q

from annotate.campaigns.models import Campaign, Completion
from annotate.feedback.models import Ranking, Rating

# Most of a dialogue with a policy is the policy's own words: its choices and edited answers are what teaches.
CHATS = Q(campaign__kind=Campaign.Kind.CHAT, assignment__isnull=False)


def pseudonym(annotator: Any) -> str | None:
    return str(annotator.pseudonym) if annotator else None


def completion_ids(ranking: Ranking) -> list[int]:
    """In the order shown, then those ranked but in no stored order (imported rankings)."""
    ranked = [pk for tier in ranking.tiers for pk in tier]
    return list(dict.fromkeys([*ranking.shown_order, *ranked]))


def completion_row(completion: Completion) -> dict[str, Any]:
    version = completion.policy_version
    return {
        "id": completion.pk,
        "text": completion.text,
        "policy_version": version.name if version else completion.model_name or None,
        "sampling": completion.sampling,
        "author": pseudonym(completion.author),
    }


def rating_row(rating: Rating) -> dict[str, Any]:
    return {
        "completion": rating.completion_id,
        "criterion": rating.criterion,
        "value": rating.value,
        "scale_min": rating.scale_min,
        "scale_max": rating.scale_max,
        "flags": rating.flags,
    }
