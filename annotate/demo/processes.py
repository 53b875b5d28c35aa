"""The processes of one Parley on one machine: web, worker and beat, started together and ended together.

Their output goes to `logs/` in the data directory. Training jobs outlive a worker that dies; at an orderly end
they are asked for a checkpoint, and the next start resumes them.
"""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import CommandError
from kombu.exceptions import OperationalError

from annotate.celery import app
from annotate.runs.advancing import stop_jobs_here
from annotate.runs.serving import stop_model_server

BIN = Path(sys.executable).parent
START_SECONDS = 60
STOP_SECONDS = 10


def free_port(first: int) -> int:
    """The first port from here on that nobody listens on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise CommandError(f"Ports {first} to {first + 99} are all taken; name a free one with --port.")


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
        self.port, self.host = free_port(port), host
        self.url = f"http://localhost:{self.port}"
        self.logs = Path(settings.PARLEY_DATA) / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        require_broker()
        environment = {
            **os.environ,
            "PARLEY_DATA": str(settings.PARLEY_DATA),
            "PARLEY_MODEL_SERVER_PORT": str(free_port(settings.MODEL_SERVER_PORT)),
        }
        celery = [str(BIN / "celery"), "-A", "annotate"]
        level = ["--loglevel", "INFO"]
        options = ["--host", self.host, "--port", str(self.port), "--workers", "1", "--blocking-threads", "8"]
        schedule = str(Path(settings.PARLEY_DATA) / "celerybeat-schedule")
        self._spawn(
            "web",
            [str(BIN / "granian"), "--interface", "wsgi", *options, "annotate.wsgi:application"],
            environment,
        )
        name = f"parley-{os.getpid()}@%h"
        queues = ["--queues", "web,train", "--concurrency", "2", "--hostname", name]
        self._spawn("worker", [*celery, "worker", *queues, *level], environment)
        self._spawn("beat", [*celery, "beat", "--schedule", schedule, "--pidfile", "", *level], environment)
        self._wait_for_web()

    def _spawn(self, name: str, line: list[str], environment: dict[str, str]) -> None:
        with open(self.logs / f"{name}.log", "ab") as log:
            self.running[name] = subprocess.Popen(
                line,
                cwd=settings.BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends them in order
            )

    def _wait_for_web(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status_code == 200:
                    return
            time.sleep(0.2)
        raise CommandError(
            f"The web server did not answer within {START_SECONDS} s; see {self.logs / 'web.log'}."
        )

    def check(self) -> None:
        """Refuse to go on when one of them has ended."""
        for name, process in self.running.items():
            if process.poll() is not None:
                log = self.logs / f"{name}.log"
                raise CommandError(f"The {name} process ended (exit {process.returncode}); {log} says why.")

    def wait(self) -> None:
        """Until somebody interrupts, or one of them ends."""
        while True:
            self.check()
            time.sleep(0.5)

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.running.clear()
        with contextlib.suppress(Exception):  # a database that is gone must not keep the rest from ending
            stop_model_server()
            stop_jobs_here()


@contextmanager
def only_one(url: str) -> Iterator[None]:
    """One `serve` or `demo` at a time for a data directory."""
    path = Path(settings.PARLEY_DATA) / "serve.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            where = lock.read().strip()
            raise CommandError(
                f"Parley runs on this data directory already{where and f': {where}'}."
            ) from None
        lock.truncate(0)
        lock.write(url)
        lock.flush()
        yield


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
    with only_one(processes.url):
        try:
            processes.start()
            yield processes
        finally:
            processes.stop()
