"""Correcting what was submitted: within the window, as a new revision, with the words before kept."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import Completion
from annotate.feedback.models import Comparison, Demonstration, Ranking, Rating, Revision
from annotate.feedback.queue.units import update_campaign
from tests.annotate.moves import columns_saved, dialogue, ids_shown, leased, submit

pytestmark = pytest.mark.django_db


def opened(client, assignment: dict) -> dict:
    return client.get(f"/api/assignments/{assignment['id']}").json()


def code_of(answer) -> str:
    return answer.json()["errors"][0]["code"]


@pytest.fixture
def written(alice_client, writing) -> dict:
    assignment = leased(alice_client, writing(1))
    assert submit(alice_client, assignment).status_code == 201
    return assignment


def test_a_corrected_dialogue_is_the_row_that_snapshots_read_and_the_old_words_are_kept(
    alice_client, written
):
    stands = opened(alice_client, written)["submitted"]
    assert (stands["revision"], stands["content"]) == (1, {"messages": dialogue(written)})
    answer = submit(alice_client, written, messages=dialogue(written, "Better."), revises=1, seconds_spent=20)
    assert answer.status_code == 201
    stored = Demonstration.objects.get()
    assert (stored.messages, stored.revision, stored.seconds_spent) == (dialogue(written, "Better."), 2, 20)
    kept = Revision.objects.get()
    assert (kept.number, kept.content, kept.seconds_spent) == (1, {"messages": dialogue(written)}, 12.5)
    assert kept.given_at == stored.created_at < stored.corrected_at
    assert opened(alice_client, written)["submitted"]["content"] == {"messages": dialogue(written, "Better.")}


def test_a_correction_saves_what_it_changes_and_nothing_that_others_decide(alice_client, written):
    with CaptureQueriesContext(connection) as queries:
        submit(alice_client, written, messages=dialogue(written, "Better."), revises=1)
    saved = columns_saved(queries, "feedback_demonstration")
    assert {"messages", "revision", "corrected_at"} <= saved
    assert not {"annotator_id", "is_surplus", "created_at"} & saved


def test_every_correction_keeps_the_one_before(alice_client, written):
    for number in (1, 2, 3):
        text = f"Version {number + 1}."
        assert (
            submit(alice_client, written, messages=dialogue(written, text), revises=number).status_code == 201
        )
    said = [revision.content["messages"][-1]["content"] for revision in Revision.objects.order_by("number")]
    assert said == ["An answer.", "Version 2.", "Version 3."]
    assert Demonstration.objects.get().messages[-1]["content"] == "Version 4."


def test_the_same_correction_sent_twice_is_stored_once(alice_client, written):
    change = {"key": str(uuid.uuid4()), "messages": dialogue(written, "Better."), "revises": 1}
    answers = [submit(alice_client, written, **change).status_code for _ in range(2)]
    assert answers == [201, 200]
    assert (Revision.objects.count(), Demonstration.objects.get().revision) == (1, 2)


def test_the_first_submission_sent_again_after_a_correction_changes_nothing(alice_client, writing):
    assignment, key = leased(alice_client, writing(1)), str(uuid.uuid4())
    submit(alice_client, assignment, key=key)
    submit(alice_client, assignment, messages=dialogue(assignment, "Better."), revises=1)
    assert submit(alice_client, assignment, key=key).status_code == 200
    assert Demonstration.objects.get().messages[-1]["content"] == "Better."


def test_two_windows_cannot_correct_one_revision_both(alice_client, written):
    first = submit(alice_client, written, messages=dialogue(written, "One."), revises=1)
    second = submit(alice_client, written, messages=dialogue(written, "Two."), revises=1)
    assert (first.status_code, second.status_code, code_of(second)) == (201, 409, "revision")
    assert Demonstration.objects.get().messages[-1]["content"] == "One."


def test_without_saying_what_it_corrects_a_second_submission_is_refused(alice_client, written):
    assert code_of(submit(alice_client, written)) == "already_submitted"
    assert not Revision.objects.exists()


@pytest.mark.parametrize(("hours_later", "is_open"), [(23, True), (25, False)])
def test_the_window_is_the_campaigns(alice_client, written, hours_later, is_open):
    Demonstration.objects.update(created_at=F("created_at") - timedelta(hours=hours_later))
    answer = submit(alice_client, written, messages=dialogue(written, "Better."), revises=1)
    assert answer.status_code == (201 if is_open else 409)
    assert is_open or code_of(answer) == "too_late"
    own = alice_client.get("/api/my-work").json()["recent"]
    assert [row["can_correct"] for row in own] == [is_open]


def test_a_campaign_may_allow_no_correction_and_a_closed_one_does_not(alice_client, written):
    campaign = Demonstration.objects.get().campaign
    update_campaign(campaign, {"correction_hours": 0})
    assert code_of(submit(alice_client, written, revises=1)) == "too_late"
    update_campaign(campaign, {"correction_hours": 24, "status": "closed"})
    assert code_of(submit(alice_client, written, revises=1)) == "closed"


def test_nobody_corrects_or_sees_anothers_submission(bob_client, written):
    assert submit(bob_client, written, revises=1).status_code == 404
    assert bob_client.get(f"/api/assignments/{written['id']}").status_code == 404


def test_a_corrected_ranking_has_the_comparisons_and_ratings_of_the_correction_alone(alice_client, ranking):
    campaign = ranking(1, num_completions=3, criteria=["helpful"])
    assignment = leased(alice_client, campaign)
    a, b, c = (completion["id"] for completion in assignment["completions"])
    first = {
        "tiers": [[a], [b], [c]],
        "criteria": {"helpful": [[a, b], [c]]},
        "ratings": [{"completion": a, "value": 7, "flags": ["untrue"]}],
    }
    assert submit(alice_client, assignment, **first).status_code == 201
    second = first | {"tiers": [[c], [a, b]], "ratings": [{"completion": b, "value": 2, "flags": []}]}
    assert submit(alice_client, assignment, **second, revises=1).status_code == 201
    stored = Ranking.objects.get()
    a, b, c = ids_shown(assignment)
    assert (stored.tiers, stored.revision) == ([[c], [a, b]], 2)
    assert set(Comparison.objects.values_list("chosen_id", "rejected_id")) == {(c, a), (c, b)}
    assert list(Rating.objects.values_list("completion_id", "value")) == [(b, 2)]
    kept = Revision.objects.get().content
    assert (kept["tiers"], kept["criteria"]) == ([[a], [b], [c]], {"helpful": [[a, b], [c]]})
    assert kept["ratings"] == [{"completion": a, "value": 7, "flags": ["untrue"]}]


def test_a_better_answer_of_ones_own_is_corrected_too(alice_client, ranking):
    campaign = ranking(1, num_completions=2, own_answer="demonstration")
    assignment = leased(alice_client, campaign)
    a, b = (completion["id"] for completion in assignment["completions"])
    first = {"tiers": [[0], [a], [b]], "own_answer": "Mine."}
    assert submit(alice_client, assignment, **first).status_code == 201
    stands = opened(alice_client, assignment)["submitted"]["content"]
    assert (stands["tiers"], stands["own_answer"]) == ([[0], [a], [b]], "Mine.")
    same = {"tiers": [[0, a], [b]], "own_answer": "Mine."}
    assert submit(alice_client, assignment, **same, revises=1).status_code == 201
    assert Completion.objects.filter(source="own_answer").count() == 1
    better = {"tiers": [[0, a], [b]], "own_answer": "Mine, better."}
    assert submit(alice_client, assignment, **better, revises=2).status_code == 201
    assert [d.messages[-1]["content"] for d in Demonstration.objects.all()] == ["Mine, better."]
    assert [r.content["own_answer"] for r in Revision.objects.order_by("number")] == ["Mine.", "Mine."]
    assert submit(alice_client, assignment, tiers=[[a], [b]], revises=3).status_code == 201
    assert not Demonstration.objects.exists()
