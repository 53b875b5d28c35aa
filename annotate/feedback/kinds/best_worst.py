"""Best and worst of K: two choices that order 2K-3 pairs, stored as a ranking whose middle is in no order."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework import serializers

from annotate.accounts.models import Annotator
from annotate.campaigns.models import Campaign
from annotate.feedback.kinds.base import HandedIn, Kind, Stored, begin_submission
from annotate.feedback.kinds.checks import refuse
from annotate.feedback.kinds.forms import SubmissionSerializer
from annotate.feedback.kinds.ranking import store_judgement
from annotate.feedback.models import Ranking
from annotate.feedback.naming import name_of


class BestWorstSubmissionSerializer(SubmissionSerializer):
    verdict = serializers.ChoiceField(["chosen", "tie", "all_bad"])
    best = serializers.IntegerField(
        required=False, allow_null=True, help_text="verdict chosen: the best completion's id"
    )
    worst = serializers.IntegerField(
        required=False, allow_null=True, help_text="verdict chosen: the worst completion's id"
    )


@transaction.atomic
def submit_best_worst(
    assignment_id: int,
    annotator: Annotator,
    handed_in: HandedIn,
    *,
    verdict: str,
    best: int | None = None,
    worst: int | None = None,
) -> Stored:
    """Store the best and the worst of K as a ranking: [[best], [all others], [worst]], or one tier for a tie.

    verdict: chosen, tie or all_bad.
    """
    assignment, stored, earlier = begin_submission(KIND, assignment_id, annotator, handed_in)
    if stored:
        return Stored(stored, False)
    shown = assignment.shown_order
    _check(verdict, best, worst, shown)
    tiers, is_chosen = [shown] if verdict == "tie" else [], verdict == "chosen"
    if is_chosen and best is not None and worst is not None:
        tiers = [[best], [id for id in shown if id not in (best, worst)], [worst]]
    judged = store_judgement(
        KIND,
        assignment,
        earlier,
        handed_in,
        tiers=[tier for tier in tiers if tier],
        all_bad=verdict == "all_bad",
        middle_unordered=is_chosen,
    )
    return Stored(judged, True)


def _check(verdict: str, best: int | None, worst: int | None, shown: Sequence[int]) -> None:
    """Two different ones of this unit are the best and the worst; a tie, or all bad, names neither."""
    for field, completion in (("best", best), ("worst", worst)):
        if verdict != "chosen" and completion is not None:
            reason = _("Where all are equally good, or all bad, none is the best or the worst.")
            raise refuse(field, reason, "not_chosen")
        if verdict == "chosen" and completion not in shown:
            raise refuse(field, _("Choose one of this unit's completions."), "unknown")
    if verdict == "chosen" and best == worst:
        raise refuse("worst", _("The best cannot be the worst as well: choose another."), "twice")


def _content_of(judged: Ranking) -> dict[str, Any]:
    is_chosen = len(judged.tiers) > 1
    return {
        "verdict": "chosen" if is_chosen else "all_bad" if judged.all_bad else "tie",
        "best": judged.tiers[0][0] if is_chosen else None,
        "worst": judged.tiers[-1][0] if is_chosen else None,
    }


def _renamed(content: dict[str, Any], names: Mapping[int, int]) -> dict[str, Any]:
    chosen = {place: name_of(content.get(place), names) for place in ("best", "worst")}
    return content | chosen


KIND = Kind(
    Campaign.Kind.BEST_WORST, Ranking, BestWorstSubmissionSerializer, submit_best_worst, _content_of, _renamed
)
