"""The versions of a submission: who may read them, and what they say of when and by whom."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import Campaign
from annotate.campaigns.services import add_member, create_campaign, remove_member
from annotate.feedback.queue.units import queue_all_reviews
from tests.annotate.moves import dialogue, leased, submit
from tests.conftest import _person, signed_in

pytestmark = pytest.mark.django_db


def versions(client, assignment: dict, expected: int = 200) -> list[dict]:
    answer = client.get(f"/api/assignments/{assignment['id']}/versions")
    assert answer.status_code == expected, answer.content
    return answer.json()


@pytest.fixture
def reviewed(alice_client, bob_client, bob, writing) -> tuple[dict, dict]:
    """What alice gave and corrected, and bob's review of it."""
    campaign = writing(1)
    of_it = create_campaign(name="of it", kind="review", reviewed_campaign=campaign)
    add_member(of_it, bob)
    given = leased(alice_client, campaign)
    submit(alice_client, given)
    submit(alice_client, given, messages=dialogue(given, "Better."), revises=1)
    queue_all_reviews()
    return given, leased(bob_client, of_it)


def mend(client, review: dict, given: dict, reply: str) -> None:
    body = {
        "submission_key": str(uuid.uuid4()),
        "verdict": "corrected",
        "reviewed_revision": review["reviewed"]["revision"],
        "content": {"messages": dialogue(given, reply)},
    }
    assert client.post(f"/api/assignments/{review['id']}/submit", body, format="json").status_code == 201


def test_every_version_is_listed_with_its_time_and_who_wrote_it(
    reviewed, alice_client, bob_client, carol_client
):
    given, review = reviewed
    mend(bob_client, review, given, "Best.")
    shown = versions(alice_client, given)
    assert [version["number"] for version in shown] == [3, 2, 1]
    assert [version["is_by_reviewer"] for version in shown] == [True, False, False]
    said = [version["content"]["messages"][-1]["content"] for version in shown]
    assert said == ["Best.", "Better.", "An answer."]
    times = [version["given_at"] for version in shown]
    assert times == sorted(times, reverse=True) and len(set(times)) == 3
    assert [version["person"] for version in shown] == [None, None, None]
    told = [version["person"]["username"] for version in versions(carol_client, given)]
    assert told == ["bob", "alice", "alice"]


def test_they_are_for_the_author_the_reviewer_and_admins_and_for_nobody_else(
    reviewed, alice, alice_client, bob_client, tom_client
):
    given, review = reviewed
    assert review["reviewed"]["assignment"] == given["id"]
    assert len(versions(alice_client, given)) == len(versions(bob_client, given)) == 2
    assert [version["person"] for version in versions(bob_client, given)] == [None, None]
    dora = _person("dora", "annotator")
    versions(signed_in(dora), given, 404)
    campaign = Campaign.objects.get(id=given["campaign"]["id"])
    add_member(campaign, dora)
    versions(signed_in(dora), given, 404)  # a member of the same campaign, to whom it is not given
    versions(tom_client, given, 403)
    versions(alice_client, {"id": review["id"]}, 404)  # what a reviewer said is told with their comment
    assert versions(bob_client, {"id": review["id"]}) == []
    remove_member(campaign, alice.id)
    versions(alice_client, given, 404)


def test_what_is_not_submitted_yet_has_none_and_a_stranger_is_sent_to_sign_in(alice_client, client, writing):
    begun = leased(alice_client, writing(1))
    assert versions(alice_client, begun) == []
    assert client.get(f"/api/assignments/{begun['id']}/versions").status_code == 401


def test_a_ranking_s_version_says_its_own_answer_and_ratings(alice_client, ranking):
    given = leased(alice_client, ranking(1, num_completions=2))
    a, b = (completion["id"] for completion in given["completions"])
    submit(alice_client, given, tiers=[[0], [a], [b]], own_answer="Neither.")
    submit(alice_client, given, tiers=[[b], [a]], revises=1)
    latest, first = versions(alice_client, given)
    assert (first["content"]["tiers"], first["content"]["own_answer"]) == ([[0], [a], [b]], "Neither.")
    assert (latest["content"]["tiers"], latest["content"]["own_answer"]) == ([[b], [a]], "")


def test_the_newest_are_listed_in_the_same_queries_however_many_there_are(alice_client, writing, monkeypatch):
    given, counts = leased(alice_client, writing(1)), []
    submit(alice_client, given)
    for revises in range(1, 7):
        submit(alice_client, given, messages=dialogue(given, f"Version {revises + 1}."), revises=revises)
        with CaptureQueriesContext(connection) as queries:
            assert len(versions(alice_client, given)) == revises + 1
        counts.append(len(queries))
    assert min(counts) == max(counts) <= 8
    monkeypatch.setattr("annotate.feedback.versions.MOST_VERSIONS", 3)
    assert [version["number"] for version in versions(alice_client, given)] == [7, 6, 5]
