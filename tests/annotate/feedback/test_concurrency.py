"""Many people at once, on real connections: never beyond the overlap, never twice to one person, nothing lost."""

import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import close_old_connections, connections, transaction
from django.db.models import Count, F, Q

from annotate.accounts.models import User
from annotate.accounts.services import annotator_of
from annotate.campaigns.models import Membership
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.demonstration import submit_demonstration
from annotate.feedback.models import Assignment, Demonstration, Draft, Unit
from annotate.feedback.queue.leases import expire_leases, lease_next_assignment, release, skip
from tests.annotate.moves import dialogue, leased, submit
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db(transaction=True)
ANNOTATORS, UNITS, OVERLAP = 32, 24, 3


def at_once(num: int, work) -> list:
    """work(i) in `num` threads that begin together; what each returned."""
    gate = threading.Barrier(num)

    def begin(i: int):
        close_old_connections()
        try:
            gate.wait()
            return work(i)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(num) as pool:
        return list(pool.map(begin, range(num)))


def slots_are_right() -> bool:
    """open_slots = overlap - assignments that hold one, for every unit."""
    holding = Count("assignments", filter=Q(assignments__holds_slot=True))
    return not Unit.objects.annotate(holding=holding).exclude(open_slots=F("overlap") - F("holding")).exists()


@pytest.fixture
def crowd(writing) -> tuple:
    campaign = writing(UNITS, overlap=OVERLAP)
    people = User.objects.bulk_create(
        User(username=f"annotator {i}", is_annotator=True) for i in range(ANNOTATORS)
    )
    Membership.objects.bulk_create(Membership(campaign=campaign, user=person) for person in people)
    for person in people:
        annotator_of(person)
    return campaign, people


def test_32_people_finish_a_queue_and_no_unit_goes_beyond_its_overlap(crowd):
    campaign, people = crowd
    submitted: list[tuple[int, int]] = []

    def work(i: int) -> None:
        annotator = annotator_of(people[i])
        for _ in range(UNITS + 1):
            found = lease_next_assignment(campaign, people[i])
            if found.assignment is None:
                return
            messages = [*found.assignment.unit.prompt.messages, {"role": "assistant", "content": "x"}]
            submit_demonstration(found.assignment.id, annotator, HandedIn(uuid.uuid4()), messages=messages)
            submitted.append((found.assignment.unit_id, i))

    at_once(ANNOTATORS, work)
    # Each works until the queue has nothing for them; what is still open then, one more look finds.
    for i in range(ANNOTATORS):
        work(i)
    assert len(submitted) == len(set(submitted)) == UNITS * OVERLAP
    assert set(Counter(unit for unit, _who in submitted).values()) == {OVERLAP}
    assert Demonstration.objects.filter(is_surplus=False).count() == UNITS * OVERLAP
    assert not Unit.objects.filter(open_slots__gt=0).exists()


def test_leases_that_end_in_every_way_at_once_leave_every_slot_counted(crowd):
    campaign, people = crowd

    def work(i: int) -> None:
        annotator = annotator_of(people[i])
        for round_ in range(4):
            found = lease_next_assignment(campaign, people[i])
            if found.assignment is None:
                continue
            match (i + round_) % 4:
                case 0:
                    skip(found.assignment.id, annotator)
                case 1:
                    release(found.assignment.id, annotator)
                case 2:
                    Assignment.objects.filter(id=found.assignment.id).update(lease_expires_at=F("leased_at"))
                    expire_leases()
                case 3:
                    messages = [*found.assignment.unit.prompt.messages, {"role": "assistant", "content": "x"}]
                    submit_demonstration(
                        found.assignment.id, annotator, HandedIn(uuid.uuid4()), messages=messages
                    )

    at_once(ANNOTATORS, work)
    assert slots_are_right()


def test_one_person_with_many_windows_holds_one_lease(alice, writing):
    campaign = writing(20)
    found = at_once(8, lambda i: lease_next_assignment(campaign, alice).assignment.id)
    assert len(set(found)) == 1
    assert Assignment.objects.count() == 1


def test_one_person_with_many_windows_holds_one_lease_ahead(alice, writing):
    campaign = writing(20)
    in_hand = lease_next_assignment(campaign, alice).assignment
    found = at_once(8, lambda i: lease_next_assignment(campaign, alice, is_ahead=True).assignment.id)
    assert len(set(found)) == 1 and in_hand.id not in found
    assert Assignment.objects.count() == 2


def test_people_who_always_have_one_unit_ahead_stay_within_the_overlap(crowd):
    campaign, people = crowd
    submitted: list[tuple[int, int]] = []

    def work(i: int) -> None:
        annotator = annotator_of(people[i])
        while found := lease_next_assignment(campaign, people[i]).assignment:
            lease_next_assignment(campaign, people[i], is_ahead=True)
            messages = [*found.unit.prompt.messages, {"role": "assistant", "content": "x"}]
            stored = submit_demonstration(
                found.id, annotator, HandedIn(uuid.uuid4()), messages=messages
            ).submission
            assert not stored.is_surplus
            submitted.append((found.unit_id, i))

    at_once(ANNOTATORS, work)
    for i in range(ANNOTATORS):  # what was ahead of others then, one more look finds
        work(i)
    assert len(submitted) == len(set(submitted)) == UNITS * OVERLAP
    assert set(Counter(unit for unit, _who in submitted).values()) == {OVERLAP}
    assert slots_are_right() and not Assignment.objects.filter(is_ahead=True).exists()


def test_one_submission_sent_twice_at_once_is_stored_once(alice, writing):
    campaign, key = writing(1), str(uuid.uuid4())
    assignment = leased(signed_in(alice), campaign)
    clients = [signed_in(alice) for _ in range(2)]
    answers = at_once(2, lambda i: submit(clients[i], assignment, key=key))
    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert answers[0].json() == answers[1].json()
    assert Demonstration.objects.count() == 1


def test_two_different_submissions_at_once_keep_the_first_and_refuse_the_second(alice, writing):
    assignment = leased(signed_in(alice), writing(1))
    clients = [signed_in(alice) for _ in range(2)]
    answers = at_once(
        2, lambda i: submit(clients[i], assignment, messages=dialogue(assignment, f"window {i}"))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert Demonstration.objects.count() == 1


def test_two_windows_that_save_a_draft_at_once_cannot_both_win(alice, writing):
    assignment = leased(signed_in(alice), writing(1))
    clients = [signed_in(alice) for _ in range(2)]
    url = f"/api/assignments/{assignment['id']}/draft"
    answers = at_once(
        2, lambda i: clients[i].put(url, {"content": {"window": i}, "revision": 0}, format="json").status_code
    )
    assert sorted(answers) == [200, 409]
    assert Draft.objects.get().revision == 1


def test_a_unit_that_somebody_is_just_locking_is_passed_over_not_waited_for(alice, writing):
    campaign = writing(2)
    with transaction.atomic():
        Unit.objects.select_for_update().order_by("position").first()
        found = at_once(1, lambda i: lease_next_assignment(campaign, alice).assignment.unit_id)
    assert found == [Unit.objects.order_by("position").last().id]
