"""A whole Parley of its own for a test: database, broker, web, worker and beat as real processes.

It has a data directory of its own, a database of its own on the PostgreSQL that the tests themselves use, and a
Valkey of its own (where REDIS_URL is set: another Redis database number). `own_postgres` is for a test that kills it.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
from django.conf import settings as tests_own

from annotate.operating import servers
from annotate.operating.starting import web_command
from tests.databases import drop_database, make_database
from tests.warm import Warm

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    """`start()` what is wanted; every process is in `processes` by name, to be killed by a test."""

    def __init__(self, data: Path, own_postgres: bool = False, **settings: str):
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen] = {}
        self._warm: Warm | None = None
        self.env = {
            **os.environ,
            "PARLEY_DATA": str(data),
            "PARLEY_MODEL_SERVER_PORT": str(free_port()),
            "PARLEY_SIGN_IN_TRIES": "1000",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
            **settings,
        }
        if url := os.environ.get("REDIS_URL"):
            self.env["REDIS_URL"] = re.sub(r"/\d*$", "", url) + f"/{1 + self.port % 15}"
        self._database: str | None = None
        if own_postgres and "DATABASE_URL" not in os.environ:
            self.manage("migrate", "--verbosity", "0")
        else:
            self._database = make_database(tests_own.DATABASE_URL, f"parley_site_{os.getpid()}_{self.port}")
            self.env["DATABASE_URL"] = self._database

    def _run(self, *program: str, timeout: float, **options) -> subprocess.CompletedProcess[str]:
        """In a process forked from one in which this site's Django is set up already."""
        if self._warm is None or self._warm.env != self.env:
            self._cool()
            env = {**self.env, "DJANGO_SETTINGS_MODULE": "annotate.settings"}
            self._warm = Warm("import django; django.setup()", env)
            self._warm.env = dict(self.env)
        return self._warm.run(*program, cwd=ROOT, timeout=timeout, **options)

    def _cool(self) -> None:
        if self._warm:
            self._warm.stop()
            self._warm = None

    def manage(
        self, *arguments: str, timeout: float = 600, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        result = self._run("manage.py", *arguments, timeout=timeout)
        if check and result.returncode:
            raise AssertionError(f"manage.py {' '.join(arguments)}: {result.stdout}{result.stderr}")
        return result

    def python(self, code: str) -> str:
        """Run code in a process of this site with Django set up; returns what it printed."""
        result = self._run("-", input=code, timeout=300)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def _spawn(self, name: str, *command: str) -> None:
        log = open(self.data / f"{name}.log", "ab")
        self.processes[name] = subprocess.Popen(
            command, cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
        )

    def start_web(self, workers: int = 1) -> None:
        self._spawn("web", *web_command(self.port, workers=workers))
        self.wait_until(self._web_answers, 60, "the web server did not answer")

    def _web_answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def start_worker(self, queues: str = "web,train,files", name: str = "worker") -> None:
        command = [str(BIN / "celery"), "-A", "annotate", "worker", "-Q", queues, "-c", "2", "-l", "INFO"]
        self._spawn(name, *command, "-n", f"{name}{self.port}@localhost")

    def start_beat(self) -> None:
        schedule = str(self.data / "beat")
        self._spawn("beat", str(BIN / "celery"), "-A", "annotate", "beat", "-s", schedule, "-l", "INFO")

    def start(self) -> None:
        self.start_web()
        self.start_worker()
        self.start_beat()

    def kill(self, name: str) -> None:
        """kill -9 of a process and all its children, at once."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_until(self, condition, seconds: float, otherwise: str, every: float = 0.2) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(every)
        raise AssertionError(f"{otherwise} within {seconds:g} s; logs in {self.data}: {self.log_tails()}")

    def log_tails(self) -> str:
        logs = sorted(self.data.glob("*.log"))
        return "\n".join(f"--- {log.name}\n" + log.read_text(errors="replace")[-1500:] for log in logs)

    def stop(self) -> None:
        for process in self.processes.values():
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        self.processes.clear()
        self.python("from annotate.runs.serving import stop_model_server\nstop_model_server()")
        self._cool()
        servers.stop(self.data)
        if self._database:
            drop_database(self._database)
