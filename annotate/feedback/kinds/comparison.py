"""Comparisons of two: which is better and how much, stored as a ranking of two."""

import uuid

from annotate.accounts.models import Annotator
from annotate.feedback.kinds.base import Stored
from annotate.feedback.kinds.checks import check_choice
from annotate.feedback.kinds.ranking import submit_ranking
from annotate.feedback.models import Assignment


def submit_comparison(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    verdict: str,
    chosen: int | None = None,
    strength: int | None = None,
    seconds_spent: float | None = None,
    revises: int | None = None,
    by_reviewer: bool = False,
) -> Stored:
    """Store which of two is better, and how much, as a ranking: [[chosen], [other]], or one tier for a tie.

    verdict: better, tie or all_bad. The same key again changes nothing.
    """
    shown = Assignment.objects.filter(id=assignment_id, annotator=annotator)
    completions: list[int] = shown.values_list("shown_order", flat=True).first() or []
    check_choice(verdict, chosen, strength, completions=completions)
    tiers = [completions] if verdict == "tie" else []
    if verdict == "better" and chosen is not None:
        tiers = [[chosen], [id for id in completions if id != chosen]]
    return submit_ranking(
        assignment_id,
        annotator,
        submission_key=submission_key,
        tiers=tiers,
        all_bad=verdict == "all_bad",
        strength=strength,
        seconds_spent=seconds_spent,
        revises=revises,
        by_reviewer=by_reviewer,
    )
