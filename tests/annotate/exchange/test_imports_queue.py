"""An upload is a row; the clock runs it, once, and takes it up again when a process died on it."""

import gzip
import json
import os
import time
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotate.api.errors import Conflict
from annotate.exchange import importing, services
from annotate.exchange.importing import HOPELESS, KEPT_REFUSALS, ImportRefused
from annotate.exchange.models import FeedbackImport
from annotate.feedback.models import Demonstration, Unit

from .conftest import SAMPLES

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path) -> Path:
    settings.UPLOADS_DIR = tmp_path / "uploads"
    return settings.UPLOADS_DIR


@pytest.fixture
def queued(new_campaign):
    """queued(name of a sample, format) -> the row."""
    campaign = new_campaign("demonstration")

    def make(name="alpaca.json", form="auto", content: bytes | None = None) -> FeedbackImport:
        file = SimpleUploadedFile(name, content or (SAMPLES / name).read_bytes())
        return services.queue_import(campaign=campaign, file=file, file_name=name, format_name=form)

    return make


def test_the_clock_takes_in_what_is_queued_and_keeps_the_report(queued, uploads):
    row = queued()
    assert row.state == "queued"
    services.advance_imports()
    row.refresh_from_db()
    assert (row.state, row.num_records) == ("succeeded", 3)
    assert row.report["files"][0]["accepted"] == 2
    assert row.report["files"][0]["file"] == "alpaca.json"
    assert row.report["stored"]["demonstrations"] == 2
    assert not list(uploads.iterdir())


def test_a_row_is_run_by_one_process_only(queued):
    row = queued()
    FeedbackImport.objects.filter(pk=row.pk).update(state="running", heartbeat_at=timezone.now())
    services.run_import(row)
    services.advance_imports()
    assert not Demonstration.objects.exists()


def test_an_import_whose_process_died_is_taken_up_again(queued, uploads):
    row = queued()
    left = uploads / f"scratch-{Path(row.path).stem}-abc"
    left.mkdir()
    (left / "messages.sqlite").touch()
    long_ago = timezone.now() - timedelta(minutes=5)
    FeedbackImport.objects.filter(pk=row.pk).update(state="running", heartbeat_at=long_ago, num_attempts=1)
    services.advance_imports()
    row.refresh_from_db()
    assert (row.state, row.num_accepted) == ("succeeded", 2)
    assert not list(uploads.iterdir())


def test_an_import_that_kills_its_process_is_given_up(queued):
    row = queued()
    long_ago = timezone.now() - timedelta(minutes=5)
    FeedbackImport.objects.filter(pk=row.pk).update(state="running", heartbeat_at=long_ago, num_attempts=3)
    services.advance_imports()
    row.refresh_from_db()
    assert row.state == "failed"
    assert "broken off several times" in row.error
    assert not Path(row.path).exists()


def test_a_file_nobody_knows_fails_with_its_reason(queued, tmp_path):
    row = queued()
    Path(row.path).write_text('{"colour": "red"}\n')
    services.advance_imports()
    row.refresh_from_db()
    assert row.state == "failed"
    assert "no format that Parley reads" in row.error
    assert row.report["files"][0]["records"] == 1


def test_a_vanished_file_fails_with_one_sentence(queued):
    row = queued()
    Path(row.path).unlink()
    services.advance_imports()
    row.refresh_from_db()
    assert (row.state, "cannot be read" in row.error) == ("failed", True)


def test_an_unknown_format_is_refused_before_anything_is_kept(queued, uploads):
    with pytest.raises(ImportRefused, match="There is no format runes"):
        queued(form="runes")
    assert not uploads.exists()


def questions(num: int) -> bytes:
    """Dialogues, each fifth of them repeated, each seventh broken."""
    lines = []
    for number in range(num):
        said = [{"role": "user", "content": f"Question {number - number % 5}?"}]
        line = json.dumps({"messages": [*said, {"role": "assistant", "content": f"Answer {number // 2}."}]})
        lines.append(line if number % 7 else line[:-1])
    return "\n".join(lines).encode()


class Killed(BaseException):
    """What no `except` of the import catches."""


def test_an_import_broken_off_anywhere_goes_on_and_reports_as_an_unbroken_one(
    queued, new_campaign, monkeypatch
):
    monkeypatch.setattr(importing, "BATCH", 10)
    whole = queued(content=questions(60))
    services.advance_imports()
    whole.refresh_from_db()
    keep, left = services._keep_report, [2, 1, 3]

    def keep_until_killed(*args, **more):
        keep(*args, **more)
        left[0] -= 1
        if not left[0]:
            del left[0]
            raise Killed

    monkeypatch.setattr(services, "_keep_report", keep_until_killed)
    broken = queued(content=questions(60))
    FeedbackImport.objects.filter(pk=broken.pk).update(campaign=new_campaign("demonstration"))
    for _ in range(3):
        with pytest.raises(Killed):
            services.advance_imports()
        FeedbackImport.objects.filter(pk=broken.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))
        left += [0] if not left else []
    services.advance_imports()
    broken.refresh_from_db()
    assert (broken.state, broken.num_records) == ("succeeded", 60)
    assert (broken.report, broken.rejected) == (whole.report, whole.rejected)


def test_one_import_runs_at_a_time_and_the_others_wait_their_turn(queued):
    first, second = queued(), queued("messages.jsonl")
    services.advance_imports()
    states = dict(FeedbackImport.objects.values_list("pk", "state"))
    assert states == {first.pk: "succeeded", second.pk: "queued"}
    FeedbackImport.objects.filter(pk=first.pk).update(state="running", heartbeat_at=timezone.now())
    services.advance_imports()
    second.refresh_from_db()
    assert second.state == "queued"


def test_a_large_upload_is_moved_into_place_not_written_again(new_campaign, uploads, settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    with TemporaryUploadedFile("a.jsonl", "application/json", 0, None) as file:
        file.write(b"{}")
        file.flush()
        inode = os.stat(file.temporary_file_path()).st_ino
        row = services.queue_import(campaign=new_campaign("ranking"), file=file, file_name="a.jsonl")
    assert os.stat(row.path).st_ino == inode
    assert [path.parent for path in tmp_path.rglob("*.*load*")] == [uploads]


def test_a_wrong_file_is_given_up_early_and_its_report_stays_small(queued, carol_client):
    """A good record and a million bad lines: two kilobytes of gzip, which were a report of a hundred megabytes."""
    good = (
        b'{"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Yes."}]}\n'
    )
    row = queued(content=gzip.compress(good + b"x\n" * 1_000_000))
    process = psutil.Process()
    before = process.memory_info().rss
    services.advance_imports()
    address = f"/api/campaigns/{row.campaign_id}/imports"
    for _ in range(3):
        listed = carol_client.get(address)
        one = carol_client.get(f"/api/imports/{row.pk}")
    assert process.memory_info().rss - before < 16 << 20
    assert len(listed.content) < 1_000
    assert len(one.content) < 20_000
    (shown,), report = listed.json(), one.json()["report"]["files"][0]
    assert "report" not in shown
    assert (shown["state"], shown["num_accepted"]) == ("failed", 1)
    assert f"Of the first {shown['num_records']:d} records" in shown["error"].replace("\u202f", "")
    assert HOPELESS <= shown["num_rejected"] < HOPELESS + 1_000
    assert report["reasons"] == [{"reason": report["rejected"][0]["reason"], "count": shown["num_rejected"]}]
    pages = carol_client.get(f"/api/imports/{row.pk}/refusals", {"limit": 10, "offset": 990}).json()
    assert (pages["count"], len(pages["results"])) == (KEPT_REFUSALS, 10)
    assert pages["results"][-1]["line"] == KEPT_REFUSALS + 1


def test_a_file_of_no_known_format_is_given_up_early_too(queued):
    row = queued(content=b'{"colour": "red"}\n' * (3 * HOPELESS))
    services.advance_imports()
    row.refresh_from_db()
    assert (row.state, row.found_format, row.num_records) == ("failed", "unknown", HOPELESS)
    assert len(row.rejected) == KEPT_REFUSALS


def test_django_admins_list_reads_no_reports(queued, carol_client):
    row = queued()
    with CaptureQueriesContext(connection) as asked:
        page = carol_client.get("/admin/exchange/feedbackimport/")
    assert row.file_name in page.content.decode()
    assert not [sql["sql"] for sql in asked if '"rejected"' in sql["sql"] or '"report"' in sql["sql"]]


def test_refusals_are_counted_by_kind(queued):
    row = queued(content=questions(60).replace(b'"Answer 3."', b"5e999").replace(b'"Answer 8."', b"[]"))
    services.advance_imports()
    row.refresh_from_db()
    counts = [found["count"] for found in row.report["files"][0]["reasons"]]
    assert (sum(counts), counts[0]) == (row.num_rejected, 8)
    assert len(counts) == 3


def test_the_report_says_what_was_made(queued):
    row = queued(
        content=questions(60) + b'\n{"messages": [{"role": "user", "content": "And who answers this?"}]}'
    )
    services.advance_imports()
    row.refresh_from_db()
    made = row.report["files"][0]["made"]
    assert made == {"prompts": 13, "demonstrations": Demonstration.objects.count(), "units": 1}
    assert Unit.objects.count() == 1


def test_a_small_file_that_unpacks_to_too_much_is_refused_before_anything_is_stored(
    queued, settings, uploads
):
    settings.MAX_IMPORT_BYTES = 1 << 20
    row = queued(content=gzip.compress(questions(60) + b"\n" * (2 << 20)))
    services.advance_imports()
    row.refresh_from_db()
    assert (row.state, row.error) == ("failed", "Unpacked, the file is larger than 1 MB. Import it in parts.")
    assert not Demonstration.objects.exists()
    assert not list(uploads.iterdir())


def test_what_an_import_keeps_on_the_disk_meanwhile_lies_among_the_uploads(queued, uploads, monkeypatch):
    """There is room for whole files; a temporary directory may be small, or memory."""
    places = []
    monkeypatch.setattr(
        importing, "parse_file", lambda path, form, scratch, unread: places.append(scratch) or ()
    )
    queued()
    services.advance_imports()
    assert [place.is_relative_to(uploads) for place in places] == [True]
    assert not list(uploads.iterdir())


def test_so_many_imports_wait_and_no_more(queued, carol_client, monkeypatch):
    monkeypatch.setattr(services, "MAX_WAITING", 2)
    row = queued()
    queued()
    with pytest.raises(Conflict, match="2 imports wait already"):
        queued()
    file = SimpleUploadedFile("a.jsonl", questions(1))
    answer = carol_client.post(
        f"/api/campaigns/{row.campaign_id}/imports", {"file": file}, format="multipart"
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "too_many_imports")


def test_failed_and_unbegun_imports_can_be_taken_off_the_list_and_no_others(queued, carol_client, uploads):
    failed, done, waiting = queued(content=b"nothing"), queued(), queued()
    services.advance_imports()
    services.advance_imports()
    statuses = [carol_client.delete(f"/api/imports/{row.pk}").status_code for row in (failed, done, waiting)]
    assert statuses == [204, 409, 204]
    assert list(FeedbackImport.objects.all()) == [done]
    assert not list(uploads.iterdir())
    FeedbackImport.objects.update(state="running")
    assert carol_client.delete(f"/api/imports/{done.pk}").status_code == 409


def test_what_killed_processes_left_in_the_uploads_is_removed_after_a_day(
    queued, uploads, settings, tmp_path
):
    row = queued()
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "on-their-way"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    body = settings.FILE_UPLOAD_TEMP_DIR / "body"
    body.touch()
    os.utime(body, (time.time() - 100_000,) * 2)
    for name in ("orphan.upload", "scratch-dead"):
        (uploads / name).mkdir() if name.startswith("scratch") else (uploads / name).touch()
    for path in uploads.iterdir():
        os.utime(path, (time.time() - 100_000,) * 2)
    (uploads / "young.upload").touch()
    services._clear_uploads()
    assert {path.name for path in uploads.iterdir()} == {Path(row.path).name, "young.upload"}
    assert not body.exists()
