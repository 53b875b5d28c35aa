"""What annotators tell moderators about a unit."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.feedback.models import Assignment, Remark
from tests.annotate.moves import leased, submit

pytestmark = pytest.mark.django_db


def remark(client, assignment: dict, reason: str = "personal", text: str = "A telephone number."):
    return client.post(
        f"/api/assignments/{assignment['id']}/remarks", {"reason": reason, "text": text}, format="json"
    )


def listed(client, campaign, **asked) -> list[dict]:
    return client.get(f"/api/campaigns/{campaign.id}/remarks", asked).json()["results"]


def test_a_flag_is_stored_with_its_unit_and_the_work_goes_on(alice, alice_client, carol_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    assert remark(alice_client, assignment).status_code == 201
    [shown] = listed(carol_client, campaign)
    assert (shown["reason"], shown["text"], shown["asked"], shown["person"]["username"], shown["unit"]) == (
        "personal", "A telephone number.", "Question 0?", "alice", Assignment.objects.get().unit_id,
    )  # fmt: skip
    assert submit(alice_client, assignment).status_code == 201
    assert remark(alice_client, assignment, "comment", "On second thought …").status_code == 201
    assert [one["reason"] for one in listed(carol_client, campaign)] == ["comment", "personal"]


def test_one_person_makes_so_many_remarks_in_an_hour_and_no_more(
    alice_client, bob_client, writing, monkeypatch
):
    monkeypatch.setattr("annotate.feedback.remarks.MOST_AN_HOUR", 3)
    campaign = writing(2)
    assignment = leased(alice_client, campaign)
    for _ in range(3):
        assert remark(alice_client, assignment).status_code == 201
    refused = remark(alice_client, assignment)
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["code"] == "too_many"
    assert remark(bob_client, leased(bob_client, campaign)).status_code == 201
    Remark.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert remark(alice_client, assignment).status_code == 201


def test_a_comment_says_something_and_a_flag_need_not(alice_client, writing):
    assignment = leased(alice_client, writing(1))
    assert remark(alice_client, assignment, "comment", "  ").json()["errors"][0]["field"] == "text"
    assert remark(alice_client, assignment, "harmful", "").status_code == 201
    assert remark(alice_client, assignment, "boring").status_code == 400
    assert Remark.objects.count() == 1


def test_a_moderator_settles_a_remark_and_takes_it_back(alice_client, carol_client, tom_client, writing):
    campaign = writing(1)
    remark(alice_client, leased(alice_client, campaign))
    [shown] = listed(tom_client, campaign, is_settled="false")
    url = f"/api/remarks/{shown['id']}"
    assert tom_client.patch(url, {"is_settled": True}, format="json").status_code == 403
    settled = carol_client.patch(url, {"is_settled": True}, format="json").json()
    assert settled["settled_by"]["username"] == "carol" and settled["settled_at"]
    assert listed(carol_client, campaign, is_settled="false") == []
    assert len(listed(carol_client, campaign, is_settled="true")) == 1
    assert carol_client.patch(url, {"is_settled": False}, format="json").json()["settled_at"] is None


def test_annotators_see_no_remarks_and_say_nothing_of_anothers_unit(alice_client, bob_client, writing):
    campaign = writing(1)
    assignment = leased(alice_client, campaign)
    assert remark(bob_client, assignment).status_code == 404
    assert bob_client.get(f"/api/campaigns/{campaign.id}/remarks").status_code == 403


def test_the_list_takes_the_same_number_of_queries_however_long_it_is(alice_client, carol_client, writing):
    campaign = writing(1)
    assignment, counts = leased(alice_client, campaign), []
    for num in (2, 20):
        for _ in range(num):
            remark(alice_client, assignment)
        with CaptureQueriesContext(connection) as queries:
            listed(carol_client, campaign)
        counts.append(len(queries))
    assert counts[0] == counts[1]
