"""Paths of what Parley wrote, kept so that a backup restored elsewhere reads the new place."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

INSIDE = "./"  # begins what is kept of a path in the data directory; no hub id begins so


class DataPathField(models.CharField):
    """A path. One in PARLEY_DATA is kept relative to it, any other (and a hub id) as it is; code sees whole paths."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        if value is None or not value.startswith(INSIDE):
            return value
        return str(Path(settings.PARLEY_DATA) / value.removeprefix(INSIDE))

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        data = f"{settings.PARLEY_DATA}/"
        return INSIDE + value.removeprefix(data) if value and value.startswith(data) else value


def keep_relative(app: str, *columns: tuple[str, str]) -> Any:
    """The step of a migration that writes the paths of rows made before anew: (model, column) each."""

    def forwards(apps: Any, schema_editor: Any) -> None:
        for model, column in columns:
            for row in apps.get_model(app, model).objects.only("pk", column).iterator():
                row.save(update_fields=[column])

    return forwards
