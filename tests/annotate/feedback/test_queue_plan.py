"""The queue's one query is served by its index, however long the queue and however far ahead a person is."""

import json

import pytest
from django.db import connection
from django.utils import timezone

from annotate.accounts.services import annotator_of
from annotate.campaigns.models import Membership
from annotate.feedback.models import Assignment, Unit
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.queue.leasing import FRONT, NEXT_UNIT
from annotate.feedback.queue.units import NewUnit, queue_units
from tests.annotate.moves import rows_touched

pytestmark = pytest.mark.django_db


def nodes(plan: dict):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def explain(campaign, annotator, after) -> list[dict]:
    named = {"campaign": campaign.id, "annotator": annotator.id, "priority": after[0], "position": after[1]}
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + NEXT_UNIT, named)
        answer = cursor.fetchone()[0]
    return list(nodes((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]))


def on_units(plan: list[dict]) -> dict:
    return next(node for node in plan if node.get("Alias") == "unit")


def rows_read(node: dict) -> int:
    return node["Actual Rows"] + node.get("Rows Removed by Filter", 0)


@pytest.fixture
def long_queue(writing):
    campaign = writing(1, overlap=3)
    prompt = campaign.prompts.get()
    queue_units(campaign, (NewUnit(prompt.id) for _ in range(8000)))
    return campaign


def test_the_next_unit_is_found_by_the_partial_index_as_soon_as_many_are_queued(alice, long_queue):
    scan = on_units(explain(long_queue, annotator_of(alice), FRONT))
    assert scan["Node Type"] in ("Index Scan", "Index Only Scan")
    assert scan["Index Name"] == "unit_queue"
    assert rows_read(scan) <= 2


@pytest.mark.parametrize("num_done", [1, 100, 5000])
def test_somebody_far_ahead_of_the_others_does_not_walk_over_her_own_units(alice, long_queue, num_done):
    """The units that alice has done, and that still wait for two others, lie before her cursor."""
    annotator, now = annotator_of(alice), timezone.now()
    done = list(Unit.objects.order_by("position")[:num_done])
    Unit.objects.filter(id__in=[unit.id for unit in done]).update(open_slots=2)
    Assignment.objects.bulk_create(
        Assignment(unit=unit, campaign=long_queue, annotator=annotator, state="submitted", leased_at=now,
                   lease_expires_at=now, ended_at=now)
        for unit in done
    )  # fmt: skip
    Membership.objects.filter(user=alice).update(cursor_priority=0, cursor_position=done[-1].position)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE feedback_unit, feedback_assignment")
    plan = explain(long_queue, annotator, (0, done[-1].position))
    scan = on_units(plan)
    assert scan["Index Name"] == "unit_queue"
    assert "position" in scan["Index Cond"] and "ROW" in scan["Index Cond"]
    assert rows_read(scan) <= 2
    assert (
        max(rows_read(node) * node["Actual Loops"] for node in plan) <= 100
    )  # a tiny table may be read whole
    assert lease_next_assignment(long_queue, alice).assignment.unit.position > done[-1].position
    assert Membership.objects.get(user=alice).cursor_position > done[-1].position


@pytest.mark.parametrize("num_done", [10, 4000])
def test_who_has_finished_a_queue_early_does_not_walk_over_it_each_time_she_asks(
    writing, alice, bob, num_done
):
    tables = ("feedback_unit", "feedback_assignment")
    campaign = writing(1, overlap=3)
    queue_units(campaign, (NewUnit(campaign.prompts.get().id) for _ in range(num_done)))
    annotator, now = annotator_of(alice), timezone.now()
    done = list(Unit.objects.order_by("position"))
    Unit.objects.update(open_slots=2)  # they wait for two others
    Assignment.objects.bulk_create(
        Assignment(unit=unit, campaign=campaign, annotator=annotator, state="submitted", leased_at=now,
                   lease_expires_at=now, ended_at=now)
        for unit in done
    )  # fmt: skip
    Membership.objects.filter(user=alice).update(cursor_priority=0, cursor_position=done[-1].position)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE feedback_unit, feedback_assignment")
    assert lease_next_assignment(campaign, bob).assignment  # of what she has done: nothing to wait for
    assert lease_next_assignment(campaign, alice).reason == "none_left"
    for is_ahead in (False, True):
        before = rows_touched(*tables)
        assert lease_next_assignment(campaign, alice, is_ahead=is_ahead).assignment is None
        assert rows_touched(*tables) - before <= 100
    queue_units(campaign, [NewUnit(campaign.prompts.get().id)], priority=-1)  # what comes is hers at once
    assert lease_next_assignment(campaign, alice).assignment.unit.priority == -1


def test_queueing_is_made_of_a_few_statements_for_thousands_of_units(writing, django_assert_max_num_queries):
    campaign = writing(1)
    prompt = campaign.prompts.get()
    with django_assert_max_num_queries(40):
        num = queue_units(campaign, (NewUnit(prompt.id, external_id=f"u{i}") for i in range(10_000)))
    assert num == 10_000
    assert queue_units(campaign, (NewUnit(prompt.id, external_id=f"u{i}") for i in range(10))) == 0
