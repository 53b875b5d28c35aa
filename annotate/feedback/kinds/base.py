"""What every submission goes through: the lock, a key seen before, a correction, the end of its lease."""

import uuid
from dataclasses import dataclass
from typing import Any, TypeVar

from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.accounts.models import Annotator
from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign
from annotate.feedback.kinds.checks import refuse
from annotate.feedback.kinds.revisions import SUBMISSIONS, keep_revision, refuse_correction
from annotate.feedback.models import Assignment, Demonstration, Ranking, Review, Verdict
from annotate.feedback.queue import leasing
from annotate.feedback.queue.leases import locked_assignment, refuse_outsiders
from annotate.feedback.queue.units import NewUnit, queue_units

Given = TypeVar("Given", Demonstration, Ranking, Review)


@dataclass
class Stored:
    """What a submission became; `is_new` is False when the same one was sent before."""

    submission: Demonstration | Ranking | Review
    is_new: bool


def begin_submission(
    assignment_id: int,
    annotator: Annotator,
    kind: type[Given],
    key: uuid.UUID,
    revises: int | None,
    by_reviewer: bool = False,
) -> tuple[Assignment, Given | None, Given | None]:
    """The locked assignment; its submission if this very one was sent before; the submission that is corrected."""
    assignment = locked_assignment(assignment_id, annotator)
    if SUBMISSIONS[assignment.campaign.kind] is not kind:
        raise refuse("kind", _("This campaign collects another kind of feedback."), "kind")
    stored = kind.objects.filter(submission_key=key).first()
    if stored and stored.assignment_id != assignment.id:
        raise refuse("submission_key", _("This key was used for another submission. Make a new one."), "used")
    if stored:
        return assignment, stored, None
    if not by_reviewer:
        refuse_outsiders(assignment)
    if assignment.state != Assignment.State.SUBMITTED:
        return assignment, None, None
    earlier = kind.objects.get(assignment=assignment)
    if assignment.revisions.filter(submission_key=key).exists():  # sent again after it was corrected
        return assignment, earlier, None
    if isinstance(earlier, Review):
        raise Conflict(_("This was submitted already."), "already_submitted")
    if revises is None:
        already = _("This was submitted already, with other words. Open it again to correct it.")
        raise Conflict(already, "already_submitted")
    if not by_reviewer:
        refuse_correction(assignment, earlier, revises)
    return assignment, None, earlier


def store_submission(
    kind: type[Given], assignment: Assignment, annotator: Annotator, earlier: Given | None, **content: Any
) -> Given:
    """A new submission, or the next revision of an earlier one, whose words are kept beside it."""
    if earlier is None or isinstance(earlier, Review):  # a review is never corrected
        campaign, prompt = assignment.campaign, assignment.unit.prompt
        return kind.objects.create(
            campaign=campaign,
            assignment=assignment,
            annotator=annotator,
            is_surplus=end_submission(assignment),
            language=prompt.language or campaign.language,
            **content,
        )
    keep_revision(assignment, earlier)
    if earlier.review_state == Verdict.RETURNED:
        queue_again(assignment, earlier)
    earlier.review_state = ""
    for name, value in content.items():
        setattr(earlier, name, value)
    earlier.save(update_fields=[*content, "revision", "corrected_at", "review_state"])
    return earlier


def queue_again(assignment: Assignment, returned: Demonstration | Ranking) -> None:
    """What its author has submitted again after it was returned waits for another look."""
    review = Campaign.objects.filter(reviewed_campaign=assignment.campaign).first()
    if review:
        name = f"{assignment.id}:{returned.revision}"
        queue_units(review, [NewUnit(assignment.unit.prompt_id, (), name, assignment.id)])


def end_submission(assignment: Assignment) -> bool:
    """Whether it is surplus: its slot went to somebody else. It is kept all the same."""
    leasing.take_slot(assignment)
    assignment.state, assignment.ended_at, assignment.is_ahead = (
        Assignment.State.SUBMITTED,
        timezone.now(),
        False,
    )
    assignment.save(update_fields=["state", "holds_slot", "ended_at", "is_ahead"])
    return not assignment.holds_slot
