"""What a submission has said, and before each correction: shown to those who may know."""

from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.http import Http404

from annotate.accounts.models import User
from annotate.campaigns.access import workers
from annotate.feedback.kinds.table import kind_of
from annotate.feedback.models import Assignment, Verdict
from annotate.feedback.naming import names_of

MOST_VERSIONS = 50  # are shown, the newest


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
    kind = kind_of(assignment)
    submission = kind.given_in(assignment)
    if submission is None:
        return []
    names = names_of(assignment)
    kept = assignment.revisions.order_by("-number")[: MOST_VERSIONS - 1]
    versions = [(revision.number, revision.content, revision.given_at) for revision in kept]
    given_at = submission.corrected_at or submission.created_at
    versions = [(submission.revision, kind.content_of(submission), given_at), *versions]
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
                "content": kind.renamed(content, names),
                "given_at": given_at,
                "is_by_reviewer": number in of_reviewers,
                "person": person.user if is_admin and person else None,
            }
        )
    return shown
