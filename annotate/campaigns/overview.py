"""What a list of campaigns shows beside each row, in a number of queries that does not depend on the rows.

Units and assignments belong to a later app; they are reached by the names of their relations.
"""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Aggregate, Count, F, FloatField, Max, Q, QuerySet
from django.db.models.functions import Coalesce, Greatest, Now

from annotate.accounts.models import User
from annotate.campaigns.access import oversees
from annotate.campaigns.models import Campaign, Guidelines, Membership, default_sampling


@dataclass
class Overview:
    """A campaign as one login sees it."""

    campaign: Campaign
    guidelines: Guidelines | None = None
    num_members: int = 0
    policies: list[Any] = field(default_factory=list)
    progress: dict[str, int] = field(default_factory=dict)
    mine: dict[str, Any] | None = None

    @property
    def is_member(self) -> bool:
        return self.mine is not None

    @property
    def sampling(self) -> dict[str, Any]:
        return default_sampling() | self.campaign.sampling


def overviews(campaigns: QuerySet[Campaign], user: User) -> list[Overview]:
    if oversees(user):  # others must not learn which policies wrote what they judge
        campaigns = campaigns.prefetch_related("policies__policy_version")
    shown = {campaign.id: Overview(campaign) for campaign in campaigns}
    if oversees(user):
        for overview in shown.values():
            overview.policies = sorted(overview.campaign.policies.all(), key=lambda policy: policy.id)
    ids = list(shown)
    in_force = Guidelines.objects.filter(campaign__in=ids).order_by("campaign_id", "-version")
    for guidelines in in_force.distinct("campaign_id"):
        shown[guidelines.campaign_id].guidelines = guidelines
    members = Membership.objects.filter(campaign__in=ids).values("campaign_id").order_by("campaign_id")
    for row in members.annotate(num=Count("id"), is_mine=Count("id", filter=Q(user=user))):
        shown[row["campaign_id"]].num_members = row["num"]
        if row["is_mine"]:
            shown[row["campaign_id"]].mine = {"num_submitted": 0, "num_skipped": 0, "has_lease": False}
    for campaign_id, progress in progress_of(ids).items():
        shown[campaign_id].progress = progress
    for given in _given_by(user, ids):
        if (mine := shown[given["id"]].mine) is not None:
            mine |= {
                "num_submitted": given["submitted"],
                "num_skipped": given["skipped"],
                "has_lease": given["live"] > 0,
            }
    return list(shown.values())


def progress_of(ids: list[int]) -> dict[int, dict[str, int]]:
    """{campaign id: num_units, num_done, num_open, num_leased}. Done = no open slot and no lease that holds one."""
    campaigns = Campaign.objects.filter(id__in=ids).order_by("id").values("id")
    counted = campaigns.annotate(all=Count("units"), open=Count("units", filter=Q(units__open_slots__gt=0)))
    progress = {
        row["id"]: {
            "num_units": row["all"],
            "num_done": row["all"] - row["open"],
            "num_open": row["open"],
            "num_leased": 0,
        }
        for row in counted
    }
    leased = campaigns.filter(units__assignments__state="leased")
    live = Q(units__assignments__lease_expires_at__gt=Now())
    for row in leased.annotate(
        held=Count("units", distinct=True, filter=Q(units__open_slots=0)),
        live=Count("units", distinct=True, filter=live),
    ):
        progress[row["id"]]["num_done"] -= row["held"]
        progress[row["id"]]["num_leased"] = row["live"]
    return progress


def _given_by(user: User, ids: list[int]) -> list[dict[str, Any]]:
    mine = (
        Campaign.objects.filter(id__in=ids, units__assignments__annotator__user=user)
        .order_by("id")
        .values("id")
    )
    state = "units__assignments__state"
    live = Q(**{state: "leased", "units__assignments__lease_expires_at__gt": Now()})
    counted = mine.annotate(
        submitted=Count("id", filter=Q(**{state: "submitted"})),
        skipped=Count("id", filter=Q(**{state: "skipped"})),
        live=Count("id", filter=live),
    )
    return [dict(row) for row in counted]


class Median(Aggregate):
    template = "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def members_of(campaign: Campaign) -> QuerySet[Membership]:
    """Members with what each gave to this campaign, in one query."""
    given = "user__annotator__assignments"
    here = Q(**{f"{given}__campaign": F("campaign")})
    spent = Coalesce(f"{given}__demonstration__seconds_spent", f"{given}__ranking__seconds_spent")
    last = Greatest(f"{given}__leased_at", f"{given}__ended_at")
    return (
        campaign.memberships.select_related("user")
        .annotate(
            num_submitted=Count(given, filter=here & Q(**{f"{given}__state": "submitted"})),
            num_skipped=Count(given, filter=here & Q(**{f"{given}__state": "skipped"})),
            seconds_per_unit=Median(spent, filter=here),
            last_active_at=Max(last, filter=here),
        )
        .order_by("user__username")
    )
