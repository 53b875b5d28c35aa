"""The unit after the one in hand: leased ahead, at most one, and bound by every rule of the queue."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.feedback.models import Assignment, Unit
from annotate.feedback.queue.leases import expire_leases
from annotate.feedback.queue.units import update_campaign
from tests.annotate.moves import lease, leased, submit, time_passes

pytestmark = pytest.mark.django_db


def ahead(client, campaign) -> dict:
    answer = client.post(f"/api/campaigns/{campaign.id}/assignments/ahead", {}, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def leased_ahead(client, campaign) -> dict:
    answer = ahead(client, campaign)
    assert answer["assignment"], answer
    return answer["assignment"]


def renew(client, assignment: dict):
    return client.post(f"/api/assignments/{assignment['id']}/renew")


def are_ahead() -> list[int]:
    return list(Assignment.objects.filter(is_ahead=True).values_list("id", flat=True))


def test_the_unit_ahead_is_the_next_one_when_the_one_in_hand_is_submitted(alice_client, writing):
    campaign = writing(3)
    first, second = leased(alice_client, campaign), leased_ahead(alice_client, campaign)
    assert (first["prompt"]["messages"], second["prompt"]["messages"]) == (
        [{"role": "user", "content": "Question 0?"}],
        [{"role": "user", "content": "Question 1?"}],
    )
    assert are_ahead() == [second["id"]]
    assert submit(alice_client, first).status_code == 201
    assert leased(alice_client, campaign)["id"] == second["id"]
    assert are_ahead() == []


def test_asking_again_in_any_window_gives_the_same_unit(alice_client, writing):
    campaign = writing(5)
    first, second = leased(alice_client, campaign), leased_ahead(alice_client, campaign)
    assert leased(alice_client, campaign)["id"] == first["id"]
    assert leased_ahead(alice_client, campaign)["id"] == second["id"]
    assert Assignment.objects.count() == 2


def test_the_database_refuses_a_second_unit_ahead(alice_client, writing):
    campaign = writing(3)
    first = leased(alice_client, campaign)
    leased_ahead(alice_client, campaign)
    with pytest.raises(IntegrityError, match="assignment_one_ahead"), transaction.atomic():
        Assignment.objects.filter(id=first["id"]).update(is_ahead=True)


def test_a_unit_ahead_counts_towards_the_overlap_until_it_is_released(alice_client, bob_client, writing):
    campaign = writing(2)
    leased(alice_client, campaign)
    waiting = leased_ahead(alice_client, campaign)
    assert lease(bob_client, campaign)["reason"] == "all_leased"
    assert alice_client.post(f"/api/assignments/{waiting['id']}/release").status_code == 204
    assert leased(bob_client, campaign)["prompt"] == waiting["prompt"]


def test_a_unit_ahead_whose_tab_was_closed_expires_and_goes_to_others(alice_client, bob_client, writing):
    campaign = writing(2)
    leased(alice_client, campaign)
    waiting = leased_ahead(alice_client, campaign)
    time_passes(waiting)
    expire_leases()
    assert leased(bob_client, campaign)["prompt"] == waiting["prompt"]
    assert renew(alice_client, waiting).json()["errors"][0]["code"] == "lease_ended"
    assert Unit.objects.filter(open_slots=0).count() == 2


def test_a_closing_window_does_not_release_what_another_one_has_begun_on(alice_client, writing):
    campaign = writing(3)
    leased(alice_client, campaign)
    second = leased_ahead(alice_client, campaign)
    renew(alice_client, second)
    url = f"/api/assignments/{second['id']}/release"
    assert alice_client.post(url, {"only_ahead": True}, format="json").status_code == 204
    assert Assignment.objects.get(id=second["id"]).state == "leased"
    third = leased_ahead(alice_client, campaign)
    url = f"/api/assignments/{third['id']}/release"
    assert alice_client.post(url, {"only_ahead": True}, format="json").status_code == 204
    assert Assignment.objects.get(id=third["id"]).state == "released"


def test_working_on_one_unit_keeps_the_one_ahead(alice_client, writing):
    campaign = writing(2)
    first, waiting = leased(alice_client, campaign), leased_ahead(alice_client, campaign)
    time_passes(waiting, seconds=-5)
    alice_client.put(
        f"/api/assignments/{first['id']}/draft", {"content": {"text": "a"}, "revision": 0}, format="json"
    )
    kept = Assignment.objects.get(id=waiting["id"])
    assert kept.is_ahead and kept.lease_expires_at > timezone.now() + timedelta(seconds=590)


def test_renewing_the_unit_ahead_begins_it_and_the_next_one_can_be_leased_ahead(alice_client, writing):
    campaign = writing(3)
    submit(alice_client, leased(alice_client, campaign))
    leased(alice_client, campaign)
    second = leased_ahead(alice_client, campaign)
    assert renew(alice_client, second).status_code == 200
    assert are_ahead() == []
    assert ahead(alice_client, campaign)["reason"] == "none_left"


def test_a_draft_or_a_submission_begins_it_too(alice_client, writing):
    campaign = writing(3)
    first, second = leased(alice_client, campaign), leased_ahead(alice_client, campaign)
    draft = {"content": {"text": "a"}, "revision": 0}
    assert alice_client.put(f"/api/assignments/{second['id']}/draft", draft, format="json").status_code == 200
    assert are_ahead() == []
    third = leased_ahead(alice_client, campaign)
    assert submit(alice_client, third).json()["is_surplus"] is False
    assert are_ahead() == []
    assert {first["id"], second["id"]} == set(
        Assignment.objects.filter(state="leased").values_list("id", flat=True)
    )


def test_nobody_hoards_units_by_beginning_one_after_the_other(alice_client, writing):
    campaign = writing(9)
    begun = [leased(alice_client, campaign)]
    for _ in range(2):
        begun.append(leased_ahead(alice_client, campaign))
        assert renew(alice_client, begun[-1]).status_code == 200
    answer = ahead(alice_client, campaign)
    assert (answer["assignment"], answer["reason"]) == (None, "enough_begun")
    submit(alice_client, begun[0])
    assert leased_ahead(alice_client, campaign)


def test_what_one_left_a_draft_in_comes_before_the_queue(alice_client, writing):
    campaign = writing(4)
    left = leased(alice_client, campaign)
    draft = {"content": {"text": "half a thought"}, "revision": 0}
    alice_client.put(f"/api/assignments/{left['id']}/draft", draft, format="json")
    time_passes(left)
    expire_leases()
    assert leased(alice_client, campaign)["id"] == left["id"]
    alice_client.post(f"/api/assignments/{left['id']}/release")
    other = leased_ahead(alice_client, campaign)
    assert other["id"] == left["id"] and other["draft"]["content"] == {"text": "half a thought"}


def test_a_paused_campaign_hands_out_nothing_ahead_and_nothing_ahead_is_begun(alice_client, writing):
    campaign = writing(3)
    first, second = leased(alice_client, campaign), leased_ahead(alice_client, campaign)
    update_campaign(campaign, {"status": "paused"})
    assert ahead(alice_client, campaign)["reason"] == "paused"
    assert renew(alice_client, second).json()["errors"][0]["code"] == "not_open"
    assert submit(alice_client, first).status_code == 201
    assert lease(alice_client, campaign)["reason"] == "paused"


def test_a_skipped_unit_does_not_come_back_ahead(alice_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    alice_client.post(f"/api/assignments/{assignment['id']}/skip")
    assert ahead(alice_client, campaign)["reason"] == "none_left"


def test_leasing_ahead_takes_the_same_number_of_queries_however_long_the_queue(alice_client, ranking):
    counts = []
    for num_units in (3, 60):
        campaign = ranking(num_units)
        submit(alice_client, leased(alice_client, campaign))
        leased(alice_client, campaign)
        with CaptureQueriesContext(connection) as queries:
            leased_ahead(alice_client, campaign)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 26
