"""Reviews: another person's work is accepted, corrected or returned, and what a snapshot takes of it."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.services import add_member, create_campaign
from annotate.exchange.exporting import trl_messages, trl_preference
from annotate.feedback.models import Assignment, Demonstration, Ranking, Review
from annotate.feedback.queue.units import queue_all_reviews, queue_reviews
from annotate.snapshots.freezing import Frozen
from tests.annotate.moves import dialogue, lease, leased, submit, time_passes

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewing(alice, bob):
    """reviewing(campaign): a campaign of reviews of its work, of alice and bob."""

    def make(campaign, members=(alice, bob)):
        made = create_campaign(name=f"of {campaign.name}", kind="review", reviewed_campaign=campaign)
        for member in members:
            add_member(made, member)
        return made

    return make


def review(client, assignment: dict, verdict: str, **more):
    body = {
        "submission_key": str(uuid.uuid4()),
        "seconds_spent": 5,
        "verdict": verdict,
        "reviewed_revision": assignment["reviewed"]["revision"],
    }
    return client.post(f"/api/assignments/{assignment['id']}/submit", body | more, format="json")


def frozen(campaign, name: str) -> list[dict]:
    """What a snapshot of now would take."""
    return list(getattr(Frozen([campaign], 0, 0.0), name)())


def test_however_much_one_gave_none_of_it_is_left_for_oneself_to_review(
    writing, reviewing, alice_client, bob_client
):
    campaign = writing(3)
    of_it = reviewing(campaign)
    for _ in range(3):
        assert submit(alice_client, leased(alice_client, campaign)).status_code == 201
    queue_all_reviews()
    left = {
        client: {
            row["name"]: row["mine"]["num_left"] for row in client.get("/api/campaigns").json()["results"]
        }[of_it.name]
        for client in (alice_client, bob_client)
    }
    assert list(left.values()) == [0, 3]


def test_work_is_reviewed_by_another_person_who_does_not_learn_whose_it_is(
    writing, reviewing, alice_client, bob_client
):
    campaign = writing(1)
    of_it = reviewing(campaign)
    assert lease(bob_client, of_it)["reason"] == "no_units"
    given = leased(alice_client, campaign)
    assert submit(alice_client, given).status_code == 201
    queue_all_reviews()
    assert lease(alice_client, of_it)["reason"] == "none_left"  # never one's own
    shown = alice_client.get("/api/campaigns").json()["results"]
    assert {row["name"]: row["mine"]["num_left"] for row in shown}[of_it.name] == 0
    assignment = leased(bob_client, of_it)
    assert assignment["reviewed"]["content"] == {"messages": dialogue(given)}
    assert assignment["reviewed"]["campaign"]["kind"] == "demonstration"
    assert "alice" not in str(assignment)
    answer = review(bob_client, assignment, "accepted")
    assert answer.status_code == 201, answer.content
    assert Demonstration.objects.get().review_state == "accepted"
    late = submit(alice_client, given, messages=dialogue(given, "Better."), revises=1)
    assert late.status_code == 409 and late.json()["errors"][0]["code"] == "reviewed"
    assert queue_reviews(of_it) == 0
    progress = Review.objects.get()
    assert (progress.verdict, progress.reviewed_revision) == ("accepted", 1)


def test_a_correction_is_the_newest_revision_and_the_old_one_is_kept(
    ranking, reviewing, alice_client, bob_client, carol_client
):
    campaign = ranking(1, num_completions=3)
    of_it = reviewing(campaign)
    given = leased(alice_client, campaign)
    assert submit(alice_client, given).status_code == 201
    before = Ranking.objects.get().tiers
    queue_all_reviews()
    assignment = leased(bob_client, of_it)
    work = assignment["reviewed"]
    assert [one["id"] for one in work["completions"]] == [one["id"] for one in given["completions"]]
    turned = {**work["content"], "tiers": work["content"]["tiers"][::-1]}
    answer = review(bob_client, assignment, "corrected", content=turned, comment="The other way round.")
    assert answer.status_code == 201, answer.content
    now = Ranking.objects.get()
    assert (now.tiers, now.revision, now.review_state) == (before[::-1], 2, "corrected")
    assert now.seconds_spent == 12.5 and now.annotator.user.username == "alice"
    assert now.assignment.revisions.get().content["tiers"] == before
    best = {comparison.chosen_id for comparison in now.comparisons.all()}
    assert before[-1][0] in best and before[0][0] not in best
    (row,) = frozen(campaign, "rankings")
    assert row["tiers"] == before[::-1]
    told = alice_client.get(f"/api/assignments/{given['id']}").json()["submitted"]
    assert told["review"]["comment"] == "The other way round." and not told["can_correct"]
    counts = carol_client.get(f"/api/campaigns/{of_it.id}/progress").json()
    assert (counts["num_reviews"], counts["num_done"]) == (1, 1)
    assert counts["by_day"][0]["num_submitted"] == 1


def test_returned_work_is_left_out_until_its_author_submits_it_again(
    writing, reviewing, alice_client, bob_client
):
    campaign = writing(1, correction_hours=0)
    of_it = reviewing(campaign)
    given = leased(alice_client, campaign)
    assert submit(alice_client, given).status_code == 201
    queue_all_reviews()
    first = leased(bob_client, of_it)
    silent = review(bob_client, first, "returned")
    assert silent.status_code == 400 and silent.json()["errors"][0]["field"] == "comment"
    assert review(bob_client, first, "returned", comment="Name the island.").status_code == 201
    assert frozen(campaign, "demonstrations") == []
    assert list(trl_messages(campaign)) == []
    (own,) = alice_client.get("/api/my-work").json()["recent"]
    assert (own["review_state"], own["comment"], own["can_correct"]) == ("returned", "Name the island.", True)
    again = submit(alice_client, given, messages=dialogue(given, "Port Hope, on Gull."), revises=1)
    assert again.status_code == 201, again.content
    assert len(frozen(campaign, "demonstrations")) == 1
    second = leased(bob_client, of_it)  # and it is looked at again
    assert second["reviewed"]["revision"] == 2
    assert [one["comment"] for one in second["reviewed"]["earlier"]] == ["Name the island."]
    assert review(bob_client, second, "accepted").status_code == 201
    assert lease(bob_client, of_it)["assignment"] is None


def test_a_returned_ranking_takes_its_pairs_and_its_own_answer_along(
    ranking, reviewing, alice_client, bob_client
):
    campaign = ranking(1, num_completions=2, own_answer="demonstration")
    of_it = reviewing(campaign)
    given = leased(alice_client, campaign)
    tiers = [[0], *([one["id"]] for one in given["completions"])]
    assert submit(alice_client, given, tiers=tiers, own_answer="Mine.").status_code == 201
    queue_all_reviews()
    assignment = leased(bob_client, of_it)
    assert assignment["reviewed"]["content"]["own_answer"] == "Mine."
    assert review(bob_client, assignment, "returned", comment="No.").status_code == 201
    for name in ("rankings", "comparisons", "demonstrations"):
        assert frozen(campaign, name) == []
    assert list(trl_preference(campaign)) == []


def test_a_review_of_what_has_changed_meanwhile_is_refused(writing, reviewing, alice_client, bob_client):
    campaign = writing(1)
    of_it = reviewing(campaign)
    given = leased(alice_client, campaign)
    submit(alice_client, given)
    queue_all_reviews()
    assignment = leased(bob_client, of_it)
    assert submit(alice_client, given, messages=dialogue(given, "New."), revises=1).status_code == 201
    refused = review(bob_client, assignment, "accepted")
    assert refused.status_code == 409 and refused.json()["errors"][0]["code"] == "revision"
    seen = bob_client.get(f"/api/assignments/{assignment['id']}").json()
    assert seen["reviewed"]["content"]["messages"][-1]["content"] == "New."
    assert review(bob_client, seen, "accepted").status_code == 201


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("verdict", {"verdict": "good"}),
        ("content", {"verdict": "corrected"}),
        ("content", {"verdict": "accepted", "content": {"messages": []}}),
        ("content.messages", {"verdict": "corrected", "content": {}}),
        ("content", {"verdict": "corrected", "content": "x"}),
        ("messages", {"verdict": "corrected", "content": {"messages": [{"role": "user", "content": "No"}]}}),
        ("reviewed_revision", {"verdict": "accepted", "reviewed_revision": 0}),
    ],
)
def test_odd_reviews_are_refused_with_their_field(writing, reviewing, alice_client, bob_client, field, body):
    campaign = writing(1)
    of_it = reviewing(campaign)
    submit(alice_client, leased(alice_client, campaign))
    queue_all_reviews()
    answer = review(bob_client, leased(bob_client, of_it), **body)
    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["field"].endswith(field), answer.content
    assert not Review.objects.exists() and Demonstration.objects.get().revision == 1


def test_a_review_that_came_too_late_is_kept_and_does_nothing(
    writing, reviewing, alice_client, bob_client, carol, carol_client
):
    carol.is_annotator = True
    carol.save()
    campaign = writing(1)
    of_it = reviewing(campaign)
    add_member(of_it, carol)
    submit(alice_client, leased(alice_client, campaign))
    queue_all_reviews()
    late = leased(bob_client, of_it)
    time_passes(late)
    other = leased(carol_client, of_it)
    assert review(carol_client, other, "accepted").status_code == 201
    answer = review(bob_client, late, "returned", comment="No.")
    assert answer.status_code == 201 and answer.json()["is_surplus"]
    assert Demonstration.objects.get().review_state == "accepted"


def test_nobody_reads_an_answer_to_a_unit_that_is_still_theirs_to_answer(
    writing, reviewing, alice, bob, alice_client, bob_client
):
    campaign = writing(2, overlap=2)
    of_it = reviewing(campaign)
    first = leased(alice_client, campaign)
    submit(alice_client, first)
    begun = leased(bob_client, campaign)  # the same unit
    assert begun["prompt"]["id"] == first["prompt"]["id"]
    queue_all_reviews()
    assert lease(bob_client, of_it)["assignment"] is None
    submit(bob_client, begun)
    assert leased(bob_client, of_it)["prompt"]["id"] == first["prompt"]["id"]
    second = leased(alice_client, campaign)
    submit(alice_client, second)
    queue_all_reviews()
    review(bob_client, leased(bob_client, of_it), "accepted")
    assert leased(bob_client, of_it)["prompt"]["id"] == second["prompt"]["id"]
    assert lease(bob_client, campaign)["assignment"] is None  # he has read an answer to it
    assert Assignment.objects.get(annotator__user=bob, campaign=campaign, state="skipped")


def test_a_campaign_of_reviews_names_another_and_has_no_prompts_of_its_own(
    writing, reviewing, carol_client, new_campaign
):
    campaign = writing(1)
    of_it = reviewing(campaign)
    good = {"name": "R", "kind": "review", "reviewed_campaign": new_campaign("ranking").id}
    for field, body in {
        "reviewed_campaign": {"reviewed_campaign": None},
        "overlap": {"overlap": 2},
        "correction_hours": {"correction_hours": 5},
    }.items():
        refused = carol_client.post("/api/campaigns", good | body, format="json")
        assert refused.status_code == 400 and refused.json()["errors"][0]["field"] == field
    for taken in (campaign.id, of_it.id, 10**9):
        refused = carol_client.post("/api/campaigns", good | {"reviewed_campaign": taken}, format="json")
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["field"] == "reviewed_campaign"
    other = carol_client.post("/api/campaigns", good | {"kind": "ranking"}, format="json")
    assert other.status_code == 400
    made = carol_client.post("/api/campaigns", good, format="json")
    assert made.status_code == 201, made.content
    assert made.json()["reviewed_campaign"]["id"] == good["reviewed_campaign"]
    prompt = [{"messages": [{"role": "user", "content": "Hm?"}]}]
    refused = carol_client.post(f"/api/campaigns/{of_it.id}/prompts", prompt, format="json")
    assert refused.status_code == 400 and refused.json()["errors"][0]["field"] == "campaign"


def test_the_next_review_costs_the_same_whatever_waits(writing, reviewing, alice_client, bob_client):
    counted = []
    for num in (2, 12):
        campaign = writing(num)
        of_it = reviewing(campaign)
        for _ in range(num):
            submit(alice_client, leased(alice_client, campaign))
        queue_all_reviews()
        review(bob_client, leased(bob_client, of_it), "accepted")
        with CaptureQueriesContext(connection) as queries:
            assert lease(bob_client, of_it)["assignment"]
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 32
