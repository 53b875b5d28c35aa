"""The run directory: what a training job writes and the web process reads. Standard library only.

    config.json     what the job was asked (flat, with its kind)   status.json   state, step, heartbeat, error
    metrics.jsonl   one row a logged step                          samples.jsonl texts worth looking at
    log.txt         everything the job said                        checkpoints/  to resume; removed at the end
    model/          safetensors and tokenizer                      completions.jsonl  (kind "sample")
    manifest.json   last: metrics, inputs, versions, sha256 of every file; without it the run is not finished

JSON files are replaced in one step (temporary file, fsync, rename), so a reader never sees half of one.
JSON-lines files only grow; a torn last line is what a killed process leaves, readers pass over it and the
next start cuts it.
Under torchrun or accelerate only the process of rank 0 writes; the others hold a RunDir that writes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import math
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from trainer.files import (
    append_jsonl,
    describe_file,
    finite,
    fsync_directory,
    fsync_tree,
    iterate_jsonl,
    rewrite_jsonl,
    utc_now,
    why_unreadable,
    write_json,
)

log = logging.getLogger("trainer")
FORMAT_VERSION = 1
STATES = ("queued", "running", "succeeded", "failed", "lost", "cancelled")
HEARTBEAT_SECONDS = 5.0
RECORDED_PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "tokenizers",
    "safetensors",
    "datasets",
    "vllm",
)
# Of a continued run: a directory that was moved still is the same run, and how much is computed at once
# or held in a process changes the memory needed and nothing else.
MAY_DIFFER = {
    "run_dir",
    "micro_batch_tokens",
    "rollout_batch_size",
    "shard_weights",
    "vllm_memory",
    "concurrency",
}
WRITTEN_ONE_BY_ONE = ("sample", "evaluate")  # there the batch size is such a number too
CHECKPOINT_NAME = re.compile(r"checkpoint-(\d+)")
COMPLETE_MARK = "complete.json"  # the last file written into a checkpoint
GROWING = ("metrics.jsonl", "samples.jsonl")


class RunError(Exception):
    """Its text is one sentence that says what is wrong and what to do."""


class RunStopped(Exception):
    """Raised by a job that has saved its checkpoint because somebody asked it to stop."""


# ---------------------------------------------------------------- the writing side


class RunDir:
    """The one process that runs a job holds this; see `start`."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.writes = os.environ.get("RANK", "0") == "0"
        self.model_dir = self.path / "model"
        self.checkpoints_dir = self.path / "checkpoints"
        self.completions_path = self.path / "completions.jsonl"
        self._status: dict[str, Any] = {}
        self._status_lock = threading.Lock()
        self._closing = threading.Event()
        self._heartbeat: threading.Thread | None = None
        self._lock_file: Any = None
        self._terminated = False
        self._previous_handlers: dict[int, Any] = {}
        self._first_progress: tuple[int, float] | None = None

    # -- beginning

    def _take_lock(self) -> None:
        self._lock_file = open(self.path / "lock", "a+")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock_file.close()
            raise RunError(
                f"Another process is already working on {self.path}; "
                "wait for it, stop it, or choose another --run-dir."
            ) from None

    def _begin(self, kind: str, config: dict[str, Any]) -> None:
        resolved = json.loads(json.dumps(finite({"kind": kind, **config}), default=str))
        config_path = self.path / "config.json"
        earlier = read_status(self.path)
        # an attempt that failed before its first step, as one with a wrong setting does, left nothing to continue
        is_new = earlier.get("state") == "failed" and not earlier.get("step") and not self.newest_checkpoint()
        if config_path.exists():
            written = read_json(config_path)
            free = MAY_DIFFER | ({"batch_size"} if kind in WRITTEN_ONE_BY_ONE else set())
            names = sorted((set(resolved) | set(written)) - free)
            differing = [name for name in names if resolved.get(name) != written.get(name)]
            if differing and not is_new:
                raise RunError(
                    f"This run directory belongs to another configuration: {', '.join(differing)}; "
                    f"repeat the original command to continue it, or choose another --run-dir."
                )
        if not config_path.exists() or written != resolved:
            write_json(config_path, resolved)
        self._status = {
            "format_version": FORMAT_VERSION,
            "kind": kind,
            "state": "running",
            "step": earlier.get("step") or 0,
            "total": earlier.get("total"),
            "eta_seconds": None,
            "started_at": earlier.get("started_at") or utc_now(),
            "finished_at": None,
            "error": None,
        }
        self._write_status()
        self._heartbeat = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._heartbeat.start()

    def _listen_to_signals(self) -> None:
        """SIGTERM (a scheduler, an operator) and Ctrl-C ask for a checkpoint and an orderly end."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            self._previous_handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: Any) -> None:
        if self._terminated and number == signal.SIGINT:
            raise KeyboardInterrupt  # a second Ctrl-C means now
        self._terminated = True

    # -- while it runs

    def _write_status(self, **changes: Any) -> None:
        if not self.writes:
            return
        with self._status_lock:
            self._status.update(changes)
            self._status.update(heartbeat_at=utc_now(), pid=os.getpid(), host=socket.gethostname())
            write_json(self.path / "status.json", self._status)

    def _beat(self) -> None:
        while not self._closing.wait(HEARTBEAT_SECONDS):
            try:
                self._write_status()
            except OSError:
                continue  # a full or briefly absent disk: the job itself will report it

    def progress(self, step: int, total: int | None, **metrics: Any) -> None:
        """Append a row to metrics.jsonl and the log (none without metrics); status.json says where the run is."""
        if not self.writes:
            return
        now = time.monotonic()
        if self._first_progress is None:
            self._first_progress = (step, now)
        first_step, first_time = self._first_progress
        eta = None
        if total and step > first_step:
            eta = round((now - first_time) / (step - first_step) * max(0, total - step), 1)
        if metrics:
            append_jsonl(self.path / "metrics.jsonl", [{"step": step, "time": utc_now(), **metrics}])
            log.info("%s", told(step, total, eta, metrics))
        self._write_status(step=step, total=total, eta_seconds=eta)

    def sample(self, row: dict[str, Any]) -> None:
        if self.writes:
            append_jsonl(self.path / "samples.jsonl", [row])

    def resume_from(self, step: int) -> None:
        """Forget what was recorded after the checkpoint at `step`; step 0 forgets everything.

        The checkpoint knows how long the files were: a row of its own step may have come after it.
        """
        if not self.writes:
            return

        def is_kept(row: dict[str, Any]) -> bool:
            return step > 0 and (row.get("step") or 0) <= step

        mark = self.checkpoints_dir / f"checkpoint-{step}" / COMPLETE_MARK
        sizes = read_json(mark).get("sizes", {}) if mark.exists() else {}
        for name in GROWING:
            path = self.path / name
            if path.exists() and sizes.get(name, math.inf) < path.stat().st_size:
                os.truncate(path, sizes[name])
            rewrite_jsonl(path, is_kept)
        self._write_status(step=step)

    def stop_requested(self) -> bool:
        return self._terminated or (self.path / "stop").exists()

    # -- checkpoints and outputs

    def newest_checkpoint(self) -> tuple[int, Path] | None:
        """(step, directory) of the newest complete checkpoint; what a kill left half-written is removed."""
        newest = None
        for path in self.checkpoints_dir.glob("checkpoint-*"):
            matched = CHECKPOINT_NAME.fullmatch(path.name)
            if matched and (path / COMPLETE_MARK).exists():
                step = int(matched[1])
                newest = (step, path) if newest is None or step > newest[0] else newest
            elif self.writes:
                shutil.rmtree(path, ignore_errors=True)
        return newest

    def mark_complete(self, checkpoint: Path, step: int) -> None:
        """For a checkpoint that a library wrote in place: it counts from here on."""
        if self.writes:
            fsync_tree(checkpoint)
            files = {name: self.path / name for name in GROWING}
            sizes = {name: path.stat().st_size if path.exists() else 0 for name, path in files.items()}
            write_json(checkpoint / COMPLETE_MARK, {"step": step, "created_at": utc_now(), "sizes": sizes})

    @contextmanager
    def checkpoint(self, step: int, keep: int = 2) -> Iterator[Path]:
        """Yields a temporary folder, which becomes checkpoints/checkpoint-<step> when all went well.

        Only the `keep` newest stay. Call it on rank 0 only.
        """
        final = self.checkpoints_dir / f"checkpoint-{step}"
        temporary = self.checkpoints_dir / f"checkpoint-{step}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        self.mark_complete(temporary, step)
        shutil.rmtree(final, ignore_errors=True)
        os.rename(temporary, final)
        fsync_directory(self.checkpoints_dir)
        others = [path for path in self.checkpoints_dir.iterdir() if CHECKPOINT_NAME.fullmatch(path.name)]
        for old in sorted(others, key=lambda path: int(path.name.split("-")[1]))[:-keep]:
            shutil.rmtree(old, ignore_errors=True)

    @contextmanager
    def writing_model(self) -> Iterator[Path]:
        """Yields a temporary folder that becomes model/ when all went well. Call it on rank 0 only."""
        temporary = self.path / "model.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        fsync_tree(temporary)
        shutil.rmtree(self.model_dir, ignore_errors=True)
        os.rename(temporary, self.model_dir)
        fsync_directory(self.path)

    # -- the end

    def finish(
        self, metrics: dict[str, Any], inputs: dict[str, Any] | None = None, files: list[str] | None = None
    ) -> None:
        """Hash model/, completions.jsonl and the further `files`, write manifest.json, then say succeeded."""
        if not self.writes:
            return self.close()
        paths = [path for path in self.model_dir.rglob("*") if path.is_file()]
        paths += [path for path in [self.completions_path] if path.exists()]
        paths += [self.path / name for name in files or []]
        described = {str(path.relative_to(self.path)): describe_file(path) for path in sorted(set(paths))}
        manifest = {
            "format_version": FORMAT_VERSION,
            "kind": self._status["kind"],
            "created_at": utc_now(),
            "metrics": metrics,
            "inputs": inputs or {},
            "versions": installed_versions(),
            "files": described,
        }
        write_json(self.path / "manifest.json", manifest)
        self._end("succeeded")
        # gigabytes of optimizer state that nobody needs from here on
        shutil.rmtree(self.checkpoints_dir, ignore_errors=True)

    def fail(self, sentence: str) -> None:
        self._end("failed", error=sentence)

    def cancelled(self) -> None:
        """The request was honoured, so it is taken away: the same command run again continues."""
        if self.writes:
            (self.path / "stop").unlink(missing_ok=True)
        self._end("cancelled")

    def _end(self, state: str, error: str | None = None) -> None:
        try:
            self._write_status(state=state, error=error, finished_at=utc_now(), eta_seconds=None)
        finally:
            self.close()

    def close(self) -> None:
        """Stop the heartbeat, give back the lock and the signals. The state stays as last written."""
        self._closing.set()
        if self._heartbeat is not None:
            self._heartbeat.join(timeout=HEARTBEAT_SECONDS)
            self._heartbeat = None
        for number, previous in self._previous_handlers.items():
            signal.signal(number, previous)
        self._previous_handlers = {}
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None


def told(step: int, total: int | None, eta: float | None, metrics: dict[str, Any]) -> str:
    """A row of metrics as a line of the log: 'step 40 of 100, 0:01:12 left: loss 2.31, mfu 0.41'."""
    numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    place = f"step {step}" + (f" of {total}" if total else "")
    left = "" if eta is None else f", {timedelta(seconds=round(eta))} left"
    return f"{place}{left}: " + ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())


def start(path: str | Path, kind: str, config: dict[str, Any]) -> RunDir:
    """Open a run directory for writing: new, prepared by the web process, or left by an earlier attempt."""
    run = RunDir(path)
    run.path.mkdir(parents=True, exist_ok=True)
    if run.writes:
        run._take_lock()
        try:
            run._begin(kind, config)
        except BaseException:
            run.close()
            raise
    run._listen_to_signals()
    return run


def leave_refusal(path: str | Path, kind: str, sentence: str) -> None:
    """Say in status.json of a prepared directory that the job refused to begin, so that nobody tries it again.

    A finished run, and one that another process is working on, stay as they are.
    """
    run = RunDir(path)
    if not path or not run.writes or not run.path.is_dir() or is_finished(path):
        return
    with contextlib.suppress(RunError, OSError):
        run._take_lock()
        run._status = {"format_version": FORMAT_VERSION, "kind": kind, **read_status(path)}
        run.fail(sentence)


def settle_finished(path: str | Path) -> None:
    """A kill between the manifest and the last status leaves a finished run that says running: mend it."""
    status = read_status(path)
    if status["state"] != "succeeded":
        settled = {"state": "succeeded", "error": None, "finished_at": utc_now(), "eta_seconds": None}
        write_json(Path(path) / "status.json", status | settled)
    shutil.rmtree(Path(path) / "checkpoints", ignore_errors=True)


def installed_versions() -> dict[str, str]:
    import platform

    versions = {"python": platform.python_version()}
    for name in RECORDED_PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


# ---------------------------------------------------------------- the reading side


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} is missing; check the path of the run directory.") from None
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path} cannot be read ({why_unreadable(error)}); restore the file or start a new run."
        ) from None


def read_status(path: str | Path) -> dict[str, Any]:
    """status.json; a directory whose job has not begun is queued."""
    file = Path(path) / "status.json"
    if not file.exists():
        return {"state": "queued", "step": 0, "total": None, "heartbeat_at": None, "error": None}
    return read_json(file)


def read_metrics(path: str | Path, after_step: int = -1) -> list[dict[str, Any]]:
    return [row for row in iterate_jsonl(Path(path) / "metrics.jsonl") if (row.get("step") or 0) > after_step]


def read_samples(path: str | Path) -> list[dict[str, Any]]:
    return list(iterate_jsonl(Path(path) / "samples.jsonl"))


def is_finished(path: str | Path) -> bool:
    return (Path(path) / "manifest.json").exists()


def request_stop(path: str | Path) -> None:
    """Ask the job to save a checkpoint and end; a job that has not begun yet ends as soon as it does."""
    (Path(path) / "stop").touch()


def read_manifest(path: str | Path, verify: bool = False) -> dict[str, Any]:
    """The manifest of a finished run; with verify=True every file is hashed again."""
    folder = Path(path)
    if not is_finished(folder):
        raise RunError(
            f"{folder} has no manifest.json: its run is not finished. Run its command again to finish it."
        )
    manifest = read_json(folder / "manifest.json")
    if not isinstance(manifest, dict) or manifest.get("format_version") != FORMAT_VERSION:
        raise RunError(f"{folder / 'manifest.json'} has an unknown format; repeat the run with this version.")
    for name, expected in manifest["files"].items() if verify else ():
        if not (folder / name).is_file():
            raise RunError(
                f"{folder / name} is listed in the manifest but missing; restore it or repeat the run."
            )
        if describe_file(folder / name)["sha256"] != expected["sha256"]:
            raise RunError(f"{folder / name} was changed after the run (its sha256 differs); repeat the run.")
    return manifest
