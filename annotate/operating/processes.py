"""The processes of one Parley on one machine: web, worker and beat, started together and ended together.

Their output goes to `logs/` in the data directory. One that dies is started again, and on Linux none outlives this
process. Training jobs outlive a worker that dies; at an orderly end they are asked for a checkpoint, and the next
start resumes them.
"""

import contextlib
import errno
import fcntl
import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import IO, Any

import httpx
import psutil
from django.conf import settings
from django.core.management.base import CommandError
from kombu.exceptions import OperationalError

from annotate.celery import app
from annotate.operating import servers
from annotate.operating.starting import BIN, end_with_parent, web_command
from annotate.runs.jobs.advancing import stop_jobs_here
from annotate.runs.serving import stop_model_server

START_SECONDS = 60
STOP_SECONDS = 10
STAYS_SECONDS = 60  # who lived so long begins again without a pause
MAX_PAUSE_SECONDS = 60.0
log = logging.getLogger(__name__)


def free_port(first: int) -> int:
    """The first port from here on that nobody listens on, on the local address."""
    for port in range(first, first + 100):
        if is_free(port):
            return port
    raise CommandError(f"Ports {first} to {first + 99} are all taken.")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CommandError(f"Nothing can listen on {host}, port {port} ({error.strerror}).") from None
            return False
    return True


def require_broker() -> None:
    """Before anything is started: a worker without a broker would wait for it and say so in its log alone."""
    with app.connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0.2, timeout=START_SECONDS)
        except (OperationalError, OSError) as error:
            raise CommandError(
                f"The broker cannot be reached ({error}). Start Redis or correct REDIS_URL, then try again."
            ) from None


class Processes:
    """What was started, by name. `stop` ends all of it, the model server and the training jobs too."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port, self.host = port, host
        self.url = f"http://localhost:{port}"
        self.logs = Path(settings.PARLEY_DATA) / "logs"
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lines: dict[str, list[str]] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.started_at: dict[str, float] = {}
        self.pauses: dict[str, float] = {}

    def start(self, lock: IO[str]) -> None:
        """Web, worker and beat. They hold the lock too: while one of them lives, no other site is started here."""
        require_broker()
        if not is_free(self.port, self.host):
            raise CommandError(
                f"Port {self.port} is taken. End what listens there, or choose another with --port "
                "(`make serve PORT=8001`)."
            )
        self.lock = lock
        self.environment = {
            **os.environ,
            "PARLEY_DATA": str(settings.PARLEY_DATA),
            "PARLEY_MODEL_SERVER_PORT": str(free_port(settings.MODEL_SERVER_PORT)),
        }
        celery = [str(BIN / "celery"), "-A", "annotate"]
        level = ["--loglevel", "INFO"]
        schedule = str(Path(settings.PARLEY_DATA) / "celerybeat-schedule")
        queues = ["--queues", "web,train", "--concurrency", "2", "--hostname", f"parley-{os.getpid()}@%h"]
        # What may last long, an import and a snapshot at a time: nothing that people wait for stands behind it.
        files = ["--queues", "files", "--pool", "threads", "--concurrency", "2"]
        self.lines = {
            "web": web_command(self.port, self.host),
            "worker": [*celery, "worker", *queues, *level],
            "files": [*celery, "worker", *files, "--hostname", f"files-{os.getpid()}@%h", *level],
            "beat": [*celery, "beat", "--schedule", schedule, "--pidfile", "", *level],
        }
        for name in self.lines:
            self._spawn(name)
        self._wait_for_web()

    def _spawn(self, name: str) -> None:
        with open(self.logs / f"{name}.log", "ab") as output:
            self.running[name] = subprocess.Popen(
                self.lines[name],
                cwd=settings.BASE_DIR,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends them in order
                pass_fds=[self.lock.fileno()],
                preexec_fn=partial(end_with_parent, os.getpid()),  # noqa: PLW1509 - no thread runs here
            )
        self.started_at[name] = time.monotonic()

    def _wait_for_web(self) -> None:
        everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
        host = everywhere.get(self.host) or (f"[{self.host}]" if ":" in self.host else self.host)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for name, process in self.running.items():
                if process.poll() is not None:
                    why = self.logs / f"{name}.log"
                    raise CommandError(
                        f"The {name} process ended (exit {process.returncode}); {why} says why."
                    )
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://{host}:{self.port}/healthz", timeout=2, trust_env=False).is_success:
                    return
            time.sleep(0.2)
        raise CommandError(
            f"The web server did not answer within {START_SECONDS} s; see {self.logs / 'web.log'}."
        )

    def tend(self) -> None:
        """Start again what has ended, after longer and longer pauses where it does not stay."""
        for name, process in list(self.running.items()):
            age = time.monotonic() - self.started_at[name]
            if process.poll() is None:
                if age > STAYS_SECONDS:
                    self.pauses.pop(name, None)
            elif age > self.pauses.get(name, 0.0):
                self.pauses[name] = min(MAX_PAUSE_SECONDS, 2 * self.pauses.get(name, 0.0) or 1.0)
                log.error("%s ended (exit %s): started again", name, process.returncode)
                self._end_group(process)  # children that outlived it
                self._spawn(name)
        try:  # the servers that Parley carries are started again by being asked for
            if settings.CARRIES_POSTGRES:
                servers.postgres_url(settings.PARLEY_DATA)
            if settings.CARRIES_REDIS:
                servers.redis_url(settings.PARLEY_DATA)
        except servers.ServerError as error:
            log.error("%s", error)

    def wait(self) -> None:
        """Until somebody interrupts."""
        while True:
            self.tend()
            time.sleep(0.5)

    @staticmethod
    def _end_group(process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            self._end_group(process)
            process.wait()
        self.running.clear()
        with contextlib.suppress(Exception):  # a database that is gone must not keep the rest from ending
            stop_model_server()
            stop_jobs_here()


@contextmanager
def only_one(url: str) -> Iterator[IO[str]]:
    """One `serve` or `demo` at a time for a data directory; the lock lasts while any process has the file open."""
    path = Path(settings.PARLEY_DATA) / "serve.lock"
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            where = lock.read().strip()
            pids = ", ".join(str(pid) for pid in _holders(path))
            raise CommandError(
                f"Parley runs on this data directory already{where and f': {where}'}. To start it anew, end that "
                f"one first{pids and f' (processes {pids})'}."
            ) from None
        lock.truncate(0)
        lock.write(url)
        lock.flush()
        yield lock


def _holders(path: Path) -> list[int]:
    """Who has the file open, as far as that can be seen."""
    holders = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and any(file.path == str(path) for file in process.open_files()):
                holders.append(process.pid)
    return holders


def interrupt_on_term() -> None:
    """SIGTERM ends this command as Ctrl-C does: everything that it started is stopped."""

    def interrupt(number: int, frame: FrameType | None) -> Any:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):  # a shell's background job ignores Ctrl-C's
        signal.signal(number, interrupt)


@contextmanager
def site(port: int, host: str = "127.0.0.1") -> Iterator[Processes]:
    """Web, worker and beat, running inside the block."""
    interrupt_on_term()
    processes = Processes(port, host)
    with only_one(processes.url) as lock:
        try:
            processes.start(lock)
            yield processes
        finally:
            processes.stop()
