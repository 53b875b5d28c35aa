"""PPO with its weights cut over processes: the same figures, from half the memory each."""

import json

import pytest
import torch

from tests.trainer.tiny import run_two_processes
from tests.trainer.tiny_ppo import metrics_of, result_of, run_ppo, weights_of
from trainer import ppo, run_dir
from trainer.run_dir import RunError

EVERYTHING = {
    "num_episodes": 32,
    "normalize_scores": 16,
    "policy_loss": "kl_penalty",
    "ptx_coef": 0.1,
    "eval_every": 1,
    "num_eval_prompts": 3,  # one process looks at two, the other at one
    "kl_target": 1.0,
    "max_kl": 1000.0,
    "micro_batch_tokens": 60,
    "gradient_checkpointing": True,
}


def assert_alike(arguments, expected):
    rows, expected_rows = metrics_of(arguments), metrics_of(expected)
    assert len(rows) == len(expected_rows)
    for row, expected_row in zip(rows, expected_rows, strict=True):
        assert row == pytest.approx(expected_row, rel=1e-4, abs=1e-5)
    torch.testing.assert_close(weights_of(arguments), weights_of(expected), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_two_processes_that_hold_half_of_everything_learn_what_one_learns(ppo_arguments, tmp_path):
    """One run is stopped, killed and ended by two of them; another one process goes on with, holding it whole."""
    interrupted = ppo_arguments | EVERYTHING
    left = ppo_arguments | {"num_episodes": 32, "shared_trunk": True, "keep": "ema", "ema_decay": 0.8}
    left |= {"run_dir": str(tmp_path / "left")}
    sharded = [arguments | {"shard_weights": True} for arguments in (interrupted, left)]
    (tmp_path / "runs.json").write_text(json.dumps(sharded))
    run_two_processes("tests.trainer.sharded_ppo", str(tmp_path))

    one = {
        name: arguments | {"run_dir": str(tmp_path / f"one-{name}")}
        for name, arguments in {"interrupted": interrupted, "left": left}.items()
    }
    assert run_ppo(one["interrupted"]) == 0
    assert result_of(interrupted)["num_processes"] == 2
    assert_alike(interrupted, one["interrupted"])
    assert run_dir.RunDir(left["run_dir"]).newest_checkpoint()[0] == 1
    assert run_ppo(left) == 0
    assert run_ppo(one["left"]) == 0
    assert result_of(left)["kept"] == "ema"
    assert_alike(left, one["left"])

    for rank in range(2):
        seen = json.loads((tmp_path / f"seen-{rank}.json").read_text())
        for name, whole in (
            ("frozen", seen["whole_frozen"]),
            ("weights", seen["whole_weights"]),
            ("gradients", seen["whole_weights"]),
            ("moments", 2 * seen["whole_weights"]),
        ):
            assert seen[name] == pytest.approx(whole / 2, rel=0.02), name
        # as many passes in both, no row lost or doubled
        assert len(seen["groups"]) == 5
        assert sorted(row for group in seen["groups"] for row in group) == [0, 1, 2, 3, 4]


def test_asked_to_cut_weights_one_process_holds_them_whole(ppo_arguments, tmp_path):
    cut = ppo_arguments | {"run_dir": str(tmp_path / "cut"), "num_episodes": 16}
    assert run_ppo(cut, shard_weights=True) == 0
    assert run_ppo(ppo_arguments, num_episodes=16) == 0
    assert metrics_of(cut) == metrics_of(ppo_arguments)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lora_rank": 2}, "--lora-rank lets share one base"),
        ({"ptx_coef": 1.0, "ptx_batch_size": 3}, "3 cannot"),
    ],
)
def test_what_cannot_be_cut_is_refused(ppo_arguments, changes, said):
    config = ppo.PPOConfig(**ppo_arguments | {"shard_weights": True} | changes)
    with pytest.raises(RunError, match=said):
        ppo.check_config(config, 2, None)
