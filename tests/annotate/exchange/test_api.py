"""Imports, exports and snapshots over the API: who may, what is answered, what is refused."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from annotate.exchange.importing import import_file
from annotate.exchange.models import FeedbackImport
from annotate.exchange.services import advance_imports

from .conftest import SAMPLES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_directories(settings, tmp_path):
    settings.UPLOADS_DIR = tmp_path / "uploads"
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"


@pytest.fixture
def campaign(new_campaign, alice):
    return new_campaign("ranking", members=[alice], name="Sea Birds")


def sample(name):
    return SimpleUploadedFile(name, (SAMPLES / name).read_bytes())


def test_an_admin_uploads_a_file_and_reads_its_report(campaign, carol_client):
    url = f"/api/campaigns/{campaign.id}/imports"
    answer = carol_client.post(url, {"file": sample("hh.jsonl")}, format="multipart")
    assert answer.status_code == 202
    made = answer.json()
    assert (made["state"], made["file_name"], made["format"]) == ("queued", "hh.jsonl", "auto")
    assert made["report"] is None
    advance_imports()
    done = carol_client.get(f"/api/imports/{made['id']}").json()
    assert done["state"] == "succeeded"
    assert done["report"]["files"][0]["records"] == 5
    (listed,) = carol_client.get(url).json()
    assert (listed["id"], listed["found_format"], listed["num_records"]) == (made["id"], "hh", 5)
    assert "report" not in listed


def test_uploads_without_a_file_of_no_known_format_or_too_large_are_refused(campaign, carol_client, settings):
    url = f"/api/campaigns/{campaign.id}/imports"
    assert carol_client.post(url, {}, format="multipart").status_code == 400
    answer = carol_client.post(url, {"file": sample("hh.jsonl"), "format": "runes"}, format="multipart")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "format"
    settings.MAX_IMPORT_BYTES = 10
    answer = carol_client.post(url, {"file": sample("hh.jsonl")}, format="multipart")
    assert answer.status_code == 400
    assert "larger" in answer.json()["detail"]
    assert not FeedbackImport.objects.exists()


def test_only_admins_import_and_only_trainers_freeze(
    campaign, alice_client, tom_client, carol_client, client
):
    imports, snapshots = f"/api/campaigns/{campaign.id}/imports", "/api/snapshots"
    assert client.get(imports).status_code == 401
    assert client.get(snapshots).status_code == 401
    assert alice_client.post(imports, {"file": sample("hh.jsonl")}, format="multipart").status_code == 403
    assert tom_client.post(imports, {"file": sample("hh.jsonl")}, format="multipart").status_code == 403
    assert alice_client.get(snapshots).status_code == 403
    assert carol_client.get(snapshots).status_code == 200
    assert carol_client.post(snapshots, {"campaigns": [campaign.id]}, format="json").status_code == 403
    assert alice_client.get(f"/api/campaigns/{campaign.id}/export?format=csv").status_code == 403
    assert carol_client.get("/api/campaigns/999999/imports").status_code == 404
    assert carol_client.get("/api/imports/999999").status_code == 404


def test_the_formats_are_listed_with_what_they_are(carol_client):
    formats = carol_client.get("/api/import-formats").json()
    assert {"oasst", "hh", "pandalm"} <= {row["name"] for row in formats}
    assert all(row["description"] for row in formats)


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("oasst", "application/x-ndjson"),
        ("trl-messages", "application/x-ndjson"),
        ("trl-preference", "application/x-ndjson"),
        ("k-wise", "application/x-ndjson"),
        ("csv", "text/csv; charset=utf-8"),
    ],
)
def test_feedback_is_downloaded_as_a_stream(campaign, tom_client, form, kind):
    import_file(SAMPLES / "oasst_trees.jsonl", campaign)
    answer = tom_client.get(
        f"/api/campaigns/{campaign.id}/export", {"format": form}, headers={"accept": kind}
    )
    assert answer.status_code == 200
    assert answer.streaming
    assert answer["Content-Type"] == kind
    ending = "csv" if form == "csv" else "jsonl"
    assert answer["Content-Disposition"] == f'attachment; filename="sea-birds-{form}.{ending}"'
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) >= 2
    if ending == "jsonl":
        assert all(json.loads(line) for line in lines)


def test_an_export_of_no_known_format_is_refused_in_words(campaign, tom_client):
    answer = tom_client.get(f"/api/campaigns/{campaign.id}/export?format=pdf")
    assert answer.status_code == 400
    assert "trl-messages" in answer.json()["detail"]
