"""Verbs of this app: freeze a snapshot, take in a file. A row is the queue; these are called by anyone."""

import hashlib
import os
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import F
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from annotate.campaigns.models import Campaign
from annotate.errors import outage
from annotate.snapshots.freezing import FILTERS, Frozen
from annotate.snapshots.importing import FileReport, ImportRefused, check_format_name, import_file
from annotate.snapshots.models import FeedbackImport, Snapshot
from annotate.snapshots.storing import stored_counts
from trainer.snapshot import SnapshotError, SnapshotWriter, read_manifest

HEARTBEAT_SECONDS = 5
STALE_AFTER = timedelta(seconds=60)
FREEZE_LOCK = 0x5EA1ED  # any number that nothing else in this database locks
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SnapshotRefused(Exception):
    """A snapshot cannot be made; the text says why and what to do."""


# ---------------------------------------------------------------- snapshots


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
        raise SnapshotRefused(
            _("There is a snapshot %(name)s already; choose another name.") % {"name": name}
        )
    same = Snapshot.objects.filter(state=Snapshot.State.READY)
    for campaign in campaigns:
        same = same.filter(campaigns=campaign)
    with transaction.atomic():
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
            sentence = str(error) if isinstance(error, SnapshotError) else _cause(error)
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


# ---------------------------------------------------------------- imports


def queue_import(
    *, campaign: Campaign, file: Any, file_name: str, format_name: str = "auto", created_by: Any = None
) -> FeedbackImport:
    """Keep an uploaded file (anything with `chunks()`) in the data directory and queue it."""
    check_format_name(format_name)
    directory = Path(settings.UPLOADS_DIR)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{uuid.uuid4()}.upload"
    try:
        with open(path, "wb") as kept:
            kept.writelines(file.chunks())
            kept.flush()
            os.fsync(kept.fileno())
        return FeedbackImport.objects.create(
            campaign=campaign,
            file_name=Path(file_name).name[-255:] or "upload",
            path=str(path),
            format=format_name,
            created_by=created_by,
        )
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def run_import(row: FeedbackImport) -> FeedbackImport:
    """Take in one queued file. The claim is a conditional update: two processes never run one import."""
    with translation.override(row.language):
        return _run_import(row)


def _run_import(row: FeedbackImport) -> FeedbackImport:
    claimed = FeedbackImport.objects.filter(pk=row.pk, state=FeedbackImport.State.QUEUED).update(
        state=FeedbackImport.State.RUNNING,
        heartbeat_at=timezone.now(),
        num_attempts=F("num_attempts") + 1,
    )
    if not claimed:
        return row
    row.refresh_from_db()

    def progress(report: FileReport) -> None:
        FeedbackImport.objects.filter(pk=row.pk).update(
            num_records=report.num_records, heartbeat_at=timezone.now()
        )

    state, error, report = FeedbackImport.State.SUCCEEDED, "", None
    try:
        with beating(FeedbackImport, row.pk):
            found = import_file(
                Path(row.path), row.campaign, row.format, file_name=row.file_name, progress=progress
            )
        report = {"files": [found.as_json()], "stored": stored_counts(row.campaign)}
        row.num_records = found.num_records
        if found.format == "unknown":
            state = FeedbackImport.State.FAILED
            error = found.rejected[0].reason if found.rejected else _("The file holds no records.")
    except ImportRefused as refusal:
        state, error = FeedbackImport.State.FAILED, str(refusal)
    except OSError as failure:
        state, error = FeedbackImport.State.FAILED, _cause(failure)
    row.state, row.error, row.report = state, error, report
    row.save(update_fields=["state", "error", "report", "num_records"])
    Path(row.path).unlink(missing_ok=True)
    return row


def advance_imports() -> None:
    """Run what is queued; queue again what a dead process left, which continues where it stopped."""
    stale = FeedbackImport.objects.filter(
        state=FeedbackImport.State.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER
    )
    for row in stale.filter(num_attempts__gte=settings.MAX_ATTEMPTS):
        with translation.override(row.language):
            error = _(
                "The import was broken off several times. Look into the log of the worker, then import again."
            )
        stale.filter(pk=row.pk).update(state=FeedbackImport.State.FAILED, error=error)
    stale.update(state=FeedbackImport.State.QUEUED)
    for row in FeedbackImport.objects.filter(state=FeedbackImport.State.QUEUED).order_by("pk"):
        run_import(row)


# ---------------------------------------------------------------- both


@contextmanager
def beating(table: type[Snapshot] | type[FeedbackImport], pk: int) -> Iterator[None]:
    """Renew the row's heartbeat, on a connection of its own, while the block runs."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            try:
                table.objects.filter(pk=pk).update(heartbeat_at=timezone.now())
            except DatabaseError:  # the work itself meets the same trouble and reports it
                close_old_connections()
        connection.close()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _cause(error: Exception) -> str:
    stopped = _("It stopped with an error (%(reason)s); the server's log has the details.")
    return outage(error) or stopped % {"reason": error}
