"""The run directory: status, metrics, checkpoints, manifest, and what a kill leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.trainer.tiny import REPOSITORY
from trainer import run_dir
from trainer.run_dir import RunError

CONFIG = {"learning_rate": 0.1, "run_dir": "somewhere"}


def start(path, **changes):
    return run_dir.start(path, "sft", CONFIG | changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


def test_a_directory_whose_job_has_not_begun_is_queued(path):
    path.mkdir()
    assert run_dir.read_status(path)["state"] == "queued"


def test_a_new_run_says_what_it_was_asked_and_that_it_is_running(path):
    run = start(path)
    status = run_dir.read_status(path)
    assert status["state"] == "running"
    assert status["pid"] == os.getpid()
    assert json.loads((path / "config.json").read_text()) == {"kind": "sft", **CONFIG}
    run.close()


def test_the_web_side_may_have_made_the_directory_before(path):
    path.mkdir()
    (path / "log.txt").write_text("queued by alice\n")
    run = start(path)
    assert run_dir.read_status(path)["state"] == "running"
    run.close()


def test_another_configuration_is_refused_by_the_name_of_what_differs(path):
    start(path).close()
    with pytest.raises(RunError, match="belongs to another configuration: learning_rate;"):
        start(path, learning_rate=0.2)


def test_a_configuration_that_failed_before_its_first_step_may_be_mended_in_place(path):
    run = start(path)
    run.fail("learning_rate is too high")
    run.close()
    mended = start(path, learning_rate=0.2)
    assert run_dir.read_json(path / "config.json")["learning_rate"] == 0.2
    mended.progress(1, 10)
    mended.fail("the memory was full")  # a step was taken: from here on it is this run
    mended.close()
    with pytest.raises(RunError, match="belongs to another configuration: learning_rate;"):
        start(path, learning_rate=0.3)


def test_a_directory_that_was_moved_is_still_the_same_run(path):
    start(path).close()
    start(path, run_dir="elsewhere").close()


def test_a_second_process_on_the_same_run_is_refused(path):
    run = start(path)
    code = f"from trainer import run_dir; run_dir.start({str(path)!r}, 'sft', {CONFIG!r})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert "Another process is already working on" in ended.stderr
    assert run_dir.read_status(path)["pid"] == os.getpid()
    run.close()
    start(path).close()


def test_the_heartbeat_goes_on_while_the_job_is_busy(path, monkeypatch):
    monkeypatch.setattr(run_dir, "HEARTBEAT_SECONDS", 0.05)
    run = start(path)
    before = run_dir.read_status(path)["heartbeat_at"]
    time.sleep(0.3)
    assert run_dir.read_status(path)["heartbeat_at"] > before
    run.close()
    after = run_dir.read_status(path)["heartbeat_at"]
    time.sleep(0.15)
    assert run_dir.read_status(path)["heartbeat_at"] == after


def test_progress_appends_a_row_and_tells_the_status(path):
    run = start(path)
    run.progress(1, 10, loss=2.0)
    run.progress(2, 10, loss=1.5)
    assert [(row["step"], row["loss"]) for row in run_dir.read_metrics(path)] == [(1, 2.0), (2, 1.5)]
    assert [row["step"] for row in run_dir.read_metrics(path, after_step=1)] == [2]
    status = run_dir.read_status(path)
    assert (status["step"], status["total"]) == (2, 10)
    assert status["eta_seconds"] >= 0
    run.close()


def test_a_number_that_is_none_is_written_as_null(path):
    run = start(path)
    run.progress(1, 2, loss=float("nan"), kl=float("inf"))
    text = (path / "metrics.jsonl").read_text()
    assert "NaN" not in text and "Infinity" not in text
    assert run_dir.read_metrics(path)[0]["loss"] is None
    run.close()


def test_a_torn_last_line_is_passed_over_and_cut_on_resume(path):
    run = start(path)
    run.progress(1, 10, loss=2.0)
    run.close()
    with open(path / "metrics.jsonl", "a") as file:
        file.write('{"step": 2, "lo')
    assert [row["step"] for row in run_dir.read_metrics(path)] == [1]
    run = start(path)
    run.resume_from(1)
    run.progress(2, 10, loss=1.0)
    assert [row["step"] for row in run_dir.read_metrics(path)] == [1, 2]
    run.close()


def test_resuming_forgets_what_came_after_the_checkpoint(path):
    run = start(path)
    for step in range(1, 6):
        run.progress(step, 10, loss=1.0)
        run.sample({"step": step, "text": "a"})
    run.resume_from(3)
    assert [row["step"] for row in run_dir.read_metrics(path)] == [1, 2, 3]
    assert [row["step"] for row in run_dir.read_samples(path)] == [1, 2, 3]
    run.resume_from(0)
    assert run_dir.read_metrics(path) == []
    run.close()


def test_resuming_forgets_rows_of_the_checkpoints_own_step_that_came_after_it(path):
    """A job that dies between its last evaluation and its end evaluates once more."""
    run = start(path)
    run.progress(3, 3, loss=1.0)
    run.sample({"step": 3, "text": "a"})
    with run.checkpoint(3):
        pass
    run.progress(3, 3, eval_loss=2.0)
    run.sample({"step": 3, "text": "b"})
    run.resume_from(3)
    assert [set(row) - {"time"} for row in run_dir.read_metrics(path)] == [{"step", "loss"}]
    assert [row["text"] for row in run_dir.read_samples(path)] == ["a"]
    run.close()


@pytest.mark.parametrize(("kind", "is_free"), [("sample", True), ("evaluate", True), ("ppo", False)])
def test_how_many_are_written_at_once_may_differ_where_it_changes_nothing(path, kind, is_free):
    run_dir.start(path, kind, {"batch_size": 64}).close()
    if is_free:
        run_dir.start(path, kind, {"batch_size": 8}).close()
    else:
        with pytest.raises(run_dir.RunError, match="another configuration: batch_size"):
            run_dir.start(path, kind, {"batch_size": 8})


def test_a_stop_is_heard_from_a_file_and_taken_away_when_honoured(path):
    run = start(path)
    assert not run.stop_requested()
    run_dir.request_stop(path)
    assert run.stop_requested()
    run.cancelled()
    assert run_dir.read_status(path)["state"] == "cancelled"
    run = start(path)
    assert not run.stop_requested()
    run.close()


def test_a_stop_asked_before_the_job_began_is_heard(path):
    path.mkdir()
    run_dir.request_stop(path)
    run = start(path)
    assert run.stop_requested()
    run.close()


def test_sigterm_asks_for_a_stop_and_its_old_meaning_comes_back(path):
    before = signal.getsignal(signal.SIGTERM)
    run = start(path)
    os.kill(os.getpid(), signal.SIGTERM)
    assert run.stop_requested()
    run.close()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_checkpoint_counts_only_when_it_is_complete(path):
    run = start(path)
    with run.checkpoint(10) as folder:
        (folder / "weights").write_text("ten")
        assert not (run.checkpoints_dir / "checkpoint-10").exists()
    half = run.checkpoints_dir / "checkpoint-20"  # a library was killed while it wrote this one
    half.mkdir()
    (half / "weights").write_text("tw")
    step, newest = run.newest_checkpoint()
    assert step == 10
    assert (newest / "weights").read_text() == "ten"
    assert not half.exists()
    run.close()


def test_an_error_while_a_checkpoint_is_written_leaves_the_one_before(path):
    run = start(path)
    with run.checkpoint(1):
        pass
    with pytest.raises(OSError), run.checkpoint(2):
        raise OSError("disk")
    assert run.newest_checkpoint()[0] == 1
    run.close()


def test_only_the_newest_checkpoints_are_kept(path):
    run = start(path)
    for step in (5, 10, 100):
        with run.checkpoint(step, keep=2):
            pass
    names = sorted(folder.name for folder in run.checkpoints_dir.iterdir())
    assert names == ["checkpoint-10", "checkpoint-100"]
    run.close()


def finished_run(path):
    run = start(path)
    with run.checkpoint(1):
        pass
    with run.writing_model() as folder:
        (folder / "model.safetensors").write_bytes(b"weights")
    (path / "completions.jsonl").write_text("{}\n{}\n")
    run.finish({"loss": 0.5}, {"snapshot": {"path": "s"}})
    return path


def test_a_finished_run_has_a_manifest_with_hashes_and_no_checkpoints(path):
    finished_run(path)
    assert run_dir.is_finished(path)
    manifest = run_dir.read_manifest(path, verify=True)
    assert manifest["kind"] == "sft"
    assert manifest["metrics"] == {"loss": 0.5}
    assert manifest["files"]["completions.jsonl"]["rows"] == 2
    assert manifest["files"]["model/model.safetensors"]["bytes"] == 7
    assert manifest["versions"]["torch"].startswith("2.")
    assert run_dir.read_status(path)["state"] == "succeeded"
    assert not (path / "checkpoints").exists()


def test_a_changed_model_file_is_refused_by_name(path):
    finished_run(path)
    (path / "model" / "model.safetensors").write_bytes(b"tampered")
    run_dir.read_manifest(path)
    with pytest.raises(RunError, match="model.safetensors was changed after the run"):
        run_dir.read_manifest(path, verify=True)


def test_a_missing_model_file_is_refused_by_name(path):
    finished_run(path)
    (path / "model" / "model.safetensors").unlink()
    with pytest.raises(RunError, match="model.safetensors is listed in the manifest but missing"):
        run_dir.read_manifest(path, verify=True)


def test_a_run_without_a_manifest_is_not_finished(path):
    start(path).close()
    assert not run_dir.is_finished(path)
    with pytest.raises(RunError, match="no manifest.json"):
        run_dir.read_manifest(path)


def test_a_failed_run_keeps_its_sentence(path):
    start(path).fail("The disk is full; free some space.")
    status = run_dir.read_status(path)
    assert (status["state"], status["error"]) == ("failed", "The disk is full; free some space.")


def test_a_process_that_is_not_the_first_writes_nothing(path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    run = start(path)
    run.progress(1, 2, loss=1.0)
    run.sample({"text": "a"})
    run.finish({}, {})
    assert list(path.iterdir()) == []


def test_kill_minus_nine_while_writing_leaves_files_that_can_be_read(path):
    code = f"""
from trainer import run_dir
run = run_dir.start({str(path)!r}, "sft", {CONFIG!r})
step = 0
while True:
    step += 1
    run.progress(step, None, loss=1.0 / step, text="x" * 5000)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    while len(run_dir.read_metrics(path)) < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert (
        run_dir.read_status(path)["state"] == "running"
    )  # the poller tells from the heartbeat that it is lost
    steps = [row["step"] for row in run_dir.read_metrics(path)]
    assert steps == list(range(1, len(steps) + 1))
    run = start(path)
    run.resume_from(10)
    assert len(run_dir.read_metrics(path)) == 10
    run.close()
