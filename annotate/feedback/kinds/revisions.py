"""Corrections: until when a submission may be corrected, what it says, and how the words before are kept."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.accounts.models import User
from annotate.api.errors import Conflict
from annotate.campaigns.access import workers
from annotate.campaigns.models import Campaign, Completion
from annotate.feedback.kinds.checks import OWN
from annotate.feedback.models import Assignment, Demonstration, Ranking, Review, Revision, Verdict
from annotate.feedback.naming import names_of, renamed

MOST_VERSIONS = 50  # are shown, the newest

# What a campaign of each kind collects.
SUBMISSIONS: dict[str, type[Demonstration] | type[Ranking] | type[Review]] = {
    Campaign.Kind.DEMONSTRATION: Demonstration,
    Campaign.Kind.RANKING: Ranking,
    Campaign.Kind.COMPARISON: Ranking,
    Campaign.Kind.REVIEW: Review,
    Campaign.Kind.CHAT: Demonstration,
}


def submission_of(assignment: Assignment) -> Any:
    """The demonstration, ranking or review that was submitted, or None."""
    return SUBMISSIONS[assignment.campaign.kind].objects.filter(assignment=assignment).first()


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


def content_of(submission: Demonstration | Ranking | Review) -> dict[str, Any]:
    """What was handed in, in the form in which it is handed in."""
    if isinstance(submission, Demonstration) and submission.campaign.kind == Campaign.Kind.CHAT:
        return {"turns": submission.metadata["turns"]}
    if isinstance(submission, Demonstration):
        return {"messages": submission.messages}
    if isinstance(submission, Review):
        return {
            "verdict": submission.verdict,
            "comment": submission.comment,
            "reviewed_revision": submission.reviewed_revision,
        }
    if submission.campaign.kind == Campaign.Kind.COMPARISON:
        return _choice_in(submission)
    own = own_completion(submission)
    names = {own.id: OWN} if own else {}
    ratings = submission.ratings.filter(criterion="overall").order_by("id")
    return {
        "tiers": _renamed(submission.tiers, names),
        "criteria": {name: _renamed(tiers, names) for name, tiers in submission.criteria.items()},
        "all_bad": submission.all_bad,
        "own_answer": own.text if own else "",
        "ratings": [
            {"completion": rating.completion_id, "value": rating.value, "flags": rating.flags}
            for rating in ratings
        ],
    }


def _choice_in(comparison: Ranking) -> dict[str, Any]:
    is_choice = comparison.strength is not None
    return {
        "verdict": "better" if is_choice else "all_bad" if comparison.all_bad else "tie",
        "chosen": comparison.tiers[0][0] if is_choice else None,
        "strength": comparison.strength,
    }


def _renamed(tiers: list[list[int]], names: dict[int, int]) -> list[list[int]]:
    return [[names.get(completion, completion) for completion in tier] for tier in tiers]


def own_completion(ranking: Ranking) -> Completion | None:
    """The better answer that whoever ranked wrote themselves."""
    return Completion.objects.filter(id=ranking.metadata.get("own_answer")).first()


def keep_revision(assignment: Assignment, submission: Demonstration | Ranking) -> None:
    """Put away what a submission says, and make it ready to say something else."""
    Revision.objects.create(
        assignment=assignment,
        number=submission.revision,
        content=content_of(submission),
        submission_key=submission.submission_key,
        seconds_spent=submission.seconds_spent,
        given_at=submission.corrected_at or submission.created_at,
    )
    submission.revision += 1
    submission.corrected_at = timezone.now()


def _review_of(reviewed: Assignment, user: User) -> Assignment | None:
    """Where a person reviews this."""
    return Assignment.objects.filter(unit__reviewed=reviewed, annotator__user=user).first()


def versions_of(user: User, assignment_id: int) -> list[dict[str, Any]]:
    """What a submission has said, the newest first: as it stands, and before each correction.

    For whoever submitted it, whoever is to review it, and admins, who alone learn the names; 404 for all others.
    """
    is_admin = "admin" in user.roles
    mine = {"annotator__user": user, "campaign__memberships__in": workers().filter(user=user)}
    reviews = Assignment.objects.filter(unit__reviewed=OuterRef("pk"), **mine)
    readable = Assignment.objects.filter(Q() if is_admin else Q(**mine) | Exists(reviews), id=assignment_id)
    assignment = readable.select_related("campaign", "annotator__user").first()
    if assignment is None:
        raise Http404
    submission = submission_of(assignment)
    if submission is None:
        return []
    reader = None if is_admin or assignment.annotator.user_id == user.pk else _review_of(assignment, user)
    names = names_of(assignment, reader)
    kept = assignment.revisions.order_by("-number")[: MOST_VERSIONS - 1]
    versions = [(revision.number, revision.content, revision.given_at) for revision in kept]
    given_at = submission.corrected_at or submission.created_at
    versions = [(submission.revision, content_of(submission), given_at), *versions]
    corrections = assignment.reviews.filter(verdict=Verdict.CORRECTED, is_surplus=False)
    of_reviewers = {
        review.reviewed_revision + 1: review.annotator
        for review in corrections.select_related("annotator__user")
    }
    shown = []
    for number, content, given_at in versions:
        person = of_reviewers.get(number, assignment.annotator)
        shown.append(
            {
                "number": number,
                "content": renamed(content, names),
                "given_at": given_at,
                "is_by_reviewer": number in of_reviewers,
                "person": person.user if is_admin and person else None,
            }
        )
    return shown
