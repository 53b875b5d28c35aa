"""The queue of runs. A row says what is to be done; each look starts what waits and settles what has ended.

Called every few seconds by a Celery worker that may start jobs, and by commands without one. Every step holds
the row's lock or passes it over, so two looks at the same time, or one delivered twice, do nothing twice.
"""

import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from annotate.runs.jobs import launchers
from annotate.runs.jobs.results import register_result
from annotate.runs.jobs.sampling import write_prompts
from annotate.runs.models import Run
from annotate.runs.turns import FINISH, our_turn
from trainer.model_files import manifest_sha256
from trainer.run_dir import RunError, read_manifest, read_status, request_stop

log = logging.getLogger(__name__)

CLAIM_LOCK = 0x5041524C  # advisory lock: one claimer at a time, so that the limit on running jobs holds
TERM_AFTER = timedelta(seconds=30)  # from the request to cancel; then the job is asked by signal
KILL_AFTER = timedelta(minutes=10)  # it had that long to write a checkpoint
TAIL_BYTES = 65_536


def advance_runs() -> None:
    """One look at every run that is running, then at those that wait for room."""
    running = Run.objects.filter(state=Run.State.RUNNING).order_by("pk")
    for pk in list(running.values_list("pk", flat=True)):
        if _one(pk, watch_run):
            _finish(pk)
    for pk in claim_queued_runs():
        _one(pk, start_job)


def _one(pk: int, step: Callable[[Run], Any]) -> Any:
    """One run's trouble (a full disk, an unreadable file) is logged and must not keep the others waiting."""
    try:
        with transaction.atomic():
            run = _locked(pk)
            if run is not None:
                with translation.override(None):  # what is kept is English: annotate.runs.sentences tells it
                    return step(run)
    except Exception:
        log.exception("run %s: the look at it failed; it is tried again at the next one", pk)


def _locked(pk: int) -> Run | None:
    return (
        Run.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("snapshot", "policy", "ref_policy", "reward_model", "campaign")
        .filter(pk=pk, state=Run.State.RUNNING)
        .first()
    )


# ---------------------------------------------------------------- starting


def claim_queued_runs() -> list[int]:
    """Queued runs, oldest first, that are running from here on: as many as there is room for."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [CLAIM_LOCK])
            if not cursor.fetchone()[0]:
                return []
        room = settings.MAX_RUNNING_JOBS - Run.objects.filter(state=Run.State.RUNNING).count()
        queued = Run.objects.select_for_update(skip_locked=True).filter(state=Run.State.QUEUED).order_by("pk")
        claimed = list(queued[: max(0, room)])
        now = timezone.now()
        for run in claimed:
            run.state, run.num_attempts, run.launch = Run.State.RUNNING, run.num_attempts + 1, {}
            run.started_at = run.started_at or now
            run.heartbeat_at = now
            run.save(update_fields=["state", "num_attempts", "launch", "started_at", "heartbeat_at"])
    return [run.pk for run in claimed]


def start_job(run: Run) -> None:
    if run.launch:
        return  # another look started it
    try:
        Path(run.run_dir).mkdir(parents=True, exist_ok=True)
        if run.kind == Run.Kind.SAMPLE:
            write_prompts(run)
        run.launch = launchers.launch(run)
    except RunError as error:
        return _end(run, Run.State.FAILED, str(error))
    except OSError as error:
        reason = f"{error.filename or ''} {error.strerror or error}".strip()
        return _end(
            run,
            Run.State.FAILED,
            _(
                "The job could not be started (%(reason)s). Correct that on the training machine, then resume the run."
            )
            % {"reason": reason},
        )
    run.save(update_fields=["launch"])
    log.info("run %s started: process %s, attempt %s", run.name, run.launch["pid"], run.num_attempts)


# ---------------------------------------------------------------- watching


def watch_run(run: Run) -> bool:
    """Settle what has happened; whether the job is done, so that its result is to be verified."""
    # First the process, then its last words: a job that ends in between has written them.
    is_alive = launchers.is_alive(run.launch)
    status = _status_since_launch(run)
    state = status.get("state")
    if state == "succeeded":
        return True
    _settle(run, state, status, is_alive)
    return False


def _settle(run: Run, state: str | None, status: dict[str, Any], is_alive: bool | None) -> None:
    if state == "failed":
        return _end(run, Run.State.FAILED, status.get("error") or _("The job failed; its log says why."))
    if state == "cancelled" and run.cancel_requested:
        return _end(run, Run.State.CANCELLED)
    if state == "cancelled":  # a scheduler or a shutdown stopped it after a checkpoint: no fault of the run
        run.num_attempts = max(0, run.num_attempts - 1)
        return _requeue(run, _("The machine stopped the job; it goes on from its checkpoint."))
    _copy_progress(run, status)
    if _is_gone(run, is_alive):
        if run.cancel_requested:
            return _end(run, Run.State.CANCELLED)
        if status:
            return _requeue(
                run, _("The job's process ended without a word at step %(step)s.") % {"step": run.step}
            )
        # Never begun and not refused: killed, or an installation that is broken; its last printed line may say.
        began = _("The job's process ended before it began its work.")
        return _requeue(run, f"{began}\n{launchers.last_words(run)}".strip(), Run.State.FAILED)
    if run.cancel_requested:
        _press_cancel(run)


def _status_since_launch(run: Run) -> dict[str, Any]:
    """status.json, unless an earlier attempt left it."""
    status = read_status(run.run_dir)
    launched_at = launchers.launched_at(run.launch) or run.started_at
    written_at = status.get("heartbeat_at")
    if not written_at:
        return {}
    # Status times are cut to milliseconds.
    is_older = launched_at and datetime.fromisoformat(written_at) < launched_at - timedelta(milliseconds=1)
    return {} if is_older else status


def _copy_progress(run: Run, status: dict[str, Any]) -> None:
    run.step = status.get("step") or run.step
    run.total_steps = status.get("total") or run.total_steps
    run.seconds_left = status.get("eta_seconds")
    if status.get("heartbeat_at"):
        run.heartbeat_at = datetime.fromisoformat(status["heartbeat_at"])
    run.metrics = last_metrics(run) or run.metrics
    run.save(update_fields=["step", "total_steps", "seconds_left", "heartbeat_at", "metrics"])


def last_metrics(run: Run) -> dict[str, Any]:
    """The numbers logged last, from the end of metrics.jsonl: the file of a long run is never read whole."""
    with contextlib.suppress(OSError):
        with open(Path(run.run_dir) / "metrics.jsonl", "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
        with contextlib.suppress(ValueError, IndexError):
            row = json.loads(lines[-1])
            return {name: value for name, value in row.items() if name not in ("step", "time")}
    return {}


def _is_gone(run: Run, is_alive: bool | None) -> bool:
    """No process and no fresh heartbeat. A process of ours that has ended takes its heartbeat along at once."""
    if is_alive is False and not settings.LAUNCH_PREFIX:
        return True
    last_sign = run.heartbeat_at or run.started_at or run.created_at
    is_silent = timezone.now() - last_sign > timedelta(seconds=settings.LOST_AFTER_SECONDS)
    return is_silent and not is_alive


def _requeue(run: Run, sentence: str, in_the_end: str = Run.State.LOST) -> None:
    """Lost, and therefore queued again, until it has been tried often enough."""
    with contextlib.suppress(KeyError):
        launchers.signal_job(
            run.launch, signal.SIGKILL
        )  # what its process started may hold the directory's lock
    if run.num_attempts >= settings.MAX_ATTEMPTS:
        after = _("It was tried %(count)s times; look at its log, then resume it.") % {
            "count": run.num_attempts
        }
        return _end(run, in_the_end, f"{sentence}\n{after}")
    log.warning("run %s: %s", run.name, sentence)
    run.state, run.error, run.seconds_left = Run.State.QUEUED, sentence, None
    run.save(update_fields=["state", "error", "seconds_left", "num_attempts"])


def stop_jobs_here() -> int:
    """Ask every job on this machine for a checkpoint and an end; they go on when a worker looks again."""
    asked = [run for run in Run.objects.filter(state=Run.State.RUNNING) if launchers.is_alive(run.launch)]
    for run in asked:
        launchers.signal_job(run.launch, signal.SIGTERM)
    return len(asked)


def _press_cancel(run: Run) -> None:
    if Path(run.run_dir).is_dir():
        request_stop(run.run_dir)
    asked_at = run.launch.get("cancel_requested_at")
    if asked_at is None:
        run.launch["cancel_requested_at"] = timezone.now().isoformat()
        return run.save(update_fields=["launch"])
    waited = timezone.now() - datetime.fromisoformat(asked_at)
    if waited > KILL_AFTER:
        launchers.signal_job(run.launch, signal.SIGKILL)
    elif waited > TERM_AFTER:
        launchers.signal_job(run.launch, signal.SIGTERM)


# ---------------------------------------------------------------- ending


def _finish(pk: int) -> None:
    """Verify what a job wrote, which may take minutes, then register it and end the run in one short transaction."""
    with our_turn(FINISH, pk) as is_our_turn:
        run = Run.objects.filter(pk=pk, state=Run.State.RUNNING).first()
        if run is not None and is_our_turn:
            manifest, refusal = _verified(run)
            _one(pk, lambda run: _register(run, manifest, refusal))


def _verified(run: Run) -> tuple[dict[str, Any], str]:
    """The manifest; or why the result is refused."""
    try:
        manifest = read_manifest(run.run_dir, verify=True)
        return manifest | {"sha256": manifest_sha256(Path(run.run_dir))}, ""
    except Exception as error:
        if not isinstance(error, RunError):
            log.exception("run %s: the result could not be verified", run.name)
        return {}, str(error)


def _register(run: Run, manifest: dict[str, Any], refusal: str) -> None:
    """Nothing of a result that is refused stays; only where the database is away is it tried again."""
    if not refusal:
        run.metrics, run.manifest_sha256 = manifest["metrics"], manifest["sha256"]
        try:
            with transaction.atomic():
                register_result(run, manifest)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            if not isinstance(error, RunError):
                log.exception("run %s: the result could not be registered", run.name)
            refusal = str(error)
    if refusal:
        return _end(run, Run.State.FAILED, _("The job's result is refused: %(reason)s") % {"reason": refusal})
    _end(run, Run.State.SUCCEEDED)


def _end(run: Run, state: str, error: str = "") -> None:
    status = read_status(run.run_dir)
    run.step = status.get("step") or run.step
    run.total_steps = status.get("total") or run.total_steps
    run.state, run.error, run.finished_at, run.seconds_left = state, error, timezone.now(), None
    run.save()
    log.info("run %s: %s %s", run.name, state, error)
