"""How often one person's order of a pair is that of others, and when they may see it."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.services import add_member, create_campaign, remove_member
from annotate.feedback.models import Ranking, Unit, Verdict
from annotate.feedback.queue.units import update_campaign
from annotate.quality.agreement import agreement_on_pairs, count_agreement
from annotate.quality.models import Agreement
from tests.annotate.moves import leased, submit

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("one", "other", "same", "pairs"),
    [
        ([[1], [2], [3]], [[1], [2], [3]], 3, 3),
        ([[1], [2], [3]], [[3], [2], [1]], 0, 3),
        ([[1], [2], [3]], [[2], [1], [3]], 2, 3),
        ([[1], [2, 3]], [[1], [2], [3]], 2, 2),  # a tie is left out, whoever made it
        ([[1], [2, 3], [4]], [[1], [3], [2], [4]], 5, 5),  # so are those between the best and the worst
        ([[1, 2, 3]], [[1], [2], [3]], 0, 0),
        ([[1], [2]], [[1], [3]], 0, 0),  # they ordered no pair together
        ([[4], [1], [2]], [[2], [1], [3]], 0, 1),
        ([], [[1], [2]], 0, 0),
    ],
)
def test_agreement_counts_the_pairs_that_both_order(one, other, same, pairs):
    assert agreement_on_pairs(one, other) == agreement_on_pairs(other, one) == (same, pairs)


def sort(assignment: dict, letters: str) -> list[list[int]]:
    """Tiers of one completion each, in the order of the letters that their texts end with."""
    names = {completion["text"][-1]: completion["id"] for completion in assignment["completions"]}
    return [[names[letter]] for letter in letters]


def rank(client, campaign, letters: str = "ABCD", num: int = 1) -> dict:
    """Rank the next units in this order; the last of them."""
    for _ in range(num):
        assignment = leased(client, campaign)
        assert submit(client, assignment, tiers=sort(assignment, letters)).status_code == 201
    return assignment


def agreement(client) -> list[dict]:
    answer = client.get("/api/my-agreement")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_it_is_shown_over_complete_units_from_twenty_pairs_on(alice_client, bob_client, ranking):
    campaign = ranking(5, overlap=2)
    rank(alice_client, campaign, num=5)
    assert count_agreement() == 0  # bob has still to judge them
    none = {"campaign": campaign.id, "num_pairs": 0, "min_pairs": 20, "share": None}
    assert agreement(alice_client) == agreement(bob_client) == [none]
    rank(bob_client, campaign, "BACD", num=3)
    assert count_agreement() == 3
    assert agreement(alice_client) == [none | {"num_pairs": 18}]  # not how many of them are the same
    rank(bob_client, campaign, "DCBA")
    count_agreement()
    shown = none | {"num_pairs": 24, "share": 15 / 24}
    assert agreement(alice_client) == agreement(bob_client) == [shown]
    assert count_agreement() == 0


def test_a_correction_is_counted_in_place_of_what_was_before(alice_client, bob_client, ranking):
    campaign = ranking(4, overlap=2)
    rank(alice_client, campaign, num=4)
    last = rank(bob_client, campaign, num=4)
    count_agreement()
    assert agreement(bob_client)[0]["share"] == 1
    assert submit(bob_client, last, tiers=sort(last, "DCBA"), revises=1).status_code == 201
    assert count_agreement() == 1
    assert agreement(alice_client) == agreement(bob_client)
    assert (agreement(bob_client)[0]["num_pairs"], agreement(bob_client)[0]["share"]) == (24, 18 / 24)


def test_what_a_reviewer_rewrote_is_not_its_author_s_agreement(alice_client, bob_client, ranking):
    campaign = ranking(4, overlap=2)
    for client in (alice_client, bob_client):
        rank(client, campaign, num=4)
    rewritten = Ranking.objects.order_by("id").first()
    Ranking.objects.filter(id=rewritten.id).update(review_state=Verdict.CORRECTED)
    count_agreement()
    assert agreement(alice_client)[0]["num_pairs"] == 18


def test_what_a_reviewer_returned_counts_no_more(alice_client, bob_client, carol, carol_client, ranking):
    campaign = ranking(1, overlap=2)
    for client in (alice_client, bob_client):
        rank(client, campaign)
    count_agreement()
    assert Agreement.objects.count() == 2
    carol.is_annotator = True
    carol.save(update_fields=["is_annotator"])
    reviews = create_campaign(name="Looked over", kind="review", reviewed_campaign=campaign)
    add_member(reviews, carol)
    body = {
        "submission_key": str(uuid.uuid4()),
        "verdict": "returned",
        "comment": "No.",
        "reviewed_revision": 1,
    }
    address = f"/api/assignments/{leased(carol_client, reviews)['id']}/submit"
    assert carol_client.post(address, body, format="json").status_code == 201
    count_agreement()
    assert not Agreement.objects.exists()


def test_a_unit_waits_for_whoever_still_works_on_it(alice_client, bob_client, ranking):
    campaign = ranking(1, overlap=2)
    rank(alice_client, campaign)
    held = leased(bob_client, campaign)
    assert count_agreement() == 0
    submit(bob_client, held, tiers=sort(held, "ABCD"))
    assert count_agreement() == 1


def test_a_smaller_overlap_makes_units_complete(alice_client, bob_client, carol, ranking):
    campaign = ranking(1, overlap=3)
    rank(alice_client, campaign)
    rank(bob_client, campaign)
    assert count_agreement() == 0
    update_campaign(campaign, {"overlap": 2})
    assert count_agreement() == 1
    assert agreement(alice_client)[0]["num_pairs"] == 6


def test_of_three_people_each_has_the_pairs_with_both_others(
    alice, bob, carol, alice_client, bob_client, carol_client, ranking
):
    carol.is_annotator = True
    carol.save()
    campaign = ranking(1, overlap=3, members=[alice, bob, carol])
    rank(alice_client, campaign, "ABCD")
    rank(bob_client, campaign, "ABCD")
    rank(carol_client, campaign, "DCBA")
    count_agreement()
    counted = Agreement.objects.order_by("annotator_id").values_list("num_same", "num_pairs")
    assert list(counted) == [(6, 12), (6, 12), (0, 12)]


def test_a_unit_of_one_person_and_a_campaign_that_one_has_left_have_none(
    alice, alice_client, bob_client, ranking
):
    alone, together = ranking(1), ranking(1, overlap=2)
    rank(alice_client, alone)
    rank(alice_client, together)
    rank(bob_client, together)
    assert count_agreement() == 1
    assert [row["campaign"] for row in agreement(alice_client)] == [together.id]
    remove_member(together, alice.id)
    assert agreement(alice_client) == []
    assert not Unit.objects.filter(has_new_judgements=True).exists()


def test_a_comparison_is_one_pair_and_a_tie_none(alice_client, bob_client, comparing):
    campaign = comparing(2, overlap=2)
    for verdict in ("better", "tie"):
        for client in (alice_client, bob_client):
            given = leased(client, campaign)
            best = min(completion["id"] for completion in given["completions"])
            choice = {"chosen": best, "strength": 2} if verdict == "better" else {}
            assert submit(client, given, verdict=verdict, **choice).status_code == 201
    count_agreement()
    assert agreement(bob_client)[0]["num_pairs"] == 1


def test_it_takes_the_same_queries_however_much_was_judged(alice_client, bob_client, ranking):
    shown, counting = [], []
    for num in (2, 9):
        campaign = ranking(num, overlap=2)
        for client in (alice_client, bob_client):
            rank(client, campaign, num=num)
        with CaptureQueriesContext(connection) as queries:
            assert count_agreement() == num
        counting.append(len(queries))
        with CaptureQueriesContext(connection) as queries:
            agreement(alice_client)
        shown.append(len(queries))
    assert shown[0] == shown[1] <= 6
    assert counting[0] == counting[1]
