"""Curves and texts of long runs: every validation point, every extreme, and only what is new is read."""

import json

import pytest

from annotate.runs.jobs import reading
from annotate.runs.models import Run


@pytest.fixture
def run(tmp_path):
    return Run(run_dir=str(tmp_path))


def write(run, name, rows, torn=""):
    with open(f"{run.run_dir}/{name}", "w") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows) + torn)


def long_run():
    """8,000 steps with a spike, and a look at the validation split every 99."""
    for step in range(8000):
        yield {"step": step, "time": float(step), "loss": 100.0 if step == 3333 else 1 / (step + 1)}
        if step % 99 == 0:
            yield {"step": step, "eval_loss": step / 8000}


def test_a_long_curve_keeps_every_validation_point_and_every_extreme(run):
    write(run, "metrics.jsonl", long_run())
    shown = reading.metrics_of(run)
    assert [row["step"] for row in shown if "eval_loss" in row] == list(range(0, 8000, 99))
    losses = {row["step"]: row["loss"] for row in shown if "loss" in row}
    assert (losses[3333], min(losses.values()), max(losses)) == (100.0, 1 / 8000, 7999)
    assert len(losses) <= 2 * reading.NUM_PIECES + 1
    assert [row["step"] for row in shown] == sorted(row["step"] for row in shown)


def test_a_poll_reads_what_is_new_and_no_more(run):
    path = f"{run.run_dir}/metrics.jsonl"
    with open(path, "wb") as file:
        file.truncate(50_000_000_000)  # a hole: read whole it would not end
        file.seek(0, 2)
        rows = [{"step": step, "loss": 1.0} for step in range(7990, 8000)]
        file.write(b"\n" + b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b'{"step": 8000, "lo')
    assert [row["step"] for row in reading.metrics_of(run, after_step=7996)] == [7997, 7998, 7999]


@pytest.mark.parametrize("num", [0, 1, 3, 5000])
def test_the_newest_texts_come_in_their_order_whole_across_blocks(run, num):
    rows = [{"step": step, "text": "words " * (step % 50)} for step in range(num)]
    write(run, "samples.jsonl", rows, torn='{"step"')
    assert reading.samples_of(run, 500) == rows[-500:]
    assert list(reading.newest_rows(reading.Path(run.run_dir) / "samples.jsonl")) == rows[::-1]
