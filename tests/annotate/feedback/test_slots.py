"""No unit goes to more people than its overlap, whatever an admin changes and whoever comes and goes."""

import random
import uuid

import pytest
from django.db.models import Count, F, Q
from django.http import Http404
from rest_framework.exceptions import APIException

from annotate.accounts.models import User
from annotate.accounts.services import annotator_of
from annotate.campaigns.services import add_member, remove_member
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.demonstration import submit_demonstration
from annotate.feedback.models import Assignment, Demonstration, Unit
from annotate.feedback.overview import tallies_of
from annotate.feedback.queue.leases import (
    expire_leases,
    lease_next_assignment,
    release,
    renew_lease,
    save_draft,
    skip,
)
from annotate.feedback.queue.units import NewUnit, queue_units, update_campaign
from tests.annotate.moves import lease, leased, submit
from tests.conftest import _person, signed_in

pytestmark = pytest.mark.django_db


def test_overlap_lowered_and_raised_again_asks_for_what_is_missing_and_no_more(
    writing, alice_client, bob_client
):
    campaign = writing(1, overlap=3)
    for client in (alice_client, bob_client):
        assert submit(client, leased(client, campaign)).status_code == 201
    update_campaign(campaign, {"overlap": 1})
    update_campaign(campaign, {"overlap": 3})
    others = [signed_in(_person(name, "annotator")) for name in ("dora", "eve")]
    for name in ("dora", "eve"):
        add_member(campaign, User.objects.get(username=name))
    assert submit(others[0], leased(others[0], campaign)).status_code == 201
    assert lease(others[1], campaign)["reason"] == "none_left"
    assert Demonstration.objects.filter(is_surplus=False).count() == 3


class Crowd:
    """People who do whatever one can do with units, one thing after the other."""

    def __init__(self, campaign, seed: int) -> None:
        self.campaign, self.draw = campaign, random.Random(seed)
        self.people = [_person(f"person{i}", "annotator") for i in range(6)]
        for person in self.people:
            annotator_of(person)
            add_member(campaign, person)

    def step(self) -> None:
        moves = [self.lease] * 5 + [self.submit] * 6
        moves += [self.skip, self.release, self.renew, self.draft, self.expire, self.overlap, self.put_out]
        try:
            self.draw.choice(moves)(self.draw.choice(self.people))
        except (APIException, Http404):
            pass  # refused: nothing has changed, which is looked at too

    def one_of(self, person) -> int:
        own = Assignment.objects.filter(annotator__user=person).values_list("id", flat=True)
        return self.draw.choice(sorted(own) or [0])

    def lease(self, person) -> None:
        lease_next_assignment(self.campaign, person, is_ahead=self.draw.random() < 0.3)

    def submit(self, person) -> None:
        id = self.one_of(person)
        prompt = [{"role": "user", "content": "?"}]
        if assignment := Assignment.objects.filter(id=id).first():
            prompt = assignment.unit.prompt.messages
        messages = [*prompt, {"role": "assistant", "content": "So."}]
        submit_demonstration(id, person.annotator, HandedIn(uuid.uuid4()), messages=messages)

    def skip(self, person) -> None:
        skip(self.one_of(person), person.annotator)

    def release(self, person) -> None:
        release(self.one_of(person), person.annotator)

    def renew(self, person) -> None:
        renew_lease(self.one_of(person), person.annotator)

    def draft(self, person) -> None:
        save_draft(self.one_of(person), person.annotator, {"turns": []}, 0)

    def expire(self, person) -> None:
        held = Assignment.objects.filter(annotator__user=person, state="leased")
        held.update(lease_expires_at=F("leased_at"))
        expire_leases()

    def overlap(self, _person) -> None:
        update_campaign(self.campaign, {"overlap": self.draw.randint(1, 4)})

    def put_out(self, person) -> None:
        if not remove_member(self.campaign, person.id):
            add_member(self.campaign, person)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_people_and_admins_do_every_slot_is_counted(writing, seed):
    campaign = writing(4, members=[], overlap=2)
    crowd = Crowd(campaign, seed)
    holding = Count("assignments", filter=Q(assignments__holds_slot=True))
    before: dict[int, int] = {}
    for at in range(120):
        crowd.step()
        units = list(Unit.objects.annotate(holding=holding))
        for unit in units:
            assert unit.open_slots == max(unit.overlap - unit.holding, 0), (seed, at)
            if unit.holding > before.get(unit.id, 0):  # somebody got it: it had room
                assert unit.holding <= unit.overlap, (seed, at)
        before = {unit.id: unit.holding for unit in units}
        told = tallies_of([campaign.id])[campaign.id]
        counted = {
            "units": len(units),
            "open": sum(unit.open_slots > 0 for unit in units),
            "demonstrations": Demonstration.objects.count(),
            "surplus": Demonstration.objects.filter(is_surplus=True).count(),
        }
        assert {name: told.get(name, 0) for name in counted} == counted, (seed, at)
    assert Demonstration.objects.count() > 3


def test_nothing_is_counted_as_queued_where_nothing_was(writing, alice_client):
    """An empty batch, or one that was queued before, sends nobody back to the front of the queue."""
    campaign = writing(1)
    leased(alice_client, campaign)
    prompt = campaign.prompts.get()
    assert queue_units(campaign, [NewUnit(prompt.id, external_id="first")], priority=-1) == 1
    campaign.refresh_from_db()
    epoch = campaign.queue_epoch
    assert epoch == 1
    assert queue_units(campaign, [], priority=-2) == 0
    assert queue_units(campaign, [NewUnit(prompt.id, external_id="first")], priority=-2) == 0
    campaign.refresh_from_db()
    assert campaign.queue_epoch == epoch
