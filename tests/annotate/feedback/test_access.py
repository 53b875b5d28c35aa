"""Who may do what: strangers see nothing, annotators only their own work, and never who wrote a completion."""

import json

import pytest
from rest_framework.test import APIClient

from annotate.campaigns.models import Completion
from annotate.campaigns.services import add_prompts
from annotate.feedback.models import Assignment
from annotate.feedback.services import queue_ranking_units
from annotate.runs.models import CampaignPolicy, PolicyVersion
from tests.annotate.moves import leased, prompts, submit
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db

OF_A_CAMPAIGN = [
    ("get", "/api/campaigns/{campaign}"),
    ("patch", "/api/campaigns/{campaign}"),
    ("put", "/api/campaigns/{campaign}/guidelines"),
    ("get", "/api/campaigns/{campaign}/members"),
    ("post", "/api/campaigns/{campaign}/members"),
    ("delete", "/api/campaigns/{campaign}/members/{user}"),
    ("post", "/api/campaigns/{campaign}/prompts"),
    ("get", "/api/campaigns/{campaign}/progress"),
    ("post", "/api/campaigns/{campaign}/assignments/next"),
]
OF_AN_ASSIGNMENT = [
    ("get", "/api/assignments/{assignment}"),
    ("put", "/api/assignments/{assignment}/draft"),
    ("post", "/api/assignments/{assignment}/renew"),
    ("post", "/api/assignments/{assignment}/submit"),
    ("post", "/api/assignments/{assignment}/skip"),
    ("post", "/api/assignments/{assignment}/release"),
    ("post", "/api/assignments/{assignment}/suggestions"),
]
BODY = {"content": {}, "revision": 0, "turn": 1, "messages": [], "text": "x", "username": "bob"}


def ask(client: APIClient, method: str, address: str, **ids: int):
    return getattr(client, method)(address.format(**ids), BODY, format="json")


@pytest.mark.parametrize(("method", "address"), OF_A_CAMPAIGN + OF_AN_ASSIGNMENT)
def test_without_signing_in_everything_is_401(alice, alice_client, writing, method, address):
    campaign = writing(1)
    ids = {"campaign": campaign.id, "assignment": leased(alice_client, campaign)["id"], "user": alice.id}
    answer = ask(APIClient(), method, address, **ids)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Token"


@pytest.mark.parametrize(("method", "address"), OF_A_CAMPAIGN)
def test_a_stranger_cannot_tell_that_a_campaign_is_there(alice, bob_client, writing, method, address):
    campaign = writing(1, members=[alice])
    answer = ask(bob_client, method, address, campaign=campaign.id, user=alice.id)
    nothing = ask(bob_client, method, address, campaign=10**6, user=alice.id)
    assert answer.status_code == nothing.status_code
    assert answer.status_code in (403, 404)
    assert answer.json() == nothing.json()


@pytest.mark.parametrize(("method", "address"), OF_AN_ASSIGNMENT)
def test_nobody_reaches_another_persons_assignment(
    alice_client, bob_client, carol_client, tom_client, writing, method, address
):
    assignment = leased(alice_client, writing(1, overlap=2))
    for client in (bob_client, carol_client, tom_client):
        assert ask(client, method, address, assignment=assignment["id"]).status_code in (400, 404)
    for client in (bob_client, carol_client, tom_client):
        if method == "get":
            assert ask(client, method, address, assignment=assignment["id"]).status_code == 404
    assert Assignment.objects.get().state == "leased"


@pytest.mark.parametrize(
    ("method", "address"), [case for case in OF_A_CAMPAIGN if case[1].count("/") > 3][:-1]
)
def test_a_member_without_the_role_admin_does_no_admin_work(alice_client, alice, writing, method, address):
    campaign = writing(1)
    assert ask(alice_client, method, address, campaign=campaign.id, user=alice.id).status_code == 403
    assert campaign.memberships.filter(user=alice).exists()


def test_admins_and_trainers_who_are_not_members_cannot_lease(carol_client, tom_client, writing):
    campaign = writing(1)
    for client in (carol_client, tom_client):
        assert (
            ask(
                client, "post", "/api/campaigns/{campaign}/assignments/next", campaign=campaign.id
            ).status_code
            == 403
        )
    assert not Assignment.objects.exists()


def test_a_member_without_the_role_annotator_cannot_lease(tom, tom_client, writing):
    campaign = writing(1, members=[tom])
    assert (
        ask(
            tom_client, "post", "/api/campaigns/{campaign}/assignments/next", campaign=campaign.id
        ).status_code
        == 403
    )


def test_an_annotator_with_the_role_who_is_also_admin_needs_membership(carol, writing):
    carol.is_annotator = True
    carol.save()
    answer = ask(
        signed_in(carol), "post", "/api/campaigns/{campaign}/assignments/next", campaign=writing(1).id
    )
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
        alice_client.get("/api/campaigns").json()[0] | {"sampling": None},
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
    said = json.dumps([bobs, bob_client.get("/api/campaigns").json()])
    assert "secret words" not in said and "alice" not in said
