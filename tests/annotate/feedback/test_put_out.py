"""Whoever is put out of a campaign, or of the role annotator, is out of its work: at every door, and at once."""

import uuid

import pytest

from annotate.accounts.services import update_user
from annotate.campaigns.models import Membership
from annotate.campaigns.services import add_member, remove_member
from annotate.feedback.models import Assignment, Demonstration, Draft
from annotate.feedback.queue.leases import expire_leases
from annotate.feedback.queue.units import queue_all_reviews, update_campaign
from tests.annotate.feedback.test_naming import reviewed
from tests.annotate.moves import dialogue, lease, leased, submit

pytestmark = pytest.mark.django_db


def out_of_the_campaign(campaign, person) -> None:
    remove_member(campaign, person.id)


def out_of_the_role(campaign, person) -> None:
    update_user(person, {"roles": ["trainer"]}, by=None)


def doors(client, assignment: dict) -> dict[str, int]:
    """What each way of working on an assignment answers."""
    url = f"/api/assignments/{assignment['id']}"
    draft = {"content": {"text": "still here"}, "revision": 0}
    remark = {"reason": "comment", "text": "Hello?"}
    return {
        "read": client.get(url).status_code,
        "versions": client.get(f"{url}/versions").status_code,
        "draft": client.put(f"{url}/draft", draft, format="json").status_code,
        "renew": client.post(f"{url}/renew").status_code,
        "remark": client.post(f"{url}/remarks", remark, format="json").status_code,
        "suggest": client.post(f"{url}/suggestions", {"turn": 0, "messages": []}, format="json").status_code,
        "submit": submit(client, assignment).status_code,
    }


@pytest.mark.parametrize("put_out", [out_of_the_campaign, out_of_the_role])
def test_a_lease_in_hand_opens_no_door_any_more_and_goes_to_others_at_once(
    writing, alice, alice_client, bob_client, put_out
):
    campaign = writing(1)
    held = leased(alice_client, campaign)
    put_out(campaign, alice)
    answers = doors(alice_client, held)
    assert set(answers.values()) <= {403, 404}, answers
    assert not Draft.objects.exists() and not Demonstration.objects.exists()
    assert leased(bob_client, campaign)["prompt"] == held["prompt"]


def test_what_was_submitted_stays_and_is_not_corrected_any_more(writing, alice, alice_client):
    campaign = writing(1)
    given, key = leased(alice_client, campaign), str(uuid.uuid4())
    assert submit(alice_client, given, key=key).status_code == 201
    remove_member(campaign, alice.id)
    # Its answer may have been lost on the way: sent again it is told that it was stored.
    assert submit(alice_client, given, key=key).status_code == 200
    changed = submit(alice_client, given, messages=dialogue(given, "VANDALISED"), revises=1)
    assert changed.status_code == 403
    assert changed.json()["errors"][0]["code"] == "put_out"
    assert "stays on your device" in changed.json()["detail"]
    assert Demonstration.objects.get().messages == dialogue(given)
    assert alice_client.get("/api/my-work").json()["recent"] == []


def test_the_clock_ends_what_somebody_holds_who_is_out(writing, alice, alice_client):
    campaign = writing(2)
    leased(alice_client, campaign)
    assert expire_leases() == 0
    Membership.objects.all().delete()  # however it happened
    assert expire_leases() == 1
    assert Assignment.objects.get().state == "expired"


def test_who_comes_back_finds_the_words_and_hands_them_in(writing, alice, alice_client):
    campaign = writing(1)
    held = leased(alice_client, campaign)
    url = f"/api/assignments/{held['id']}/draft"
    assert (
        alice_client.put(url, {"content": {"text": "half"}, "revision": 0}, format="json").status_code == 200
    )
    remove_member(campaign, alice.id)
    expire_leases()
    add_member(campaign, alice)
    again = leased(alice_client, campaign)
    assert (again["id"], again["draft"]["content"]) == (held["id"], {"text": "half"})
    assert submit(alice_client, again).status_code == 201


def test_a_reviewer_still_mends_the_work_of_somebody_who_is_out(
    writing, alice, bob, alice_client, bob_client
):
    campaign = writing(1)
    of_it = reviewed(campaign, bob)
    given = leased(alice_client, campaign)
    submit(alice_client, given)
    remove_member(campaign, alice.id)
    queue_all_reviews()
    review = leased(bob_client, of_it)
    body = {
        "submission_key": str(uuid.uuid4()),
        "verdict": "corrected",
        "reviewed_revision": 1,
        "content": {"messages": dialogue(given, "Mended.")},
    }
    answer = bob_client.post(f"/api/assignments/{review['id']}/submit", body, format="json")
    assert answer.status_code == 201, answer.content
    assert Demonstration.objects.get().messages == dialogue(given, "Mended.")


def test_what_is_in_hand_when_a_campaign_is_closed_is_stored_and_nothing_is_corrected(
    writing, alice_client, bob_client
):
    campaign = writing(2)
    held = leased(alice_client, campaign)
    update_campaign(campaign, {"status": "closed"})
    stored = submit(alice_client, held)
    assert (stored.status_code, stored.json()["is_surplus"]) == (201, False)
    assert submit(alice_client, held, messages=dialogue(held, "Other."), revises=1).status_code == 409
    assert lease(bob_client, campaign)["reason"] == "closed"
