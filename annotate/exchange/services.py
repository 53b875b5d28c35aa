"""Verbs of this app: take in a file. A row is the queue; these are called by anyone."""

import os
import shutil
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.db import transaction
from django.db.models import F, Func, IntegerField, Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from annotate.api.errors import Conflict, cause
from annotate.campaigns.models import Campaign
from annotate.exchange.importing import (
    FileReport,
    ImportRefused,
    check_format_name,
    check_readable,
    check_unpacked_size,
    import_file,
    not_read_to_its_end,
    scratch_prefix,
)
from annotate.exchange.models import FeedbackImport
from annotate.exchange.storing import stored_counts
from annotate.operating.heartbeat import STALE_AFTER, beating

LEFT_BEHIND_AFTER = timedelta(days=1)
MAX_WAITING = 20  # imports into one campaign, or of one person
UNFINISHED = (FeedbackImport.State.QUEUED, FeedbackImport.State.RUNNING)


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
            error = cause(failure)
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
