"""One file into one campaign: read, detect, store in batches, account for every record."""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.utils.translation import gettext as _

from annotate.campaigns.models import Campaign
from annotate.snapshots.formats.detect import BY_NAME, Format, Parsed, detect, parse_file, why_unknown
from annotate.snapshots.formats.reading import records
from annotate.snapshots.formats.records import Feedback, Rejected, TreeRow
from annotate.snapshots.storing import store_feedback
from annotate.snapshots.trees import store_trees

# One transaction: so many records or messages of trees, or so many bytes of the file, whichever comes first.
BATCH = 500
BATCH_BYTES = 8 << 20


class ImportRefused(Exception):
    """A file cannot be taken in at all; the text says why and what to do."""


@dataclass
class FileReport:
    file: str
    format: str
    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    # Fields that were not read, by name, and in how many records each was filled.
    unread: Counter[str] = field(default_factory=Counter)

    @property
    def num_records(self) -> int:
        return self.accepted + self.duplicates + len(self.rejected)

    def as_json(self) -> dict[str, Any]:
        refused = sorted(self.rejected, key=lambda found: found.line)
        return {
            "file": self.file,
            "format": self.format,
            "records": self.num_records,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "unread_fields": dict(sorted(self.unread.items())),
            "rejected": [{"line": found.line, "reason": found.reason} for found in refused],
        }


def check_readable(path: Path) -> None:
    if path.is_dir():
        raise ImportRefused(_("%(path)s is a directory; name the files in it.") % {"path": path})
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ImportRefused(
            _("%(path)s cannot be read (%(reason)s); check the name and who may read it.")
            % {"path": path, "reason": error.strerror}
        ) from None


def check_format_name(name: str) -> None:
    if name != "auto" and name not in BY_NAME:
        raise ImportRefused(
            _("There is no format %(name)s; these are known: %(known)s.")
            % {"name": name, "known": ", ".join(["auto", *BY_NAME])}
        )


def form_of(path: Path, name: str) -> Format | None:
    check_format_name(name)
    return detect(path) if name == "auto" else BY_NAME[name]


def import_file(
    path: Path,
    campaign: Campaign,
    format_name: str = "auto",
    *,
    file_name: str = "",
    progress: Callable[[FileReport], None] = lambda report: None,
) -> FileReport:
    """Take in one file; `progress` is called after every batch.

    A batch is one transaction, so what a killed import has stored is whole, and the same file again continues.
    """
    check_readable(path)
    form = form_of(path, format_name)
    report = FileReport(file_name or path.name, form.name if form else "unknown")
    if form is None:
        report.rejected = [
            found if isinstance(found, Rejected) else Rejected(found.line, why_unknown(found))
            for found in records(path)
        ]
        return report
    try:
        with tempfile.TemporaryDirectory(prefix="parley-import-") as scratch:
            for batch in batches(parse_file(path, form, Path(scratch) / "messages.sqlite", report.unread)):
                _store(report, campaign, form, batch)
                progress(report)
    except (OSError, sqlite3.Error) as error:
        raise ImportRefused(
            _(
                "Reading %(path)s broke off (%(reason)s). What was stored is whole. Check the disk, then import again."
            )
            % {"path": path.name, "reason": error}
        ) from error
    return report


def batches(parsed: Iterable[Parsed]) -> Iterator[list[Parsed]]:
    batch: list[Parsed] = []
    weight = num_bytes = 0
    for found in parsed:
        batch.append(found)
        weight += len(found.messages) if isinstance(found, TreeRow) else 1
        num_bytes += found.size if isinstance(found, TreeRow | Feedback) else 0
        if weight >= BATCH or num_bytes >= BATCH_BYTES:
            yield batch
            batch, weight, num_bytes = [], 0, 0
    if batch:
        yield batch


def _store(report: FileReport, campaign: Campaign, form: Format, batch: list[Parsed]) -> None:
    report.rejected += [found for found in batch if isinstance(found, Rejected)]
    report.duplicates += sum(isinstance(found, int) for found in batch)
    rows = [found for found in batch if isinstance(found, TreeRow | Feedback)]
    if not rows:
        return
    try:
        part = _in_one_transaction(campaign, form, rows)
    except (DataError, IntegrityError, RecursionError, OverflowError) as error:
        if len(rows) > 1:  # find the one that the database refuses
            for row in rows:
                _store(report, campaign, form, [row])
            return
        reason = _("The database cannot keep it: %(reason)s") % {"reason": str(error).split("\n")[0]}
        report.rejected += _all_refused(rows[0], reason)
        return
    report.accepted += part.accepted
    report.duplicates += part.duplicates
    report.rejected += part.rejected


def _all_refused(row: TreeRow | Feedback, reason: str) -> list[Rejected]:
    if isinstance(row, Feedback):
        return [Rejected(row.line, reason)] * row.num_records
    if row.form in ("tree", "root"):
        return [Rejected(row.line, reason)]
    return [Rejected(message.line, reason) for message in row.messages]


@transaction.atomic
def _in_one_transaction(campaign: Campaign, form: Format, rows: list[TreeRow | Feedback]) -> FileReport:
    """Stored whole or not at all. The campaign's row keeps two imports, or an import and an upload of prompts, apart."""
    part = FileReport("", form.name)
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    trees = [row for row in rows if isinstance(row, TreeRow)]
    items = [row for row in rows if isinstance(row, Feedback)]
    for outcome in store_trees(campaign, form.source, trees) if trees else []:
        part.accepted += outcome.num_accepted
        part.duplicates += outcome.num_duplicates
        part.rejected += outcome.rejected
    is_new = store_feedback(campaign, form.source, items) if items else []
    for item, brought in zip(items, is_new, strict=True):
        if brought:
            part.accepted += item.num_records
        else:
            part.duplicates += item.num_records
    return part
