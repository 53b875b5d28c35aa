"""What the jobs share: the command line, how they end, and the sentences they end with."""

import dataclasses
import errno
import json
import logging
import subprocess
import sys

import pytest
import torch

from tests.trainer.tiny import REPOSITORY
from trainer import dpo, evaluate, grpo, kto, ppo, reward, rloo, run_dir, sample, sft
from trainer.jobs import (
    check_finite,
    check_settings,
    input_entry,
    parse_config,
    run_job,
    sentence_for,
)
from trainer.run_dir import RunError, RunStopped
from trainer.sft import SftConfig

REQUIRED = ["--snapshot", "s", "--init-model", "m", "--run-dir", "r"]


def test_help_answers_without_loading_torch():
    code = """
import sys
from trainer import evaluate, reward, sample, sft
for module in (sft, reward, sample, evaluate):
    sys.argv = ["job", "--help"]
    try:
        module.main()
    except SystemExit as end:
        assert end.code == 0
assert "torch" not in sys.modules
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    for option in ("--snapshot", "--init-model", "--num-completions", "--reward-model", "--config"):
        assert option in ended.stdout or option.replace("-", "_").replace("__", "--", 1) in ended.stdout


def test_names_can_be_written_with_dashes_and_keep_their_types():
    config = parse_config(SftConfig, [*REQUIRED, "--learning-rate", "1e-3", "--max-steps", "7"])
    assert (config.learning_rate, config.max_steps, config.init_model) == (1e-3, 7, "m")


def test_a_file_gives_the_same_names_and_the_line_wins(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps({"kind": "sft", "snapshot": "s", "init_model": "m", "run_dir": "r", "seed": 5})
    )
    assert parse_config(SftConfig, ["--config", str(path)]).seed == 5
    assert parse_config(SftConfig, ["--config", str(path), "--seed", "6"]).seed == 6


def test_a_runs_own_configuration_starts_the_same_run_again(tmp_path):
    config = parse_config(SftConfig, [*REQUIRED, "--gradient-checkpointing", "true"])
    run_dir.start(tmp_path / "run", "sft", vars(config)).close()
    again = parse_config(SftConfig, ["--config", str(tmp_path / "run" / "config.json")])
    assert again == config


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read"),
        ("[1]", "one JSON object"),
        ('{"learning_rat": 1}', "does not know: learning_rat"),
    ],
)
def test_a_wrong_configuration_file_is_refused_with_a_sentence(tmp_path, content, sentence):
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(RunError, match=sentence):
        parse_config(SftConfig, ["--config", str(path)])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--logging-steps", "0"], "logging_steps is 0; give 1 or more."),
        (["--learning-rate", "nan"], "learning_rate is nan; give a finite number."),
        (["--save-minutes", "inf"], "save_minutes is inf; give a finite number."),
        (["--eval-steps", "-1"], "eval_steps is -1; give 0 or more."),
        (["--max-steps", "0"], "max_steps is 0; give 1 or more, or -1."),
        (["--num-epochs", "0"], "num_epochs is 0.0; give a number above 0."),
        (["--adam-beta2", "2"], "adam_beta2 is 2.0; give a number from 0 to 1."),
        (["--seed", str(2**32)], "seed is 4294967296; give a number from 0 to 4294967295."),
        (["--lr-scheduler", "foo"], "lr_scheduler is foo; give one of linear, cosine, constant,"),
    ],
)
def test_a_setting_that_no_job_can_work_with_is_refused_before_anything_is_loaded(
    tmp_path, capsys, given, sentence
):
    arguments = [*REQUIRED[:-1], str(tmp_path / "run"), *given]
    assert run_job("sft", SftConfig, raising(AssertionError("it began")), arguments) == 2
    assert sentence in capsys.readouterr().err


def test_every_default_is_within_its_limits():
    jobs = (sft, reward, dpo, kto, rloo, grpo, ppo, sample, evaluate)
    names = [name for job in jobs for name in (f"{job.__name__[8:].title()}Config", "PPOConfig")]
    types = {getattr(job, name) for job in jobs for name in names if hasattr(job, name)}
    assert len(types) == len(jobs)
    for config in types:
        required = {f.name: "x" for f in dataclasses.fields(config) if f.default is dataclasses.MISSING}
        check_settings(config(**required))


def run(path, train):
    return run_job("sft", SftConfig, train, ["--snapshot", "s", "--init-model", "m", "--run-dir", str(path)])


def raising(error):
    def train(config, run):
        raise error

    return train


def test_a_job_that_returns_has_succeeded_and_is_not_done_twice(tmp_path):
    calls = []

    def train(config, run):
        calls.append(config.snapshot)
        return {"loss": 1.0}, {}

    assert run(tmp_path / "run", train) == 0
    assert run(tmp_path / "run", train) == 0
    assert calls == ["s"]
    assert run_dir.read_manifest(tmp_path / "run")["metrics"] == {"loss": 1.0}


def test_a_kill_after_the_manifest_and_before_the_last_status_is_mended(tmp_path):
    path = tmp_path / "run"
    assert run(path, lambda config, run: ({}, {})) == 0
    status = run_dir.read_status(path) | {"state": "running", "finished_at": None}
    (path / "status.json").write_text(json.dumps(status))
    (path / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    assert run(path, raising(AssertionError("must not run"))) == 0
    assert run_dir.read_status(path)["state"] == "succeeded"
    assert not (path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("option", "sentence"),
    [("--speed=9", "does not know --speed"), ("--max-steps=soon", "invalid int value: 'soon'")],
)
def test_a_command_line_that_is_refused_says_so_in_the_directory_that_waits_for_it(
    tmp_path, capsys, option, sentence
):
    line = ["--snapshot", "s", "--init-model", "m", "--run-dir", str(tmp_path), option]
    assert run_job("sft", SftConfig, raising(AssertionError("must not run")), line) == 2
    assert sentence in capsys.readouterr().err
    status = run_dir.read_status(tmp_path)
    assert status["state"] == "failed" and sentence in status["error"]


def test_a_refused_command_line_leaves_a_finished_or_a_busy_directory_alone(tmp_path):
    assert run(tmp_path / "done", lambda config, run: ({}, {})) == 0
    busy = run_dir.start(tmp_path / "busy", "sft", {})
    for name, state in {"done": "succeeded", "busy": "running"}.items():
        line = ["--run-dir", str(tmp_path / name), "--speed", "9", "--snapshot", "s", "--init-model", "m"]
        assert run_job("sft", SftConfig, raising(AssertionError("must not run")), line) == 2
        assert run_dir.read_status(tmp_path / name)["state"] == state
    assert run(tmp_path / "busy", raising(AssertionError("must not run"))) == 2
    assert run_dir.read_status(tmp_path / "busy")["state"] == "running"
    busy.close()


def test_a_refusal_is_a_sentence_and_exit_2(tmp_path):
    assert run(tmp_path / "run", raising(RunError("The snapshot is empty; make another."))) == 2
    status = run_dir.read_status(tmp_path / "run")
    assert (status["state"], status["error"]) == ("failed", "The snapshot is empty; make another.")


def test_a_stop_is_exit_3_and_cancelled(tmp_path):
    assert run(tmp_path / "run", raising(RunStopped())) == 3
    assert run_dir.read_status(tmp_path / "run")["state"] == "cancelled"


def test_a_fault_is_one_sentence_and_its_traceback_is_in_the_log_only(tmp_path, capsys):
    assert run(tmp_path / "run", raising(KeyError("tiers"))) == 1
    status = run_dir.read_status(tmp_path / "run")
    assert status["error"] == "sft stopped by an unexpected KeyError: 'tiers' (see log.txt)."
    assert "Traceback" not in capsys.readouterr().err
    assert "Traceback" in (tmp_path / "run" / "log.txt").read_text()


def test_a_failed_run_can_be_run_again(tmp_path):
    assert run(tmp_path / "run", raising(MemoryError())) == 2
    assert run(tmp_path / "run", lambda config, run: ({}, {})) == 0
    assert run_dir.read_status(tmp_path / "run")["error"] is None


def test_a_job_of_one_process_is_done_by_the_first_of_a_launcher_alone(tmp_path, monkeypatch):
    line = ["--snapshot", "s", "--init-model", "m", "--run-dir", str(tmp_path / "run")]
    calls = []
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        done = run_job(
            "sft", SftConfig, lambda *_, own=rank: calls.append(own) or ({}, {}), line, one_process=True
        )
        assert done == 0
        assert (tmp_path / "run").exists() == (rank == "0")
    assert calls == ["0"]


def test_two_jobs_in_one_process_do_not_write_into_each_others_log(tmp_path):
    def train(config, run):
        logging.getLogger("trainer").info("this is %s", run.path.name)
        return {}, {}

    run(tmp_path / "first", train)
    run(tmp_path / "second", train)
    assert "this is second" not in (tmp_path / "first" / "log.txt").read_text()
    assert "this is second" in (tmp_path / "second" / "log.txt").read_text()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "smaller batch size"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate"), "smaller batch size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to"), "smaller batch size"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "/data/x may not be written"),
    ],
)
def test_what_the_machine_lacks_is_said_with_what_to_do(error, words):
    assert words in sentence_for(error)


def test_a_fault_of_the_program_is_not_dressed_up_as_the_users():
    assert sentence_for(KeyError("x")) is None


def test_a_loss_that_is_no_number_stops_the_run():
    check_finite(3, loss=1.0)
    with pytest.raises(RunError, match="loss became nan at step 3; .* lower learning rate"):
        check_finite(3, loss=float("nan"))


def test_an_input_is_named_by_path_and_by_the_hash_of_its_manifest(tmp_path, snapshot_dir):
    entry = input_entry(snapshot_dir)
    assert entry["path"] == str(snapshot_dir)
    assert len(entry["manifest_sha256"]) == 64
    assert input_entry("some/hub-id") == {"path": "some/hub-id"}
