"""What people look at in a run directory: curves, log and texts, never more than a page can show.

The files grow while they are watched, by many at once: each look reads from their end, and only what is new.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from annotate.runs.jobs.launchers import CONSOLE
from annotate.runs.models import Run
from trainer.run_dir import iterate_jsonl

MAX_ROWS = 2000
MAX_POINTS = 1000  # of one metric; of more, the least and the greatest of each of so many pieces:
NUM_PIECES = 400
LINE_BYTES = 400  # generous; a log's tail is read from its end
BLOCK = 1 << 16


def newest_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Rows of a growing JSON-lines file from its end; a torn last line is left out."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        at, rest = file.seek(0, os.SEEK_END), b""
        is_torn = True  # what stands after the last line feed
        while at > 0:
            size = min(BLOCK, at)
            at = file.seek(at - size)
            lines = (file.read(size) + rest).split(b"\n")
            rest = lines[0]
            for line in reversed(lines[1:]):
                if not is_torn:
                    with contextlib.suppress(ValueError):
                        yield json.loads(line)
                is_torn = False
        if rest and not is_torn:
            with contextlib.suppress(ValueError):
                yield json.loads(rest)


def metrics_of(run: Run, after_step: int = -1) -> list[dict[str, Any]]:
    rows = []
    for row in newest_rows(Path(run.run_dir) / "metrics.jsonl"):
        if (row.get("step") or 0) <= after_step:
            break
        rows.append(row)
    rows.reverse()
    return rows if len(rows) <= MAX_ROWS else thinned(rows)


def thinned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The points that a curve must show: all of a metric that has few, as of the validation split, and the extremes of
    each piece of one that has many. A row keeps the numbers for which it was kept; the last one is whole."""
    places: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        for name, value in row.items():
            if isinstance(value, int | float):
                places.setdefault(name, []).append(i)
    kept: dict[int, dict[str, Any]] = {len(rows) - 1: rows[-1]}
    for name in places.keys() - {"step", "time"}:
        for i in _points(rows, name, places[name]):
            kept.setdefault(i, {key: rows[i][key] for key in ("step", "time") if key in rows[i]})
            kept[i][name] = rows[i][name]
    return [kept[i] for i in sorted(kept)]


def _points(rows: list[dict[str, Any]], name: str, places: list[int]) -> list[int]:
    if len(places) <= MAX_POINTS:
        return places
    bounds = [len(places) * piece // NUM_PIECES for piece in range(NUM_PIECES + 1)]
    pieces = (places[a:b] for a, b in pairwise(bounds))
    return [pick(piece, key=lambda i: rows[i][name]) for piece in pieces for pick in (min, max)]


def log_of(run: Run, num_lines: int) -> str:
    """The end of log.txt; of a job that never came to write one, what its process printed."""
    for name in ("log.txt", CONSOLE):
        path = Path(run.run_dir) / name
        if path.exists():
            with open(path, "rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - num_lines * LINE_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
            return "\n".join(lines[-num_lines:])
    return ""


def samples_of(run: Run, limit: int) -> list[dict[str, Any]]:
    """The newest rows of samples.jsonl; of a sample run, the first of its completions."""
    newest = list(islice(newest_rows(Path(run.run_dir) / "samples.jsonl"), limit))[::-1]
    return newest or list(islice(iterate_jsonl(Path(run.run_dir) / "completions.jsonl"), limit))
