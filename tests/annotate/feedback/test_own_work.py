"""The home page's lists: what one has begun, what one has given, and what is left."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.campaigns.services import remove_member
from annotate.feedback.queue.leases import expire_leases
from tests.annotate.moves import leased, submit, time_passes

pytestmark = pytest.mark.django_db


def own_work(client, **asked) -> dict:
    answer = client.get("/api/my-work", asked)
    assert answer.status_code == 200, answer.content
    return answer.json()


def write(client, assignment: dict, text: str) -> None:
    draft = {"content": {"text": text}, "revision": 0}
    assert client.put(f"/api/assignments/{assignment['id']}/draft", draft, format="json").status_code == 200


def mine(client, campaign) -> dict:
    return client.get(f"/api/campaigns/{campaign.id}").json()["mine"]


def test_a_draft_is_listed_until_it_is_submitted(alice_client, writing):
    campaign = writing(2, name="Letters")
    assignment = leased(alice_client, campaign)
    assert own_work(alice_client)["drafts"] == []
    write(alice_client, assignment, "half a thought")
    [draft] = own_work(alice_client)["drafts"]
    assert (draft["assignment"], draft["campaign"]["name"], draft["asked"], draft["is_taken"]) == (
        assignment["id"], "Letters", "Question 0?", False,
    )  # fmt: skip
    submit(alice_client, assignment)
    assert own_work(alice_client)["drafts"] == []


def test_a_draft_whose_unit_went_to_somebody_else_says_so(alice_client, bob_client, writing):
    assignment = leased(alice_client, campaign := writing(1))
    write(alice_client, assignment, "half a thought")
    time_passes(assignment)
    expire_leases()
    assert [draft["is_taken"] for draft in own_work(alice_client)["drafts"]] == [False]
    leased(bob_client, campaign)
    assert [draft["is_taken"] for draft in own_work(alice_client)["drafts"]] == [True]


def test_words_that_only_the_device_has_are_listed_when_it_names_them(alice_client, bob_client, writing):
    campaign = writing(2)
    assignment, bobs = leased(alice_client, campaign), leased(bob_client, campaign)
    asked = f"{assignment['id']},{bobs['id']}"
    [draft] = own_work(alice_client, drafts=asked)["drafts"]
    assert (draft["assignment"], draft["saved_at"]) == (assignment["id"], None)
    assert alice_client.get("/api/my-work", {"drafts": "1; drop"}).status_code == 400


def test_what_was_given_comes_newest_first_with_its_time_and_figures(alice_client, writing, ranking):
    letters, verdicts = writing(3), ranking(1)
    for seconds in (10, 30, 80):
        submit(alice_client, leased(alice_client, letters), seconds_spent=seconds)
    submit(alice_client, leased(alice_client, verdicts), seconds_spent=5)
    work = own_work(alice_client, since=(timezone.now() - timedelta(hours=1)).isoformat())
    assert [row["seconds_spent"] for row in work["recent"]] == [5, 80, 30, 10]
    assert all(row["can_correct"] and row["revision"] == 1 for row in work["recent"])
    figures = {row["campaign"]: row for row in work["figures"]}
    assert figures[letters.id] == {
        "campaign": letters.id, "num_submitted": 3, "num_since": 3, "seconds_per_unit": 30,
    }  # fmt: skip
    later = own_work(alice_client, since=(timezone.now() + timedelta(hours=1)).isoformat())
    assert [row["num_since"] for row in later["figures"]] == [0, 0]


def test_nothing_of_others_or_of_a_campaign_one_has_left_is_listed(alice, alice_client, bob_client, writing):
    campaign = writing(3)
    submit(alice_client, leased(alice_client, campaign))
    write(alice_client, leased(alice_client, campaign), "a")
    assert own_work(bob_client) == {"drafts": [], "recent": [], "figures": []}
    remove_member(campaign, alice.id)
    assert own_work(alice_client) == {"drafts": [], "recent": [], "figures": []}


def test_what_is_left_for_one_person_is_not_what_is_left_for_all(alice_client, bob_client, writing):
    campaign = writing(3, overlap=2)
    assert mine(alice_client, campaign)["num_left"] == 3
    first = leased(alice_client, campaign)
    assert mine(alice_client, campaign)["num_left"] == 3
    submit(alice_client, first)
    alice_client.post(f"/api/assignments/{leased(alice_client, campaign)['id']}/skip")
    assert (mine(alice_client, campaign)["num_left"], mine(bob_client, campaign)["num_left"]) == (1, 3)
    submit(alice_client, leased(alice_client, campaign))
    answer = alice_client.get(f"/api/campaigns/{campaign.id}").json()
    assert (answer["mine"]["num_left"], answer["progress"]["num_open"]) == (0, 3)


def test_a_unit_that_one_holds_alone_is_left_for_oneself(alice_client, bob_client, writing):
    campaign = writing(1)
    leased(alice_client, campaign)
    assert (mine(alice_client, campaign)["num_left"], mine(bob_client, campaign)["num_left"]) == (1, 0)


def test_the_page_takes_the_same_number_of_queries_however_much_one_did(alice_client, writing, ranking):
    counts = []
    for num in (2, 8):
        for make in (writing, ranking):
            campaign = make(num + 1)
            for _ in range(num):
                submit(alice_client, leased(alice_client, campaign))
            write(alice_client, leased(alice_client, campaign), "a")
        with CaptureQueriesContext(connection) as queries:
            own_work(alice_client)
            alice_client.get("/api/campaigns")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 20
