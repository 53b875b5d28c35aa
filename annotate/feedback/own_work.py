"""What one person has begun and what they have given, in a number of queries that does not depend on how much."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Count, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.campaigns.overview import Median
from annotate.feedback.models import Assignment
from annotate.feedback.remarks import asked_in
from annotate.feedback.revisions import correct_until

NUM_DRAFTS, NUM_RECENT = 50, 20
COLUMNS = ("id", "campaign_id", "campaign__name", "campaign__kind", "campaign__language")


def own_work(user: User, *, since: datetime | None = None, on_device: Iterable[int] = ()) -> dict[str, Any]:
    """Drafts (those in `on_device` too, of which the server may have no word), the latest submissions, and figures.

    Only of campaigns in which one is still a member.
    """
    own = Assignment.objects.filter(annotator__user=user, campaign__memberships__user=user)
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
        name: Coalesce(F(f"demonstration__{name}"), F(f"ranking__{name}"))
        for name in ("seconds_spent", "is_surplus", "revision", "created_at")
    }
    latest = own.filter(state=Assignment.State.SUBMITTED).order_by("-ended_at", "-id")[:NUM_RECENT]
    rows = latest.annotate(asked=asked_in("unit__prompt"), **given).values(
        *COLUMNS, "asked", "ended_at", "campaign__status", "campaign__correction_hours", *given
    )
    now, shown = timezone.now(), []
    for row in rows:
        until = correct_until(Campaign(correction_hours=row["campaign__correction_hours"]), row["created_at"])
        is_open = row["campaign__status"] != Campaign.Status.CLOSED
        shown.append({**row, "correct_until": until, "can_correct": is_open and now < until})
    return shown


def _figures(own: QuerySet[Assignment], since: datetime) -> list[dict[str, Any]]:
    spent = Coalesce(F("demonstration__seconds_spent"), F("ranking__seconds_spent"))
    submitted = own.filter(state=Assignment.State.SUBMITTED).order_by("campaign_id").values("campaign_id")
    counted = submitted.annotate(
        num_submitted=Count("id"),
        num_since=Count("id", filter=Q(ended_at__gte=since)),
        seconds_per_unit=Median(spent),
    )
    return [{**row, "campaign": row["campaign_id"]} for row in counted]
