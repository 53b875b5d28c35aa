"""One file into one campaign: read, detect, store in batches, account for every record."""

import re
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.utils.translation import gettext as _

from annotate.campaigns.models import Campaign
from annotate.exchange.formats.detect import BY_NAME, Format, Parsed, detect, parse_file, why_unknown
from annotate.exchange.formats.reading import Damaged, blocks, records
from annotate.exchange.formats.records import Feedback, Rejected, TreeRow
from annotate.exchange.storing import store_feedback, unworkable
from annotate.exchange.trees import store_trees

# One transaction: so many records or messages of trees, or so many bytes of the file, whichever comes first.
BATCH = 500
BATCH_BYTES = 8 << 20
# A report stays small whatever the file is: the first refusals word for word, all of them by kind.
KEPT_REFUSALS = 1_000
KEPT_KINDS = 20
LONGEST_REASON = 500
# With so many refusals, and nine of ten records refused, the rest is not read: it is the wrong file or format.
HOPELESS = 10_000
PARTICULARS = re.compile(r'"[^"]*"|«[^»]*»|[0-9a-f-]{32,}|\d+')  # what differs between refusals of one kind


class ImportRefused(Exception):
    """A file cannot be taken in at all; the text says why and what to do."""


@dataclass
class FileReport:
    """What became of a file's records so far; `num_parsed` is where an import that broke off goes on."""

    file: str
    format: str
    accepted: int = 0
    duplicates: int = 0
    num_rejected: int = 0
    rejected: list[Rejected] = field(default_factory=list)  # the first KEPT_REFUSALS
    reasons: dict[str, dict[str, Any]] = field(default_factory=dict)  # {kind: {reason: the first, count}}
    made: Counter[str] = field(default_factory=Counter)  # new rows of the campaign, by name
    # Fields that were not read, by name, and in how many records each was filled; reading counts them from the start.
    unread: Counter[str] = field(default_factory=Counter)
    num_parsed: int = 0

    @property
    def num_records(self) -> int:
        return self.accepted + self.duplicates + self.num_rejected

    @property
    def is_hopeless(self) -> bool:
        return self.num_rejected >= max(HOPELESS, 9 * (self.accepted + self.duplicates))

    def copy(self) -> "FileReport":
        reasons = {kind: dict(found) for kind, found in self.reasons.items()}
        return replace(self, rejected=[*self.rejected], reasons=reasons, made=Counter(self.made))

    def refuse(self, line: int, reason: str) -> None:
        if len(reason) > LONGEST_REASON:
            reason = reason[: LONGEST_REASON - 1] + "…"
        self.num_rejected += 1
        if len(self.rejected) < KEPT_REFUSALS:
            self.rejected.append(Rejected(line, reason))
        kind = PARTICULARS.sub("…", reason)
        if kind not in self.reasons and len(self.reasons) >= KEPT_KINDS:
            kind, reason = "", _("Other reasons.")
        self.reasons.setdefault(kind, {"reason": reason, "count": 0})["count"] += 1

    def counts(self) -> dict[str, Any]:
        """All but the refusals themselves."""
        return {
            "file": self.file,
            "format": self.format,
            "records": self.num_records,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "num_rejected": self.num_rejected,
            "reasons": sorted(self.reasons.values(), key=lambda found: -found["count"]),
            "made": {name: number for name, number in self.made.items() if number},
            "unread_fields": dict(sorted(self.unread.items())),
        }

    def refusals(self) -> list[dict[str, Any]]:
        first = sorted(self.rejected, key=lambda found: found.line)
        return [{"line": found.line, "reason": found.reason} for found in first]

    def as_json(self) -> dict[str, Any]:
        return self.counts() | {"rejected": self.refusals()}

    @classmethod
    def from_json(
        cls, counts: dict[str, Any], refusals: list[dict[str, Any]], num_parsed: int
    ) -> "FileReport":
        return cls(
            file=counts["file"],
            format=counts["format"],
            accepted=counts["accepted"],
            duplicates=counts["duplicates"],
            num_rejected=counts["num_rejected"],
            rejected=[Rejected(**found) for found in refusals],
            reasons={PARTICULARS.sub("…", found["reason"]): dict(found) for found in counts["reasons"]},
            made=Counter(counts["made"]),
            num_parsed=num_parsed,
        )


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


def scratch_prefix(path: Path) -> str:
    """How the scratch directories of this file's imports begin, so that those of a killed one are found."""
    return f"scratch-{path.stem[:40]}-"


def check_unpacked_size(path: Path, most: int) -> None:
    """A small gzip file may unpack to more than the disk holds; it is unpacked here once and kept nowhere."""
    num_bytes = path.stat().st_size
    try:
        if num_bytes <= most and is_packed(path):
            num_bytes = 0
            for block in blocks(path):
                num_bytes += len(block)
                if num_bytes > most:
                    break
    except Damaged:
        pass  # reading the records meets it again and says where
    if num_bytes > most:
        raise ImportRefused(
            _("Unpacked, the file is larger than %(limit)d MB. Import it in parts.") % {"limit": most >> 20}
        )


def is_packed(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def not_read_to_its_end(report: FileReport) -> str:
    return _(
        "Of the first %(records)s records %(rejected)s were rejected, so the rest of the file was not read. "
        "Correct the file, or choose another format, and import it again."
    ) % {"records": report.num_records, "rejected": report.num_rejected}


def import_file(
    path: Path,
    campaign: Campaign,
    format_name: str = "auto",
    *,
    file_name: str = "",
    begun: FileReport | None = None,
    keep: Callable[[FileReport], None] = lambda report: None,
) -> FileReport:
    """Take in one file. `keep` is called with the report in the transaction of every batch.

    So what a killed import has stored is whole, and with `begun`, the report last kept, it goes on behind it. The
    same file from its beginning continues too, and finds what was stored as duplicates.
    """
    check_readable(path)
    form = form_of(path, format_name)
    report = begun or FileReport(file_name or path.name, form.name if form else "unknown")
    if form is None:
        for found in records(path):
            reason = found.reason if isinstance(found, Rejected) else why_unknown(found)
            report.refuse(found.line, reason)
            if report.is_hopeless:
                break
        return report
    directory = Path(settings.UPLOADS_DIR)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=scratch_prefix(path), dir=directory) as scratch:
            parsed = parse_file(path, form, Path(scratch) / "messages.sqlite", report.unread)
            for batch in batches(islice(parsed, report.num_parsed, None)):
                report = _store(report, campaign, form, batch, keep)
                if report.is_hopeless:
                    break
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


def _store(
    report: FileReport,
    campaign: Campaign,
    form: Format,
    batch: list[Parsed],
    keep: Callable[[FileReport], None],
) -> FileReport:
    """The report after the batch, which is stored whole or not at all."""
    after = report.copy()
    after.num_parsed += len(batch)
    try:
        with transaction.atomic():
            _take_in(after, campaign, form, batch)
            keep(after)
        return after
    except (DataError, IntegrityError, RecursionError, OverflowError) as error:
        if len(batch) > 1:  # find the one that the database refuses
            for found in batch:
                report = _store(report, campaign, form, [found], keep)
            return report
        after = report.copy()
        after.num_parsed += 1
        reason = _("The database cannot keep it: %(reason)s") % {"reason": str(error).split("\n")[0]}
        _refuse_all(after, batch[0], reason)
        keep(after)
        return after


def _refuse_all(report: FileReport, found: Parsed, reason: str) -> None:
    if isinstance(found, Feedback):
        lines = [found.line] * found.num_records
    elif isinstance(found, TreeRow) and found.form not in ("tree", "root"):
        lines = [message.line for message in found.messages]
    else:
        lines = [found if isinstance(found, int) else found.line]
    for line in lines:
        report.refuse(line, reason)


def _take_in(report: FileReport, campaign: Campaign, form: Format, batch: list[Parsed]) -> None:
    """The campaign's row keeps two imports, or an import and an upload of prompts, apart."""
    for found in batch:
        if isinstance(found, Rejected):
            report.refuse(found.line, found.reason)
        elif isinstance(found, int):
            report.duplicates += 1
        elif isinstance(found, Feedback) and (reason := unworkable(found)):
            _refuse_all(report, found, reason)
    trees = [row for row in batch if isinstance(row, TreeRow)]
    items = [row for row in batch if isinstance(row, Feedback) and not unworkable(row)]
    if not trees and not items:
        return
    campaign = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    for outcome in store_trees(campaign, form.source, trees, report.made) if trees else []:
        report.accepted += outcome.num_accepted
        report.duplicates += outcome.num_duplicates
        for refused in outcome.rejected:
            report.refuse(refused.line, refused.reason)
    is_new = store_feedback(campaign, form.source, items, report.made) if items else []
    for item, brought in zip(items, is_new, strict=True):
        if brought:
            report.accepted += item.num_records
        else:
            report.duplicates += item.num_records
