"""A broker, a database, a disk or a directory that is not there: one sentence that says what is wrong and what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from celery import Celery
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import ProgrammingError, connection
from django.db.migrations.recorder import MigrationRecorder

from annotate.feedback.tasks import expire_leases
from annotate.operating import processes
from annotate.runs.loop import seeing_through

ROOT = Path(__file__).resolve().parent.parent.parent
NOBODY = "postgres://u:p@127.0.0.1:1/parley"


def ended(*line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *line],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("command", "environment", "says"),
    [
        ("migrate", {"DATABASE_URL": NOBODY}, "Start it or check DATABASE_URL"),
        ("create_user", {"DATABASE_URL": NOBODY}, "Start it or check DATABASE_URL"),
        ("check", {"DATABASE_URL": "nonsense"}, "write postgres://"),
        ("check", {"DATABASE_URL": "sqlite:///x"}, "write postgres://"),
        ("check", {"REDIS_URL": "nonsense"}, "write redis://"),
        ("check", {"PARLEY_DATA": "/dev/null"}, "set PARLEY_DATA to a directory"),
    ],
)
def test_a_command_that_cannot_run_says_why_in_one_line(command, environment, says):
    result = ended("manage.py", command, *(["zoe"] if command == "create_user" else []), **environment)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1 and says in result.stderr, result.stderr


ASK = """
import os, sys; os.environ["DJANGO_SETTINGS_MODULE"] = "annotate.settings"
import django; django.setup()
from django.test import Client
client = Client(headers={"Cookie": "sessionid=" + 32 * "a", "Host": "localhost"})
body = {"username": "ada", "password": "x"}
answers = [client.get("/healthz"), client.get("/api/me"), client.post("/api/session", body, content_type="application/json")]
import json; print(json.dumps([[answer.status_code, answer.json()] for answer in answers]))
"""


def test_without_its_database_the_site_answers_with_a_sentence():
    health, me, session = json.loads(ended("-c", ASK, DATABASE_URL=NOBODY).stdout)
    assert [health[0], me[0], session[0]] == [503, 503, 503]
    assert health[1]["status"] == me[1]["detail"] == session[1]["errors"][0]["reason"]
    assert me[1]["detail"].startswith("The database cannot be reached.")


@pytest.mark.django_db
def test_a_full_disk_of_the_database_is_told_as_that(carol_client):
    with connection.cursor() as cursor:  # PostgreSQL's own error, by its code
        cursor.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = '53100'; END $$;"
            "CREATE TRIGGER t BEFORE INSERT ON campaigns_campaign EXECUTE FUNCTION full_disk()"
        )
    answer = carol_client.post("/api/campaigns", {"name": "x", "kind": "ranking"}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (503, "unavailable")
    assert answer.json()["detail"].startswith("The disk of the database is full")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("code", "status", "says", "is_traced"),
    [
        ("40P01", 503, "Try again in a moment", False),  # a deadlock
        ("55P03", 503, "Try again in a moment", False),  # a lock that was not given in time
        ("40001", 503, "Try again in a moment", False),  # transactions that cannot be put in an order
        ("57014", 503, "Try again in a moment", False),  # a statement that took too long
        ("23514", 409, "does not fit", True),  # a rule of ours
        ("22003", 400, "out of range", True),
    ],
)
def test_what_the_database_refuses_is_told_by_its_code(carol_client, caplog, code, status, says, is_traced):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END $$;"
            "CREATE TRIGGER t BEFORE INSERT ON campaigns_campaign EXECUTE FUNCTION refuse()"
        )
    answer = carol_client.post("/api/campaigns", {"name": "x", "kind": "ranking"}, format="json")
    assert answer.status_code == status
    assert says in answer.json()["detail"] and "reached" not in answer.json()["detail"]
    [line] = [record for record in caplog.records if record.name == "annotate.api.errors"]
    assert bool(line.exc_info) == is_traced


@pytest.mark.django_db
def test_an_upload_that_the_disk_refuses_is_told_as_that(carol_client, new_campaign, settings, tmp_path):
    (tmp_path / "file").write_text("no directory")
    settings.UPLOADS_DIR = tmp_path / "file"
    body = {"file": SimpleUploadedFile("a.jsonl", b"{}")}
    answer = carol_client.post(f"/api/campaigns/{new_campaign().pk}/imports", body, format="multipart")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("The disk refused: File exists.")


@pytest.fixture
def not_migrated(new_campaign):
    new_campaign()
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE feedback_tally CASCADE; ALTER TABLE feedback_assignment DROP state CASCADE"
        )


def test_a_database_of_an_older_version_is_told_to_be_migrated(carol_client, not_migrated):
    answer = carol_client.get("/api/campaigns")
    assert answer.status_code == 503
    assert "manage.py migrate" in answer.json()["detail"]


def test_a_worker_without_its_database_writes_one_line_and_waits_for_the_next_look(not_migrated, caplog):
    result = expire_leases.apply()
    assert result.successful()
    [line] = [record.getMessage() for record in caplog.records if record.name == "annotate.celery"]
    assert "manage.py migrate" in line and "\n" not in line
    with pytest.raises(ProgrammingError):  # called by hand it hides nothing
        expire_leases()


def test_an_event_in_a_workers_log_is_one_line_too():
    written = ended(
        "-c",
        "import logging, django; from annotate.celery import app; django.setup(); app.log.setup(logging.INFO)\n"
        "logging.getLogger('annotate.runs').warning('one\\nforged line')",
        DJANGO_SETTINGS_MODULE="annotate.settings",
    )
    assert "one\\x0aforged line" in written.stderr, written.stderr


def test_without_a_broker_nothing_is_started_and_a_round_goes_on(monkeypatch, caplog):
    nobody = Celery(broker="redis://127.0.0.1:1/0")
    nobody.conf.broker_transport_options = {"max_retries": 1, "interval_start": 0}
    monkeypatch.setattr(processes, "app", nobody)
    with pytest.raises(CommandError, match="Start Redis or correct REDIS_URL"):
        processes.require_broker()
    monkeypatch.setattr(seeing_through, "app", nobody)
    assert not seeing_through.worker_answers()
    seeing_through.ask_worker("advance_rounds")
    assert "The broker cannot be reached" in caplog.text


def test_a_database_from_before_the_first_release_is_refused_in_words(db):
    MigrationRecorder(connection).record_applied("accounts", "0001_initial")
    with pytest.raises(SystemCheckError, match="start with an empty database"):
        call_command("migrate", skip_checks=False)
