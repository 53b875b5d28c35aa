"""An admin chooses which policies a campaign samples from, and with what weight."""

import pytest

from annotate.campaigns.services import add_prompts, create_campaign
from annotate.runs import serving
from annotate.runs.models import PolicyVersion, Run
from tests.annotate.moves import prompts

pytestmark = pytest.mark.django_db


@pytest.fixture
def rival(base) -> PolicyVersion:
    return PolicyVersion.objects.create(name="rival", path="/models/rival")


def choose(client, campaign, *policies, **more):
    body = {"policies": [{"policy_version": one.pk, "weight": weight} for one, weight in policies], **more}
    return client.put(f"/api/campaigns/{campaign.id}/policies", body, format="json")


def test_a_chat_gets_a_second_policy_and_loses_it_again(chatting, base, rival, carol_client, alice_client):
    campaign = chatting(1)
    offered = carol_client.get(f"/api/campaigns/{campaign.id}/policies").json()
    assert offered == {
        "policies": [],
        "available": [{"id": rival.pk, "name": "rival"}, {"id": base.pk, "name": "base"}],
    }
    answer = choose(carol_client, campaign, (base, 3), (rival, 1))
    assert answer.status_code == 200, answer.content
    shown = [(row["policy_version"]["name"], row["weight"]) for row in answer.json()["policies"]]
    assert shown == [("base", 3), ("rival", 1)]
    assert carol_client.get(f"/api/campaigns/{campaign.id}").json()["policies"] == answer.json()["policies"]
    assert serving.wanted_policy() is not None  # although neither was promoted
    choose(carol_client, campaign, (rival, 2))
    assert list(campaign.policies.values_list("policy_version__name", "weight")) == [("rival", 2)]
    assert choose(carol_client, campaign).json()["policies"] == []
    assert not Run.objects.exists()


def test_two_policies_of_a_comparison_are_sampled_so_that_they_meet(
    new_campaign, base, rival, carol_client, carol
):
    campaign = new_campaign("comparison")
    add_prompts(campaign, prompts(3))
    assert choose(carol_client, campaign, (base, 1), (rival, 1), sample=True).status_code == 200
    runs = list(Run.objects.order_by("pk"))
    assert [(run.kind, run.policy, run.campaign) for run in runs] == [
        ("sample", base, campaign),
        ("sample", rival, campaign),
    ]
    assert [run.config for run in runs] == [{"num_completions": 1}] * 2
    assert {run.triggered_by for run in runs} == {carol}
    choose(carol_client, campaign, (base, 1), sample=True)  # alone it meets itself
    assert Run.objects.order_by("pk").last().config == {}


def test_it_is_for_admins_and_trainers(writing, base, alice_client, carol_client, tom_client, client):
    campaign = writing(1)
    assert choose(tom_client, campaign, (base, 1)).status_code == 200
    assert choose(alice_client, campaign, (base, 1)).status_code == 403
    assert alice_client.get(f"/api/campaigns/{campaign.id}/policies").status_code == 403
    assert client.get(f"/api/campaigns/{campaign.id}/policies").status_code == 401
    assert carol_client.get("/api/campaigns/99/policies").status_code == 404


def test_what_makes_no_sense_is_refused_and_changes_nothing(writing, base, rival, carol_client):
    campaign = writing(1)
    choose(carol_client, campaign, (base, 1))
    twice = choose(carol_client, campaign, (rival, 1), (rival, 2))
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (400, "policies")
    less = choose(carol_client, campaign, (rival, -1))
    assert (less.status_code, less.json()["errors"][0]["field"]) == (400, "policies[0].weight")
    unknown = carol_client.put(
        f"/api/campaigns/{campaign.id}/policies", {"policies": [{"policy_version": 99}]}, format="json"
    )
    assert unknown.status_code == 400
    assert list(campaign.policies.values_list("policy_version", "weight")) == [(base.pk, 1)]
    reviews = create_campaign(name="of it", kind="review", reviewed_campaign=campaign)
    assert choose(carol_client, reviews, (base, 1)).status_code == 400
    assert choose(carol_client, reviews).status_code == 200
