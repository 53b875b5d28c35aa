"""Campaigns over the API: made, changed and counted; seen by members, admins and trainers."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import Campaign, Guidelines, default_flags
from annotate.campaigns.services import NewPrompt, add_prompts, prompt_key
from annotate.feedback.models import Unit
from annotate.feedback.overview import members_of
from tests.annotate.moves import columns_saved, lease, leased, submit

pytestmark = pytest.mark.django_db
NEW = {"name": "Marsh letters", "kind": "ranking", "language": "fr", "overlap": 2, "num_completions": 5}


def test_an_admin_makes_a_campaign_and_defaults_are_filled_in(carol, carol_client):
    answer = carol_client.post("/api/campaigns", NEW | {"guidelines_text": "Be *brief*."}, format="json")
    assert answer.status_code == 201
    made = answer.json()
    assert made["guidelines"] == {"version": 1, "text": "Be *brief*."}
    assert made["sampling"] == {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 256}
    assert (made["status"], made["lease_seconds"], made["is_member"], made["mine"]) == (
        "open",
        600,
        False,
        None,
    )
    assert made["progress"] == {"num_units": 0, "num_done": 0, "num_open": 0, "num_leased": 0}
    assert Campaign.objects.get().created_by == carol


def test_a_new_campaign_may_wait_until_it_is_opened(carol_client):
    made = carol_client.post("/api/campaigns", NEW | {"status": "paused"}, format="json").json()
    assert made["status"] == "paused"
    opened = carol_client.patch(f"/api/campaigns/{made['id']}", {"status": "open"}, format="json").json()
    assert opened["status"] == "open"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"kind": "guessing"}, "kind"),
        ({"overlap": 0}, "overlap"),
        ({"num_completions": 10}, "num_completions"),
        ({"num_completions": 1}, "num_completions"),
        ({"sampling": {"temperature": 3, "top_p": 1, "max_new_tokens": 5}}, "sampling.temperature"),
        ({"lease_seconds": 5}, "lease_seconds"),
        ({"validation_fraction": 1}, "validation_fraction"),
        ({"language": "a very long language"}, "language"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(carol_client, change, field):
    answer = carol_client.post("/api/campaigns", NEW | change, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert not Campaign.objects.exists()


def test_a_name_is_used_once(carol_client):
    carol_client.post("/api/campaigns", NEW, format="json")
    answer = carol_client.post("/api/campaigns", NEW, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "name")


def test_only_admins_make_campaigns(alice_client, tom_client):
    for client in (alice_client, tom_client):
        assert client.post("/api/campaigns", NEW, format="json").status_code == 403


def test_settings_are_changed_but_not_the_kind(carol_client, new_campaign):
    campaign = new_campaign("ranking")
    body = {"status": "paused", "overlap": 3, "kind": "demonstration", "flags": ["dull", "dull"]}
    changed = carol_client.patch(f"/api/campaigns/{campaign.id}", body, format="json").json()
    assert (changed["status"], changed["overlap"], changed["kind"], changed["flags"]) == (
        "paused", 3, "ranking", ["dull"],
    )  # fmt: skip


def test_members_see_their_campaigns_and_admins_and_trainers_see_all(
    alice, alice_client, bob_client, carol_client, tom_client, new_campaign
):
    mine, other = new_campaign(members=[alice]), new_campaign()
    seen = {client: {row["id"] for row in client.get("/api/campaigns").json()["results"]} for client in
            (alice_client, bob_client, carol_client, tom_client)}  # fmt: skip
    assert list(seen.values()) == [{mine.id}, set(), {mine.id, other.id}, {mine.id, other.id}]


def test_a_campaign_that_another_one_names_is_named_to_those_who_may_see_it(
    alice, alice_client, bob, bob_client, carol_client, new_campaign
):
    first, ranked = new_campaign(members=[bob]), new_campaign("ranking", members=[bob])
    new_campaign("review", members=[alice, bob], reviewed_campaign=first, name="of it")
    new_campaign("chat", members=[alice, bob], ranking_campaign=ranked, name="talks")
    for client, are_named in ((alice_client, False), (bob_client, True), (carol_client, True)):
        seen = {row["name"]: row for row in client.get("/api/campaigns").json()["results"]}
        named = seen["of it"]["reviewed_campaign"], seen["talks"]["ranking_campaign"]
        expected = ({"id": first.id, "name": first.name}, {"id": ranked.id, "name": ranked.name})
        assert named == (expected if are_named else (None, None))


def test_a_change_saves_what_it_names_and_no_other_setting(carol_client, new_campaign):
    with CaptureQueriesContext(connection) as queries:
        carol_client.patch(f"/api/campaigns/{new_campaign().id}", {"name": "Fens"}, format="json")
    assert columns_saved(queries, "campaigns_campaign") == {"name"}


def test_what_is_not_there_or_not_open_to_one_is_said_in_a_sentence_of_ours(alice_client, new_campaign):
    for place in (f"campaigns/{new_campaign().id}", "campaigns/99999", "assignments/99999"):
        answer = alice_client.get(f"/api/{place}")
        assert (answer.status_code, answer.json()["detail"]) == (
            404, "There is nothing here, or nothing that is open to you.",
        )  # fmt: skip


def test_guidelines_have_versions_and_none_is_ever_changed(carol_client, new_campaign):
    campaign = new_campaign()
    url = f"/api/campaigns/{campaign.id}/guidelines"
    assert carol_client.put(url, {"text": "one"}, format="json").json() == {"version": 1, "text": "one"}
    assert carol_client.put(url, {"text": "one"}, format="json").json()["version"] == 1
    assert carol_client.put(url, {"text": "two"}, format="json").json()["version"] == 2
    assert list(Guidelines.objects.order_by("version").values_list("text", flat=True)) == ["one", "two"]
    assert carol_client.get(f"/api/campaigns/{campaign.id}").json()["guidelines"]["text"] == "two"


def test_members_are_added_by_name_once_and_removed(carol_client, alice, new_campaign):
    campaign = new_campaign()
    url = f"/api/campaigns/{campaign.id}/members"
    assert carol_client.post(url, {"username": "alice"}, format="json").status_code == 201
    assert carol_client.post(url, {"username": "alice"}, format="json").status_code == 200
    unknown = carol_client.post(url, {"username": "nobody"}, format="json")
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (400, "username")
    assert [row["user"]["username"] for row in carol_client.get(url).json()["results"]] == ["alice"]
    assert carol_client.delete(f"{url}/{alice.id}").status_code == 204
    assert carol_client.delete(f"{url}/{alice.id}").status_code == 404


def test_members_are_listed_with_what_they_gave_here(
    carol_client,
    alice_client,
    bob_client,
    writing,
    django_assert_num_queries,
):
    campaign, other = writing(4), writing(2)
    for seconds in (10, 20, 60):
        submit(alice_client, leased(alice_client, campaign), seconds_spent=seconds)
    submit(alice_client, leased(alice_client, other), seconds_spent=999)
    skipped = leased(bob_client, campaign)
    bob_client.post(f"/api/assignments/{skipped['id']}/skip")
    with django_assert_num_queries(5):  # session, login, campaign, how many, members
        alice_row, bob_row = carol_client.get(f"/api/campaigns/{campaign.id}/members").json()["results"]
    assert (alice_row["num_submitted"], alice_row["num_skipped"], alice_row["seconds_per_unit"]) == (3, 0, 20)
    assert (bob_row["num_submitted"], bob_row["num_skipped"], bob_row["seconds_per_unit"]) == (0, 1, None)
    assert alice_row["last_active_at"] and bob_row["last_active_at"]


def test_progress_counts_units_that_are_done_open_and_leased(
    alice_client,
    bob_client,
    carol_client,
    writing,
):
    campaign = writing(5, overlap=2)
    first = leased(alice_client, campaign)
    submit(alice_client, first)
    submit(bob_client, leased(bob_client, campaign))
    leased(alice_client, campaign)
    leased(bob_client, campaign)
    shown = carol_client.get(f"/api/campaigns/{campaign.id}").json()
    assert shown["progress"] == {"num_units": 5, "num_done": 1, "num_open": 3, "num_leased": 1}
    assert shown["mine"] is None
    mine = alice_client.get(f"/api/campaigns/{campaign.id}").json()
    assert mine["mine"] == {
        "num_submitted": 1, "num_skipped": 0, "has_lease": True, "num_left": 4, "needs_consent": False,
        "guidelines_read": 0,
    }  # fmt: skip
    assert mine["num_members"] == 2


def test_the_whole_progress_is_for_admins_and_trainers(alice_client, tom_client, ranking):
    campaign = ranking(2)
    submit(alice_client, leased(alice_client, campaign))
    shown = tom_client.get(f"/api/campaigns/{campaign.id}/progress").json()
    (day,) = shown.pop("by_day")
    assert day["num_submitted"] == 1
    assert shown == {
        "num_units": 2, "num_done": 1, "num_open": 1, "num_leased": 0, "num_prompts": 2, "num_completions": 8,
        "num_demonstrations": 0, "num_rankings": 1, "num_comparisons": 6, "num_reviews": 0, "num_surplus": 0,
        "num_imported": 0,
    }  # fmt: skip
    assert alice_client.get(f"/api/campaigns/{campaign.id}/progress").status_code == 403


@pytest.mark.parametrize("who", ["alice_client", "carol_client"])
def test_the_list_takes_the_same_number_of_queries_however_many_campaigns(request, who, writing, ranking):
    client, counts = request.getfixturevalue(who), []
    for _ in range(2):
        for _ in range(3):
            writing(2, guidelines_text="x")
            ranking(2)
        with CaptureQueriesContext(connection) as queries:
            listed = client.get("/api/campaigns").json()
        assert all(
            row["guidelines_version"] in (1, None) and "guidelines" not in row for row in listed["results"]
        )
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


def test_campaigns_and_members_come_by_pages(carol_client, alice, bob, new_campaign):
    made = [new_campaign(members=[alice, bob]) for _ in range(3)]
    first = carol_client.get("/api/campaigns", {"limit": 2}).json()
    rest = carol_client.get("/api/campaigns", {"limit": 2, "offset": 2}).json()
    assert (first["count"], len(first["results"]), len(rest["results"])) == (3, 2, 1)
    newest_first = [row["id"] for row in first["results"] + rest["results"]]
    assert newest_first == [campaign.id for campaign in reversed(made)]
    members = f"/api/campaigns/{made[0].id}/members"
    second = carol_client.get(members, {"limit": 1, "offset": 1}).json()
    assert (second["count"], [row["user"]["username"] for row in second["results"]]) == (2, ["bob"])


def test_members_figures_read_this_campaigns_assignments_alone(carol_client, alice, alice_client, writing):
    campaign, other = writing(1), writing(40)
    submit(alice_client, leased(alice_client, campaign))
    while (assignment := lease(alice_client, other)["assignment"]) is not None:
        submit(alice_client, assignment)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        query, values = members_of(campaign).query.sql_with_params()
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + query, values)
        plan = cursor.fetchone()[0][0]["Plan"]
    joined = [plan]
    for node in joined:
        joined += node.get("Plans", [])
    # Of 41 assignments those of this campaign leave the scan, and nothing of the others is joined to it.
    of_assignments = [node for node in joined if node.get("Relation Name") == "feedback_assignment"]
    assert of_assignments and sum(node["Actual Rows"] * node["Actual Loops"] for node in of_assignments) <= 2


def test_prompts_are_stored_once_and_queued_for_writing(carol_client, new_campaign):
    campaign = new_campaign("demonstration")
    url = f"/api/campaigns/{campaign.id}/prompts"
    body = [
        {"messages": [{"role": "user", "content": "Why?"}]},
        {"messages": [{"content": "Why?", "role": "user"}]},
        {"brief": "A letter to a lighthouse keeper", "language": "fr"},
    ]
    assert carol_client.post(url, body, format="json").json() == {"num_created": 2, "num_repeated": 1}
    assert carol_client.post(url, body, format="json").json() == {"num_created": 0, "num_repeated": 3}
    assert Unit.objects.filter(campaign=campaign).count() == 2
    assert set(campaign.prompts.values_list("language", flat=True)) == {"en", "fr"}


def test_a_prompt_that_nobody_could_hand_in_again_is_refused(carol_client, new_campaign):
    campaign = new_campaign("demonstration")
    url = f"/api/campaigns/{campaign.id}/prompts"
    turns = [{"role": ("user", "assistant")[i % 2], "content": "w" * 200_000} for i in range(6)]
    answer = carol_client.post(url, [{"messages": turns}], format="json")
    assert answer.status_code == 400
    assert "1200000 characters; at most 1000000" in answer.json()["detail"]
    too_long = [{"role": "user", "content": "w" * 200_001}]
    assert carol_client.post(url, [{"messages": too_long}], format="json").status_code == 400
    assert not campaign.prompts.exists()


def test_prompts_of_a_ranking_campaign_wait_for_completions(carol_client, new_campaign):
    campaign = new_campaign("ranking")
    carol_client.post(f"/api/campaigns/{campaign.id}/prompts", [{"brief": "x"}], format="json")
    assert campaign.prompts.count() == 1
    assert not Unit.objects.exists()


def test_a_prompt_that_says_nothing_is_refused_and_nothing_is_stored(carol_client, new_campaign):
    campaign = new_campaign("demonstration")
    answer = carol_client.post(f"/api/campaigns/{campaign.id}/prompts", [{"brief": "x"}, {}], format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "[1]"
    assert not campaign.prompts.exists()


def test_a_prompts_key_does_not_depend_on_spelling_but_on_what_is_said():
    one = prompt_key([{"role": "user", "content": "é"}])
    assert one == prompt_key([{"content": "é", "role": "user"}])
    assert (
        len({one, prompt_key([{"role": "user", "content": "e"}]), prompt_key([], "é"), prompt_key([])}) == 4
    )


def test_prompts_are_added_in_batches(new_campaign, django_assert_max_num_queries):
    campaign = new_campaign()
    with django_assert_max_num_queries(20):
        added = add_prompts(campaign, (NewPrompt(brief=f"Brief {i}") for i in range(5000)))
    assert (len(added.created), len(added.repeated)) == (5000, 0)


def test_the_form_of_a_new_campaign_offers_the_flags_that_the_server_would_set():
    form = Path(settings.BASE_DIR, "frontend/src/features/campaigns/campaign-fields.ts").read_text()
    offered = form.split("DEFAULT_FLAGS = [", 1)[1].split("]", 1)[0]
    assert re.findall(r'"(\w+)"', offered) == default_flags()
