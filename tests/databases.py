"""Databases that have every table already: copies of one that was migrated once.

The copy is made on the tests' own PostgreSQL in a fraction of a second, where migrating takes several; the one that
is copied stays there from run to run until a migration changes.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.db import connection, transaction

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "parley_migrated_"
MIGRATING = 20261201  # the advisory lock of those who migrate or copy


def named(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True)


def _migrated_name() -> str:
    """Other migrations, or other packages, which bring migrations too: another database."""
    read = hashlib.sha256()
    for path in [ROOT / "deploy" / "constraints.txt", *sorted(ROOT.glob("annotate/*/migrations/*.py"))]:
        read.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return PREFIX + read.hexdigest()[:16]


def _make_migrated(server: psycopg.Connection, url: str, name: str) -> None:
    half = f"{PREFIX}half"
    for (old,) in server.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX]
    ).fetchall():
        server.execute(f'DROP DATABASE "{old}" WITH (FORCE)')
    server.execute(f'CREATE DATABASE "{half}"')
    env = os.environ | {"DATABASE_URL": named(url, half), "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env, check=True
    )
    server.execute(f'ALTER DATABASE "{half}" RENAME TO "{name}"')


def migrated_database(url: str) -> str:
    """The name of the database that is copied, on the server of this URL."""
    name = _migrated_name()
    with connect(url) as server:
        server.execute("SELECT pg_advisory_lock(%s)", [MIGRATING])  # given back with the connection
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            _make_migrated(server, url, name)
    return name


def make_database(url: str, name: str) -> str:
    """A new migrated database on the server of this URL; returns its own."""
    migrated = migrated_database(url)
    with connect(url) as server:
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}"')
    return named(url, name)


def drop_database(url: str) -> None:
    name = urlsplit(url).path.removeprefix("/")
    with connect(named(url, "postgres")) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def delete_what_was_written(_test_case=None) -> None:
    """In place of Django's flush, which truncates every table and writes its content types anew, after each test.

    Once more where a trigger writes as others are deleted.
    """
    with connection.cursor() as cursor:
        tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
        tables -= {"django_content_type", "auth_permission"}
        has_rows = " UNION ALL ".join(
            f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in tables
        )
        while written := cursor.execute(has_rows).fetchall():
            with transaction.atomic():
                for (name,) in written:
                    cursor.execute(f'DELETE FROM "{name}"')
