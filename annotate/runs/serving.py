"""The promoted policy, served to the people who write: OpenAI-compatible servers, one row each.

Where PARLEY_MODEL_SERVER_URL names one (vLLM on GPUs), this only looks how it is and what it serves. Where it does
not, Parley runs `transformers serve` (trainer.serve) beside the training worker for the newest promoted policy that
an open campaign uses. When another is promoted, its server is started beside the old one, which goes on answering
until the new one is ready; where the memory does not hold both, the old one makes room, and not before the new one
has been verified and has tried. Web asks at PARLEY_MODEL_SERVER_HOST, which is where these servers listen.

Nothing here waits while a row is locked: looks take turns by an advisory lock, and write when they have seen.
"""

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import psutil
from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from annotate.campaigns.models import Campaign
from annotate.feedback.suggestions import Place
from annotate.runs.jobs import launchers
from annotate.runs.models import ModelServer, PolicyVersion
from annotate.runs.policies.registry import model_directory
from annotate.runs.turns import TEND, our_turn

STARTING_FOR = timedelta(minutes=15)  # so long may a large model take to be hashed and loaded
SILENT_FOR = timedelta(seconds=60)  # alive and without an answer: then another is started
DRAINING_FOR = timedelta(seconds=90)  # from the request to end; answers that have begun are finished
FORSAKEN_AFTER = timedelta(seconds=60)  # no worker looked at it for so long
MAX_PAUSE_SECONDS = 300
NUM_PORTS = 8
OUT_OF_MEMORY = ("out of memory", "not enough memory", "can't allocate memory")
State = ModelServer.State


def wanted_policy() -> PolicyVersion | None:
    """The policy of an open campaign that was promoted last; one where people write goes first."""
    newest_first = PolicyVersion.objects.order_by(F("promoted_at").desc(nulls_last=True), "-pk")
    in_use = Q(campaigns__weight__gt=0, campaigns__campaign__status=Campaign.Status.OPEN)
    where_people_write = Q(campaigns__campaign__kind__in=Campaign.WRITING)  # in one filter: of one campaign
    return newest_first.filter(in_use & where_people_write).first() or newest_first.filter(in_use).first()


def all_servers() -> list[ModelServer]:
    return list(ModelServer.objects.select_related("policy_version").order_by("pk"))


def current_state() -> ModelServer:
    """The server that answers, else the newest; or, when nobody has looked after it for a while, that."""
    rows = [row for row in all_servers() if row.state != State.STOPPING]
    ready = [row for row in rows if row.state == State.READY]
    server = (ready or rows or [ModelServer()])[-1]
    is_forsaken = not server.tended_at or timezone.now() - server.tended_at > FORSAKEN_AFTER
    if server.state != State.OFF and is_forsaken:
        server.state = State.UNREACHABLE
        server.detail = _("No worker of the queue `train` looks after the model server; start one.")
    return server


def policy_being_loaded() -> PolicyVersion | None:
    """The one that is to take the place of what answers now."""
    starting = ModelServer.objects.select_related("policy_version").filter(state=State.STARTING)
    server = starting.order_by("-pk").first()
    return server.policy_version if server else None


def places_to_ask(campaign: Campaign, policies: Sequence[PolicyVersion]) -> list[Place]:
    """Where to ask, in this order: the servers of these policies; then, until one of those is ready, of a policy that
    the campaign sampled from before; last, servers of these policies that may just have become ready.

    A server given by URL is also asked for what it has not been seen to serve yet.
    """
    ready: list[Place] = []
    others: list[Place] = []
    given = settings.MODEL_SERVER_URL.rstrip("/")
    for policy in policies:
        for server in policy.servers.exclude(state="stopping").order_by("-pk"):
            place = Place(policy, server.url, server.model_name)
            (ready if server.state == "ready" else others).append(place)
        if given:
            others.append(Place(policy, given, policy.path))
    moves = campaign.promotions.all()
    before = {one.pk: one for move in moves.prefetch_related("replaced") for one in move.replaced.all()}
    before |= {move.policy_version_id: move.policy_version for move in moves.select_related("policy_version")}
    for policy in policies:
        before.pop(policy.pk, None)
    for policy in sorted(before.values(), key=lambda policy: policy.pk, reverse=True):
        for server in policy.servers.filter(state="ready"):
            ready.append(Place(policy, server.url, server.model_name))
    return list(dict.fromkeys([*ready, *others]))


def tend_model_server() -> None:
    """One look; one that finds another at work leaves."""
    with our_turn(TEND) as is_our_turn:
        if not is_our_turn:
            return
        if settings.MODEL_SERVER_URL:
            _look_at_given()
        elif not _is_tended_elsewhere():
            _tend_own()


def stop_model_server() -> None:
    """End the local servers, if there are any: for the end of `serve` and `demo`."""
    rows = [row for row in all_servers() if launchers.is_alive(row.launch)]
    for row in rows:
        launchers.signal_job(row.launch, signal.SIGTERM)
    deadline = time.monotonic() + 5
    while any(launchers.is_alive(row.launch) for row in rows) and time.monotonic() < deadline:
        time.sleep(0.1)
    for row in rows:
        _kill(row)
    ModelServer.objects.all().delete()


def _now_is(server: ModelServer, state: str, detail: str = "") -> None:
    if server.state != state:
        server.changed_at = timezone.now()
    server.state, server.detail, server.tended_at = state, detail, timezone.now()
    server.save()


# ---------------------------------------------------------------- a server given by URL


def _look_at_given() -> None:
    """It serves the registered policies that it names in its list of models, by name or by path."""
    url, key = settings.MODEL_SERVER_URL.rstrip("/"), settings.MODEL_SERVER_API_KEY
    _end_what_is_not_given(url)
    try:
        answer = httpx.get(
            f"{url}/models", headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=3
        )
        answer.raise_for_status()
        names = [str(model.get("id", "")) for model in answer.json().get("data", [])]
    except (httpx.HTTPError, ValueError, AttributeError) as error:
        detail = _("The model server at %(url)s does not answer: %(error)s") % {"url": url, "error": error}
        ModelServer.objects.exclude(model_name="").delete()
        silent = ModelServer.objects.get_or_create(url=url, model_name="")[0]
        return _now_is(silent, State.UNREACHABLE, detail)
    detail = _("It serves %(names)s.") % {"names": ", ".join(names)}
    ModelServer.objects.exclude(model_name__in=names).delete()
    for name in reversed(names or [""]):
        server = ModelServer.objects.get_or_create(url=url, model_name=name)[0]
        known = PolicyVersion.objects.filter(name=name) | PolicyVersion.objects.filter(path=name)
        server.policy_version = known.order_by("-pk").first() if name else None
        _now_is(server, State.READY, detail)


def _end_what_is_not_given(url: str) -> None:
    """The address was given a moment ago: what Parley ran itself until then ends."""
    for row in ModelServer.objects.exclude(url=url):
        launchers.signal_job(row.launch, signal.SIGTERM)
        row.delete()


# ---------------------------------------------------------------- our own


def _is_tended_elsewhere() -> bool:
    """Whether a worker on another machine runs it: two must not take turns in starting theirs."""
    newest = ModelServer.objects.filter(launch__has_key="host").order_by("-tended_at").first()
    if newest is None or not newest.tended_at or launchers.is_here(newest.launch):
        return False
    return timezone.now() - newest.tended_at < FORSAKEN_AFTER


def _tend_own() -> None:
    _touch(_tended_file())
    ModelServer.objects.filter(started_at=None).delete()  # of an address that was given until now
    wanted = wanted_policy()
    for server in all_servers():
        is_alive = bool(launchers.is_alive(server.launch))
        if is_alive and server.state == State.STOPPING:
            _press_stop(server)
        elif is_alive:
            _check_health(server)
        elif server.policy_version == wanted and server.state != State.STOPPING:
            _note_end(server)
        else:
            _forget(server)
    rows = [row for row in all_servers() if row.state != State.STOPPING]
    new = next((row for row in rows if row.policy_version == wanted), None)
    others = [row for row in rows if row is not new]
    if wanted is not None and (new is None or not launchers.is_alive(new.launch)):
        _start(new, wanted, others)
    for server in others:
        # One that answers goes on until the new one does.
        if wanted is None or server.state == State.STARTING or (new and new.state == State.READY):
            _begin_to_stop(server)


def _check_health(server: ModelServer) -> None:
    try:
        httpx.get(f"{server.url.removesuffix('/v1')}/health", timeout=3).raise_for_status()
    except httpx.HTTPError as error:
        is_new = server.started_at and timezone.now() - server.started_at < STARTING_FOR
        if server.state == State.STARTING and is_new:
            return _now_is(server, State.STARTING)
        _now_is(
            server,
            State.UNREACHABLE,
            _("The model server does not answer: %(error)s") % {"error": error},
        )
        if server.changed_at and timezone.now() - server.changed_at > SILENT_FOR:
            _begin_to_stop(server)  # alive and silent: the next look starts another
        return
    server.num_failures = 0
    _now_is(server, State.READY)


def _note_end(server: ModelServer) -> None:
    """The server of the policy that is wanted has ended, or could not be started."""
    if server.state in (State.STARTING, State.READY) or "pid" in server.launch:
        server.num_failures += 1
        server.launch = {"host": socket.gethostname()}
        words = _last_words(server)
        return _now_is(server, State.UNREACHABLE, _("The model server ended: %(words)s") % {"words": words})
    _now_is(server, State.UNREACHABLE, server.detail)


def _start(server: ModelServer | None, policy: PolicyVersion, others: list[ModelServer]) -> None:
    """Start serving a policy; one that has failed is tried again after longer and longer pauses."""
    if server is not None and _must_wait(server, others):
        return
    server = server or ModelServer(policy_version=policy)
    server.url, server.model_name = _free_url(server), str(_links(policy))
    server.started_at = server.changed_at = timezone.now()
    if (directory := model_directory(policy.path)) is None:
        server.num_failures += 1
        reason = _("%(path)s is a hub id: its files have no hash here, so it is not served.")
        return _now_is(server, State.UNREACHABLE, reason % {"path": policy.path})
    try:
        server.launch = launchers.start_process(
            _command(server, directory, policy), _log_path(server), _environment()
        )
    except OSError as error:
        server.launch = {"host": socket.gethostname()}
        server.num_failures += 1
        return _now_is(server, State.UNREACHABLE, str(error))
    _now_is(server, State.STARTING)


def _must_wait(server: ModelServer, others: list[ModelServer]) -> bool:
    """For the pause after a failure; or, where two do not fit into the memory, for what answers to make room."""
    if any(words in server.detail.lower() for words in OUT_OF_MEMORY):
        for other in others:
            _begin_to_stop(other)
        if others or ModelServer.objects.filter(state=State.STOPPING).exists():
            return True
    pause = min(MAX_PAUSE_SECONDS, 10 * 2**server.num_failures) if server.num_failures else 0
    began = server.started_at
    return began is not None and timezone.now() - began < timedelta(seconds=pause)


def _free_url(server: ModelServer) -> str:
    """At the port of the settings or one of those after it that nobody listens at."""
    host, first = settings.MODEL_SERVER_HOST, settings.MODEL_SERVER_PORT
    taken = set(ModelServer.objects.exclude(pk=server.pk).values_list("url", flat=True))
    for port in range(first, first + NUM_PORTS):
        url = f"http://{host}:{port}/v1"
        if url not in taken and _can_listen(host, port):
            return url
    return f"http://{host}:{first}/v1"  # it will say itself why it cannot


def _can_listen(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _command(server: ModelServer, directory: Path, policy: PolicyVersion) -> list[str]:
    address = httpx.URL(server.url)
    return [
        *(sys.executable, "-m", "trainer.serve", str(directory)),
        *("--sha256", policy.model_sha256, "--links", server.model_name, "--tended", str(_tended_file())),
        *("--host", address.host, "--port", str(address.port)),
    ]


def _environment() -> dict[str, str]:
    return {**launchers.job_environment(), "HF_HUB_OFFLINE": "1"}


def _links(policy: PolicyVersion) -> Path:
    """The folder from which a policy is served (trainer.serve), and so the name that its server goes by."""
    return Path(settings.PARLEY_DATA) / "served" / f"{policy.pk}-{policy.model_sha256[:12]}"


def _logs() -> Path:
    path = Path(settings.PARLEY_DATA) / "logs"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _tended_file() -> Path:
    """Of this machine: a worker of another one must not keep alive what is left here."""
    return _logs() / f"model-server.{socket.gethostname()}.tended"


def _touch(path: Path) -> None:
    path.touch()
    os.utime(path)  # by this machine's clock, by which the server looks too


def _log_path(server: ModelServer) -> Path:
    return _logs() / f"model-server-{httpx.URL(server.url).port}.log"


def _last_words(server: ModelServer) -> str:
    with contextlib.suppress(OSError):
        with open(_log_path(server), "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""
    return ""


def _begin_to_stop(server: ModelServer) -> None:
    """It takes no new request and finishes what it has begun; a later look sees to the rest."""
    if not launchers.is_alive(server.launch):
        return _forget(server)
    launchers.signal_job(server.launch, signal.SIGTERM)
    _now_is(server, State.STOPPING)


def _press_stop(server: ModelServer) -> None:
    if server.changed_at and timezone.now() - server.changed_at > DRAINING_FOR:
        _kill(server)
    _now_is(server, State.STOPPING)


def _forget(server: ModelServer) -> None:
    _reap(server)
    server.delete()


def _kill(server: ModelServer) -> None:
    launchers.signal_job(server.launch, signal.SIGKILL)
    _reap(server)


def _reap(server: ModelServer) -> None:
    with contextlib.suppress(psutil.Error, ChildProcessError, KeyError):
        os.waitpid(server.launch["pid"], os.WNOHANG)
