"""What a list of campaigns shows beside each row, in a number of queries that does not depend on the rows."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import (
    Aggregate,
    Count,
    Exists,
    F,
    FilteredRelation,
    FloatField,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Sum,
)
from django.db.models.functions import Coalesce, Greatest, Now

from annotate.accounts.models import Annotator, User
from annotate.campaigns.access import oversees, visible_to
from annotate.campaigns.models import Campaign, Consent, Guidelines, Membership, Terms, default_sampling
from annotate.feedback.kinds.table import SUBMITTED_TO


@dataclass
class Mine:
    """What one login gave to a campaign of which it is a member, and what is still before it."""

    guidelines_read: int | None
    num_left: int = 0
    num_submitted: int = 0
    num_skipped: int = 0
    has_lease: bool = False
    needs_consent: bool = False


@dataclass
class Overview:
    """A campaign as one login sees it."""

    campaign: Campaign
    guidelines: Guidelines | None = None
    num_members: int = 0
    policies: list[Any] = field(default_factory=list)
    progress: dict[str, int] = field(default_factory=dict)
    mine: Mine | None = None
    # Those that this one names, where the login may see them.
    reviewed_campaign: Campaign | None = None
    ranking_campaign: Campaign | None = None

    @property
    def guidelines_version(self) -> int | None:
        return self.guidelines.version if self.guidelines else None

    @property
    def is_member(self) -> bool:
        return self.mine is not None

    @property
    def sampling(self) -> dict[str, Any]:
        return default_sampling() | self.campaign.sampling


def overviews(campaigns: QuerySet[Campaign], user: User) -> list[Overview]:
    if oversees(user):  # others must not learn which policies wrote what they judge
        campaigns = campaigns.prefetch_related("policies__policy_version")
    campaigns = campaigns.select_related("reviewed_campaign", "ranking_campaign")
    shown = {campaign.id: Overview(campaign) for campaign in campaigns}
    named = [id for one in campaigns for id in (one.reviewed_campaign_id, one.ranking_campaign_id) if id]
    visible = set(visible_to(user).filter(id__in=named).values_list("id", flat=True))
    for overview in shown.values():
        campaign = overview.campaign
        if campaign.reviewed_campaign_id in visible:
            overview.reviewed_campaign = campaign.reviewed_campaign
        if campaign.ranking_campaign_id in visible:
            overview.ranking_campaign = campaign.ranking_campaign
    if oversees(user):
        for overview in shown.values():
            overview.policies = sorted(overview.campaign.policies.all(), key=lambda policy: policy.id)
    ids = list(shown)
    # Their text, which may be long, is read where a campaign is shown alone.
    in_force = Guidelines.objects.filter(campaign__in=ids).order_by("campaign_id", "-version").defer("text")
    for guidelines in in_force.distinct("campaign_id"):
        shown[guidelines.campaign_id].guidelines = guidelines
    members = Membership.objects.filter(campaign__in=ids).values("campaign_id").order_by("campaign_id")
    is_mine = Q(user=user)
    for row in members.annotate(
        num=Count("id"), num_mine=Count("id", filter=is_mine), read=Max("guidelines_read", filter=is_mine)
    ):
        shown[row["campaign_id"]].num_members = row["num"]
        if row["num_mine"]:
            shown[row["campaign_id"]].mine = Mine(guidelines_read=row["read"])
    for campaign_id, progress in progress_of(ids).items():
        shown[campaign_id].progress = progress
    for overview in shown.values():
        if overview.mine:
            overview.mine.num_left = overview.progress["num_open"]
    _count_mine({id: overview.mine for id, overview in shown.items() if overview.mine}, user)
    return list(shown.values())


def _count_mine(mine: dict[int, Mine], user: User) -> None:
    for given in _given_by(user, list(mine)):
        counted = mine[given["campaign"]]
        counted.num_submitted, counted.num_skipped = given["submitted"], given["skipped"]
        counted.has_lease = given["live"] > 0
        counted.num_left += given["held_full"] - given["finished_open"]
    own = Annotator.objects.filter(
        user=user, authored_units__campaign__in=mine, authored_units__open_slots__gt=0
    )
    of_own = own.order_by().values("authored_units__campaign")
    for row in of_own.annotate(num=Count("authored_units")):  # nobody reviews their own work
        mine[row["authored_units__campaign"]].num_left -= row["num"]
    agreed = Exists(Consent.objects.filter(terms=OuterRef("pk"), user=user))
    in_force = Terms.objects.filter(campaign__in=mine).order_by("campaign_id", "-version")
    for terms in in_force.distinct("campaign_id").annotate(is_given=agreed):
        mine[terms.campaign_id].needs_consent = bool(terms.text.strip()) and not terms.is_given


def tallies_of(ids: list[int]) -> dict[int, dict[str, int]]:
    """{campaign id: {name: number}} of what campaigns hold, from the counts that the database keeps (feedback.Tally)."""
    held: dict[int, dict[str, int]] = {id: {} for id in ids}
    tallied = Campaign.objects.filter(tallies__campaign__in=ids).order_by().values("id", "tallies__name")
    for row in tallied.annotate(num=Sum("tallies__num")):
        held[row["id"]][row["tallies__name"]] = row["num"]
    return held


def progress_of(ids: list[int]) -> dict[int, dict[str, int]]:
    """{campaign id: num_units, num_done, num_open, num_leased}. Done = no open slot and no lease that holds one."""
    progress = {
        id: {
            "num_units": held.get("units", 0),
            "num_done": held.get("units", 0) - held.get("open", 0),
            "num_open": held.get("open", 0),
            "num_leased": 0,
        }
        for id, held in tallies_of(ids).items()
    }
    campaign, unit = "assignments__campaign", "assignments__unit"
    leased = Annotator.objects.filter(**{"assignments__state": "leased", f"{campaign}__in": ids})
    for row in (
        leased.order_by()
        .values(campaign)
        .annotate(
            held=Count(unit, distinct=True, filter=Q(**{f"{unit}__open_slots": 0})),
            live=Count(unit, distinct=True, filter=Q(assignments__lease_expires_at__gt=Now())),
        )
    ):
        progress[row[campaign]]["num_done"] -= row["held"]
        progress[row[campaign]]["num_leased"] = row["live"]
    return progress


def _given_by(user: User, ids: list[int]) -> list[dict[str, Any]]:
    """What one login gave; `finished_open`: units that still wait, but not for them; `held_full`: for nobody else."""
    campaign, state, slots = "assignments__campaign", "assignments__state", "assignments__unit__open_slots"
    finished = Q(**{f"{state}__in": ["submitted", "skipped"]})
    mine = Annotator.objects.filter(**{"user": user, f"{campaign}__in": ids}).order_by()
    live = Q(**{state: "leased", "assignments__lease_expires_at__gt": Now()})
    counted = mine.values(campaign=F(campaign)).annotate(
        submitted=Count(state, filter=Q(**{state: "submitted"})),
        skipped=Count(state, filter=Q(**{state: "skipped"})),
        live=Count(state, filter=live),
        finished_open=Count(state, filter=finished & Q(**{f"{slots}__gt": 0})),
        held_full=Count(state, filter=live & Q(**{slots: 0})),
    )
    return [dict(row) for row in counted]


class Median(Aggregate):
    template = "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def members_of(campaign: Campaign) -> QuerySet[Membership]:
    """Members with what each gave to this campaign, in one query."""
    of_them, given = "user__annotator__assignments", "given"
    # The join itself is of this campaign: a person's work in others is not read.
    here = FilteredRelation(of_them, condition=Q(**{f"{of_them}__campaign": campaign}))
    spent = Coalesce(*(f"{given}__{table}__seconds_spent" for table in SUBMITTED_TO))
    last = Greatest(f"{given}__leased_at", f"{given}__ended_at")
    return (
        campaign.memberships.select_related("user")
        .annotate(given=here)
        .annotate(
            num_submitted=Count(given, filter=Q(given__state="submitted")),
            num_skipped=Count(given, filter=Q(given__state="skipped")),
            seconds_per_unit=Median(spent),
            last_active_at=Max(last),
        )
        .order_by("user__username", "id")
    )
