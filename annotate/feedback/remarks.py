"""Remarks: what annotators tell administrators about a unit, and what these do about it."""

from datetime import timedelta

from django.db import transaction
from django.db.models import CharField, F, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Coalesce, Left
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.accounts.models import User
from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign
from annotate.feedback.kinds.checks import refuse
from annotate.feedback.models import Assignment, Remark

EXCERPT = 160
MOST_AN_HOUR = 60  # of one person; administrators read them one by one


def asked_in(prompt: str) -> Coalesce:
    """The beginning of what a prompt asks, as a column: its last message, or its brief. `prompt` is the way to it."""
    last = KeyTextTransform("content", KeyTransform("-1", f"{prompt}__messages"))
    return Coalesce(Left(last, EXCERPT), Left(F(f"{prompt}__brief"), EXCERPT), output_field=CharField())


def make_remark(assignment: Assignment, reason: str, text: str) -> Remark:
    """A flag, or a comment; the work on the unit goes on."""
    if reason == Remark.Reason.COMMENT and not text.strip():
        raise refuse("text", _("A comment needs some words."), "blank")
    lately = Remark.objects.filter(
        assignment__annotator=assignment.annotator_id, created_at__gt=timezone.now() - timedelta(hours=1)
    )
    if lately.count() >= MOST_AN_HOUR:
        many = _(
            "You have made %(number)s remarks within an hour. Send this one in a while; it is kept here."
        )
        raise Conflict(many % {"number": MOST_AN_HOUR}, "too_many")
    return Remark.objects.create(
        campaign=assignment.campaign, assignment=assignment, reason=reason, text=text.strip()
    )


def remarks_of(campaign: Campaign, *, is_settled: bool | None = None) -> QuerySet[Remark]:
    """Newest first, with who said it and what the unit asks, in one query."""
    remarks = campaign.remarks.select_related("assignment__annotator__user", "settled_by")
    if is_settled is not None:
        remarks = remarks.filter(settled_at__isnull=not is_settled)
    return remarks.annotate(asked=asked_in("assignment__unit__prompt")).order_by("-id")


@transaction.atomic
def settle_remark(campaigns: QuerySet[Campaign], remark_id: int, *, is_settled: bool, by: User) -> Remark:
    """An administrator has dealt with it, or takes that back."""
    remark = (
        Remark.objects.select_for_update(of=("self",)).filter(id=remark_id, campaign__in=campaigns).first()
    )
    if remark is None:
        raise Http404
    remark.settled_at = timezone.now() if is_settled else None
    remark.settled_by = by if is_settled else None
    remark.save(update_fields=["settled_at", "settled_by"])
    return remarks_of(remark.campaign).get(id=remark.id)
