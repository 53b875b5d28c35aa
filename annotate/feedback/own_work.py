"""What one person has begun and what they have given, in a number of queries that does not depend on how much."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Count,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotate.accounts.models import User
from annotate.campaigns.access import workers
from annotate.campaigns.models import Campaign
from annotate.feedback.kinds.revisions import can_correct, correct_until
from annotate.feedback.kinds.table import REVIEWED_IN, SUBMITTED_TO
from annotate.feedback.models import Assignment, Review, Verdict
from annotate.feedback.overview import Median
from annotate.feedback.remarks import asked_in

NUM_DRAFTS, NUM_RECENT = 50, 20
COLUMNS = ("id", "campaign_id", "campaign__name", "campaign__kind", "campaign__language")


def own_work(user: User, *, since: datetime | None = None, on_device: Iterable[int] = ()) -> dict[str, Any]:
    """Drafts (those in `on_device` too, of which the server may have no word), the latest submissions, and figures.

    Only of campaigns in which one is still a member.
    """
    own = Assignment.objects.filter(
        annotator__user=user, campaign__memberships__in=workers().filter(user=user)
    )
    return {
        "drafts": _drafts(own, list(on_device)),
        "recent": _recent(own),
        "figures": _figures(own, since or timezone.now()),
    }


def _drafts(own: QuerySet[Assignment], on_device: list[int]) -> list[dict[str, Any]]:
    ended = [Assignment.State.SUBMITTED, Assignment.State.SKIPPED]
    begun = own.exclude(state__in=ended).filter(Q(draft__isnull=False) | Q(id__in=on_device))
    is_taken = Case(
        When(holds_slot=False, unit__open_slots=0, then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    latest = begun.order_by(F("draft__saved_at").desc(nulls_first=True), "-id")[:NUM_DRAFTS]
    columns = latest.annotate(
        asked=asked_in("unit__prompt"), is_taken=is_taken, saved_at=F("draft__saved_at")
    )
    return list(columns.values(*COLUMNS, "asked", "is_taken", "saved_at"))


def _recent(own: QuerySet[Assignment]) -> list[dict[str, Any]]:
    given = {
        name: Coalesce(*(F(f"{table}__{name}") for table in SUBMITTED_TO))
        for name in ("seconds_spent", "is_surplus", "revision", "created_at")
    }
    state = Coalesce(*(F(f"{table}__review_state") for table in REVIEWED_IN), Value(""))
    is_returned = Case(
        When(review_state=Verdict.RETURNED, then=Value(True)),
        default=Value(False),
        output_field=BooleanField(),
    )
    submitted = own.filter(state=Assignment.State.SUBMITTED)
    with_state = submitted.annotate(review_state=state)
    latest = with_state.order_by(is_returned.desc(), "-ended_at", "-id")[:NUM_RECENT]
    said = Review.objects.filter(reviewed=OuterRef("pk"), is_surplus=False).order_by("-pk").values("comment")
    rows = latest.annotate(
        asked=asked_in("unit__prompt"),
        comment=Coalesce(Subquery(said[:1]), Value(""), output_field=TextField()),
        **given,
    ).values(
        *COLUMNS,
        "asked",
        "comment",
        "ended_at",
        "campaign__status",
        "campaign__correction_hours",
        "review_state",
        *given,
    )
    shown = []
    for row in rows:
        campaign = Campaign(
            status=row["campaign__status"], correction_hours=row["campaign__correction_hours"]
        )
        until = correct_until(campaign, row["created_at"])
        allowed = can_correct(campaign, row["review_state"], row["created_at"])
        shown.append({**row, "correct_until": until, "can_correct": allowed})
    return shown


def _figures(own: QuerySet[Assignment], since: datetime) -> list[dict[str, Any]]:
    spent = Coalesce(*(F(f"{table}__seconds_spent") for table in SUBMITTED_TO))
    submitted = own.filter(state=Assignment.State.SUBMITTED).order_by("campaign_id").values("campaign_id")
    counted = submitted.annotate(
        num_submitted=Count("id"),
        num_since=Count("id", filter=Q(ended_at__gte=since)),
        seconds_per_unit=Median(spent),
    )
    return [{**row, "campaign": row["campaign_id"]} for row in counted]
