"""Drafts: every typed word is kept, and two windows never overwrite each other."""

import pytest

from annotate.feedback.models import Draft
from annotate.feedback.queue.leases import expire_leases
from tests.annotate.moves import leased, submit, time_passes

pytestmark = pytest.mark.django_db


def save(client, assignment, content, revision):
    body = {"content": content, "revision": revision}
    return client.put(f"/api/assignments/{assignment['id']}/draft", body, format="json")


def test_each_save_raises_the_revision(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    assert save(alice_client, assignment, {"text": "a"}, 0).json()["revision"] == 1
    assert save(alice_client, assignment, {"text": "ab"}, 1).json()["revision"] == 2
    assert alice_client.get(f"/api/assignments/{assignment['id']}").json()["draft"]["content"] == {
        "text": "ab"
    }


def test_a_save_that_read_an_older_revision_overwrites_nothing_and_is_told_what_is_stored(
    alice_client, writing
):
    assignment = leased(alice_client, writing(1))
    save(alice_client, assignment, {"text": "from the first window"}, 0)
    answer = save(alice_client, assignment, {"text": "from the second"}, 0)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "draft_conflict"
    assert answer.json()["draft"]["content"] == {"text": "from the first window"}
    assert answer.json()["draft"]["revision"] == 1
    assert Draft.objects.get().content == {"text": "from the first window"}


def test_the_same_save_sent_twice_is_no_conflict(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    for _ in range(2):
        assert save(alice_client, assignment, {"text": "a"}, 0).json()["revision"] == 1


def test_a_revision_that_never_was_is_a_conflict_too(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    answer = save(alice_client, assignment, {"text": "a"}, 5)
    assert (answer.status_code, answer.json()["draft"]) == (409, None)


def test_a_draft_is_kept_after_the_lease_ended_and_went_to_somebody_else(alice_client, bob_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    time_passes(assignment)
    bobs = leased(bob_client, campaign)
    assert save(alice_client, assignment, {"text": "still typing"}, 0).status_code == 200
    assert bobs["draft"] is None
    assert alice_client.get(f"/api/assignments/{assignment['id']}").json()["state"] == "expired"


def test_saving_renews_a_live_lease(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    time_passes(assignment, seconds=-5)
    save(alice_client, assignment, {"text": "a"}, 0)
    assert alice_client.get(f"/api/assignments/{assignment['id']}").json()["seconds_left"] > 590
    time_passes(assignment, seconds=-5)
    assert expire_leases() == 0


def test_a_draft_saved_after_submission_does_not_reopen_it(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    submit(alice_client, assignment)
    assert save(alice_client, assignment, {"text": "late autosave"}, 0).status_code == 200
    assert alice_client.get(f"/api/assignments/{assignment['id']}").json()["state"] == "submitted"


def test_a_draft_has_an_end_and_what_is_beyond_it_is_told(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    assert save(alice_client, assignment, {"text": "é" * 1_900_000}, 0).status_code == 200
    refused = save(alice_client, assignment, {"text": "é" * 2_000_001}, 1)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "max_length"
    assert "stays on your device" in refused.json()["detail"]
    assert Draft.objects.get().revision == 1
