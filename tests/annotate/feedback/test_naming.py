"""Whoever judges completions knows them by their places: no id tells which was made first, and so by which policy."""

import uuid

import pytest
from django.db import connection

from annotate.campaigns.services import add_member, create_campaign
from annotate.feedback.models import Ranking
from annotate.feedback.queue.units import queue_all_reviews
from tests.annotate.moves import ids_shown, leased, submit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ids_are_no_places(db):
    """The ids of completions begin where nothing else is counted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('campaigns_completion_id_seq', 7000000)")


def numbers_in(answer) -> set[int]:
    """Every number somewhere in an answer."""
    if isinstance(answer, dict):
        return set().union(*map(numbers_in, answer.values()))
    if isinstance(answer, list):
        return set().union(*map(numbers_in, answer))
    return {answer} if isinstance(answer, int) else set()


def reviewed(campaign, *members):
    """A campaign of reviews of this one."""
    made = create_campaign(name=f"of {campaign.name}", kind="review", reviewed_campaign=campaign)
    for member in members:
        add_member(made, member)
    return made


def test_neither_author_nor_reviewer_is_told_an_id_before_after_or_in_a_version(
    ranking, bob, alice_client, bob_client
):
    campaign = ranking(1, num_completions=3, criteria=["kind"])
    of_it = reviewed(campaign, bob)
    assignment = leased(alice_client, campaign)
    assert [one["id"] for one in assignment["completions"]] == [1, 2, 3]
    a, b, c = ids_shown(assignment)
    orders = {"tiers": [[2], [1, 3]], "criteria": {"kind": [[3], [1]]}}
    ratings = [{"completion": 2, "value": 5, "flags": []}]
    given = submit(alice_client, assignment, **orders, ratings=ratings, own_answer="")
    assert given.status_code == 201, given.content
    stored = Ranking.objects.get()
    assert (stored.tiers, stored.criteria) == ([[b], [a, c]], {"kind": [[c], [a]]})
    queue_all_reviews()
    review = leased(bob_client, of_it)
    assert review["reviewed"]["content"]["tiers"] == [[2], [1, 3]]
    mended = review["reviewed"]["content"] | {"tiers": [[3], [2]]}
    body = {"submission_key": str(uuid.uuid4()), "verdict": "corrected", "reviewed_revision": 1}
    where = f"/api/assignments/{review['id']}"
    answer = bob_client.post(f"{where}/submit", body | {"content": mended}, format="json")
    assert answer.status_code == 201, answer.content
    stored.refresh_from_db()
    assert stored.tiers == [[c], [b]]
    assert list(stored.ratings.values_list("completion_id", "value")) == [(b, 5)]
    mine = f"/api/assignments/{assignment['id']}"
    told = [alice_client.get(mine).json(), alice_client.get(f"{mine}/versions").json()]
    seen = [bob_client.get(where).json(), bob_client.get(f"{mine}/versions").json()]
    assert told[0]["submitted"]["content"]["tiers"] == seen[1][0]["content"]["tiers"] == [[3], [2]]
    assert seen[1][1]["content"] == review["reviewed"]["content"]
    assert not {a, b, c} & numbers_in([assignment, *told, review, *seen])


def test_an_id_is_no_name_of_a_completion(ranking, comparing, alice_client):
    assignment = leased(alice_client, ranking(1))
    a, b, *_more = ids_shown(assignment)
    answer = submit(alice_client, assignment, tiers=[[a], [b]])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "tiers[0][0]")
    assignment = leased(alice_client, comparing(1))
    choice = {"verdict": "better", "strength": 1, "chosen": ids_shown(assignment)[0]}
    body = {"submission_key": str(uuid.uuid4()), **choice}
    answer = alice_client.post(f"/api/assignments/{assignment['id']}/submit", body, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "chosen")
