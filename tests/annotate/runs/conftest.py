"""Runs in a directory of the test's own; a tiny real model for the jobs that really run."""

import pytest

from annotate.runs.models import PolicyVersion
from tests.annotate.runs.moves import make_snapshot
from tests.trainer.tiny import make_model, make_tokenizer, write_snapshot


@pytest.fixture(autouse=True)
def own_directories(settings, tmp_path):
    settings.PARLEY_DATA = tmp_path
    settings.RUNS_DIR = tmp_path / "runs"
    settings.INPUTS_DIR = tmp_path / "inputs"
    settings.MODEL_DIRS = [tmp_path]
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"
    settings.MAX_RUNNING_JOBS = 1
    settings.MAX_ATTEMPTS = 3
    settings.LOST_AFTER_SECONDS = 60
    settings.LAUNCH_PREFIX = ""


@pytest.fixture
def base(db) -> PolicyVersion:
    """A registered base policy; nothing loads it."""
    return PolicyVersion.objects.create(name="base", path="/models/base", model_sha256="0" * 64)


@pytest.fixture
def snapshot(db, tmp_path):
    """A ready snapshot row; nothing reads its directory."""
    return make_snapshot(tmp_path / "snapshots" / "unread")


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory):
    """A 2-layer model with random weights."""
    path = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = make_tokenizer()
    make_model(tokenizer).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def snapshot_dir(tmp_path_factory):
    return write_snapshot(tmp_path_factory.mktemp("snapshots") / "words")
