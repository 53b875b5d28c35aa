"""Holding a policy against its reference: figures by hand, a run, refusals, resuming."""

import json
import math

import pytest
import torch

from tests.trainer.openai_server import openai_server
from tests.trainer.tiny import (
    kill_when,
    make_model,
    make_tokenizer,
    prompt_row,
    ranking_row,
    run_in_process,
    start_process,
    write_snapshot,
)
from trainer import evaluate, run_dir
from trainer.evaluate import completion_logprobs
from trainer.evaluation import win_share
from trainer.modeling import load_causal_lm, load_reward_model, load_tokenizer, save_model, score
from trainer.snapshot import SnapshotWriter, open_snapshot


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
    numbers = [value for value in metrics.values() if isinstance(value, int | float)]
    assert len(numbers) > 25 and all(math.isfinite(value) for value in numbers)
    assert metrics["score_low"] <= metrics["score"] <= metrics["score_high"]
    assert sum(part["num_prompts"] for part in metrics["score_by_kl"]) == 12
    assert metrics["win_rate_by"]["language"]["en"]["num_prompts"] == 12
    assert 0 < metrics["distinct_1"] <= 1


def test_the_reward_model_is_held_against_the_validation_rankings(evaluated, reward_run, snapshot_dir):
    """Once more, pair by pair; twelve rankings of four completions with one tie make five pairs each."""
    metrics = run_dir.read_manifest(evaluated)["metrics"]
    model, tokenizer = load_reward_model(reward_run)
    shares = []
    for row in open_snapshot(snapshot_dir).rows("rankings", "validation"):
        texts = {one["id"]: one["text"] for one in row["completions"]}
        tier_of = {one: tier for tier, members in enumerate(row["tiers"]) for one in members}
        conversations = [[*row["prompt"], {"role": "assistant", "content": text}] for text in texts.values()]
        scores = dict(zip(texts, score(model, tokenizer, conversations).tolist(), strict=True))
        pairs = [(a, b) for a in texts for b in texts if tier_of[a] < tier_of[b]]
        shares.append(sum(win_share(scores[a], scores[b]) for a, b in pairs) / len(pairs))
    assert metrics["reward_accuracy"] == pytest.approx(sum(shares) / 12)
    assert (metrics["num_rankings"], metrics["num_pairs"]) == (12, 60)
    assert metrics["reward_accuracy_by"]["source"]["test"]["num_rankings"] == 12


def test_the_kl_of_greedy_completions_is_never_negative(
    tmp_path, snapshot_dir, sft_run, base_model_dir, likes_a_word
):
    """The likeliest tokens are no draws of the policy: k1 estimates nothing there. Here the base writes them."""
    path, settings = tmp_path / "run", {"temperature": 0, "num_prompts": 4, "num_rankings": 0}
    assert run(path, snapshot_dir, base_model_dir, sft_run, likes_a_word, **settings) == 0
    rows = run_dir.read_samples(path)
    assert all(row["kl"] == row["kl_k3"] > 0 for row in rows)


def test_validation_rankings_that_say_nothing_are_left_out_and_counted(tmp_path, sft_run, likes_a_word):
    """A single filled tier, a tie, an empty answer against one, all bad; and one that two people gave."""
    prompt = [{"role": "user", "content": "red"}]
    tiers = [[["a"], []], [["a", "b"]], [["a"], [""]], [["a"], ["b"]], [[], ["a"], ["b"]], [["a"], ["b"]]]
    with SnapshotWriter(tmp_path / "snapshot") as writer:
        writer.write("prompts", prompt_row(0, "red", "validation"))
        for number, members in enumerate(tiers):
            row = ranking_row(number, prompt, members, "validation", all_bad=number == 3)
            writer.write("rankings", row)
        writer.close(split_seed=0, campaigns=["words"])
    assert run(tmp_path / "run", tmp_path / "snapshot", sft_run, sft_run, likes_a_word) == 0
    metrics = run_dir.read_manifest(tmp_path / "run")["metrics"]
    assert (metrics["num_rankings"], metrics["num_rankings_left_out"], metrics["num_pairs"]) == (2, 4, 2)
    assert metrics["reward_accuracy_low"] == metrics["reward_accuracy_high"]  # one prompt: nothing to draw


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


@pytest.mark.slow
def test_killed_in_mid_run_the_same_command_gives_the_figures_of_an_unbroken_one(
    tmp_path, sft_run, base_model_dir, likes_a_word
):
    snapshot = write_snapshot(tmp_path / "frozen", num_prompts=20, validation_every=1)
    settings = {"snapshot": snapshot, "model": sft_run, "ref_model": base_model_dir, "batch_size": 1}
    settings |= {"reward_model": likes_a_word, "max_new_tokens": 8}
    process = start_process("evaluate", run_dir=tmp_path / "run", **settings)
    kill_when(process, lambda: len(run_dir.read_metrics(tmp_path / "run")) >= 5)
    before = len(run_dir.read_samples(tmp_path / "run"))
    assert 4 <= before < 20
    for name in ("run", "whole"):
        assert run_in_process(evaluate, evaluate.EvaluateConfig, run_dir=tmp_path / name, **settings) == 0
    broken, whole = (
        [
            {name: value for name, value in row.items() if name not in ("time", "mfu")}
            for row in run_dir.read_metrics(tmp_path / one)
        ]
        for one in ("run", "whole")
    )
    assert len(broken) == len(whole) == 20
    for row, expected in zip(broken, whole, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)
    figures = [run_dir.read_manifest(tmp_path / one)["metrics"] for one in ("run", "whole")]
    for name in ("win_rate", "win_rate_low", "score", "kl", "kl_k3", "distinct_2", "reward_accuracy"):
        assert figures[0][name] == pytest.approx(figures[1][name], abs=1e-6), name


# ---------------------------------------------------------------- refusals


def error_of(path, *arguments, **changes):
    path.mkdir(exist_ok=True)  # as the web side prepares it
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


def test_a_reward_model_that_reads_too_little_is_refused(tmp_path, snapshot_dir, sft_run, tokenizer):
    from transformers import LlamaForSequenceClassification

    config = make_model(tokenizer, max_position_embeddings=6).config
    config.num_labels = 1
    (tmp_path / "short").mkdir()
    save_model(
        tmp_path / "short", LlamaForSequenceClassification(config), tokenizer, {"mean": 0.0, "std": 1.0}
    )
    error = error_of(tmp_path / "run", snapshot_dir, sft_run, sft_run, tmp_path / "short")
    assert "The reward model reads 6 tokens" in error


def test_a_policy_in_the_place_of_the_reward_model_is_refused(tmp_path, snapshot_dir, sft_run):
    error = error_of(tmp_path / "run", snapshot_dir, sft_run, sft_run, sft_run)
    assert "is not a reward model" in error


def test_the_tokenizer_of_the_policy_survives_every_stage(sft_run, reward_run, tokenizer):
    for path in (sft_run, reward_run):
        assert load_tokenizer(path).get_vocab() == tokenizer.get_vocab()


# ---------------------------------------------------------------- a second opinion


def test_a_judge_is_asked_in_both_orders_and_its_verdicts_stand_in_the_rows(
    tmp_path, snapshot_dir, sft_run, base_model_dir, reward_run
):
    """A judge that prefers the shorter answer, and says nothing of use where both are as long."""

    def shorter(body, number):
        first, second = (
            body["messages"][1]["content"]
            .split("--- The first answer ---\n")[1]
            .split("\n\n--- The second answer ---\n")
        )
        second = second.removesuffix("\n\nWhich answer is better?")
        if len(first) == len(second):
            return "I cannot compare these."
        return f"Short is good.\nVERDICT: {'FIRST' if len(first) < len(second) else 'SECOND'}"

    with openai_server(shorter) as (url, asked):
        settings = {"judge_server": url, "judge_name": "m", "num_rankings": 0, "num_prompts": 6}
        assert run(tmp_path / "run", snapshot_dir, sft_run, base_model_dir, reward_run, **settings) == 0
    rows = run_dir.read_samples(tmp_path / "run")
    assert len(asked) == 12 and {body["temperature"] for body in asked} == {0.0}
    for row in rows:
        own, ref = len(row["completion"]), len(row["ref_completion"])
        assert row["judge"] == (None if own == ref else float(own < ref))
        assert sorted(row["judge_orders"]) == [False, True]
    manifest = run_dir.read_manifest(tmp_path / "run")
    metrics = manifest["metrics"]
    verdicts = [row["judge"] for row in rows if row["judge"] is not None]
    assert metrics["judge_win_rate"] == pytest.approx(sum(verdicts) / len(verdicts))
    assert metrics["num_judged"] + metrics["num_judge_refusals"] == 6
    assert metrics["judge_first_share"] == 0.5 and metrics["judge_turned"] == 0
    assert "reward_accuracy" not in metrics
    assert manifest["inputs"]["judge"] == {"url": f"{url}/v1", "model_name": "m"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"judge_name": ""}, "Say which model"),
        ({"judge_orders": 3}, "judge_orders is 3"),
        ({"judge_guidelines": "nowhere.txt"}, "nowhere.txt cannot be read"),
    ],
)
def test_a_judge_that_cannot_be_asked_is_refused(tmp_path, snapshot_dir, sft_run, reward_run, changes, words):
    settings = {"judge_server": "http://127.0.0.1:9", "judge_name": "m"} | changes
    assert words in error_of(tmp_path / "run", snapshot_dir, sft_run, sft_run, reward_run, **settings)
