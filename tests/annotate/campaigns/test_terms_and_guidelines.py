"""Consent to a campaign's terms before its first unit, and which guidelines one has read."""

import pytest

from annotate.campaigns.models import Consent, Membership
from annotate.campaigns.services import write_guidelines, write_terms
from annotate.feedback.models import Assignment
from annotate.feedback.queue.units import queue_prompts
from tests.annotate.moves import lease, leased, prompts, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign(new_campaign, alice, bob):
    campaign = new_campaign("demonstration", members=[alice, bob], guidelines_text="Be kind.")
    queue_prompts(campaign, prompts(5))
    return campaign


def url(campaign, name: str) -> str:
    return f"/api/campaigns/{campaign.id}/{name}"


def agree(client, campaign, version: int):
    return client.post(url(campaign, "consent"), {"version": version}, format="json")


def mine(client, campaign) -> dict:
    return client.get(f"/api/campaigns/{campaign.id}").json()["mine"]


def test_nothing_is_leased_before_the_terms_are_accepted(alice_client, carol_client, campaign):
    assert carol_client.put(url(campaign, "terms"), {"text": "We keep it."}, format="json").status_code == 200
    for name in ("next", "ahead"):
        answer = alice_client.post(url(campaign, f"assignments/{name}"), {}, format="json").json()
        assert (answer["assignment"], answer["reason"]) == (None, "terms")
    assert Assignment.objects.count() == 0 and mine(alice_client, campaign)["needs_consent"]
    shown = alice_client.get(url(campaign, "terms")).json()
    assert shown == {"version": 1, "text": "We keep it.", "is_accepted": False}
    for _ in range(2):
        assert agree(alice_client, campaign, 1).status_code == 204
    assert Consent.objects.count() == 1 and not mine(alice_client, campaign)["needs_consent"]
    assert leased(alice_client, campaign)


def test_new_terms_are_accepted_anew_and_what_is_in_hand_can_be_handed_in(alice_client, campaign):
    assignment = leased(alice_client, campaign)
    write_terms(campaign, "We keep it for two years.", by=None)
    assert lease(alice_client, campaign)["reason"] == "terms"
    assert submit(alice_client, assignment).status_code == 201
    write_terms(campaign, "We keep it for three years.", by=None)
    assert agree(alice_client, campaign, 1).json()["errors"][0]["code"] == "terms_changed"
    assert agree(alice_client, campaign, 2).status_code == 204
    assert leased(alice_client, campaign)


def test_empty_terms_ask_nothing_and_one_consent_is_not_anothers(alice_client, bob_client, campaign):
    write_terms(campaign, "We keep it.", by=None)
    agree(alice_client, campaign, 1)
    assert lease(bob_client, campaign)["reason"] == "terms"
    write_terms(campaign, "  ", by=None)
    assert leased(bob_client, campaign)


def test_only_admins_write_terms_and_only_who_sees_the_campaign_reads_them(
    alice_client, tom_client, new_campaign, campaign
):
    assert alice_client.put(url(campaign, "terms"), {"text": "Mine."}, format="json").status_code == 403
    assert tom_client.get(url(campaign, "terms")).status_code == 200
    assert alice_client.get(url(new_campaign(), "terms")).status_code == 404
    assert agree(alice_client, campaign, 1).status_code == 409  # there are none to agree to


def test_what_changed_since_one_last_read_is_what_lies_between_the_two_versions(
    alice_client, bob_client, campaign
):
    assert mine(alice_client, campaign)["guidelines_read"] is None
    submit(alice_client, leased(alice_client, campaign))
    assert mine(alice_client, campaign)["guidelines_read"] == 1  # they lie beside the first unit
    for text in ("Be kind and true.", "Be kind, true and short."):
        write_guidelines(campaign, text, by=None)
    submit(alice_client, leased(alice_client, campaign))
    seen = alice_client.get(url(campaign, "guidelines")).json()
    assert (seen["version"], seen["read"]) == (3, {"version": 1, "text": "Be kind."})
    assert bob_client.get(url(campaign, "guidelines")).json()["read"] is None
    for version, read in ((3, 3), (2, 3)):  # never back to an older one
        marked = alice_client.post(url(campaign, "guidelines/read"), {"version": version}, format="json")
        assert (marked.status_code, mine(alice_client, campaign)["guidelines_read"]) == (204, read)
    assert alice_client.get(url(campaign, "guidelines")).json()["read"] is None
    # A version that is still to be written: whoever had read it would never hear of new guidelines again.
    ahead = alice_client.post(url(campaign, "guidelines/read"), {"version": 2**31 - 1}, format="json")
    assert ahead.status_code == 400
    assert ahead.json()["errors"][0]["field"] == "version"
    assert mine(alice_client, campaign)["guidelines_read"] == 3


def test_a_campaign_without_guidelines_has_none_to_read(alice_client, new_campaign, alice):
    campaign = new_campaign("demonstration", members=[alice])
    queue_prompts(campaign, prompts(1))
    assert alice_client.get(url(campaign, "guidelines")).status_code == 404
    leased(alice_client, campaign)
    assert Membership.objects.get().guidelines_read == 0
    write_guidelines(campaign, "Be kind.", by=None)
    assert alice_client.get(url(campaign, "guidelines")).json()["read"] is None
