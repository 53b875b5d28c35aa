"""Stopping anywhere and continuing to the same numbers; which policy a run ends with; several processes."""

import contextlib
import random

import pytest
import torch

from tests.trainer.tiny import command_line, kill_when, run_two_processes, start_process
from tests.trainer.tiny_ppo import death_at, loaded, metrics_of, result_of, run_ppo, weights_of
from trainer import ppo, ppo_saving, ppo_update, run_dir
from trainer.run_dir import RunError

EVERYTHING = {
    "kl_target": 1.0,
    "kl_horizon": 100,
    "policy_loss": "kl_penalty",
    "normalize_scores": 16,
    "ptx_coef": 0.1,
    "eval_every": 1,
    "num_eval_prompts": 4,
    "num_warmup_steps": 3,
    "checkpoint_every": 2,
    "max_kl": 1000.0,
}


def newest_step(arguments):
    newest = run_dir.RunDir(arguments["run_dir"]).newest_checkpoint()
    return newest[0] if newest else 0


def assert_same(arguments, expected):
    rows, expected_rows = metrics_of(arguments), metrics_of(expected)
    assert len(rows) == len(expected_rows)
    for row, expected_row in zip(rows, expected_rows, strict=True):
        assert row == pytest.approx(expected_row, abs=1e-6)
    assert result_of(arguments) == pytest.approx(result_of(expected), abs=1e-6)
    torch.testing.assert_close(weights_of(arguments), weights_of(expected), atol=1e-6, rtol=0)


# ---------------------------------------------------------------- stopping and continuing


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [EVERYTHING, {"lora_rank": 4, "shared_trunk": True, "keep": "ema", "ema_decay": 0.8}],
    ids=["everything", "adapters and a moving average"],
)
def test_a_run_that_dies_at_ten_random_steps_continues_to_the_same_numbers(ppo_arguments, tmp_path, changes):
    arguments = ppo_arguments | changes
    whole = arguments | {"run_dir": str(tmp_path / "whole")}
    assert run_ppo(whole) == 0
    choose, begun = random.Random(0), []
    for step in sorted(choose.sample(range(1, 16), 10)):
        begun.append(newest_step(arguments))
        how = choose.choice(["forward", "forward", "step", "interrupt"])
        with contextlib.suppress(KeyboardInterrupt), death_at(step, how, begun[-1]):
            assert run_ppo(arguments) == 1
        assert run_dir.read_status(arguments["run_dir"])["state"] == "failed"
    assert run_ppo(arguments) == 0
    assert len(set(begun)) >= 5 and any(step % 4 for step in begun)  # it did continue in the midst of batches
    assert_same(arguments, whole)


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_numbers(ppo_arguments, tmp_path):
    whole = ppo_arguments | {"run_dir": str(tmp_path / "whole")}
    assert run_ppo(whole) == 0
    process = start_process("ppo", **ppo_arguments)
    kill_when(process, lambda: len(run_dir.read_metrics(ppo_arguments["run_dir"])) >= 2)
    assert run_dir.read_status(ppo_arguments["run_dir"])["state"] == "running"
    assert run_ppo(ppo_arguments) == 0
    assert_same(ppo_arguments, whole)


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "num_steps"), [({}, 8), ({"max_update_kl": 1e-7}, 4)])
def test_a_run_asked_to_stop_does_so_after_the_optimizer_step(ppo_arguments, tmp_path, changes, num_steps):
    """Again and again, so that it takes one step at a time; updates that are cut short stay so."""
    arguments = ppo_arguments | changes | {"num_episodes": 32}
    whole = arguments | {"run_dir": str(tmp_path / "whole")}
    assert run_ppo(whole) == 0
    (tmp_path / "ppo").mkdir()
    for _ in range(num_steps - 1):
        run_dir.request_stop(arguments["run_dir"])
        assert run_ppo(arguments) == 3
        assert run_dir.read_status(arguments["run_dir"])["state"] == "cancelled"
    assert run_ppo(arguments) == 0
    assert_same(arguments, whole)


def test_a_loss_that_is_no_number_ends_the_run_with_the_last_sound_weights(ppo_arguments):
    """From the second batch on scores are infinite; the weights after the first are what is kept."""
    asked = [0]

    def score(prompts, texts, tokens):
        asked[0] += 1
        return [float(len(text)) if asked[0] == 1 else float("inf") for text in texts]

    run = run_dir.start(ppo_arguments["run_dir"], "ppo", ppo_arguments)
    config = ppo.PPOConfig(**ppo_arguments | {"checkpoint_every": 100})
    with pytest.raises(RunError, match="The loss became nan at step 4; start a new run with a lower"):
        ppo.train(config, run, score=score)
    run.close()
    step, folder = run.newest_checkpoint()
    assert step == 4
    state = torch.load(folder / "state.pt", weights_only=True)
    assert state["progress"]["batch"] == 1
    assert all(weight.isfinite().all() for weight in state["learner"].values())


def test_a_full_memory_ends_the_run_with_a_checkpoint_and_less_at_once_continues_it(ppo_arguments, tmp_path):
    """The allocator itself refuses, in a forward pass of the sixth optimizer step."""
    whole = ppo_arguments | {"run_dir": str(tmp_path / "whole")}
    assert run_ppo(whole) == 0
    arguments = ppo_arguments | {"checkpoint_every": 100}
    passes = [0]

    def take_all(module, _):
        if type(module).__name__ == "PolicyAndValue" and torch.is_grad_enabled():
            passes[0] += 1
            if passes[0] == 6:
                torch.empty(1 << 50)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(take_all)
    try:
        assert run_ppo(arguments) == 2
    finally:
        hook.remove()
    said = run_dir.read_status(arguments["run_dir"])["error"]
    assert "memory was full at step 5" in said and "--micro-batch-tokens" in said
    assert run_dir.RunDir(arguments["run_dir"]).newest_checkpoint()[0] == 5
    assert run_ppo(arguments, micro_batch_tokens=100) == 0
    for row, expected in zip(metrics_of(arguments), metrics_of(whole), strict=True):
        assert row == pytest.approx(expected, abs=1e-4)  # cut otherwise, so rounded otherwise


# ---------------------------------------------------------------- which policy a run ends with


def test_the_best_policy_on_validation_prompts_is_what_a_run_ends_with(ppo_arguments, tmp_path):
    """A rate so large that nothing is gained after the first batches: of equals the first is kept, not the last."""
    ruinous = {"learning_rate": 0.3, "eval_every": 1, "num_eval_prompts": 12, "kl_coef": 0.0}
    assert run_ppo(ppo_arguments, **ruinous) == 0
    result = result_of(ppo_arguments)
    scores = {row["step"]: row["eval/scores"] for row in metrics_of(ppo_arguments)[:-1]}
    best = max(scores.values())
    assert best >= metrics_of(ppo_arguments)[-1]["eval/scores"]  # the last row is the last policy
    # Completions written greedily are no sample of the policy; what stands for their KL is never negative.
    assert all(row["eval/kl"] >= 0 for row in metrics_of(ppo_arguments) if "eval/kl" in row)
    first = next(step for step, score in scores.items() if score == best)
    assert result["kept"] == "best"
    assert result["best_step"] == first - 4  # a row tells of the policy at the beginning of its batch
    # the model that was saved is that policy: looked at anew it has that score
    config, accelerator, models = loaded(ppo_arguments, init_model=ppo_arguments["run_dir"])
    config.eval_every = config.num_eval_prompts = 12
    prompts = ppo.choose_eval_prompts(config, models.tokenizer, 100)
    again = ppo.evaluate_policy(config, models, accelerator, prompts)
    assert again["eval/raw_scores"] == pytest.approx(result["eval_score"], abs=1e-3)
    last = ppo_arguments | {"run_dir": str(tmp_path / "last")}
    assert run_ppo(last, **ruinous, keep="last") == 0
    assert result_of(last)["kept"] == "last"
    assert (weights_of(last) - weights_of(ppo_arguments)).abs().max() > 0.1


def test_without_validation_prompts_the_last_policy_is_kept(ppo_arguments, tmp_path):
    from tests.trainer.tiny import write_snapshot

    snapshot = write_snapshot(tmp_path / "snapshot", num_prompts=20, validation_every=0)
    assert run_ppo(ppo_arguments, snapshot=snapshot, eval_every=1, num_episodes=16) == 0
    assert result_of(ppo_arguments)["kept"] == "last"
    assert not [name for name in metrics_of(ppo_arguments)[0] if name.startswith("eval/")]


def test_a_run_that_strays_too_far_ends_with_the_last_policy_that_had_not(ppo_arguments):
    changes = {"max_kl": 0.5, "learning_rate": 2e-2, "kl_coef": 0.0, "num_episodes": 640}
    assert run_ppo(ppo_arguments, **changes) == 0
    result = result_of(ppo_arguments)
    assert result["stopped_early"] and result["kept"] == "last_good"
    assert result["num_episodes"] < 640
    assert result["kl"] == pytest.approx(metrics_of(ppo_arguments)[-1]["objective/kl"], abs=0.4)
    assert result["kl"] < 0.6
    assert result["num_steps"] == metrics_of(ppo_arguments)[-1]["step"]


def test_the_moving_average_follows_the_weights(ppo_arguments, tmp_path):
    averages = {}
    for decay in (0.0, 0.5, 1.0):
        arguments = ppo_arguments | {"run_dir": str(tmp_path / f"ema-{decay}"), "keep": "ema"}
        assert run_ppo(arguments, ema_decay=decay, num_episodes=16) == 0
        assert result_of(arguments)["kept"] == "ema"
        averages[decay] = weights_of(arguments)
    last = ppo_arguments | {"keep": "last"}
    assert run_ppo(last, num_episodes=16) == 0
    torch.testing.assert_close(averages[0.0], weights_of(last))  # nothing stays: the last weights
    assert (averages[1.0] - averages[0.0]).abs().max() > 1e-3  # all stays: those after the first step
    between = (averages[0.5] - averages[1.0]) / (averages[0.0] - averages[1.0])
    assert 0.2 < between[between.isfinite()].median() < 0.95


# ---------------------------------------------------------------- several processes


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(ppo_arguments, tmp_path):
    changes = {
        "normalize_scores": 16,
        "ptx_coef": 0.1,
        "eval_every": 2,
        "kl_target": 1.0,
        "micro_batch_tokens": 100,
    }
    arguments = ppo_arguments | changes
    one = arguments | {"run_dir": str(tmp_path / "one")}
    assert run_ppo(one) == 0
    run_two_processes("trainer.ppo", *command_line(arguments))
    assert result_of(arguments)["num_processes"] == 2
    rows, expected_rows = metrics_of(arguments), metrics_of(one)
    assert len(rows) == len(expected_rows) == 5
    for row, expected in zip(rows, expected_rows, strict=True):
        assert row == pytest.approx(expected, rel=1e-4, abs=1e-5)
    torch.testing.assert_close(weights_of(arguments), weights_of(one), atol=1e-4, rtol=0)


def test_a_better_look_at_the_same_step_takes_the_place_of_the_one_before(ppo_arguments, tmp_path):
    """A run that died after its look looks again, and a GPU does not give the same figures to the last digit."""
    _, accelerator, models = loaded(ppo_arguments)
    run, progress = run_dir.RunDir(tmp_path), ppo_update.Progress(step=4)
    for score in (1.0, 1.5, 1.2):
        ppo_saving.keep_if_best(run, models, accelerator, progress, {"eval/scores": score})
    assert ppo_saving.read_best(run) == {"step": 4, "eval/scores": 1.5}
