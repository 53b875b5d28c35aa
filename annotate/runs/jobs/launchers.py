"""How a run's job is started, found again and told to end: a process of its own on this machine.

The job outlives the worker that started it (its own session, output to a file), so its identity is kept in
`Run.launch`: host, process id and the moment that process was created, because ids are used again. What the
job does is told by its run directory alone; the process only tells whether anybody is still doing it.
PARLEY_LAUNCH_PREFIX stands where `python -m` would: `accelerate launch --num_processes 4 --module`, or
`srun --gpus 4 python -m`, whose processes may outlive the launcher.
"""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.campaigns.models import default_sampling
from annotate.runs.jobs.settings import FILES, WEB_SETTINGS, WHERE, place_of, settings_of
from annotate.runs.models import PolicyVersion, Run
from trainer.run_dir import RunError

CONSOLE = "console.txt"  # what the process prints: the only word of a job that never came to write log.txt


HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
SECRETS = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")


def job_options(run: Run) -> dict[str, Any]:
    """The job's options by name: the settings that a run may have, and then, whatever those say, its inputs."""
    assert run.policy is not None  # queue_run refuses a run without one
    options: dict[str, Any] = {}
    if run.kind == "sample":
        assert run.campaign is not None
        given = {name: run.campaign.sampling.get(name) for name in default_sampling()}
        sampling = {name: value for name, value in given.items() if isinstance(value, int | float)}
        options |= {"num_completions": run.campaign.num_completions, "seed": run.pk, **sampling}
    of_web = WEB_SETTINGS.get(run.kind, {})
    if unknown := sorted(run.config.keys() - settings_of(run.kind).keys()):  # queued by another version, say
        raise RunError(_("This job does not know the setting %(name)s.") % {"name": unknown[0]})
    options |= {name: value for name, value in run.config.items() if name not in of_web}
    for name in FILES.intersection(options):
        options[name] = _place(name, options[name])
    return options | _inputs(run, run.policy)


def _inputs(run: Run, policy: PolicyVersion) -> dict[str, Any]:
    inputs: dict[str, Any] = {"run_dir": run.run_dir}
    if run.snapshot:
        inputs["snapshot"] = run.snapshot.path
    inputs["init_model" if run.kind in ("reward", *Run.MAKES_POLICY) else "model"] = policy.path
    if run.reward_model:
        inputs["reward_model"] = run.reward_model.path
    if run.kind in ("evaluate", *Run.IMPROVES_POLICY):
        inputs["ref_model"] = run.ref_policy and run.ref_policy.path
    if run.kind == "sample":
        inputs |= {"prompts": str(Path(run.run_dir) / "prompts.jsonl"), "policy_version": policy.name}
    return inputs


def _place(name: str, value: Any) -> str | None:
    """Asked again: what stood there when the run was queued may be another file now."""
    if value in (None, ""):
        return None
    if not (place := place_of(name, str(value))):
        raise RunError(f"{name}: {WHERE[name]()}")
    return place


def command(run: Run) -> list[str]:
    prefix = shlex.split(settings.LAUNCH_PREFIX) or [sys.executable, "-m"]
    line = [*prefix, f"trainer.{run.kind}"]
    for name, value in job_options(run).items():
        if value is not None:
            line += [f"--{name.replace('_', '-')}", str(value)]
    return line


def job_environment() -> dict[str, str]:
    """The worker's environment without secrets, but for what a model hub asks for; our own commands come first."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in HUB_TOKENS
        or not (
            name.startswith(("PARLEY_", "DJANGO_"))
            or name in ("DATABASE_URL", "REDIS_URL")
            or name.upper().endswith(SECRETS)
        )
    }
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return kept


def start_process(line: list[str], output: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Start a process in a session of its own and return what finds it again."""
    with open(output, "ab") as file:
        process = subprocess.Popen(
            line,
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    with contextlib.suppress(psutil.Error):  # it ended at once: its status or its output says why
        return {
            "host": socket.gethostname(),
            "pid": process.pid,
            "pid_created_at": psutil.Process(process.pid).create_time(),
            "launched_at": timezone.now().isoformat(),
        }
    return {"host": socket.gethostname(), "pid": process.pid, "launched_at": timezone.now().isoformat()}


def launch(run: Run) -> dict[str, Any]:
    """Start the job of a run whose directory exists; the result is kept in `Run.launch`."""
    before = timezone.now().isoformat()
    line = command(run)
    started = start_process(line, Path(run.run_dir) / CONSOLE, job_environment())
    return {**started, "launched_at": before, "command": shlex.join(line)}


def _process(launched: dict[str, Any]) -> psutil.Process | None:
    try:
        process = psutil.Process(launched["pid"])
        if (
            process.create_time() != launched.get("pid_created_at")
            or process.status() == psutil.STATUS_ZOMBIE
        ):
            return None
        return process
    except (psutil.Error, KeyError):
        return None


def _session(launched: dict[str, Any]) -> Iterator[psutil.Process]:
    """Every process of the job's session, younger than its first: an id used again is not mistaken for it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                os.getsid(process.pid) == launched["pid"]
                and process.create_time() >= launched["pid_created_at"]
            ):
                yield process


def is_here(launched: dict[str, Any]) -> bool:
    return launched.get("host") == socket.gethostname()


def is_alive(launched: dict[str, Any]) -> bool | None:
    """Whether the process still runs; None when it was started elsewhere, so that only its heartbeat tells."""
    if not launched or not is_here(launched):
        return None
    return _process(launched) is not None


def signal_job(launched: dict[str, Any], number: int) -> None:
    """Send a signal to the job's first process; SIGKILL goes to all that it started."""
    if not is_here(launched) or "pid_created_at" not in launched:
        return
    targets = list(_session(launched)) if number == signal.SIGKILL else [_process(launched)]
    for process in targets:
        if process is not None:
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)


def launched_at(launched: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(launched["launched_at"]) if "launched_at" in launched else None


def last_words(run: Run) -> str:
    """The last line that the process printed: why a job ended before it began."""
    with contextlib.suppress(OSError):
        with open(Path(run.run_dir) / CONSOLE, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[:500] if lines else ""
    return ""
