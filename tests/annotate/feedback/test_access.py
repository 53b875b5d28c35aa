"""What an annotator sees: their own work as members, and never who wrote a completion. tests/annotate/test_roles.py has the roles."""

import json

import pytest
from rest_framework.test import APIClient

from annotate.campaigns.models import Campaign, CampaignPolicy, Completion
from annotate.campaigns.services import add_prompts
from annotate.feedback.queue.units import queue_ranking_units
from annotate.runs.models import PolicyVersion
from tests.annotate.moves import leased, prompts, submit
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db


def ask_next(client: APIClient, campaign: Campaign):
    return client.post(f"/api/campaigns/{campaign.id}/assignments/next", {}, format="json")


def test_an_annotator_with_the_role_who_is_also_admin_needs_membership(carol, writing):
    carol.is_annotator = True
    carol.save()
    answer = ask_next(signed_in(carol), writing(1))
    assert answer.status_code == 403
    assert "member" in answer.json()["detail"]


def test_somebody_who_was_removed_reads_no_more(alice, alice_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    campaign.memberships.filter(user=alice).delete()
    assert alice_client.get(f"/api/assignments/{assignment['id']}").status_code == 404
    assert alice_client.get(f"/api/campaigns/{campaign.id}").status_code == 404


def test_nothing_an_annotator_receives_tells_which_policy_wrote_what(alice, alice_client, new_campaign):
    campaign = new_campaign("ranking", members=[alice], num_completions=3)
    policies = [PolicyVersion.objects.create(name=f"zebra-{i}", path=f"/models/zebra-{i}") for i in range(3)]
    for policy in policies:
        CampaignPolicy.objects.create(campaign=campaign, policy_version=policy)
    (prompt,) = add_prompts(campaign, prompts(1)).created
    rows = Completion.objects.bulk_create(
        Completion(
            prompt=prompt,
            text=f"Text {i}",
            policy_version=policy,
            seed=4242 + i,
            sampling={"temperature": 0.77},
        )
        for i, policy in enumerate(policies)
    )
    queue_ranking_units(campaign, [(prompt.id, [row.id for row in rows])])
    assignment = leased(alice_client, campaign)
    everything = [
        assignment,
        alice_client.get(f"/api/assignments/{assignment['id']}").json(),
        alice_client.get("/api/campaigns").json()["results"][0] | {"sampling": None},
        alice_client.get(f"/api/campaigns/{campaign.id}").json() | {"sampling": None},
        submit(alice_client, assignment).json(),
    ]
    said = json.dumps(everything)
    for secret in ("zebra", "4242", "4243", "0.77", "policy_version", "model_name", "seed", "author"):
        assert secret not in said
    assert set(assignment["completions"][0]) == {"id", "text"}


def test_an_annotator_never_sees_anothers_answer(alice_client, bob_client, writing):
    campaign = writing(1, overlap=2)
    first = leased(alice_client, campaign)
    submit(
        alice_client,
        first,
        messages=[*first["prompt"]["messages"], {"role": "assistant", "content": "Alice's secret words"}],
    )
    bobs = leased(bob_client, campaign)
    said = json.dumps([bobs, bob_client.get("/api/campaigns").json()["results"]])
    assert "secret words" not in said and "alice" not in said
