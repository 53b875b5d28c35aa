"""The queue as annotators meet it: what they get next, what comes back, what never does."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import Campaign, Membership
from annotate.campaigns.services import add_prompts
from annotate.feedback.models import Assignment, Unit
from annotate.feedback.queue.leases import expire_leases
from annotate.feedback.queue.units import create_units, update_campaign
from annotate.feedback.tasks import expire_leases as expire_leases_task
from tests.annotate.moves import lease, leased, prompts, submit, time_passes

pytestmark = pytest.mark.django_db


def asked(assignment: dict) -> str:
    return assignment["prompt"]["messages"][0]["content"]


def test_units_come_in_the_order_they_were_queued(alice_client, writing):
    campaign = writing(3)
    got = []
    for _ in range(3):
        assignment = leased(alice_client, campaign)
        got.append(asked(assignment))
        submit(alice_client, assignment)
    assert got == ["Question 0?", "Question 1?", "Question 2?"]


def test_asking_again_gives_the_same_lease(alice_client, writing):
    campaign = writing(3)
    assert leased(alice_client, campaign)["id"] == leased(alice_client, campaign)["id"]
    assert Assignment.objects.count() == 1


def test_two_people_get_different_units_when_overlap_is_one(alice_client, bob_client, writing):
    campaign = writing(2)
    assert asked(leased(alice_client, campaign)) != asked(leased(bob_client, campaign))


def test_overlap_gives_one_unit_to_that_many_people_and_no_more(
    alice_client, bob_client, writing, carol, carol_client
):
    campaign = writing(1, overlap=2)
    assert asked(leased(alice_client, campaign)) == asked(leased(bob_client, campaign))
    carol.is_annotator = True
    carol.save()
    Membership.objects.create(campaign=campaign, user=carol)
    answer = lease(carol_client, campaign)
    assert (answer["assignment"], answer["reason"]) == (None, "all_leased")


def test_a_finished_unit_never_comes_back_to_the_one_who_did_it(alice_client, writing):
    campaign = writing(1, overlap=3)
    submit(alice_client, leased(alice_client, campaign))
    answer = lease(alice_client, campaign)
    assert (answer["assignment"], answer["reason"]) == (None, "none_left")
    assert "everything" in answer["message"]


def test_lower_priority_numbers_are_served_first_and_later_ones_pull_people_back(alice_client, writing):
    campaign = writing(2)
    submit(alice_client, leased(alice_client, campaign))
    create_units(campaign, add_prompts(campaign, prompts(1, start=10)).created, priority=-1)
    assert Campaign.objects.get(id=campaign.id).queue_epoch == 1
    assert asked(leased(alice_client, campaign)) == "Question 10?"


def test_raising_the_overlap_reopens_units_behind_everybodys_cursor(alice_client, bob_client, writing):
    campaign = writing(2)
    for _ in range(2):
        submit(alice_client, leased(alice_client, campaign))
    assert lease(bob_client, campaign)["reason"] == "none_left"
    update_campaign(campaign, {"overlap": 2})
    assert asked(leased(bob_client, campaign)) == "Question 0?"
    assert lease(alice_client, campaign)["reason"] == "none_left"


def test_lowering_the_overlap_closes_slots_but_keeps_what_is_done(alice_client, bob_client, writing):
    campaign = writing(1, overlap=3)
    assignment = leased(alice_client, campaign)
    update_campaign(campaign, {"overlap": 1})
    assert Unit.objects.get().open_slots == 0
    assert lease(bob_client, campaign)["reason"] == "all_leased"
    assert submit(alice_client, assignment).json()["is_surplus"] is False


def test_expired_lease_goes_to_the_next_annotator(alice_client, bob_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    time_passes(assignment)
    expire_leases_task()
    assert Assignment.objects.get().state == "expired"
    assert asked(leased(bob_client, campaign)) == asked(assignment)


def test_expired_leases_are_found_without_any_worker(alice_client, bob_client, writing):
    campaign = writing(1)
    time_passes(leased(alice_client, campaign))
    assert leased(bob_client, campaign)


def test_a_live_lease_is_not_swept(alice_client, writing):
    leased(alice_client, writing(1))
    assert expire_leases() == 0


def test_a_released_unit_goes_to_others_who_are_already_past_it(alice_client, bob_client, writing):
    campaign = writing(3)
    first = leased(alice_client, campaign)
    for _ in range(2):
        submit(bob_client, leased(bob_client, campaign))
    alice_client.post(f"/api/assignments/{first['id']}/release")
    assert asked(leased(bob_client, campaign)) == asked(first)


def test_a_skipped_unit_never_comes_back_to_the_skipper(alice_client, bob_client, carol_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    answer = alice_client.post(
        f"/api/assignments/{assignment['id']}/skip", {"reason": "unclear"}, format="json"
    )
    assert answer.status_code == 204
    assert Assignment.objects.get().state == "skipped"
    [remark] = carol_client.get(f"/api/campaigns/{campaign.id}/remarks").json()["results"]
    assert (remark["reason"], remark["text"], remark["person"]["username"]) == ("skipped", "unclear", "alice")
    assert lease(alice_client, campaign)["reason"] == "none_left"
    assert asked(leased(bob_client, campaign)) == asked(assignment)


def test_skipping_twice_is_skipping_once(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    for _ in range(2):
        assert alice_client.post(f"/api/assignments/{assignment['id']}/skip").status_code == 204
    assert Unit.objects.get().open_slots == 1


def test_what_one_left_a_draft_in_comes_back_before_the_queue(alice_client, writing):
    campaign = writing(3)
    assignment = leased(alice_client, campaign)
    url = f"/api/assignments/{assignment['id']}"
    alice_client.put(f"{url}/draft", {"content": {"text": "half a thought"}, "revision": 0}, format="json")
    alice_client.post(f"{url}/release")
    again = leased(alice_client, campaign)
    assert again["id"] == assignment["id"]
    assert again["draft"]["content"] == {"text": "half a thought"}


def test_what_one_left_untouched_comes_back_when_nothing_else_is_there(alice_client, writing):
    campaign = writing(2)
    first = leased(alice_client, campaign)
    alice_client.post(f"/api/assignments/{first['id']}/release")
    second = leased(alice_client, campaign)
    assert second["id"] != first["id"]
    submit(alice_client, second)
    assert leased(alice_client, campaign)["id"] == first["id"]


def test_renewing_keeps_a_lease(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    time_passes(assignment, seconds=-5)
    answer = alice_client.post(f"/api/assignments/{assignment['id']}/renew")
    assert answer.status_code == 200
    assert 595 < answer.json()["seconds_left"] <= 600


def test_an_expired_lease_is_taken_again_while_its_slot_is_free(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    time_passes(assignment)
    expire_leases()
    assert alice_client.post(f"/api/assignments/{assignment['id']}/renew").status_code == 200
    assert Unit.objects.get().open_slots == 0


def test_a_lease_that_went_to_somebody_else_cannot_be_renewed(alice_client, bob_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    time_passes(assignment)
    leased(bob_client, campaign)
    answer = alice_client.post(f"/api/assignments/{assignment['id']}/renew")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "lease_ended"


@pytest.mark.parametrize("state", ["paused", "closed"])
def test_a_campaign_that_is_not_open_gives_nothing_new_but_lets_people_finish(
    alice_client, bob_client, writing, state
):
    campaign = writing(2)
    assignment = leased(alice_client, campaign)
    update_campaign(campaign, {"status": state})
    assert leased(alice_client, campaign)["id"] == assignment["id"]
    assert lease(bob_client, campaign)["reason"] == state
    assert submit(alice_client, assignment).status_code == 201


def test_an_empty_campaign_says_what_it_waits_for(alice_client, writing, ranking):
    assert lease(alice_client, writing(0))["reason"] == "no_units"
    assert "policy has been sampled" in lease(alice_client, ranking(0))["message"]


def test_leasing_takes_the_same_number_of_queries_however_long_the_queue(alice_client, ranking):
    counts = []
    for num_units in (3, 60):
        campaign = ranking(num_units)
        submit(alice_client, leased(alice_client, campaign))
        with CaptureQueriesContext(connection) as queries:
            leased(alice_client, campaign)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 25
