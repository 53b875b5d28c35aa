"""Rounds and snapshots that start by themselves."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.feedback.models import Demonstration
from annotate.runs import tasks
from annotate.runs.loop.schedules import num_feedback, save_schedule
from annotate.runs.models import Round, Schedule
from annotate.snapshots.models import Snapshot


@pytest.fixture
def schedule(base, new_campaign):
    def make(**fields) -> Schedule:
        campaign = new_campaign("demonstration")
        return save_schedule(None, {"name": "s", "campaigns": [campaign], "base_policy": base} | fields)

    return make


def hours_pass(schedule: Schedule, hours: float) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(last_started_at=timezone.now() - timedelta(hours=hours))


def give(schedule: Schedule, num: int, **fields) -> None:
    campaign = schedule.campaigns.get()
    Demonstration.objects.bulk_create(
        Demonstration(campaign=campaign, messages=[], **fields) for _ in range(num)
    )


def test_a_round_starts_when_the_hours_have_passed_and_not_before(schedule):
    nightly = schedule(every_hours=24)
    tasks.start_due_schedules()
    assert not Round.objects.exists()
    hours_pass(nightly, 24.1)
    tasks.start_due_schedules()
    tasks.start_due_schedules()
    assert Round.objects.get().schedule == nightly


def test_a_round_starts_after_enough_new_feedback(schedule):
    eager = schedule(min_new_feedback=10)
    give(eager, 9)
    give(eager, 5, is_surplus=True)
    give(eager, 5, review_state="returned")
    tasks.start_due_schedules()
    assert not Round.objects.exists()
    give(eager, 1)
    tasks.start_due_schedules()
    assert Round.objects.count() == 1


def test_both_conditions_must_hold(schedule):
    both = schedule(every_hours=24, min_new_feedback=10)
    give(both, 10)
    tasks.start_due_schedules()
    assert not Round.objects.exists()
    hours_pass(both, 25)
    tasks.start_due_schedules()
    assert Round.objects.count() == 1


def test_a_schedule_waits_for_its_last_round(schedule):
    nightly = schedule(every_hours=1)
    hours_pass(nightly, 2)
    tasks.start_due_schedules()
    hours_pass(nightly, 2)
    tasks.start_due_schedules()
    assert Round.objects.count() == 1
    Round.objects.update(state=Round.State.FAILED)
    tasks.start_due_schedules()
    assert Round.objects.count() == 2


def test_a_disabled_schedule_rests(schedule):
    hours_pass(schedule(every_hours=1, is_enabled=False), 2)
    tasks.start_due_schedules()
    assert not Round.objects.exists()


def test_a_periodic_export_freezes_a_snapshot_and_trains_nothing(schedule):
    hours_pass(schedule(every_hours=1, snapshot_only=True), 2)
    tasks.start_due_schedules()
    assert Snapshot.objects.get().state == Snapshot.State.WRITING
    assert not Round.objects.exists()


def test_feedback_given_before_the_schedule_does_not_count(base, new_campaign):
    campaign = new_campaign("demonstration")
    Demonstration.objects.bulk_create(Demonstration(campaign=campaign, messages=[]) for _ in range(50))
    save_schedule(None, {"name": "s", "campaigns": [campaign], "base_policy": base, "min_new_feedback": 10})
    tasks.start_due_schedules()
    assert not Round.objects.exists()


def test_the_clock_reads_counts_and_walks_over_no_feedback(schedule):
    eager = schedule(min_new_feedback=10)
    give(eager, 3)
    with CaptureQueriesContext(connection) as queries:
        assert num_feedback(list(eager.campaigns.all())) == 3
    assert not [query for query in queries if "feedback_demonstration" in query["sql"]]


def test_a_change_does_not_undo_what_the_clock_has_just_written(schedule):
    eager = schedule(min_new_feedback=1)
    read_before = Schedule.objects.get(pk=eager.pk)
    give(eager, 1)
    tasks.start_due_schedules()
    save_schedule(read_before, {"name": "renamed"})
    tasks.start_due_schedules()
    assert Round.objects.count() == 1
    eager.refresh_from_db()
    assert (eager.name, eager.last_feedback_count) == ("renamed", 1)
