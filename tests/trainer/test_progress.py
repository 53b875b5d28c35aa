"""Every job tells while it runs how much is left and how much of the machine it uses."""

from itertools import count
from types import SimpleNamespace

import pytest

from tests.trainer.tiny import run_in_process
from trainer import dpo, evaluate, flops, grpo, kto, ppo, reward, rloo, run_dir, sample, sft


@pytest.mark.parametrize("kind", ["sft", "reward", "ppo", "dpo", "kto", "rloo", "grpo", "sample", "evaluate"])
def test_every_job_tells_the_time_left_and_its_utilisation(
    tmp_path, monkeypatch, snapshot_dir, base_model_dir, likes_a_word, kind
):
    trained = {"init_model": base_model_dir, "max_steps": 4, "logging_steps": 1, "per_device_batch_size": 4}
    policies = {"reward_model": likes_a_word, "max_new_tokens": 4}
    grouped = policies | {"init_model": base_model_dir, "num_episodes": 32, "batch_size": 8}
    module, config_type, settings = {
        "sft": (sft, sft.SftConfig, trained),
        "reward": (reward, reward.RewardConfig, trained),
        "ppo": (
            ppo,
            ppo.PPOConfig,
            policies | {"init_model": base_model_dir, "num_episodes": 16, "batch_size": 4, "eval_every": 0},
        ),
        "dpo": (dpo, dpo.DpoConfig, trained),
        "kto": (kto, kto.KtoConfig, trained),
        "rloo": (rloo, rloo.RlooConfig, grouped),
        "grpo": (grpo, grpo.GrpoConfig, grouped),
        "sample": (
            sample,
            sample.SampleConfig,
            {"model": base_model_dir, "num_prompts": 8, "batch_size": 8, "max_new_tokens": 4},
        ),
        "evaluate": (
            evaluate,
            evaluate.EvaluateConfig,
            policies | {"model": base_model_dir, "ref_model": base_model_dir, "batch_size": 4},
        ),
    }[kind]
    monkeypatch.setattr(flops, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(flops, "_measure_peak", lambda device, dtype: 1e12)
    seconds = count(0, 10)  # ten between two looks at the clock
    monkeypatch.setattr(run_dir, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    told, write = [], run_dir.write_json

    def look(path, content):
        if path.name == "status.json":
            told.append(dict(content))
        write(path, content)

    monkeypatch.setattr(run_dir, "write_json", look)
    path = tmp_path / "run"
    assert run_in_process(module, config_type, snapshot=snapshot_dir, run_dir=path, **settings) == 0

    left = [status["eta_seconds"] for status in told if status["eta_seconds"] is not None]
    assert left[-1] == 0.0 and max(left) >= 10
    steps = [status["step"] for status in told]
    assert steps == sorted(steps) and steps[-1] == told[-1]["total"] > 0
    rows = [row for row in run_dir.read_metrics(path) if "mfu" in row]
    assert len(rows) >= 2
    assert all(0 < row["mfu"] < 1 for row in rows)
    metrics = run_dir.read_manifest(path)["metrics"]
    assert 0 < metrics["mfu"] < 1
    assert metrics["peak_flops"] == pytest.approx(1e12)
    log = (path / "log.txt").read_text()
    assert " left: " in log and "mfu " in log
    if kind == "ppo":
        assert all(0 < row["mfu/rollout"] < 1 and 0 < row["mfu/update"] < 1 for row in rows)
