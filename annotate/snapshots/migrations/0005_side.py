"""The side of every prompt that a snapshot holds already, read from the snapshots; and their rows by side."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.db import migrations, models

from trainer.snapshot import split_key


def directory_of(snapshot) -> Path:
    return next(
        (path for path in (Path(snapshot.path), Path(settings.SNAPSHOTS_DIR) / snapshot.name) if path.is_dir()),
        Path(snapshot.path),
    )


def sides_of(path: Path, wanted: str) -> Iterator[tuple[int, str]]:
    for file in sorted(path.glob("*.jsonl")):
        with open(file, "rb") as lines:
            for line in lines:
                row = json.loads(line)
                if row.get("split") == wanted:
                    yield split_key(row.get("prompt") or row.get("messages") or []), wanted


def keep_sides(apps, schema_editor):
    """Where two snapshots disagreed, what was held out once stays held out."""
    Side = apps.get_model("snapshots", "Side")
    ready = list(apps.get_model("snapshots", "Snapshot").objects.filter(state="ready").order_by("pk"))
    for split in ("validation", "train"):
        for snapshot in ready:
            found = sides_of(directory_of(snapshot), split)
            while chunk := list(islice(found, 1000)):
                Side.objects.bulk_create(
                    [Side(key=key, split=side) for key, side in dict(chunk).items()], ignore_conflicts=True
                )
    for snapshot in ready:
        manifest = directory_of(snapshot) / "manifest.json"
        if manifest.exists():
            files = json.loads(manifest.read_text())["files"]
            snapshot.splits = {name.removesuffix(".jsonl"): file.get("splits", {}) for name, file in files.items()}
            snapshot.save(update_fields=["splits"])


class Migration(migrations.Migration):

    dependencies = [("snapshots", "0004_language")]

    operations = [
        migrations.CreateModel(
            name="Side",
            fields=[
                (
                    "key",
                    models.BigIntegerField(
                        help_text="of its first message: trainer.snapshot.split_key",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("split", models.CharField(max_length=16)),
            ],
        ),
        migrations.AddField(
            model_name="snapshot",
            name="splits",
            field=models.JSONField(
                blank=True, default=dict, help_text="{name: {train, validation}}, rows of each"
            ),
        ),
        migrations.RunPython(keep_sides, migrations.RunPython.noop),
    ]
