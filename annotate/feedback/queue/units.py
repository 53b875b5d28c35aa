"""What waits: units, queued at the end of their priority, for as many people as the campaign's overlap asks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from annotate.campaigns.models import Campaign, Prompt
from annotate.campaigns.services import AddedPrompts, NewPrompt, add_prompts, change_settings
from annotate.feedback.models import Assignment, Unit
from annotate.feedback.queue import leasing

BATCH = 2000


@dataclass
class NewUnit:
    """A unit to be queued. The same `external_id` again is queued once."""

    prompt_id: int
    completion_ids: Sequence[int] = ()
    external_id: str = ""
    reviewed_id: int | None = None


@transaction.atomic
def queue_units(
    campaign: Campaign, units: Iterable[NewUnit], *, priority: int = 0, overlap: int | None = None
) -> int:
    """Queue units at the end of their priority; how many were new. Made for some hundred thousand at once."""
    campaign = Campaign.objects.select_for_update(no_key=True).get(id=campaign.id)
    overlap = overlap or campaign.overlap
    later = Unit.objects.filter(campaign=campaign, priority__gt=priority, open_slots__gt=0)
    are_behind = later.exists() or campaign.memberships.filter(cursor_priority__gt=priority).exists()
    waiting, num_new = iter(units), 0
    while batch := list(islice(waiting, BATCH)):
        named = {unit.external_id for unit in batch} - {""}
        known = set(
            Unit.objects.filter(campaign=campaign, external_id__in=named).values_list(
                "external_id", flat=True
            )
        )
        fresh = [unit for unit in batch if unit.external_id not in known]
        leasing.insert_units(
            campaign,
            [(unit.prompt_id, unit.external_id, unit.completion_ids, unit.reviewed_id) for unit in fresh],
            overlap=overlap,
            priority=priority,
        )
        num_new += len(fresh)
    if num_new and are_behind:  # behind the cursors of those who have begun on what is later
        leasing.begin_anew(campaign)
    if num_new >= BATCH // 2:
        leasing.refresh_statistics()
    return num_new


def create_units(campaign: Campaign, prompts: Iterable[Prompt], *, priority: int = 0) -> int:
    """Units in which a person writes: one for each prompt."""
    return queue_units(campaign, (NewUnit(prompt.id) for prompt in prompts), priority=priority)


def queue_ranking_units(
    campaign: Campaign, candidates: Iterable[tuple[int, Sequence[int]]], *, priority: int = 0
) -> int:
    """Units in which a person ranks, from (prompt id, completion ids)."""
    return queue_units(campaign, (NewUnit(*candidate) for candidate in candidates), priority=priority)


def queue_reviews(campaign: Campaign, most: int = BATCH) -> int:
    """What was submitted to the campaign that this one reviews and has no unit here yet; how many were queued."""
    if campaign.kind != Campaign.Kind.REVIEW:
        return 0
    submitted = Assignment.objects.filter(
        campaign=campaign.reviewed_campaign_id, state=Assignment.State.SUBMITTED, holds_slot=True
    ).exclude(Exists(Unit.objects.filter(campaign=campaign, reviewed=OuterRef("pk"))))
    waiting = submitted.order_by("pk").values_list("unit__prompt", "pk")[:most]
    return queue_units(campaign, [NewUnit(prompt, (), f"{pk}", pk) for prompt, pk in waiting])


def queue_all_reviews() -> None:
    for campaign in Campaign.objects.filter(kind=Campaign.Kind.REVIEW, status=Campaign.Status.OPEN):
        queue_reviews(campaign)


@transaction.atomic
def queue_prompts(campaign: Campaign, prompts: Iterable[NewPrompt]) -> AddedPrompts:
    """Add prompts; those that are new to a campaign of demonstrations or chats wait there for a writer."""
    added = add_prompts(campaign, prompts)
    if campaign.kind in Campaign.WRITING:
        create_units(campaign, added.created)
    return added


@transaction.atomic
def update_campaign(campaign: Campaign, changes: dict[str, Any]) -> Campaign:
    """Change a campaign's settings. A new overlap also holds for the units that had the old one."""
    before = Campaign.objects.select_for_update(no_key=True).get(id=campaign.id).overlap
    campaign = change_settings(campaign, changes)
    if campaign.overlap != before:
        leasing.change_overlap(campaign, before)
    return campaign
