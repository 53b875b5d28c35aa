"""Comparisons: two completions, one choice with its strength, kept as a ranking of two."""

import uuid

import pytest
from django.db import IntegrityError
from rest_framework.exceptions import ValidationError

from annotate.feedback.models import Ranking
from annotate.feedback.queue.units import update_campaign
from tests.annotate.moves import ids_shown, lease, leased

pytestmark = pytest.mark.django_db


def choose(client, assignment: dict, **choice):
    body = {"submission_key": str(uuid.uuid4()), "seconds_spent": 3, **choice}
    return client.post(f"/api/assignments/{assignment['id']}/submit", body, format="json")


def test_a_choice_is_a_ranking_of_two_with_its_strength(comparing, alice_client):
    campaign = comparing(3)
    assert campaign.num_completions == 2
    given = []
    for choice in ({"verdict": "better", "strength": 3}, {"verdict": "tie"}, {"verdict": "all_bad"}):
        assignment = leased(alice_client, campaign)
        shown = ids_shown(assignment)
        assert "secret" not in str(assignment)
        if choice["verdict"] == "better":
            choice["chosen"] = 2
        answer = choose(alice_client, assignment, **choice)
        assert answer.status_code == 201, answer.content
        assert answer.json()["kind"] == "comparison"
        ranking = Ranking.objects.get(assignment=assignment["id"])
        assert ranking.shown_order == shown
        given.append((ranking, shown))
    (better, order), (tie, tied), (bad, _) = given
    assert (better.tiers, better.strength, better.all_bad) == ([[order[1]], [order[0]]], 3, False)
    pairs = better.comparisons.values_list("chosen", "rejected", "margin")
    assert list(pairs) == [(order[1], order[0], 3)]
    assert (tie.tiers, tie.strength, tie.all_bad) == ([tied], None, False)
    assert (bad.tiers, bad.strength, bad.all_bad) == ([], None, True)
    assert not tie.comparisons.exists() and not bad.comparisons.exists()
    held = lease(alice_client, campaign)
    assert held["assignment"] is None and held["reason"] == "none_left"


def test_a_choice_is_corrected_and_the_first_is_kept(comparing, alice_client):
    assignment = leased(alice_client, comparing())
    first, second = [completion["id"] for completion in assignment["completions"]]
    key = str(uuid.uuid4())
    given = {"submission_key": key, "verdict": "better", "chosen": first, "strength": 1}
    assert choose(alice_client, assignment, **given).status_code == 201
    assert choose(alice_client, assignment, **given).status_code == 200  # the same again
    stands = alice_client.get(f"/api/assignments/{assignment['id']}").json()["submitted"]
    assert stands["content"] == {"verdict": "better", "chosen": first, "strength": 1}
    changed = choose(alice_client, assignment, verdict="better", chosen=second, strength=2, revises=1)
    assert changed.status_code == 201, changed.content
    ranking = Ranking.objects.get(assignment=assignment["id"])
    left, right = ids_shown(assignment)
    assert (ranking.tiers, ranking.strength, ranking.revision) == ([[right], [left]], 2, 2)
    assert ranking.assignment.revisions.get().content == {"verdict": "better", "chosen": left, "strength": 1}
    assert ranking.comparisons.get().margin == 2


@pytest.mark.parametrize(
    ("field", "choice"),
    [
        ("verdict", {}),
        ("verdict", {"verdict": "best"}),
        ("chosen", {"verdict": "better", "strength": 1}),
        ("chosen", {"verdict": "better", "strength": 1, "chosen": 0}),
        ("strength", {"verdict": "better", "chosen": "first"}),
        ("strength", {"verdict": "better", "chosen": "first", "strength": 4}),
        ("chosen", {"verdict": "tie", "chosen": "first"}),
        ("strength", {"verdict": "all_bad", "strength": 2}),
    ],
)
def test_half_a_choice_is_refused_with_its_field(comparing, alice_client, field, choice):
    assignment = leased(alice_client, comparing(1))
    if choice.get("chosen") == "first":
        choice = choice | {"chosen": assignment["completions"][0]["id"]}
    answer = choose(alice_client, assignment, **choice)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Ranking.objects.exists()


def test_a_comparison_campaign_is_of_two_and_asks_one_question(comparing, carol_client):
    for field, value in {"num_completions": 4, "is_rated_first": True, "criteria": ["helpful"]}.items():
        body = {"name": "New", "kind": "comparison", field: value}
        answer = carol_client.post("/api/campaigns", body, format="json")
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    campaign = comparing()
    with pytest.raises(ValidationError):
        update_campaign(campaign, {"num_completions": 3})
    campaign.num_completions = 3
    with pytest.raises(IntegrityError):
        campaign.save()


def test_the_next_comparison_costs_what_the_next_ranking_does(
    comparing, alice_client, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    few, many = comparing(2), comparing(40)
    lease(alice_client, few), lease(alice_client, many)  # what is the first time only
    counted = []
    for campaign in (few, many):
        assignment = leased(alice_client, campaign)
        assert choose(alice_client, assignment, verdict="tie").status_code == 201
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert lease(alice_client, campaign)["assignment"]
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 22
