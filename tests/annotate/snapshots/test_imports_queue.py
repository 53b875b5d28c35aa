"""An upload is a row; the clock runs it, once, and takes it up again when a process died on it."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from annotate.feedback.models import Demonstration
from annotate.snapshots import services
from annotate.snapshots.importing import ImportRefused
from annotate.snapshots.models import FeedbackImport

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

    def make(name="alpaca.json", form="auto") -> FeedbackImport:
        file = SimpleUploadedFile(name, (SAMPLES / name).read_bytes())
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


def test_an_import_whose_process_died_is_taken_up_again(queued):
    row = queued()
    long_ago = timezone.now() - timedelta(minutes=5)
    FeedbackImport.objects.filter(pk=row.pk).update(state="running", heartbeat_at=long_ago, num_attempts=1)
    services.advance_imports()
    row.refresh_from_db()
    assert (row.state, row.num_attempts) == ("succeeded", 2)


def test_an_import_that_kills_its_process_is_given_up(queued):
    row = queued()
    long_ago = timezone.now() - timedelta(minutes=5)
    FeedbackImport.objects.filter(pk=row.pk).update(state="running", heartbeat_at=long_ago, num_attempts=3)
    services.advance_imports()
    row.refresh_from_db()
    assert row.state == "failed"
    assert "broken off several times" in row.error


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
