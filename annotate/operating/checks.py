"""What `migrate` looks at first."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder


def no_older_database(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Before the first release migrations were written anew: nothing leads from a database of that time to this."""
    if not databases or not MigrationRecorder(connection).has_table():
        return []
    if not MigrationRecorder(connection).migration_qs.filter(app="accounts", name="0001_initial").exists():
        return []
    return [
        Error(
            "This database was made by a version of Parley from before the first release.",
            hint="Export its feedback with that version, then start with an empty database (DATABASE_URL) or data "
            "directory (PARLEY_DATA).",
            id="parley.E001",
        )
    ]
