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


def ranking_row(ranking: Ranking, completions: list[Completion], ratings: list[Rating]) -> dict[str, Any]:
    return {
        "id": ranking.pk,
        "prompt": ranking.prompt.messages,
        "completions": [completion_row(completion) for completion in completions],
        "tiers": ranking.tiers,
        "middle_unordered": ranking.middle_unordered,
        "shown_order": ranking.shown_order,
        "strength": ranking.strength,
        "all_bad": ranking.all_bad,
        "criteria": ranking.criteria,
        "ratings": [_rating_row(rating) for rating in ratings],
        "annotator": pseudonym(ranking.annotator),
        "created_at": ranking.created_at.isoformat(),
        "seconds_spent": ranking.seconds_spent,
    }


def _rating_row(rating: Rating) -> dict[str, Any]:
    return {
        "completion": rating.completion_id,
        "criterion": rating.criterion,
        "value": rating.value,
        "scale_min": rating.scale_min,
        "scale_max": rating.scale_max,
        "flags": rating.flags,
    }
