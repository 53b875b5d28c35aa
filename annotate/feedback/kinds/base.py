"""What every submission goes through: the lock, a key seen before, a correction, the end of its lease."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Generic, Self, TypeVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.accounts.models import Annotator
from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign
from annotate.feedback.kinds.checks import refuse
from annotate.feedback.kinds.forms import SubmissionSerializer
from annotate.feedback.kinds.revisions import keep_revision, refuse_correction
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


@dataclass(frozen=True)
class HandedIn:
    """What comes with every submission. The same key again changes nothing.

    `revises`: the revision that this corrects. `by_reviewer`: a reviewer has mended it, in its author's place.
    """

    submission_key: uuid.UUID
    seconds_spent: float | None = None
    revises: int | None = None
    by_reviewer: bool = False

    @classmethod
    def taken_out_of(cls, given: dict[str, Any]) -> Self:
        """From what a form has read; what is left is the kind's own."""
        return cls(**{field.name: given.pop(field.name) for field in fields(cls) if field.name in given})


def _unchanged(content: dict[str, Any], names: Mapping[int, int]) -> dict[str, Any]:
    return content


def _nothing(submission: Any) -> list[QuerySet[Any]]:
    return []


@dataclass(frozen=True)
class Kind(Generic[Given]):
    """All that is particular to one kind of feedback, beside what its campaign is asked (`campaigns.models.Campaign`).

    submit(assignment_id, annotator, handed_in, **the form's own fields): stores it, in one transaction.
    content_of: what was handed in, in the form in which it is handed in, with completions named by their ids.
    renamed(content, names): the same with other names for completions (`feedback.naming`).
    made_beside: further rows that the submission has made, which fare in its review as it does.
    """

    name: str
    submission: type[Given]
    form: type[SubmissionSerializer]
    submit: Callable[..., Stored]
    content_of: Callable[[Given], dict[str, Any]]
    renamed: Callable[[dict[str, Any], Mapping[int, int]], dict[str, Any]] = _unchanged
    made_beside: Callable[[Given], Iterable[QuerySet[Any]]] = _nothing

    @property
    def table(self) -> str:
        """Its submissions as a relation of their assignment, and, with an s, as they are counted (`Tally`)."""
        return str(self.submission._meta.model_name)

    def given_in(self, assignment: Assignment) -> Given | None:
        """What was submitted."""
        return self.submission.objects.filter(assignment=assignment).first()


def begin_submission(
    kind: Kind[Given], assignment_id: int, annotator: Annotator, handed_in: HandedIn
) -> tuple[Assignment, Given | None, Given | None]:
    """The locked assignment; its submission if this very one was sent before; the submission that is corrected."""
    assignment = locked_assignment(assignment_id, annotator)
    if assignment.campaign.kind != kind.name:
        raise refuse("kind", _("This campaign collects another kind of feedback."), "kind")
    key = handed_in.submission_key
    stored = kind.submission.objects.filter(submission_key=key).first()
    if stored and stored.assignment_id != assignment.id:
        raise refuse("submission_key", _("This key was used for another submission. Make a new one."), "used")
    if stored:
        return assignment, stored, None
    if not handed_in.by_reviewer:
        refuse_outsiders(assignment)
    if assignment.state != Assignment.State.SUBMITTED:
        return assignment, None, None
    earlier = kind.submission.objects.get(assignment=assignment)
    if assignment.revisions.filter(submission_key=key).exists():  # sent again after it was corrected
        return assignment, earlier, None
    if isinstance(earlier, Review):
        raise Conflict(_("This was submitted already."), "already_submitted")
    if handed_in.revises is None:
        already = _("This was submitted already, with other words. Open it again to correct it.")
        raise Conflict(already, "already_submitted")
    if not handed_in.by_reviewer:
        refuse_correction(assignment, earlier, handed_in.revises)
    return assignment, None, earlier


def store_submission(
    kind: Kind[Given], assignment: Assignment, earlier: Given | None, handed_in: HandedIn, **content: Any
) -> Given:
    """A new submission, or the next revision of an earlier one, whose words are kept beside it."""
    content |= {"submission_key": handed_in.submission_key, "seconds_spent": handed_in.seconds_spent}
    if earlier is None or isinstance(earlier, Review):  # a review is never corrected
        campaign, prompt = assignment.campaign, assignment.unit.prompt
        return kind.submission.objects.create(
            campaign=campaign,
            assignment=assignment,
            annotator=assignment.annotator,
            is_surplus=end_submission(assignment),
            language=prompt.language or campaign.language,
            **content,
        )
    keep_revision(assignment, earlier, kind.content_of(earlier))
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
