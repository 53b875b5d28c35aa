"""Best and worst of K: two choices, kept as a ranking whose middle is in no order."""

import uuid
from collections.abc import Callable

import pytest
from django.db import IntegrityError
from rest_framework.exceptions import ValidationError

from annotate.campaigns.models import Campaign
from annotate.campaigns.services import add_member, create_campaign
from annotate.feedback.models import Ranking
from annotate.feedback.queue.units import queue_all_reviews, update_campaign
from tests.annotate.moves import ids_shown, leased

pytestmark = pytest.mark.django_db
Picking = Callable[..., Campaign]


def pick(client, assignment: dict, **choice):
    body = {"submission_key": str(uuid.uuid4()), "seconds_spent": 3, **choice}
    return client.post(f"/api/assignments/{assignment['id']}/submit", body, format="json")


def test_the_best_and_the_worst_order_all_pairs_but_those_between(picking: Picking, alice_client):
    for k in range(3, 10):
        assignment = leased(alice_client, picking(1, num_completions=k))
        shown = ids_shown(assignment)
        assert [one["id"] for one in assignment["completions"]] == list(range(1, k + 1))
        assert "secret" not in str(assignment)
        answer = pick(alice_client, assignment, verdict="chosen", best=k, worst=1)
        assert (answer.status_code, answer.json()["kind"]) == (201, "best_worst"), answer.content
        ranking = Ranking.objects.get(assignment=assignment["id"])
        best, worst = shown[-1], shown[0]
        assert ranking.tiers == [[best], shown[1:-1], [worst]] and ranking.middle_unordered
        assert ranking.shown_order == shown
        pairs = ranking.comparisons.values_list("chosen", "rejected", "margin")
        assert len(pairs) == 2 * k - 3
        assert all(chosen == best or rejected == worst for chosen, rejected, _margin in pairs)
        assert {pair for pair in pairs if pair[2] == 2} == {(best, worst, 2)}


def test_a_tie_is_one_tier_and_all_bad_none(picking: Picking, alice_client):
    campaign = picking(2)
    assert campaign.num_completions == 4
    for verdict in ("tie", "all_bad"):
        assignment = leased(alice_client, campaign)
        assert pick(alice_client, assignment, verdict=verdict).status_code == 201
        ranking = Ranking.objects.get(assignment=assignment["id"])
        assert ranking.tiers == ([ids_shown(assignment)] if verdict == "tie" else [])
        assert ranking.all_bad == (verdict == "all_bad")
        assert not ranking.comparisons.exists()


def test_a_choice_is_corrected_and_the_first_is_kept(picking: Picking, alice_client):
    assignment = leased(alice_client, picking(1))
    given = {"submission_key": str(uuid.uuid4()), "verdict": "chosen", "best": 1, "worst": 4}
    assert pick(alice_client, assignment, **given).status_code == 201
    assert pick(alice_client, assignment, **given).status_code == 200  # the same again
    stands = alice_client.get(f"/api/assignments/{assignment['id']}").json()["submitted"]
    assert stands["content"] == {"verdict": "chosen", "best": 1, "worst": 4}
    changed = pick(alice_client, assignment, verdict="chosen", best=2, worst=3, revises=1)
    assert changed.status_code == 201, changed.content
    a, b, c, d = ids_shown(assignment)
    ranking = Ranking.objects.get(assignment=assignment["id"])
    assert (ranking.tiers, ranking.revision) == ([[b], [a, d], [c]], 2)
    assert ranking.comparisons.count() == 5
    versions = alice_client.get(f"/api/assignments/{assignment['id']}/versions").json()
    said = [(one["content"]["best"], one["content"]["worst"]) for one in versions]
    assert said == [(2, 3), (1, 4)]
    assert pick(alice_client, assignment, verdict="tie", revises=2).status_code == 201
    ranking.refresh_from_db()
    assert (ranking.tiers, ranking.middle_unordered) == ([[a, b, c, d]], False)


@pytest.mark.parametrize(
    ("field", "choice"),
    [
        ("verdict", {}),
        ("verdict", {"verdict": "better"}),
        ("best", {"verdict": "chosen", "worst": 1}),
        ("worst", {"verdict": "chosen", "best": 1}),
        ("worst", {"verdict": "chosen", "best": 1, "worst": 1}),
        ("best", {"verdict": "chosen", "best": 5, "worst": 1}),
        ("worst", {"verdict": "tie", "worst": 1}),
        ("best", {"verdict": "all_bad", "best": 2}),
    ],
)
def test_half_a_choice_is_refused_with_its_field(picking: Picking, alice_client, field, choice):
    answer = pick(alice_client, leased(alice_client, picking(1)), **choice)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not Ranking.objects.exists()


def test_its_campaign_is_of_three_to_nine_and_asks_one_question(picking: Picking, carol_client):
    for field, value in {"num_completions": 2, "is_rated_first": True, "criteria": ["helpful"]}.items():
        body = {"name": "New", "kind": "best_worst", field: value}
        answer = carol_client.post("/api/campaigns", body, format="json")
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    campaign = picking(1)
    with pytest.raises(ValidationError):
        update_campaign(campaign, {"num_completions": 2})
    campaign.num_completions = 2
    with pytest.raises(IntegrityError):
        campaign.save()


def test_a_reviewer_sees_places_and_mends_the_choice(picking: Picking, alice_client, bob, bob_client):
    campaign = picking(1)
    review = create_campaign(name="of it", kind="review", reviewed_campaign=campaign)
    add_member(review, bob)
    given = leased(alice_client, campaign)
    assert pick(alice_client, given, verdict="chosen", best=1, worst=2).status_code == 201
    queue_all_reviews()
    before = leased(bob_client, review)
    assert before["reviewed"]["content"] == {"verdict": "chosen", "best": 1, "worst": 2}
    mended = {"verdict": "chosen", "best": 4, "worst": 2}
    wrong = {"verdict": "corrected", "reviewed_revision": 1, "content": mended | {"best": 9}}
    assert pick(bob_client, before, **wrong).status_code == 400
    assert pick(bob_client, before, **wrong | {"content": mended}).status_code == 201
    ranking = Ranking.objects.get()
    a, b, c, d = ids_shown(given)
    assert (ranking.tiers, ranking.review_state) == ([[d], [a, c], [b]], "corrected")
