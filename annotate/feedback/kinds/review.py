"""Reviews: what was decided of another's submission, and what follows from it."""

import uuid
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework import serializers

from annotate.accounts.models import Annotator
from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign
from annotate.feedback.kinds.base import HandedIn, Kind, Stored, begin_submission, store_submission
from annotate.feedback.kinds.checks import refuse
from annotate.feedback.kinds.forms import SubmissionSerializer
from annotate.feedback.kinds.work import WORK
from annotate.feedback.models import Assignment, Review, Unit, Verdict


class ReviewSubmissionSerializer(SubmissionSerializer):
    verdict = serializers.ChoiceField(Verdict.choices)
    reviewed_revision = serializers.IntegerField(min_value=1, help_text="the revision that was looked at")
    comment = serializers.CharField(
        max_length=4_000, required=False, allow_blank=True, help_text="for its author; needed to return it"
    )
    content = serializers.DictField(
        required=False, allow_null=True, help_text="verdict corrected: the work as its own kind is submitted"
    )


@transaction.atomic
def submit_review(
    assignment_id: int,
    annotator: Annotator,
    handed_in: HandedIn,
    *,
    verdict: str,
    reviewed_revision: int,
    comment: str = "",
    correction: dict[str, Any] | None = None,
) -> Stored:
    """Store what a reviewer decided of another's submission, and do it.

    correction: what the work should say, as its own kind is submitted; it becomes the next revision, and the one
    before is kept. A review whose slot went to somebody else is stored and does nothing.
    """
    # Its author's row first: who corrects their own work locks it before they queue it here.
    mine = Assignment.objects.filter(id=assignment_id, annotator=annotator).values("unit__reviewed")
    of_author = Assignment.objects.select_for_update(of=("self",), no_key=True).filter(id__in=mine)
    reviewed = of_author.select_related("campaign", "annotator").first()
    assignment, stored, _earlier = begin_submission(KIND, assignment_id, annotator, handed_in)
    if stored:
        return Stored(stored, False)
    work = WORK[reviewed.campaign.kind].given_in(reviewed) if reviewed else None
    if reviewed is None or work is None:
        raise refuse("kind", _("This campaign collects another kind of feedback."), "kind")
    if work.revision != reviewed_revision:
        changed = _("Its author has corrected this meanwhile. Look at it as it is now.")
        raise Conflict(changed, "revision")
    if verdict == Verdict.RETURNED and not comment.strip():
        raise refuse("comment", _("Say what its author is to change."), "blank")
    if (verdict == Verdict.CORRECTED) != (correction is not None):
        raise refuse(
            "content", _("A correction, and nothing else, comes with the corrected work."), "content"
        )
    review = store_submission(
        KIND,
        assignment,
        None,
        handed_in,
        reviewed=reviewed,
        reviewed_revision=reviewed_revision,
        verdict=verdict,
        comment=comment.strip(),
    )
    if not review.is_surplus:
        _settle(reviewed, work, verdict, correction)
    return Stored(review, True)


def _settle(reviewed: Assignment, work: Any, verdict: str, correction: dict[str, Any] | None) -> None:
    """The work as it was mended, and how it fares, with all that it has made beside itself."""
    kind = WORK[reviewed.campaign.kind]
    if correction is not None:
        assert reviewed.annotator is not None
        mended = HandedIn(uuid.uuid4(), work.seconds_spent, revises=work.revision, by_reviewer=True)
        kind.submit(reviewed.id, reviewed.annotator, mended, **correction)
    for rows in [kind.submission.objects.filter(pk=work.pk), *kind.made_beside(work)]:
        rows.update(review_state=verdict)
    # A ranking that was returned, or accepted after that, counts otherwise than it did among those of its unit.
    Unit.objects.filter(id=reviewed.unit_id, overlap__gt=1).update(has_new_judgements=True)


def _content_of(review: Review) -> dict[str, Any]:
    return {
        "verdict": review.verdict,
        "comment": review.comment,
        "reviewed_revision": review.reviewed_revision,
    }


KIND = Kind(Campaign.Kind.REVIEW, Review, ReviewSubmissionSerializer, submit_review, _content_of)
