"""What people look at in a run directory: curves, log and texts, never more than a page can show."""

import os
from collections import deque
from itertools import islice
from pathlib import Path
from typing import Any

from annotate.runs.launchers import CONSOLE
from annotate.runs.models import Run
from trainer.run_dir import iterate_jsonl, read_metrics

MAX_ROWS = 2000
LINE_BYTES = 400  # generous; a log's tail is read from its end


def metrics_of(run: Run, after_step: int = -1) -> list[dict[str, Any]]:
    rows = read_metrics(run.run_dir, after_step)
    if len(rows) <= MAX_ROWS:
        return rows
    stride = -(-len(rows) // MAX_ROWS)
    return [*rows[:-1:stride], rows[-1]]


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
    newest = deque(iterate_jsonl(Path(run.run_dir) / "samples.jsonl"), maxlen=limit)
    return list(newest) or list(islice(iterate_jsonl(Path(run.run_dir) / "completions.jsonl"), limit))
