"""The promoted policy, served to the people who write: an OpenAI-compatible server.

Where PARLEY_MODEL_SERVER_URL names one (vLLM on GPUs), this only looks how it is. Where it does not, Parley runs
`transformers serve` beside the training worker for the newest promoted policy that an open campaign uses, starts
it anew when another is promoted or when it dies, and stops it when none is promoted.

Only a model directory with the hash that was registered is served. `transformers serve` samples only when the
model's own generation_config.json says do_sample; where it does not, a folder of links with one that does is
served instead, because a registered directory is never changed.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.campaigns.models import Campaign
from annotate.runs import launchers
from annotate.runs.models import ModelServer, PolicyVersion
from annotate.runs.registering import verify_model
from trainer.run_dir import RunError

STARTING_FOR = timedelta(minutes=5)  # so long may a large model take to load
FORSAKEN_AFTER = timedelta(seconds=60)  # no worker looked at it for so long
MAX_PAUSE_SECONDS = 300
# `transformers serve`, which ends by itself when the file named first has not been touched for so long: whatever
# becomes of the worker that tends it, no server is left behind.
PROGRAM = """
import os, pathlib, sys, threading, time
tended, seconds = pathlib.Path(sys.argv.pop(1)), 120
def watch():
    while time.time() - tended.stat().st_mtime < seconds:
        time.sleep(5)
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
from transformers.cli.transformers import main
main()
"""
State = ModelServer.State


def wanted_policy() -> PolicyVersion | None:
    """The policy of an open campaign that was promoted last; one where people write goes first."""
    newest_first = PolicyVersion.objects.order_by(F("promoted_at").desc(nulls_last=True), "-pk")
    in_use = Q(campaigns__weight__gt=0, campaigns__campaign__status=Campaign.Status.OPEN)
    where_people_write = Q(campaigns__campaign__kind__in=Campaign.WRITING)  # in one filter: of one campaign
    return newest_first.filter(in_use & where_people_write).first() or newest_first.filter(in_use).first()


def current_state() -> ModelServer:
    """What the row says, or, when nobody has looked after the server for a while, that."""
    server = ModelServer.objects.select_related("policy_version").filter(pk=1).first() or ModelServer()
    tended_at = server.launch.get("tended_at")
    is_forsaken = not tended_at or timezone.now() - datetime.fromisoformat(tended_at) > FORSAKEN_AFTER
    if server.state != State.OFF and is_forsaken:
        server.state = State.UNREACHABLE
        server.detail = _("No worker of the queue `train` looks after the model server; start one.")
    return server


def tend_model_server() -> None:
    """One look, under the row's lock: a look that finds another at work leaves."""
    ModelServer.objects.get_or_create(pk=1)
    with transaction.atomic():
        server = ModelServer.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=1).first()
        if server is None:
            return
        if settings.MODEL_SERVER_URL:
            _look_at_given(server)
        elif _is_tended_elsewhere(server):
            return
        else:
            _tend_own(server)
        server.launch["tended_at"] = timezone.now().isoformat()
        server.save()
        _tended_file().touch()


def stop_model_server() -> None:
    """End the local server, if there is one: for the end of `serve` and `demo`."""
    with transaction.atomic():
        server = ModelServer.objects.select_for_update(of=("self",)).filter(pk=1).first()
        if server is not None:
            _stop(server)
            server.state, server.policy_version, server.detail = State.OFF, None, ""
            server.save()


# ---------------------------------------------------------------- a server given by URL


def _look_at_given(server: ModelServer) -> None:
    """It serves whichever registered policy it names in its list of models, by name or by path."""
    key = settings.MODEL_SERVER_API_KEY
    try:
        answer = httpx.get(
            f"{settings.MODEL_SERVER_URL.rstrip('/')}/models",
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=3,
        )
        answer.raise_for_status()
        names = [str(model.get("id", "")) for model in answer.json().get("data", [])]
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        server.state, server.policy_version = State.UNREACHABLE, None
        server.detail = _("The model server at %(url)s does not answer: %(error)s") % {
            "url": settings.MODEL_SERVER_URL, "error": error
        }  # fmt: skip
        return
    known = PolicyVersion.objects.filter(name__in=names) | PolicyVersion.objects.filter(path__in=names)
    server.state, server.policy_version = State.READY, known.order_by("-pk").first()
    server.detail = _("It serves %(names)s.") % {"names": ", ".join(names)}


# ---------------------------------------------------------------- our own


def own_url() -> str:
    return f"http://127.0.0.1:{settings.MODEL_SERVER_PORT}"


def _is_tended_elsewhere(server: ModelServer) -> bool:
    """Whether a worker on another machine runs it: two must not take turns in starting theirs."""
    tended_at = server.launch.get("tended_at")
    if not tended_at or server.launch.get("host", socket.gethostname()) == socket.gethostname():
        return False
    return timezone.now() - datetime.fromisoformat(tended_at) < FORSAKEN_AFTER


def _tend_own(server: ModelServer) -> None:
    wanted = wanted_policy()
    is_alive = bool(launchers.is_alive(server.launch))
    if wanted is None:
        if is_alive:
            _stop(server)
        server.state, server.policy_version, server.detail = State.OFF, None, ""
    elif is_alive and server.policy_version_id == wanted.pk:
        _check_health(server)
    else:
        is_same = server.policy_version_id == wanted.pk
        if is_alive:
            _stop(server)
        _start(server, wanted, num_failures=server.launch.get("num_failures", 0) + 1 if is_same else 0)


def _check_health(server: ModelServer) -> None:
    try:
        httpx.get(f"{own_url()}/health", timeout=3).raise_for_status()
    except httpx.HTTPError as error:
        is_new = server.started_at and timezone.now() - server.started_at < STARTING_FOR
        if server.state == State.STARTING and is_new:
            return
        server.state = State.UNREACHABLE
        server.detail = _("The model server does not answer: %(error)s") % {"error": error}
        if not is_new:
            _stop(server)  # alive and silent: the next look starts another
        return
    server.state, server.detail = State.READY, ""
    server.launch["num_failures"] = 0


def _start(server: ModelServer, policy: PolicyVersion, num_failures: int) -> None:
    """Start serving a policy; one that has failed is tried again after longer and longer pauses."""
    pause = min(MAX_PAUSE_SECONDS, 10 * 2**num_failures) if num_failures else 0
    if server.started_at and pause and timezone.now() - server.started_at < timedelta(seconds=pause):
        if server.state != State.UNREACHABLE:
            server.state = State.UNREACHABLE
            server.detail = _("The model server ended: %(words)s") % {"words": _last_words()}
        return
    server.policy_version, server.started_at = policy, timezone.now()
    try:
        verify_model(policy.path, policy.model_sha256)
        directory = _sampling_directory(policy)
        started = launchers.start_process(_command(directory), _log_path(), _environment())
    except (RunError, OSError) as error:
        server.state, server.detail = State.UNREACHABLE, str(error)
        server.launch = {"num_failures": num_failures}
        return
    server.state, server.detail = State.STARTING, ""
    server.launch = {**started, "num_failures": num_failures}


def _command(directory: Path) -> list[str]:
    program = [sys.executable, "-c", "from transformers.cli.transformers import main; main()"]
    return [
        *program,
        "serve",
        str(directory),
        "--host",
        "127.0.0.1",
        "--port",
        str(settings.MODEL_SERVER_PORT),
    ]


def _environment() -> dict[str, str]:
    return {**launchers.job_environment(), "HF_HUB_OFFLINE": "1"}


def _tended_file() -> Path:
    return _log_path().with_suffix(".tended")


def _log_path() -> Path:
    path = Path(settings.PARLEY_DATA) / "logs" / "model-server.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _last_words() -> str:
    with contextlib.suppress(OSError):
        with open(_log_path(), "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""
    return ""


def _sampling_directory(policy: PolicyVersion) -> Path:
    """The model's directory, or a folder of links to it whose generation_config.json says do_sample."""
    directory = Path(policy.path)
    own = directory / "generation_config.json"
    config: dict[str, Any] = json.loads(own.read_text()) if own.exists() else {}
    if config.get("do_sample"):
        return directory
    served = policy.sampling_links
    served.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        link = served / path.name
        if path.name != own.name and not link.is_symlink():
            link.symlink_to(path)
    (served / own.name).write_text(json.dumps(config | {"do_sample": True}))
    return served


def _stop(server: ModelServer) -> None:
    if not launchers.is_alive(server.launch):
        return
    launchers.signal_job(server.launch, signal.SIGTERM)
    deadline = time.monotonic() + 5
    while launchers.is_alive(server.launch) and time.monotonic() < deadline:
        time.sleep(0.1)
    launchers.signal_job(server.launch, signal.SIGKILL)
    with contextlib.suppress(psutil.Error, ChildProcessError):
        os.waitpid(server.launch["pid"], os.WNOHANG)
