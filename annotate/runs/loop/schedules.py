"""Rounds and snapshots that start by themselves: after some hours, after enough new feedback, or both."""

import logging
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign
from annotate.feedback.overview import tallies_of
from annotate.runs.loop.rounds import check_config, start_round
from annotate.runs.models import Round, Schedule
from annotate.snapshots.services import SnapshotRefused, queue_snapshot

log = logging.getLogger(__name__)


def save_schedule(schedule: Schedule | None, changes: dict[str, Any]) -> Schedule:
    """Make a schedule (None) or change what is named of one. A new one counts feedback and hours from now on."""
    campaigns = changes.pop("campaigns", None)
    check_config(changes.get("config") or {})
    try:
        with transaction.atomic():
            if schedule is None:
                schedule = Schedule(last_started_at=timezone.now(), **changes)
                schedule.last_feedback_count = num_feedback(campaigns or [])
            else:  # the clock writes on the row too, at any moment
                schedule = Schedule.objects.select_for_update(no_key=True).get(pk=schedule.pk)
            for name, value in changes.items():
                setattr(schedule, name, value)
            _refuse_never(schedule)
            schedule.save(update_fields=list(changes) if schedule.pk else None)
            if campaigns is not None:
                schedule.campaigns.set(campaigns)
    except IntegrityError as error:
        raise Conflict(_("There is a schedule of this name already; choose another.")) from error
    return schedule


def _refuse_never(schedule: Schedule) -> None:
    if not schedule.every_hours and not schedule.min_new_feedback:
        raise ValidationError(
            {"every_hours": [_("Say when: every so many hours, after so much feedback, or both.")]}
        )


def num_feedback(campaigns: list[Campaign]) -> int:
    """Demonstrations and rankings that count (models.that_counts), from the counts that the database keeps."""
    held = tallies_of([campaign.pk for campaign in campaigns]).values()
    signs = {"demonstrations": 1, "rankings": 1, "surplus": -1, "returned": -1}
    return sum(sign * one.get(name, 0) for one in held for name, sign in signs.items())


def is_due(schedule: Schedule, count: int) -> bool:
    """Each condition that the schedule names must hold."""
    waited = timezone.now() - (schedule.last_started_at or schedule.created_at)
    if schedule.every_hours and waited < timedelta(hours=schedule.every_hours):
        return False
    return not schedule.min_new_feedback or count - schedule.last_feedback_count >= schedule.min_new_feedback


def start_due_schedules() -> None:
    """One look at every schedule. One whose last round still runs waits for it."""
    for pk in list(Schedule.objects.filter(is_enabled=True).values_list("pk", flat=True)):
        try:
            with transaction.atomic():
                schedule = (
                    Schedule.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
                    .select_related("base_policy")
                    .filter(pk=pk, is_enabled=True)
                    .first()
                )
                if schedule is not None:
                    _start_if_due(schedule)
        except (SnapshotRefused, ValidationError) as refusal:
            log.warning("schedule %s: %s", pk, refusal)


def _start_if_due(schedule: Schedule) -> None:
    campaigns = list(schedule.campaigns.all())
    count = num_feedback(campaigns)
    is_busy = schedule.rounds.filter(state=Round.State.RUNNING).exists()
    if not campaigns or is_busy or not is_due(schedule, count):
        return
    schedule.last_started_at, schedule.last_feedback_count = timezone.now(), count
    schedule.save(update_fields=["last_started_at", "last_feedback_count"])
    if schedule.snapshot_only:
        queue_snapshot(campaigns=campaigns)
    else:
        start_round(
            campaigns=campaigns, base_policy=schedule.base_policy, config=schedule.config, schedule=schedule
        )
    log.info("schedule %s started", schedule.name)
