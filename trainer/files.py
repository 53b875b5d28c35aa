"""Writing files so that a kill or a power cut leaves the old content or the new, never half of it.

Standard library only; used by trainer.snapshot and trainer.run_dir, the two formats that join
the web process and the training jobs.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_tree(path: Path) -> None:
    """Every file and folder below path reaches the disk before anything says that it is complete."""
    for folder, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                os.fsync(file.fileno())
        fsync_directory(Path(folder))


def finite(value: Any) -> Any:
    """NaN and infinity become null: neither is JSON, and a browser refuses the whole line."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


def write_json(path: Path, content: Any) -> None:
    """Replace path in one step: a reader sees the old content or the new, never half."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(finite(content), file, ensure_ascii=False, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    fsync_directory(path.parent)


def iterate_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a growing JSON-lines file; stops before a torn last line."""
    if not path.exists():
        return
    with open(path, "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            try:
                yield json.loads(line)
            except ValueError:
                return


def rewrite_jsonl(path: Path, keep: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Keep only the rows that `keep` accepts (a torn tail goes too), in one step; gives the kept rows."""
    if not path.exists():
        return []
    rows = [row for row in iterate_jsonl(path) if keep(row)]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    fsync_directory(path.parent)
    return rows


def append_jsonl(path: Path, rows: list[dict[str, Any]], sync: bool = False) -> None:
    """One write call for all rows, so that a killed process tears at most the end."""
    text = "".join(json.dumps(finite(row), ensure_ascii=False) + "\n" for row in rows)
    with open(path, "ab") as file:
        file.write(text.encode("utf-8", "backslashreplace"))
        file.flush()
        if sync:
            os.fsync(file.fileno())


def why_unreadable(error: Exception) -> str:
    """Why a file could not be read, without a word of what stands in it: the sentence may be shown to anybody."""
    if isinstance(error, json.JSONDecodeError):
        return f"no JSON at line {error.lineno}, character {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "not in UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or "not of the form it should have"


def describe_file(path: Path) -> dict[str, Any]:
    """{sha256, bytes} and, for JSON lines, rows."""
    digest = hashlib.sha256()
    size = rows = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
            rows += block.count(b"\n")
    described: dict[str, Any] = {"sha256": digest.hexdigest(), "bytes": size}
    return described | {"rows": rows} if path.suffix == ".jsonl" else described
