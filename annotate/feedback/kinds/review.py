"""Reviews: what was decided of another's submission, and what follows from it."""

import uuid
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from annotate.accounts.models import Annotator
from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign
from annotate.feedback.kinds import chat
from annotate.feedback.kinds.base import Stored, begin_submission, store_submission
from annotate.feedback.kinds.checks import refuse
from annotate.feedback.kinds.ranking import demonstrated_in
from annotate.feedback.kinds.revisions import submission_of
from annotate.feedback.kinds.submits import SUBMITS_OF_WORK
from annotate.feedback.models import Assignment, Ranking, Review, Verdict


@transaction.atomic
def submit_review(
    assignment_id: int,
    annotator: Annotator,
    *,
    submission_key: uuid.UUID,
    verdict: str,
    reviewed_revision: int,
    comment: str = "",
    correction: dict[str, Any] | None = None,
    seconds_spent: float | None = None,
    revises: int | None = None,
) -> Stored:
    """Store what a reviewer decided of another's submission, and do it. The same key again changes nothing.

    correction: what the work should say, as its own kind is submitted; it becomes the next revision, and the one
    before is kept. A review whose slot went to somebody else is stored and does nothing.
    """
    # Its author's row first: who corrects their own work locks it before they queue it here.
    mine = Assignment.objects.filter(id=assignment_id, annotator=annotator).values("unit__reviewed")
    of_author = Assignment.objects.select_for_update(of=("self",), no_key=True).filter(id__in=mine)
    reviewed = of_author.select_related("campaign", "annotator").first()
    assignment, stored, _earlier = begin_submission(assignment_id, annotator, Review, submission_key, revises)
    if stored:
        return Stored(stored, False)
    work = submission_of(reviewed) if reviewed else None
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
        Review,
        assignment,
        annotator,
        None,
        submission_key=submission_key,
        seconds_spent=seconds_spent,
        reviewed=reviewed,
        reviewed_revision=reviewed_revision,
        verdict=verdict,
        comment=comment.strip(),
    )
    if review.is_surplus:
        return Stored(review, True)
    if correction is not None:
        SUBMITS_OF_WORK[reviewed.campaign.kind](
            reviewed.id,
            reviewed.annotator,
            **correction | {"submission_key": uuid.uuid4(), "seconds_spent": work.seconds_spent},
            revises=work.revision,
            by_reviewer=True,
        )
    type(work).objects.filter(pk=work.pk).update(review_state=verdict)
    if isinstance(work, Ranking):
        demonstrated_in(work).update(review_state=verdict)
    elif reviewed.campaign.kind == Campaign.Kind.CHAT:  # its choices fare as it does
        chat.demonstrated_in_chat(work).update(review_state=verdict)
        chat.rankings_of_chat(work).update(review_state=verdict)
    return Stored(review, True)


SUBMITS = SUBMITS_OF_WORK | {Campaign.Kind.REVIEW: submit_review}
