"""A person's lease of a unit, each step one verb in one transaction: begun, renewed, skipped, released, its draft."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied

from annotate.accounts.models import Annotator, User
from annotate.accounts.services import annotator_of
from annotate.api.errors import Conflict
from annotate.campaigns.access import workers
from annotate.campaigns.models import Campaign, Membership
from annotate.campaigns.services import mark_guidelines_read, terms_to_accept
from annotate.feedback.models import Assignment, Draft, Remark
from annotate.feedback.queue import leasing
from annotate.feedback.queue.units import queue_reviews

# One on the way to the server, one put aside for an instant (an undo); whoever has begun on more gets none ahead.
MOST_BEGUN = 2


@dataclass
class Next:
    """An assignment, or why there is none now."""

    assignment: Assignment | None
    reason: str = ""


@transaction.atomic
def lease_next_assignment(campaign: Campaign, user: User, *, is_ahead: bool = False) -> Next:
    """What a person works on next: what they hold, what they left a draft in, or the next unit of the queue.

    `is_ahead`: one unit beside what they work on, so that it is at hand when they submit. Asked again, in whatever
    window, it is the same one until they begin on it (`renew_lease`, a draft, or their next ask for work).
    """
    if "annotator" not in user.roles:
        raise PermissionDenied(_("Only people with the role annotator work on units."))
    # The lock keeps two windows of one person from taking two units.
    membership = (
        Membership.objects.select_for_update(of=("self",), no_key=True)
        .select_related("campaign")
        .filter(campaign=campaign, user=user)
        .first()
    )
    if membership is None:
        raise PermissionDenied(_("You are not a member of this campaign; an administrator can add you."))
    annotator, campaign = annotator_of(user), membership.campaign
    if terms_to_accept(campaign, user):
        return Next(None, "terms")
    if membership.guidelines_read is None:  # they lie beside the first unit
        in_force = campaign.guidelines.values_list("version", flat=True).first()
        mark_guidelines_read(campaign, user, in_force or 0)
    is_open = campaign.status == Campaign.Status.OPEN
    if is_ahead and leasing.num_begun(campaign, annotator) > MOST_BEGUN:
        return Next(None, "enough_begun")
    own = leasing.own_to_continue(campaign, annotator, is_ahead)
    has_begun = own is not None and own.holds_slot and not own.is_ahead
    if own and (is_open or has_begun) and leasing.take_slot(own):
        leasing.extend_lease(own, campaign, is_ahead)
        return Next(own)
    if not is_open:
        return Next(None, campaign.status)
    leased = leasing.lease_from_queue(membership, annotator, is_ahead)
    if leased is None and (leasing.sweep(leasing.SWEEP, campaign) or queue_reviews(campaign)):
        leased = leasing.lease_from_queue(membership, annotator, is_ahead)
    if leased is None and (own := leasing.own_to_begin_again(campaign, annotator)) and leasing.take_slot(own):
        leasing.extend_lease(own, campaign, is_ahead)
        leased = own
    return Next(leased) if leased else Next(None, leasing.why_nothing(campaign, annotator))


def locked_assignment(assignment_id: int, annotator: Annotator) -> Assignment:
    assignment = (
        Assignment.objects.select_for_update(of=("self",), no_key=True)
        .select_related("campaign", "unit__prompt", "annotator")
        .filter(id=assignment_id, annotator=annotator)
        .first()
    )
    if assignment is None:
        raise Http404
    return assignment


def refuse_outsiders(assignment: Assignment) -> None:
    """Whoever was put out of the campaign, or of the role annotator, meanwhile."""
    if not workers().filter(campaign=assignment.campaign_id, user=assignment.annotator.user_id).exists():
        out = _(
            "You do not work in this campaign any more, so nothing of this was stored. What you wrote stays on "
            "your device; an administrator can add you again."
        )
        raise PermissionDenied(out, "put_out")


def _refuse_ended(assignment: Assignment) -> None:
    if assignment.state == Assignment.State.SUBMITTED:
        raise Conflict(_("This was submitted already."), "already_submitted")
    if assignment.state == Assignment.State.SKIPPED:
        raise Conflict(_("You skipped this one; it has gone to others."), "skipped")


@transaction.atomic
def renew_lease(assignment_id: int, annotator: Annotator) -> Assignment:
    """More time. A lease that has ended is taken again while its slot is free; one that was ahead is begun."""
    assignment = locked_assignment(assignment_id, annotator)
    refuse_outsiders(assignment)
    _refuse_ended(assignment)
    if assignment.is_ahead and assignment.campaign.status != Campaign.Status.OPEN:
        raise Conflict(_("This campaign hands out nothing just now."), "not_open")
    if not leasing.take_slot(assignment):
        ended = _(
            "Your time for this one ended and somebody else has it now. You can still submit what you wrote."
        )
        raise Conflict(ended, "lease_ended")
    leasing.extend_lease(assignment, assignment.campaign)
    return assignment


@transaction.atomic
def skip(assignment_id: int, annotator: Annotator, reason: str = "") -> None:
    """Not for this person; somebody else gets it, and it never comes back to them. Administrators read the reason."""
    assignment = locked_assignment(assignment_id, annotator)
    if assignment.state == Assignment.State.SKIPPED:
        return
    _refuse_ended(assignment)
    leasing.let_go([assignment], Assignment.State.SKIPPED)
    if reason.strip():
        Remark.objects.create(
            campaign=assignment.campaign,
            assignment=assignment,
            reason=Remark.Reason.SKIPPED,
            text=reason.strip(),
        )


@transaction.atomic
def release(assignment_id: int, annotator: Annotator, *, only_ahead: bool = False) -> None:
    """Not now: the slot is free, the draft stays. `only_ahead`: unless another window has begun on it."""
    assignment = locked_assignment(assignment_id, annotator)
    ended = assignment.state in (Assignment.State.RELEASED, Assignment.State.EXPIRED)
    if ended or (only_ahead and not assignment.is_ahead):
        return
    _refuse_ended(assignment)
    leasing.let_go([assignment], Assignment.State.RELEASED)


def expire_leases(batch: int = 500) -> int:
    """End every lease whose time is over; how many. Short transactions, so that nobody waits long."""
    num_ended = 0
    while True:
        with transaction.atomic():
            ended = leasing.sweep(batch)
        num_ended += ended
        if ended < batch:
            return num_ended


@transaction.atomic
def save_draft(assignment_id: int, annotator: Annotator, content: Any, revision: int) -> Draft:
    """Keep what was typed, whatever became of the lease; a live lease is renewed by it.

    `revision` is the one that the client last read (0 for none). Another one means that another window saved
    since: nothing is overwritten, and the refusal carries what is stored.
    """
    assignment = locked_assignment(assignment_id, annotator)
    refuse_outsiders(assignment)
    draft = Draft.objects.filter(assignment=assignment).first() or Draft(assignment=assignment)
    if draft.revision == revision:
        draft.content, draft.revision = content, revision + 1
        draft.save()
    elif not (
        draft.revision == revision + 1 and draft.content == content
    ):  # the same save, sent twice, is fine
        stored = {"content": draft.content, "revision": draft.revision, "saved_at": draft.saved_at}
        raise Conflict(
            _("This was changed in another window. Choose which version to keep."),
            "draft_conflict",
            {"draft": stored if draft.pk else None},
        )
    if assignment.state == Assignment.State.LEASED:
        leasing.extend_lease(assignment, assignment.campaign)
    return draft
