"""Comparisons of two: which is better and how much, stored as a ranking of two."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from rest_framework import serializers

from annotate.accounts.models import Annotator
from annotate.campaigns.models import Campaign
from annotate.feedback.kinds.base import HandedIn, Kind, Stored, begin_submission
from annotate.feedback.kinds.checks import check_choice
from annotate.feedback.kinds.forms import SubmissionSerializer
from annotate.feedback.kinds.ranking import store_judgement
from annotate.feedback.models import STRONGEST, Ranking
from annotate.feedback.naming import name_of

COMPARISON_VERDICTS = ["better", "tie", "all_bad"]


class ComparisonSubmissionSerializer(SubmissionSerializer):
    verdict = serializers.ChoiceField(COMPARISON_VERDICTS)
    chosen = serializers.IntegerField(
        required=False, allow_null=True, help_text="verdict better: the better completion's id"
    )
    strength = serializers.IntegerField(
        min_value=1,
        max_value=STRONGEST,
        required=False,
        allow_null=True,
        help_text="verdict better: 1 slightly, 2 clearly, 3 much",
    )


@transaction.atomic
def submit_comparison(
    assignment_id: int,
    annotator: Annotator,
    handed_in: HandedIn,
    *,
    verdict: str,
    chosen: int | None = None,
    strength: int | None = None,
) -> Stored:
    """Store which of two is better, and how much, as a ranking: [[chosen], [other]], or one tier for a tie.

    verdict: better, tie or all_bad.
    """
    assignment, stored, earlier = begin_submission(KIND, assignment_id, annotator, handed_in)
    if stored:
        return Stored(stored, False)
    shown = assignment.shown_order
    check_choice(verdict, chosen, strength, completions=shown)
    tiers = [shown] if verdict == "tie" else []
    if verdict == "better" and chosen is not None:
        tiers = [[chosen], [id for id in shown if id != chosen]]
    comparison = store_judgement(
        KIND, assignment, earlier, handed_in, tiers=tiers, all_bad=verdict == "all_bad", strength=strength
    )
    return Stored(comparison, True)


def _content_of(comparison: Ranking) -> dict[str, Any]:
    is_choice = comparison.strength is not None
    return {
        "verdict": "better" if is_choice else "all_bad" if comparison.all_bad else "tie",
        "chosen": comparison.tiers[0][0] if is_choice else None,
        "strength": comparison.strength,
    }


def _renamed(content: dict[str, Any], names: Mapping[int, int]) -> dict[str, Any]:
    return {**content, "chosen": name_of(content.get("chosen"), names)}


KIND = Kind(
    Campaign.Kind.COMPARISON,
    Ranking,
    ComparisonSubmissionSerializer,
    submit_comparison,
    _content_of,
    _renamed,
)
