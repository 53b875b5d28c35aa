"""Corrections: until when a submission may be corrected, and how the words before are kept."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign
from annotate.feedback.models import Assignment, Demonstration, Ranking, Revision, Verdict


def correct_until(campaign: Campaign, given_at: datetime) -> datetime:
    """The end of the window, counted from the first submission; a correction does not prolong it."""
    return given_at + timedelta(hours=campaign.correction_hours)


def refuse_correction(assignment: Assignment, earlier: Demonstration | Ranking, revises: int) -> None:
    """Why this submission cannot be corrected now by what was written upon its revision `revises`."""
    if earlier.revision != revises:
        raise Conflict(
            _("This was corrected in another window. Open it again to see how it stands."), "revision"
        )
    if assignment.campaign.status == Campaign.Status.CLOSED:
        raise Conflict(_("This campaign is closed; what was submitted stays as it is."), "closed")
    if earlier.review_state in SETTLED:
        raise Conflict(_("A reviewer has settled this; it stays as it is."), "reviewed")
    if earlier.review_state == Verdict.RETURNED:  # for as long as the campaign lasts
        return
    if timezone.now() > correct_until(assignment.campaign, earlier.created_at):
        raise Conflict(_("The time in which this could be corrected is over."), "too_late")


SETTLED = (Verdict.ACCEPTED, Verdict.CORRECTED)


def can_correct(campaign: Campaign, review_state: str, given_at: datetime) -> bool:
    """Whether its author may change it now."""
    if campaign.status == Campaign.Status.CLOSED or review_state in SETTLED:
        return False
    return review_state == Verdict.RETURNED or timezone.now() < correct_until(campaign, given_at)


def keep_revision(
    assignment: Assignment, submission: Demonstration | Ranking, content: dict[str, Any]
) -> None:
    """Put away what a submission says, and make it ready to say something else."""
    Revision.objects.create(
        assignment=assignment,
        number=submission.revision,
        content=content,
        submission_key=submission.submission_key,
        seconds_spent=submission.seconds_spent,
        given_at=submission.corrected_at or submission.created_at,
    )
    submission.revision += 1
    submission.corrected_at = timezone.now()
