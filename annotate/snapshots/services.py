"""Verbs of this app: freeze a snapshot, take in a file. A row is the queue; these are called by anyone."""

import hashlib
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import DatabaseError, IntegrityError, close_old_connections, connection, transaction
from django.db.models import F, Func, IntegerField, Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from annotate.campaigns.models import Campaign
from annotate.errors import Conflict, outage
from annotate.snapshots.freezing import FILTERS, Frozen
from annotate.snapshots.importing import (
    FileReport,
    ImportRefused,
    check_format_name,
    check_readable,
    check_unpacked_size,
    import_file,
    not_read_to_its_end,
    scratch_prefix,
)
from annotate.snapshots.models import FeedbackImport, Snapshot
from annotate.snapshots.storing import stored_counts
from trainer.snapshot import SnapshotError, SnapshotWriter, read_manifest

HEARTBEAT_SECONDS = 5
STALE_AFTER = timedelta(seconds=60)
LEFT_BEHIND_AFTER = timedelta(days=1)
MAX_WAITING = 20  # imports into one campaign, or of one person
UNFINISHED = (FeedbackImport.State.QUEUED, FeedbackImport.State.RUNNING)
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


class Overtaken(Exception):
    """Another process has taken the import up, or it was removed: nothing of this batch is stored."""


def queue_import(
    *, campaign: Campaign, file: File, file_name: str, format_name: str = "auto", created_by: Any = None
) -> FeedbackImport:
    """Keep an uploaded file in the data directory and queue it."""
    check_format_name(format_name)
    _refuse_too_many(campaign, created_by)
    directory = Path(settings.UPLOADS_DIR)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{uuid.uuid4()}.upload"
    try:
        _keep(file, path)
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


def _refuse_too_many(campaign: Campaign, created_by: Any) -> None:
    waiting = FeedbackImport.objects.filter(state__in=UNFINISHED)
    own = Q(created_by=created_by) if created_by else Q(pk=None)
    if waiting.filter(own | Q(campaign=campaign)).count() >= MAX_WAITING:
        raise Conflict(
            _("%(count)s imports wait already. Add more when they are done, or remove some of them.")
            % {"count": MAX_WAITING},
            "too_many_imports",
        )


def _keep(file: File, path: Path) -> None:
    """A large upload lies on the disk already and is moved, not written again."""
    if isinstance(file, TemporaryUploadedFile):
        shutil.move(file.temporary_file_path(), path)
        with open(path, "rb") as kept:
            os.fsync(kept.fileno())
        return
    with open(path, "wb") as kept:
        kept.writelines(file.chunks())
        kept.flush()
        os.fsync(kept.fileno())


def remove_import(import_id: int) -> None:
    """Take a failed import, or one that nobody has begun, off the list. What it stored stays."""
    with transaction.atomic():
        row = FeedbackImport.objects.select_for_update().defer("report", "rejected").get(pk=import_id)
        is_untouched = row.state == FeedbackImport.State.QUEUED and not row.num_parsed
        if row.state != FeedbackImport.State.FAILED and not is_untouched:
            raise Conflict(
                _("This import is running, or what it brought is in the campaign: its report stays."), "stays"
            )
        row.delete()
    _remove_upload(row)


def run_import(row: FeedbackImport) -> None:
    """Take in one queued file. The claim is a conditional update: two processes never run one import."""
    claimed = FeedbackImport.objects.filter(pk=row.pk, state=FeedbackImport.State.QUEUED).update(
        state=FeedbackImport.State.RUNNING,
        heartbeat_at=timezone.now(),
        num_attempts=F("num_attempts") + 1,
    )
    if not claimed:
        return
    row.refresh_from_db()
    with translation.override(row.language), beating(FeedbackImport, row.pk):
        try:
            report = _take_in(row)
            error = _why_failed(report)
        except ImportRefused as refusal:
            error = str(refusal)
        except OSError as failure:
            error = _cause(failure)
        except Overtaken:
            return
        else:
            _keep_report(row.pk, report, stored=stored_counts(row.campaign))
    _end_import(row, error)


def _take_in(row: FeedbackImport) -> FileReport:
    """From where an earlier attempt has come to, if there was one."""
    _remove_scratch(row)
    begun = None
    if row.report and row.num_parsed:
        begun = FileReport.from_json(row.report["files"][0], row.rejected, row.num_parsed)
    else:
        check_readable(Path(row.path))
        check_unpacked_size(Path(row.path), settings.MAX_IMPORT_BYTES)
    return import_file(
        Path(row.path),
        row.campaign,
        row.format,
        file_name=row.file_name,
        begun=begun,
        keep=lambda report: _keep_report(row.pk, report),
    )


def _keep_report(pk: int, report: FileReport, **more: Any) -> None:
    """What an import has come to, in the transaction of what it stored; it has got further, so tries count anew."""
    row = FeedbackImport.objects.filter(pk=pk)
    behind = row if more else row.filter(num_parsed__lt=report.num_parsed)
    if not behind.update(
        num_records=report.num_records,
        num_accepted=report.accepted,
        num_duplicates=report.duplicates,
        num_rejected=report.num_rejected,
        num_parsed=report.num_parsed,
        num_attempts=0,
        found_format=report.format,
        report={"files": [report.counts()], **more},
        heartbeat_at=timezone.now(),
    ):
        raise Overtaken
    # The large part, and most batches add none.
    num_kept = Func("rejected", function="jsonb_array_length", output_field=IntegerField())
    row.annotate(num_kept=num_kept).exclude(num_kept=len(report.rejected)).update(rejected=report.refusals())


def _why_failed(report: FileReport) -> str:
    if report.format == "unknown":
        return report.rejected[0].reason if report.rejected else _("The file holds no records.")
    return not_read_to_its_end(report) if report.is_hopeless else ""


def _end_import(row: FeedbackImport, error: str) -> None:
    state = FeedbackImport.State.FAILED if error else FeedbackImport.State.SUCCEEDED
    FeedbackImport.objects.filter(pk=row.pk).update(state=state, error=error)
    _remove_upload(row)


def _remove_upload(row: FeedbackImport) -> None:
    Path(row.path).unlink(missing_ok=True)
    _remove_scratch(row)


def _remove_scratch(row: FeedbackImport) -> None:
    """What an attempt that was killed has left."""
    for left in Path(settings.UPLOADS_DIR).glob(f"{scratch_prefix(Path(row.path))}*"):
        shutil.rmtree(left, ignore_errors=True)


def advance_imports() -> None:
    """Run the import that has waited longest, if none runs; queue again what a dead process left."""
    stale = FeedbackImport.objects.filter(
        state=FeedbackImport.State.RUNNING, heartbeat_at__lt=timezone.now() - STALE_AFTER
    ).defer("report", "rejected")
    for row in stale.filter(num_attempts__gte=settings.MAX_ATTEMPTS):
        with translation.override(row.language):
            _end_import(
                row,
                _(
                    "The import was broken off several times. Look into the log of the worker, then import again."
                ),
            )
    stale.update(state=FeedbackImport.State.QUEUED)
    if FeedbackImport.objects.filter(state=FeedbackImport.State.RUNNING).exists():
        return
    _clear_uploads()
    waiting = FeedbackImport.objects.filter(state=FeedbackImport.State.QUEUED).order_by("pk")
    if oldest := waiting.defer("report", "rejected").first():
        run_import(oldest)


def _clear_uploads() -> None:
    """Remove what killed processes left: uploads without a row, scratch files of commands."""
    wanted = set(FeedbackImport.objects.filter(state__in=UNFINISHED).values_list("path", flat=True))
    long_ago = time.time() - LEFT_BEHIND_AFTER.total_seconds()
    places = [Path(settings.UPLOADS_DIR), Path(settings.FILE_UPLOAD_TEMP_DIR)]
    for path in (path for place in places if place.is_dir() for path in place.iterdir()):
        if str(path) in wanted or path.stat().st_mtime > long_ago:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


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
