"""The embedded PostgreSQL and Valkey: started once, shared, found again after a crash."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from annotate.operating import servers


@pytest.fixture
def data(tmp_path: Path):
    os.chmod(tmp_path.parent, 0o755)  # PostgreSQL runs as another user where we are root
    yield tmp_path
    servers.stop(tmp_path)


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True)


def test_postgres_is_started_once_and_shared_also_where_its_first_start_was_interrupted(data):
    (data / "postgres" / "base" / "1").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("18\n")
    first, second = servers.postgres_url(data), servers.postgres_url(data)
    assert first == second
    with connect(first) as connection:
        assert connection.execute("SELECT 40 + 2").fetchone() == (42,)


def test_rows_survive_when_postgres_is_killed(data):
    with connect(servers.postgres_url(data)) as connection:
        connection.execute("CREATE TABLE word (text text)")
        connection.execute("INSERT INTO word VALUES ('kept')")
    postmaster = psutil.Process(int((data / "postgres" / "postmaster.pid").read_text().split()[0]))
    processes = [postmaster, *postmaster.children()]
    for process in processes:
        with contextlib.suppress(
            psutil.NoSuchProcess
        ):  # the others end by themselves when the first one does
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=10)
    with connect(servers.postgres_url(data)) as connection:
        assert connection.execute("SELECT text FROM word").fetchone() == ("kept",)


@pytest.mark.slow
def test_valkey_comes_back_with_its_entries_after_a_kill(data):
    url = servers.redis_url(data)
    redis.Redis.from_url(url).set("word", "kept")
    time.sleep(1.2)  # appendfsync everysec
    pid = int((data / "valkey.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(5)
    assert servers.redis_url(data) == url
    assert redis.Redis.from_url(url).get("word") == b"kept"


def test_stop_ends_both(data):
    servers.postgres_url(data)
    servers.redis_url(data)
    assert servers.stop(data) == ["PostgreSQL", "Valkey"]
    assert servers.stop(data) == []


def test_a_deep_data_directory_still_gets_a_socket(data):
    deep = data / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    try:
        assert redis.Redis.from_url(servers.redis_url(deep)).ping()
    finally:
        servers.stop(deep)
