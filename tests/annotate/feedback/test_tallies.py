"""The counts that the database keeps are what counting would give, and no request counts the queue."""

import json
import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.campaigns.models import Campaign, Completion
from annotate.exchange.importing import import_file
from annotate.feedback.models import Comparison, Tally
from annotate.feedback.overview import tallies_of
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.queue.tallies import fold_tallies
from annotate.feedback.queue.units import NewUnit, queue_units, update_campaign
from tests.annotate.moves import leased, submit


def counted(campaign: Campaign) -> dict[str, int]:
    found = {
        "units": campaign.units.count(),
        "open": campaign.units.filter(open_slots__gt=0).count(),
        "prompts": campaign.prompts.count(),
        "completions": Completion.objects.filter(prompt__campaign=campaign).count(),
        "demonstrations": campaign.demonstrations.count(),
        "rankings": campaign.rankings.count(),
        "comparisons": Comparison.objects.filter(campaign=campaign).count(),
        "surplus": campaign.demonstrations.filter(is_surplus=True).count()
        + campaign.rankings.filter(is_surplus=True).count(),
        "returned": sum(
            given.filter(is_surplus=False, review_state="returned").count()
            for given in (campaign.demonstrations, campaign.rankings)
        ),
    }
    return {name: number for name, number in found.items() if number}


def check(campaign: Campaign) -> dict[str, int]:
    told = {name: number for name, number in tallies_of([campaign.id])[campaign.id].items() if number}
    assert told == counted(campaign)
    return told


@pytest.mark.django_db
def test_the_counts_follow_every_change(alice_client, bob_client, writing, ranking):
    judged, written = ranking(3, overlap=2), writing(2)
    check(written)
    assert check(judged) == {"units": 3, "open": 3, "prompts": 3, "completions": 12}
    for client in (alice_client, bob_client):
        submit(client, leased(client, judged))
    check(judged)
    skipped = leased(alice_client, judged)
    alice_client.post(f"/api/assignments/{skipped['id']}/skip")
    submit(alice_client, leased(alice_client, written))
    check(written)
    judged.rankings.update(is_surplus=True)
    update_campaign(judged, {"overlap": 3})
    fold_tallies()
    rows = list(Tally.objects.values_list("campaign", "name", "day"))
    assert len(rows) == len(set(rows))
    assert check(judged) == {
        "units": 3,
        "open": 3,
        "prompts": 3,
        "completions": 12,
        "rankings": 2,
        "comparisons": 12,
        "surplus": 2,
    }
    judged.rankings.all().delete()
    judged.units.first().delete()
    check(judged)


@pytest.mark.django_db
def test_of_a_campaign_that_is_deleted_nothing_stays(ranking):
    campaign, other = ranking(2), ranking(1)
    campaign.delete()
    fold_tallies()
    assert set(Tally.objects.values_list("campaign", flat=True)) == {other.id}


@pytest.mark.django_db(transaction=True)
def test_leases_and_folds_at_once_lose_no_count(alice, bob, writing):
    campaign = writing(40)

    def lease_some(user):
        for _ in range(10):
            assignment = lease_next_assignment(campaign, user).assignment
            assignment.state, assignment.holds_slot = "submitted", True
            assignment.save()
        connection.close()

    def fold_often():
        for _ in range(15):
            fold_tallies()
        connection.close()

    threads = [threading.Thread(target=lease_some, args=[user]) for user in (alice, bob)]
    threads += [threading.Thread(target=fold_often) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert check(campaign)["open"] == 20


def rows_read(sql: str) -> int:
    """The most rows that one node of the plan reads."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql.replace("%", "%%"), ())
        answer = cursor.fetchone()[0]
    waiting, most = [(json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]], 0
    while waiting:
        node = waiting.pop()
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        most = max(most, read * node["Actual Loops"])
        waiting += node.get("Plans", [])
    return most


@pytest.mark.django_db
def test_no_page_about_campaigns_reads_more_rows_with_a_longer_queue(
    alice, alice_client, tom_client, ranking
):
    campaign = ranking(2)
    leased(alice_client, campaign)
    prompt = campaign.prompts.first()
    queue_units(campaign, (NewUnit(prompt.id) for _ in range(5000)))
    Completion.objects.bulk_create(Completion(prompt=prompt, text="x") for _ in range(5000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for client, address in [
        (alice_client, "/api/campaigns"),
        (tom_client, f"/api/campaigns/{campaign.id}"),
        (tom_client, f"/api/campaigns/{campaign.id}/progress"),
    ]:
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(address)
        assert answer.status_code == 200
        asked = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
        assert 3 <= len(asked) <= 12
        assert {sql: rows for sql in asked if (rows := rows_read(sql)) > 100} == {}
    assert answer.json()["num_units"] == 5002
    assert answer.json()["num_completions"] == 5008


@pytest.mark.django_db(transaction=True)
def test_what_was_imported_is_not_counted_as_submitted_today(
    alice_client, carol_client, writing, tmp_path, settings
):
    settings.UPLOADS_DIR = tmp_path / "uploads"
    campaign = writing(2)
    said = [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]
    path = tmp_path / "said.jsonl"
    path.write_text(json.dumps({"messages": said}))
    import_file(path, campaign)
    assert submit(alice_client, leased(alice_client, campaign)).status_code == 201
    told = carol_client.get(f"/api/campaigns/{campaign.id}/progress").json()
    assert (told["num_demonstrations"], told["num_imported"]) == (2, 1)
    assert [day["num_submitted"] for day in told["by_day"]] == [1]
    check(campaign)
    campaign.demonstrations.update(review_state="returned")
    assert check(campaign)["returned"] == 2
    campaign.demonstrations.update(is_surplus=True)
    campaign.demonstrations.filter(assignment=None).delete()
    assert carol_client.get(f"/api/campaigns/{campaign.id}/progress").json()["num_imported"] == 0
