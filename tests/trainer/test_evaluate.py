"""Holding a policy against its reference: figures by hand, a run, refusals, resuming."""

import json
import math

import pytest
import torch

from tests.trainer.tiny import make_model, make_tokenizer, run_in_process, write_snapshot
from trainer import evaluate, run_dir
from trainer.evaluate import bootstrap_interval, completion_logprobs, summarize, win_share
from trainer.modeling import load_causal_lm, load_reward_model, load_tokenizer, score


def run(path, snapshot_dir, model, ref_model, reward_run, **changes):
    arguments = {
        "snapshot": snapshot_dir,
        "model": model,
        "ref_model": ref_model,
        "reward_model": reward_run,
        "run_dir": path,
        "max_new_tokens": 8,
        "batch_size": 5,
    }
    return run_in_process(evaluate, evaluate.EvaluateConfig, **arguments | changes)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, snapshot_dir, sft_run, base_model_dir, reward_run):
    path = tmp_path_factory.mktemp("runs") / "evaluate"
    assert run(path, snapshot_dir, sft_run, base_model_dir, reward_run) == 0
    return path


# ---------------------------------------------------------------- figures


def test_a_tie_counts_half():
    assert [win_share(1.0, 0.0), win_share(0.0, 1.0), win_share(0.5, 0.5)] == [1.0, 0.0, 0.5]


def test_the_bootstrap_interval_is_that_of_the_binomial():
    """64 wins in 100: the normal interval is 0.64 +- 1.96 * sqrt(.64 * .36 / 100) = 0.546 .. 0.734."""
    low, high = bootstrap_interval([1.0] * 64 + [0.0] * 36, seed=0)
    assert low == pytest.approx(0.546, abs=0.015)
    assert high == pytest.approx(0.734, abs=0.015)
    assert bootstrap_interval([1.0] * 10, seed=0) == (1.0, 1.0)
    assert bootstrap_interval([1.0, 0.0, 1.0], seed=5) == bootstrap_interval([1.0, 0.0, 1.0], seed=5)


def test_log_probabilities_are_those_of_the_completion_tokens_alone(base_model_dir, tokenizer):
    model = load_causal_lm(base_model_dir, tokenizer).eval()
    prompts, completions = [[1, 8, 9], [1, 8]], [[10, 11], [12, 13, 2]]
    made = completion_logprobs(model, prompts, completions, temperature=0.5, pad_id=tokenizer.pad_token_id)
    for prompt, completion, logprobs in zip(prompts, completions, made, strict=True):
        logits = model(torch.tensor([prompt + completion])).logits[0] / 0.5
        expected = [
            float(logits.log_softmax(-1)[len(prompt) - 1 + at, token].detach())
            for at, token in enumerate(completion)
        ]
        assert logprobs.tolist() == pytest.approx(expected, abs=1e-4)


def test_the_summary_is_the_mean_of_the_rows():
    row = {"score": 1.0, "ref_score": 0.0, "kl": 2.0, "kl_k3": 1.0, "length": 4, "ref_length": 6}
    row |= {"finish_reason": "stop", "ref_finish_reason": "length"}
    tied = row | {"score": 0.0, "kl": 0.0, "finish_reason": "length"}
    metrics = summarize([row, tied], seed=0)
    assert (metrics["score"], metrics["ref_score"], metrics["win_rate"]) == (0.5, 0.0, 0.75)
    assert (metrics["kl"], metrics["length"], metrics["ref_length"]) == (1.0, 4.0, 6.0)
    assert (metrics["eos_share"], metrics["ref_eos_share"], metrics["num_prompts"]) == (0.5, 0.0, 2)


# ---------------------------------------------------------------- the run


def test_every_validation_prompt_is_answered_by_both_and_scored(evaluated, reward_run):
    rows = run_dir.read_samples(evaluated)
    assert sorted(row["prompt_id"] for row in rows) == sorted(f"p{number}" for number in range(0, 60, 5))
    model, tokenizer = load_reward_model(reward_run)
    conversations = [[*row["prompt"], {"role": "assistant", "content": row["completion"]}] for row in rows]
    assert [row["score"] for row in rows] == pytest.approx(
        score(model, tokenizer, conversations).tolist(), abs=1e-3
    )


def test_the_metrics_follow_from_the_rows(evaluated):
    rows = run_dir.read_samples(evaluated)
    metrics = run_dir.read_manifest(evaluated, verify=True)["metrics"]
    wins = [win_share(row["score"], row["ref_score"]) for row in rows]
    assert metrics["win_rate"] == pytest.approx(sum(wins) / 12)
    assert metrics["win_rate_low"] <= metrics["win_rate"] <= metrics["win_rate_high"]
    assert metrics["num_prompts"] == 12
    assert metrics["kl_k3"] > 0
    assert all(math.isfinite(value) for value in metrics.values())


def test_a_policy_held_against_itself_ties_on_every_prompt(tmp_path, snapshot_dir, sft_run, reward_run):
    assert run(tmp_path / "run", snapshot_dir, sft_run, sft_run, reward_run) == 0
    metrics = run_dir.read_manifest(tmp_path / "run")["metrics"]
    assert (metrics["win_rate"], metrics["kl"], metrics["kl_k3"]) == (0.5, 0.0, 0.0)
    assert metrics["score"] == metrics["ref_score"]


def test_fewer_prompts_are_chosen_by_the_seed(tmp_path, snapshot_dir, sft_run, reward_run):
    chosen = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(tmp_path / name, snapshot_dir, sft_run, sft_run, reward_run, num_prompts=4, seed=seed) == 0
        chosen.append({row["prompt_id"] for row in run_dir.read_samples(tmp_path / name)})
    assert len(chosen[0]) == 4
    assert chosen[0] == chosen[1] != chosen[2]


def test_rows_that_were_written_are_not_made_again(
    tmp_path, evaluated, snapshot_dir, sft_run, base_model_dir, reward_run
):
    path = tmp_path / "run"
    path.mkdir()
    lines = (evaluated / "samples.jsonl").read_text().splitlines(keepends=True)
    kept = json.loads(lines[0]) | {"completion": "kept from before"}
    (path / "samples.jsonl").write_text(json.dumps(kept) + "\n" + lines[1] + lines[2][:40])
    assert run(path, snapshot_dir, sft_run, base_model_dir, reward_run) == 0
    rows = run_dir.read_samples(path)
    assert rows[0]["completion"] == "kept from before"
    assert len({row["prompt_id"] for row in rows}) == len(rows) == 12


# ---------------------------------------------------------------- refusals


def error_of(path, *arguments, **changes):
    assert run(path, *arguments, **changes) == 2
    return run_dir.read_status(path)["error"]


def test_a_snapshot_without_validation_prompts_is_refused(tmp_path, sft_run, reward_run):
    snapshot = write_snapshot(tmp_path / "frozen", num_prompts=5, validation_every=0)
    error = error_of(tmp_path / "run", snapshot, sft_run, sft_run, reward_run)
    assert "has no validation prompts" in error


def test_a_reference_with_another_tokenizer_is_refused(tmp_path, snapshot_dir, sft_run, reward_run):
    other = make_tokenizer()
    other.add_tokens(["entirely-new"])
    make_model(other).save_pretrained(tmp_path / "other")
    other.save_pretrained(tmp_path / "other")
    error = error_of(tmp_path / "run", snapshot_dir, sft_run, tmp_path / "other", reward_run)
    assert "different tokenizers" in error


def test_a_policy_in_the_place_of_the_reward_model_is_refused(tmp_path, snapshot_dir, sft_run):
    error = error_of(tmp_path / "run", snapshot_dir, sft_run, sft_run, sft_run)
    assert "is not a reward model" in error


def test_the_tokenizer_of_the_policy_survives_every_stage(sft_run, reward_run, tokenizer):
    for path in (sft_run, reward_run):
        assert load_tokenizer(path).get_vocab() == tokenizer.get_vocab()
