"""Rows as they are after earlier steps, and run directories as a job writes them."""

import itertools
import time
from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from annotate.runs.jobs import advancing
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.models import PolicyVersion, RewardModel, Run
from annotate.snapshots.models import Snapshot
from trainer import run_dir

numbers = itertools.count(1)


def make_snapshot(path: Path, name: str = "") -> Snapshot:
    return Snapshot.objects.create(
        name=name or path.name, path=str(path), state=Snapshot.State.READY, manifest_sha256="1" * 64
    )


def make_policy(name: str = "", **fields) -> PolicyVersion:
    name = name or f"policy {next(numbers)}"
    return PolicyVersion.objects.create(
        **({"name": name, "path": f"/models/{name}", "model_sha256": "2" * 64} | fields)
    )


def make_reward_model(policy: PolicyVersion, snapshot: Snapshot) -> RewardModel:
    run = queue_run(kind="reward", policy=policy, snapshot=snapshot)
    Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCEEDED)
    return RewardModel.objects.create(
        name=run.name, run=run, parent=policy, path="/models/reward", model_sha256="3" * 64
    )


def running(run: Run, seconds_ago: float = 0, **launch) -> Run:
    """The run as it is once claimed and launched; without details in `launch` its process is nobody's."""
    moment = timezone.now() - timedelta(seconds=seconds_ago)
    run.state, run.num_attempts = Run.State.RUNNING, max(1, run.num_attempts)
    run.started_at = run.heartbeat_at = moment
    run.launch = {"host": "elsewhere", "pid": 1, "launched_at": moment.isoformat()} | launch
    run.save()
    Path(run.run_dir).mkdir(parents=True, exist_ok=True)
    return run


def job_of(run: Run) -> run_dir.RunDir:
    """The run directory opened as the job opens it."""
    return run_dir.start(run.run_dir, run.kind, {"run_dir": run.run_dir})


def write_model(job: run_dir.RunDir) -> None:
    job.model_dir.mkdir(exist_ok=True)
    (job.model_dir / "model.safetensors").write_bytes(b"weights")
    (job.model_dir / "config.json").write_text("{}")


def finished(run: Run, **metrics) -> Run:
    """A running run whose job has written everything, and the row knows nothing of it yet."""
    run = running(run)
    job = job_of(run)
    write_model(job)
    job.finish(metrics)
    return run


def succeed(run: Run, **metrics) -> Run:
    """The run as it is after its job ended well and was looked at."""
    finished(run, **metrics)
    advancing.advance_runs()
    run.refresh_from_db()
    assert run.state == Run.State.SUCCEEDED, run.error
    return run


def look_until(run: Run, is_there, seconds: float = 120) -> Run:
    """Look again and again, as beat does, until the row is as wanted."""
    deadline = time.monotonic() + seconds
    while True:
        advancing.advance_runs()
        run.refresh_from_db()
        if is_there(run):
            return run
        assert time.monotonic() < deadline, f"{run.state} {run.error} {advancing.launchers.last_words(run)}"
        time.sleep(0.2)
