"""Verbs of this app: freeze a snapshot. A row is the queue; these are called by anyone."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from annotate.api.errors import cause
from annotate.campaigns.models import Campaign
from annotate.operating.heartbeat import STALE_AFTER, beating
from annotate.snapshots.freezing import FILTERS, Frozen
from annotate.snapshots.models import Snapshot
from trainer.snapshot import SnapshotError, SnapshotWriter, read_manifest

FREEZE_LOCK = 0x5EA1ED  # any number that nothing else in this database locks
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SnapshotRefused(Exception):
    """A snapshot cannot be made; the text says why and what to do."""


def queue_snapshot(*, campaigns: list[Campaign], name: str = "", created_by: Any = None) -> Snapshot:
    """A row in state `writing`, which write_snapshot (or the task, for all that wait) turns into a directory."""
    campaigns = sorted(set(campaigns), key=lambda campaign: campaign.pk)
    if not campaigns:
        raise SnapshotRefused(_("A snapshot needs at least one campaign; name one."))
    name = name or _free_name(campaigns)
    if not NAME.fullmatch(name):
        raise SnapshotRefused(
            _(
                "A snapshot's name has at most 100 letters, digits, dots, dashes and underscores; choose another."
            )
        )
    path = Path(settings.SNAPSHOTS_DIR) / name
    if path.exists() or Snapshot.objects.filter(name=name).exists():
        raise _taken(name)
    same = Snapshot.objects.filter(state=Snapshot.State.READY)
    for campaign in campaigns:
        same = same.filter(campaigns=campaign)
    with _refusing_a_taken_name(name), transaction.atomic():
        snapshot = Snapshot.objects.create(
            name=name,
            path=str(path),
            parent=same.first(),
            filters=FILTERS,
            # For prompts that no snapshot has held yet (models.Side); one that several campaigns hold has one share.
            split_seed=campaigns[0].split_seed,
            validation_fraction=max(campaign.validation_fraction for campaign in campaigns),
            created_by=created_by,
        )
        snapshot.campaigns.set(campaigns)
    return snapshot


def _taken(name: str) -> SnapshotRefused:
    return SnapshotRefused(_("There is a snapshot %(name)s already; choose another name.") % {"name": name})


@contextmanager
def _refusing_a_taken_name(name: str) -> Iterator[None]:
    """Of two who ask at once."""
    try:
        yield
    except IntegrityError as error:
        if "name" not in str(error):
            raise
        raise _taken(name) from error


def _free_name(campaigns: list[Campaign]) -> str:
    """The first campaign's name and the time: campaign-20261121-031500, with a number if that is taken."""
    stem = (
        re.sub(r"[^a-z0-9]+", "-", campaigns[0].name.lower()).strip("-")[:60] or f"campaign-{campaigns[0].pk}"
    )
    stem = f"{stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    taken = set(Snapshot.objects.filter(name__startswith=stem).values_list("name", flat=True))
    names = (stem if i == 1 else f"{stem}-{i}" for i in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def write_snapshot(snapshot: Snapshot) -> Snapshot:
    """Write the directory of a row in state `writing`, from one consistent view; gives the row, ready.

    The claim is a conditional update, so two processes never write one snapshot. A failure is kept on the row.
    """
    claimed = Snapshot.objects.filter(pk=snapshot.pk, state=Snapshot.State.WRITING, heartbeat_at=None).update(
        heartbeat_at=timezone.now()
    )
    snapshot.refresh_from_db()
    if not claimed:
        raise SnapshotRefused(
            _("The snapshot %(name)s is %(state)s already.")
            % {"name": snapshot.name, "state": snapshot.state}
        )
    try:
        with beating(Snapshot, snapshot.pk), SnapshotWriter(snapshot.path) as writer:
            _freeze(snapshot, writer)
    except Exception as error:
        with translation.override(snapshot.language):
            sentence = str(error) if isinstance(error, SnapshotError) else cause(error)
        Snapshot.objects.filter(pk=snapshot.pk).update(state=Snapshot.State.FAILED, error=sentence)
        if isinstance(error, SnapshotError | OSError):
            raise SnapshotRefused(sentence) from error
        raise
    return _finish(snapshot)


def _freeze(snapshot: Snapshot, writer: SnapshotWriter) -> None:
    with _one_freeze_at_a_time(), transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        campaigns = list(snapshot.campaigns.order_by("pk"))
        frozen = Frozen(campaigns, snapshot.split_seed, snapshot.validation_fraction)
        frozen.write(writer)
        described = [
            {"id": c.pk, "name": c.name, "kind": c.kind, "guidelines_version": _guidelines_version(c)}
            for c in campaigns
        ]
        parent = snapshot.parent
    writer.close(
        name=snapshot.name,
        parent={"name": parent.name, "manifest_sha256": parent.manifest_sha256} if parent else None,
        campaigns=described,
        filters=snapshot.filters,
        left_out={reason: count for reason, count in frozen.left_out.items() if count},
        split_seed=snapshot.split_seed,
        validation_fraction=snapshot.validation_fraction,
    )


@contextmanager
def _one_freeze_at_a_time() -> Iterator[None]:
    """Two at once would each fix the side of a prompt that both hold. Waited for before the one instant begins."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [FREEZE_LOCK])
        try:
            yield
        finally:
            with suppress(DatabaseError):  # a connection that broke has let go of it
                cursor.execute("SELECT pg_advisory_unlock(%s)", [FREEZE_LOCK])


def _guidelines_version(campaign: Campaign) -> int | None:
    return campaign.guidelines.values_list("version", flat=True).first()


def _finish(snapshot: Snapshot) -> Snapshot:
    """The directory is complete (its manifest is there): say so on the row."""
    manifest = read_manifest(snapshot.path)
    content = (Path(snapshot.path) / "manifest.json").read_bytes()
    Snapshot.objects.filter(pk=snapshot.pk, state=Snapshot.State.WRITING).update(
        state=Snapshot.State.READY,
        counts=manifest["counts"],
        splits=splits_of(manifest),
        manifest_sha256=hashlib.sha256(content).hexdigest(),
    )
    snapshot.refresh_from_db()
    return snapshot


def splits_of(manifest: dict[str, Any]) -> dict[str, dict[str, int]]:
    return {name.removesuffix(".jsonl"): file["splits"] for name, file in manifest["files"].items()}


def create_snapshot(*, campaigns: list[Campaign], name: str = "", created_by: Any = None) -> Snapshot:
    """Queue and write in one call: for commands and rounds. Not inside another transaction."""
    return write_snapshot(queue_snapshot(campaigns=campaigns, name=name, created_by=created_by))


def advance_snapshots() -> None:
    """Write what waits; settle what a dead process left behind."""
    stale = timezone.now() - STALE_AFTER
    for snapshot in Snapshot.objects.filter(state=Snapshot.State.WRITING, heartbeat_at__lt=stale):
        try:
            _finish(snapshot)
        except SnapshotError:
            with translation.override(snapshot.language):
                ended = _("The process that wrote this snapshot ended; make the snapshot again.")
            Snapshot.objects.filter(pk=snapshot.pk, state=Snapshot.State.WRITING).update(
                state=Snapshot.State.FAILED, error=ended
            )
    for snapshot in Snapshot.objects.filter(state=Snapshot.State.WRITING, heartbeat_at=None).order_by("pk"):
        try:
            write_snapshot(snapshot)
        except SnapshotRefused:
            continue  # another process was first, or the row says what went wrong
