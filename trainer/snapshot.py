"""The snapshot directory: what the web process freezes and every training job reads. Standard library only.

    prompts.jsonl         {id, prompt:[{role,content}], language, split, source}
    demonstrations.jsonl  {id, messages:[…], annotator, campaign, language, split, source, weight}
    rankings.jsonl        {id, prompt:[…], completions:[{id,text,policy_version,sampling,author}],
                           tiers:[[id,…],…], shown_order, all_bad,
                           strength: of a choice between two, 1 to 3, or null (not in the oldest snapshots),
                           criteria:{name: tiers} (not in the oldest snapshots),
                           middle_unordered: true where only the best and the worst were picked: those of the tiers
                               between were not compared, and are no tie (not in older snapshots),
                           ratings:[{completion,criterion,value,scale_min,scale_max,flags}],
                           annotator, campaign, split, created_at, seconds_spent}
    comparisons.jsonl     {id, ranking_id, prompt:[…], chosen:[…], rejected:[…], margin,
                           annotator, campaign, split}
    manifest.json         last: format_version, created_at, counts, files {name: {sha256, rows, bytes}}, and
                          what the writer adds (parent, filters, campaigns, split_seed, …)

`tiers` lists completion ids, best tier first; completions in no tier are unranked. A snapshot never changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from trainer.files import finite, fsync_directory, utc_now, why_unreadable, write_json

FORMAT_VERSION = 1
COLUMNS = {
    "prompts": ("id", "prompt", "language", "split", "source"),
    "demonstrations": ("id", "messages", "annotator", "campaign", "language", "split", "source", "weight"),
    "rankings": (
        *("id", "prompt", "completions", "tiers", "shown_order", "all_bad", "ratings"),
        *("annotator", "campaign", "split", "created_at", "seconds_spent"),
    ),
    "comparisons": (
        *("id", "ranking_id", "prompt", "chosen", "rejected", "margin"),
        *("annotator", "campaign", "split"),
    ),
}
SPLITS = ("train", "validation")


class SnapshotError(Exception):
    """Its text is one sentence that says what is wrong and what to do."""


def split_of(prompt_messages: list[dict[str, Any]], seed: int, validation_fraction: float) -> str:
    """ "train" or "validation", from the first user message alone.

    So every prompt of one conversation tree, and every judgement of one input, falls on the same side; white
    space and case do not matter. Without a user message the first message decides.
    """
    digest = _digest(f"{seed}\n{_first_words(prompt_messages)}")
    share = int.from_bytes(digest, "big") / 2**64
    return "validation" if share < validation_fraction else "train"


def split_key(prompt_messages: list[dict[str, Any]]) -> int:
    """What `split_of` looks at, as a number by which a side that was fixed once is found again."""
    return int.from_bytes(_digest(_first_words(prompt_messages)), "big", signed=True)


def _first_words(prompt_messages: list[dict[str, Any]]) -> str:
    first = next(
        (m for m in prompt_messages if m["role"] == "user"), prompt_messages[0] if prompt_messages else {}
    )
    return " ".join(str(first.get("content") or "").split()).casefold()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]


def check_row(name: str, row: Any, where: str) -> None:
    if not isinstance(row, dict):
        raise SnapshotError(f"{where} is not a JSON object; make the snapshot again.")
    missing = [column for column in COLUMNS[name] if column not in row]
    if missing:
        raise SnapshotError(f"{where} lacks the column {', '.join(missing)}; make the snapshot again.")
    if row["split"] not in SPLITS:
        raise SnapshotError(f"{where} has a split that is not train or validation.")


# ---------------------------------------------------------------- writing


class _RowsFile:
    """One JSON-lines file, hashed and counted as it is written."""

    def __init__(self, path: Path) -> None:
        self.file = open(path, "wb")
        self.digest = hashlib.sha256()
        self.rows = self.bytes = 0
        self.splits = dict.fromkeys(SPLITS, 0)

    def write(self, row: dict[str, Any]) -> None:
        text = json.dumps(finite(row), ensure_ascii=False, separators=(",", ":")) + "\n"
        line = text.encode("utf-8", "backslashreplace")  # a lone surrogate stays a valid JSON escape
        self.file.write(line)
        self.digest.update(line)
        self.rows += 1
        self.bytes += len(line)
        self.splits[row["split"]] += 1

    def close(self) -> dict[str, Any]:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        return {
            "sha256": self.digest.hexdigest(),
            "rows": self.rows,
            "bytes": self.bytes,
            "splits": self.splits,
        }


class SnapshotWriter:
    """Stream rows into a new snapshot; nothing appears under its name before `close`.

        with SnapshotWriter(path) as writer:
            writer.write("prompts", {…})
            manifest = writer.close(split_seed=7, campaigns=[…])

    Leaving the block without `close`, or an error, removes what was written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.exists():
            raise SnapshotError(
                f"{self.path} already exists and a snapshot is never changed; choose another name."
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = self.path.with_name(f".{self.path.name}.{uuid.uuid4().hex[:8]}.partial")
        self._temporary.mkdir()
        self._files = {name: _RowsFile(self._temporary / f"{name}.jsonl") for name in COLUMNS}
        self._is_open = True

    def write(self, name: str, row: dict[str, Any]) -> None:
        """One row of "prompts", "demonstrations", "rankings" or "comparisons"."""
        check_row(name, row, f"Row {self._files[name].rows + 1} of {name}")
        self._files[name].write(row)

    @property
    def counts(self) -> dict[str, int]:
        return {name: file.rows for name, file in self._files.items()}

    def close(self, **manifest_fields: Any) -> dict[str, Any]:
        """Write the manifest last and give the directory its name; gives the manifest."""
        counts = self.counts
        files = {f"{name}.jsonl": file.close() for name, file in self._files.items()}
        manifest = {
            "format_version": FORMAT_VERSION,
            "created_at": utc_now(),
            "counts": counts,
            **manifest_fields,
            "files": files,
        }
        write_json(self._temporary / "manifest.json", manifest)
        if self.path.exists():
            self.abort()
            raise SnapshotError(f"{self.path} appeared meanwhile; make the snapshot under another name.")
        os.rename(self._temporary, self.path)
        fsync_directory(self.path.parent)
        self._is_open = False
        return manifest

    def abort(self) -> None:
        if self._is_open:
            self._is_open = False
            for file in self._files.values():
                file.file.close()
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.abort()


# ---------------------------------------------------------------- reading


def read_manifest(path: str | Path) -> dict[str, Any]:
    file = Path(path) / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SnapshotError(
            f"{path} has no manifest.json, so it is not a finished snapshot; check the path or make it again."
        ) from None
    except (OSError, ValueError) as error:
        raise SnapshotError(
            f"{file} cannot be read ({why_unreadable(error)}); make the snapshot again."
        ) from None
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION:
        raise SnapshotError(
            f"{file} is not of format version {FORMAT_VERSION}, which this trainer reads; "
            "make the snapshot again or use the trainer that belongs to it."
        )
    if not isinstance(manifest.get("files"), dict):
        raise SnapshotError(f"{file} lists no files; make the snapshot again.")
    return manifest


class Snapshot:
    """An opened snapshot: `.manifest`, and `.rows(name, split)` as a stream."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.manifest = read_manifest(path)

    @property
    def sha256(self) -> str:
        """Of the manifest, which holds the hash of every file: a name for the content of the snapshot."""
        return hashlib.sha256((self.path / "manifest.json").read_bytes()).hexdigest()

    def verify(self) -> None:
        for name, expected in self.manifest["files"].items():
            digest, rows, ends_well = hashlib.sha256(), 0, True
            try:
                with open(self.path / name, "rb") as file:
                    while block := file.read(1 << 20):
                        digest.update(block)
                        rows += block.count(b"\n")
                        ends_well = block.endswith(b"\n")
            except OSError as error:
                raise SnapshotError(
                    f"{name} of the snapshot {self.path} cannot be read ({error.strerror}); "
                    "restore the file or make the snapshot again."
                ) from None
            if rows != expected.get("rows") or not ends_well:
                raise SnapshotError(
                    f"{name} of the snapshot {self.path} has {rows} rows where the manifest says "
                    f"{expected.get('rows')}; restore the file or make the snapshot again."
                )
            if digest.hexdigest() != expected.get("sha256"):
                raise SnapshotError(
                    f"{name} of the snapshot {self.path} was changed later (its sha256 differs); "
                    "restore the file or make the snapshot again."
                )

    def rows(self, name: str, split: str | None = None) -> Iterator[dict[str, Any]]:
        """Rows of "prompts", "demonstrations", "rankings" or "comparisons", one at a time."""
        path = self.path / f"{name}.jsonl"
        if path.name not in self.manifest["files"]:
            return
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                where = f"Line {number} of {path}"
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise SnapshotError(
                        f"{where} is not JSON ({why_unreadable(error)}); make the snapshot again."
                    ) from None
                check_row(name, row, where)
                if split is None or row["split"] == split:
                    yield row


def open_snapshot(path: str | Path, verify: bool = True) -> Snapshot:
    """Open a snapshot; with verify=True every file is hashed first: broken input is refused before work."""
    snapshot = Snapshot(path)
    if verify:
        snapshot.verify()
    return snapshot
