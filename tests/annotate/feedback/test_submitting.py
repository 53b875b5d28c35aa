"""What happens to demonstrations and rankings when they are handed in: stored once, checked, never thrown away."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import Completion
from annotate.feedback.models import Assignment, Comparison, Demonstration, Ranking, Rating, Suggestion, Unit
from annotate.feedback.queue.leases import expire_leases
from tests.annotate.moves import dialogue, ids_shown, lease, leased, submit, time_passes

pytestmark = pytest.mark.django_db


def test_a_demonstration_is_stored_with_its_prompt_author_and_time(alice, alice_client, writing):
    campaign = writing(1, language="fr")
    assignment = leased(alice_client, campaign)
    answer = submit(alice_client, assignment)
    assert answer.status_code == 201
    stored = Demonstration.objects.get()
    assert answer.json() == {"id": stored.id, "kind": "demonstration", "is_surplus": False}
    assert stored.messages == dialogue(assignment)
    assert (stored.annotator, stored.prompt_id, stored.language, stored.seconds_spent) == (
        alice.annotator, assignment["prompt"]["id"], "fr", 12.5,
    )  # fmt: skip
    assert Assignment.objects.get().state == "submitted"


def test_the_same_submission_sent_again_is_stored_once(alice_client, writing):
    assignment, key = leased(alice_client, writing(1)), str(uuid.uuid4())
    first = submit(alice_client, assignment, key=key)
    again = submit(alice_client, assignment, key=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert Demonstration.objects.count() == 1


def test_another_submission_for_the_same_assignment_is_a_conflict(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    submit(alice_client, assignment)
    answer = submit(alice_client, assignment)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "already_submitted"


def test_one_key_cannot_serve_two_assignments(alice_client, writing):
    campaign, key = writing(2), str(uuid.uuid4())
    submit(alice_client, leased(alice_client, campaign), key=key)
    answer = submit(alice_client, leased(alice_client, campaign), key=key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "submission_key"


def test_a_late_submission_counts_while_the_slot_is_free(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    time_passes(assignment)
    expire_leases()
    assert submit(alice_client, assignment).json()["is_surplus"] is False
    assert Unit.objects.get().open_slots == 0


def test_a_late_submission_is_surplus_when_somebody_else_took_the_slot(alice_client, bob_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    time_passes(assignment)
    bobs = leased(bob_client, campaign)
    assert submit(alice_client, assignment).json()["is_surplus"] is True
    assert submit(bob_client, bobs).json()["is_surplus"] is False
    assert Demonstration.objects.count() == 2
    assert Unit.objects.get().open_slots == 0


def test_a_surplus_submission_never_takes_a_slot_that_opens_later(alice_client, bob_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    time_passes(assignment)
    bobs = leased(bob_client, campaign)
    submit(alice_client, assignment)
    bob_client.post(f"/api/assignments/{bobs['id']}/release")
    assert Unit.objects.get().open_slots == 1


def test_what_was_skipped_by_mistake_can_still_be_handed_in(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    alice_client.post(f"/api/assignments/{assignment['id']}/skip")
    assert submit(alice_client, assignment).json()["is_surplus"] is False


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ([], "messages"),
        ([{"role": "user", "content": "Question 0?"}], "messages"),
        (
            [{"role": "user", "content": "Another question?"}, {"role": "assistant", "content": "x"}],
            "messages",
        ),
        ([{"role": "user", "content": "Question 0?"}, {"role": "user", "content": "x"}], "messages[1].role"),
        (
            [{"role": "user", "content": "Question 0?"}, {"role": "assistant", "content": "  "}],
            "messages[1].content",
        ),
        (
            [{"role": "user", "content": "Question 0?"}, {"role": "system", "content": "x"}],
            "messages[1].role",
        ),
        (
            [
                {"role": "user", "content": "Question 0?"},
                {"role": "assistant", "content": "x"},
                {"role": "user", "content": "y"},
            ],
            "messages",
        ),
        ([{"role": "user", "content": "Question 0?"}, {"role": "robot", "content": "x"}], "messages[1].role"),
        (
            [
                {"role": "user", "content": "Question 0?"},
                {"role": "assistant", "content": "x", "suggestion": 9},
            ],
            "messages[1].suggestion",
        ),
    ],
)
def test_a_dialogue_that_cannot_be_is_refused_with_its_place(alice_client, writing, written, field):
    assignment = leased(alice_client, writing(1))
    answer = submit(alice_client, assignment, messages=written)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert answer.json()["errors"][0]["reason"]
    assert Demonstration.objects.count() == 0
    assert Assignment.objects.get().state == "leased"


def test_a_ranking_is_stored_with_ratings_flags_and_comparisons(alice_client, ranking):
    assignment = leased(alice_client, ranking(1))
    a, b, c, d = [completion["id"] for completion in assignment["completions"]]
    ratings = [
        {"completion": a, "value": 7, "flags": []},
        {"completion": d, "value": None, "flags": ["untrue"]},
        {"completion": b, "value": None, "flags": []},
    ]
    answer = submit(alice_client, assignment, tiers=[[a], [b, c], [], [d]], ratings=ratings)
    assert answer.status_code == 201
    stored = Ranking.objects.get()
    a, b, c, d = ids_shown(assignment)
    assert stored.tiers == [[a], [b, c], [d]]
    assert stored.shown_order == [a, b, c, d]
    pairs = Comparison.objects.values_list("chosen_id", "rejected_id", "margin")
    assert set(pairs) == {(a, b, 1), (a, c, 1), (a, d, 2), (b, d, 1), (c, d, 1)}
    assert list(Rating.objects.order_by("id").values_list("completion_id", "value", "flags")) == [
        (a, 7.0, []), (d, None, ["untrue"]),
    ]  # fmt: skip


def test_all_bad_needs_no_order_and_keeps_one_that_is_given(alice_client, ranking):
    campaign = ranking(2)
    assert submit(alice_client, leased(alice_client, campaign), tiers=[], all_bad=True).status_code == 201
    assert submit(alice_client, leased(alice_client, campaign), all_bad=True).status_code == 201
    first, second = Ranking.objects.order_by("id")
    assert (first.all_bad, first.comparisons.count()) == (True, 0)
    assert (second.all_bad, second.comparisons.count()) == (True, 6)


def test_a_ranking_that_cannot_be_is_refused_with_its_place(alice_client, ranking):
    assignment = leased(alice_client, ranking(1))
    a, b = [completion["id"] for completion in assignment["completions"]][:2]
    for changes, field in [
        ({"tiers": []}, "tiers"),
        ({"tiers": [[a]]}, "tiers"),
        ({"tiers": [[a], [b], [0]]}, "tiers[2][0]"),
        ({"tiers": [[a], [b, a]]}, "tiers[1][1]"),
        ({"tiers": [[10**30]]}, "tiers[0][0]"),
        ({"ratings": [{"completion": 0, "value": 3}]}, "ratings[0].completion"),
        ({"ratings": [{"completion": a, "value": 8}]}, "ratings[0].value"),
        ({"ratings": [{"completion": a, "value": 0}]}, "ratings[0].value"),
        ({"ratings": [{"completion": a, "value": 3}] * 2}, "ratings[1].completion"),
        ({"ratings": [{"completion": a, "value": 3, "flags": ["dull"]}]}, "ratings[0].flags"),
        ({"submission_key": "abc"}, "submission_key"),
    ]:
        answer = submit(alice_client, assignment, **changes)
        assert answer.status_code == 400, (changes, answer.content)
        assert answer.json()["errors"][0]["field"].startswith(field), (changes, answer.content)
    assert not Ranking.objects.exists() and not Rating.objects.exists()


@pytest.mark.parametrize(("told", "kept"), [(-598, 0), (10**9, 30 * 86_400), (12.5, 12.5), (None, None)])
def test_a_clock_that_was_set_while_somebody_wrote_refuses_nothing(alice_client, writing, told, kept):
    assignment = leased(alice_client, writing(1))
    assert submit(alice_client, assignment, seconds_spent=told).status_code == 201
    assert Demonstration.objects.get().seconds_spent == kept


def test_completions_are_shown_in_a_shuffled_order_that_is_stored(alice_client, ranking):
    campaign = ranking(12, num_completions=9)
    orders = set()
    for _ in range(12):
        assignment = leased(alice_client, campaign)
        texts = Completion.objects.in_bulk(ids_shown(assignment))
        shown = [texts[id].text for id in ids_shown(assignment)]
        assert shown == [completion["text"] for completion in assignment["completions"]]
        orders.add("".join(completion["text"][-1] for completion in assignment["completions"]))
        submit(alice_client, assignment)
    assert len(orders) > 6


def test_suggestions_end_as_taken_edited_or_refused(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    offered = [
        Suggestion.objects.create(assignment_id=assignment["id"], turn=turn, text=text, seed=turn)
        for turn, text in [(1, "Herons fish."), (3, "They sleep at night."), (3, "No.")]
    ]
    messages = [
        *assignment["prompt"]["messages"],
        {"role": "assistant", "content": "Herons fish.", "suggestion": offered[0].id},
        {"role": "user", "content": "And then?"},
        {"role": "assistant", "content": "They sleep by day.", "suggestion": offered[1].id},
    ]
    assert submit(alice_client, assignment, messages=messages).status_code == 201
    rows = Suggestion.objects.order_by("id").values_list("outcome", "edit_distance")
    assert list(rows) == [
        ("taken", 0), ("edited", 7), ("refused", None),
    ]  # fmt: skip
    assert "suggestion" not in Demonstration.objects.get().messages[1]


def test_another_persons_suggestion_cannot_be_named(alice_client, bob_client, writing):
    campaign = writing(1, overlap=2)
    mine, bobs = leased(alice_client, campaign), leased(bob_client, campaign)
    foreign = Suggestion.objects.create(assignment_id=bobs["id"], turn=1, text="Bob's", seed=1)
    messages = dialogue(mine)
    messages[-1]["suggestion"] = foreign.id
    assert submit(alice_client, mine, messages=messages).status_code == 400


@pytest.mark.parametrize("kind", ["writing", "ranking"])
def test_submitting_takes_the_same_number_of_queries_however_long_the_queue(request, alice_client, kind):
    make, counts = request.getfixturevalue(kind), []
    for num_units in (2, 60):
        assignment = leased(alice_client, make(num_units))
        with CaptureQueriesContext(connection) as queries:
            assert submit(alice_client, assignment).status_code == 201
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20


def test_the_other_kind_of_body_is_refused(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    body = {"submission_key": str(uuid.uuid4()), "tiers": [[1], [2]]}
    answer = alice_client.post(f"/api/assignments/{assignment['id']}/submit", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "messages"


def test_work_on_a_paused_campaign_is_not_thrown_away(alice_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    campaign.status = "closed"
    campaign.save()
    assert submit(alice_client, assignment).json()["is_surplus"] is False
    assert lease(alice_client, campaign)["reason"] == "closed"
