"""Sampling K completions for each prompt: seeds, duplicates, what is skipped, resuming."""

import json
import math
import random
import re

import pytest

from tests.trainer.tiny import kill_when, run_in_process, start_process
from tests.trainer.tiny_ppo import LIKED
from trainer import run_dir, sample
from trainer.generation import Sampling, completion_text, generate, seed_of
from trainer.modeling import (
    encode_prompt,
    load_causal_lm,
    load_reward_model,
    load_tokenizer,
    score,
    stop_token_ids,
)
from trainer.sample import Candidate, Chooser, load_policy, sample_group


def run(path, **arguments):
    return run_in_process(
        sample, sample.SampleConfig, **{"run_dir": path, "max_new_tokens": 10, "seed": 3} | arguments
    )


def rows_of(path):
    return [json.loads(line) for line in (path / "completions.jsonl").read_text().splitlines()]


def write_prompts(path, texts):
    rows = [{"id": f"q{at}", "prompt": [{"role": "user", "content": text}]} for at, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def sampled(tmp_path_factory, snapshot_dir, sft_run):
    path = tmp_path_factory.mktemp("runs") / "sample"
    assert run(path, model=sft_run, snapshot=snapshot_dir, split="train", policy_version="sft-1") == 0
    return path


# ---------------------------------------------------------------- what is written


def test_every_prompt_has_k_completions_with_their_origin(sampled):
    rows = rows_of(sampled)
    assert len(rows) == 48 * 4
    assert len({row["prompt_id"] for row in rows}) == 48
    for at, row in enumerate(rows):
        assert row["index"] == at % 4
        assert row["policy_version"] == "sft-1"
        assert row["sampling"] == {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 10}
        assert row["finish_reason"] in ("stop", "length")
        assert 1 <= row["num_tokens"] <= 10


def test_a_completion_can_be_had_again_from_its_row(sampled, snapshot_dir, sft_run):
    from trainer.snapshot import open_snapshot

    tokenizer = load_tokenizer(sft_run)
    model = load_causal_lm(sft_run, tokenizer).eval()
    prompts = {row["id"]: row["prompt"] for row in open_snapshot(snapshot_dir).rows("prompts")}
    for row in rows_of(sampled)[::29]:
        prompt = encode_prompt(tokenizer, prompts[row["prompt_id"]])
        (again,) = generate(
            model,
            [prompt],
            [row["seed"]],
            Sampling(**row["sampling"]),
            stop_token_ids(tokenizer, model),
            tokenizer.pad_token_id,
        )
        assert completion_text(tokenizer, again) == row["text"]
        assert (again.finish_reason, len(again.token_ids)) == (row["finish_reason"], row["num_tokens"])


def test_the_manifest_counts_what_was_written(sampled):
    manifest = run_dir.read_manifest(sampled, verify=True)
    rows = rows_of(sampled)
    metrics = manifest["metrics"]
    assert metrics["num_completions"] == len(rows) == manifest["files"]["completions.jsonl"]["rows"]
    assert metrics["num_tokens"] == sum(row["num_tokens"] for row in rows)
    assert metrics["eos_share"] == sum(row["finish_reason"] == "stop" for row in rows) / len(rows)
    assert manifest["inputs"]["model"]["manifest_sha256"]
    assert run_dir.read_samples(sampled)[0]["prompt"][0]["role"] == "user"


def test_the_same_seed_gives_the_same_completions_and_another_seed_others(tmp_path, sft_run):
    prompts = write_prompts(tmp_path / "prompts.jsonl", ["red blue green", "sun moon star"])
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(tmp_path / name, model=sft_run, prompts=prompts, seed=seed, temperature=1.5) == 0
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")
    assert rows_of(tmp_path / "a") != rows_of(tmp_path / "c")


# ---------------------------------------------------------------- duplicates


def scripted(texts_by_call):
    """A policy that says what it is told to, call by call, and remembers the seeds it was given."""
    calls, seeds = iter(texts_by_call), []

    def generate_batch(prompts, batch_seeds):
        seeds.append(batch_seeds)
        return [Candidate(text, seed, "stop", 1) for text, seed in zip(next(calls), batch_seeds, strict=True)]

    return generate_batch, seeds


def test_a_repeated_completion_is_sampled_again_with_the_next_seed():
    generate_batch, seeds = scripted([["a", "b", "a", "c"], ["d"]])
    (group,) = sample_group(generate_batch, [("p", [1])], 4, seed=0, max_resamples=3)
    assert [candidate.text for candidate in group] == ["a", "b", "d", "c"]
    assert seeds[1] == [seed_of(0, "p", 2, 1)]
    assert group[2].seed == seeds[1][0]


def test_an_empty_completion_is_sampled_again():
    generate_batch, _ = scripted([["", "b"], ["a"]])
    (group,) = sample_group(generate_batch, [("p", [1])], 2, seed=0, max_resamples=3)
    assert [candidate.text for candidate in group] == ["a", "b"]


def test_what_still_repeats_after_the_last_attempt_is_kept():
    generate_batch, seeds = scripted([["a", "a"], ["a"], ["a"]])
    (group,) = sample_group(generate_batch, [("p", [1])], 2, seed=0, max_resamples=2)
    assert [candidate.text for candidate in group] == ["a", "a"]
    assert len(seeds) == 3


def test_two_prompts_may_have_the_same_completion():
    generate_batch, seeds = scripted([["a", "b", "a", "b"]])
    sample_group(generate_batch, [("p", [1]), ("q", [2])], 2, seed=0, max_resamples=3)
    assert len(seeds) == 1


def test_greedy_completions_are_not_sampled_again_and_their_repeats_are_counted(tmp_path, sft_run):
    prompts = write_prompts(tmp_path / "prompts.jsonl", ["red blue green"])
    assert run(tmp_path / "run", model=sft_run, prompts=prompts, temperature=0, num_completions=3) == 0
    assert len({row["text"] for row in rows_of(tmp_path / "run")}) == 1
    assert run_dir.read_manifest(tmp_path / "run")["metrics"]["num_duplicates"] == 2


# ---------------------------------------------------------------- what is skipped or refused


def test_a_prompt_that_leaves_no_room_is_skipped_and_counted(tmp_path, sft_run):
    prompts = write_prompts(tmp_path / "prompts.jsonl", ["red", "blue " * 200])
    assert run(tmp_path / "run", model=sft_run, prompts=prompts) == 0
    assert {row["prompt_id"] for row in rows_of(tmp_path / "run")} == {"q0"}
    metrics = run_dir.read_manifest(tmp_path / "run")["metrics"]
    assert (metrics["num_prompts"], metrics["num_left_out_long"]) == (1, 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "holds no prompt"),
        ("{}\n", "Line 1 of"),
        ('{"id": 1, "prompt": "red"}\n', "Line 1 of"),
        (
            '{"id": 1, "prompt": []}\n{"id": 1, "prompt": []}\n',
            "Line 2 of .* repeats the id of an earlier prompt",
        ),
    ],
)
def test_wrong_prompts_are_refused_with_their_line(tmp_path, content, sentence):
    (tmp_path / "prompts.jsonl").write_text(content)
    assert run(tmp_path / "run", model="unused", prompts=tmp_path / "prompts.jsonl") == 2
    error = run_dir.read_status(tmp_path / "run")["error"]
    assert re.search(sentence, error), error


def test_prompts_and_snapshot_together_are_refused(tmp_path, snapshot_dir):
    assert run(tmp_path / "run", model="m", prompts="p.jsonl", snapshot=snapshot_dir) == 2
    assert "either --prompts" in run_dir.read_status(tmp_path / "run")["error"]


# ---------------------------------------------------------------- resuming


def test_what_was_written_is_kept_and_a_torn_prompt_is_done_again(tmp_path, snapshot_dir, sft_run, sampled):
    path = tmp_path / "run"
    arguments = {"model": sft_run, "snapshot": snapshot_dir, "split": "train", "policy_version": "sft-1"}
    path.mkdir()
    lines = (sampled / "completions.jsonl").read_text().splitlines(keepends=True)
    marked = lines[0].replace('"policy_version": "sft-1"', '"policy_version": "kept"')
    (path / "completions.jsonl").write_text("".join([marked, *lines[1:10], lines[10][:30]]))
    assert run(path, **arguments) == 0
    rows = rows_of(path)
    assert rows[0]["policy_version"] == "kept"
    assert rows[1:] == rows_of(sampled)[1:]


def test_a_stop_ends_between_batches_and_the_same_command_goes_on(tmp_path, snapshot_dir, sft_run, sampled):
    path = tmp_path / "run"
    path.mkdir()
    run_dir.request_stop(path)
    arguments = {"model": sft_run, "snapshot": snapshot_dir, "split": "train", "policy_version": "sft-1"}
    assert run(path, **arguments) == 3
    assert 0 < len(rows_of(path)) < 48 * 4
    assert run(path, **arguments) == 0
    assert rows_of(path) == rows_of(sampled)


@pytest.mark.slow
def test_killed_in_mid_run_the_same_command_finishes_without_doing_a_prompt_twice(tmp_path, sft_run):
    prompts = write_prompts(tmp_path / "prompts.jsonl", [f"red blue {number}" for number in range(400)])
    arguments = {"model": sft_run, "prompts": prompts, "run_dir": tmp_path / "run", "batch_size": 8}
    arguments |= {"max_new_tokens": 60, "temperature": 2.0}
    process = start_process("sample", **arguments)
    kill_when(process, lambda: len(run_dir.read_metrics(tmp_path / "run")) > 5)
    before = (tmp_path / "run" / "completions.jsonl").read_text().splitlines()
    assert 20 <= len(before) < 1600
    assert run_in_process(sample, sample.SampleConfig, **arguments) == 0
    after = (tmp_path / "run" / "completions.jsonl").read_text().splitlines()
    assert after[: len(before) - 4] == before[:-4]
    places = [(row["prompt_id"], row["index"]) for row in map(json.loads, after)]
    assert len(places) == len(set(places)) == 1600


# ---------------------------------------------------------------- best of N


def test_the_best_of_n_is_kept_with_the_scores_of_all(tmp_path, sft_run, likes_a_word):
    """Against all candidates, written once more from their seeds."""
    texts = ["sun blue", "red sun", "moon"]
    prompts = write_prompts(tmp_path / "prompts.jsonl", texts)
    settings = {"model": sft_run, "prompts": prompts, "temperature": 1.5, "max_resamples": 0}
    chosen = {"num_completions": 2, "best_of": 4, "reward_model": likes_a_word}
    assert run(tmp_path / "best", **settings, **chosen) == 0
    reward_model, tokenizer = load_reward_model(likes_a_word)
    rows = rows_of(tmp_path / "best")
    assert len(rows) == 6
    policy = load_policy(sft_run, Sampling(**rows[0]["sampling"]), 64)
    for row in rows:
        messages = [{"role": "user", "content": texts[int(row["prompt_id"][1:])]}]
        seeds = [seed_of(seed_of(3, row["prompt_id"], row["index"], 0), "candidate", at) for at in range(4)]
        group = policy.candidates([policy.prompt_of(messages)] * 4, seeds)
        conversations = [[*messages, {"role": "assistant", "content": one.text}] for one in group]
        scores = score(reward_model, tokenizer, conversations).tolist()
        assert row["scores"] == pytest.approx(scores, abs=1e-4)
        assert row["score"] == max(row["scores"])
        assert row["seed"] == group[scores.index(max(scores))].seed
        assert row["best_of"] == 4
    metrics = run_dir.read_manifest(tmp_path / "best")["metrics"]
    assert metrics["score"] == pytest.approx(sum(row["score"] for row in rows) / 6)
    assert metrics["score"] > metrics["score_of_all"]
    assert metrics["best_of_kl"] == pytest.approx(math.log(4) - 3 / 4)
    assert run_dir.read_manifest(tmp_path / "best")["inputs"]["reward_model"]["path"] == str(likes_a_word)


def test_the_candidates_of_best_of_n_are_draws_of_the_policy_repeated_ones_too(likes_a_word):
    """Of a policy that writes the better text once in ten times, the best of two is it in 1 - 0.9^2 of all cases."""

    class Policy:
        def candidates(self, prompts, seeds):
            texts = [LIKED if random.Random(seed).random() < 0.1 else "cat" for seed in seeds]
            return [Candidate(text, seed, "stop", 1) for text, seed in zip(texts, seeds, strict=True)]

    chooser = Chooser(Policy(), likes_a_word, 2)
    group = [(at, ([{"role": "user", "content": "red"}], [1])) for at in range(300)]
    best = [one.text for (one,) in sample_group(chooser.candidates, group, 1, seed=0, max_resamples=3)]
    assert best.count(LIKED) / 300 == pytest.approx(0.19, abs=0.07)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"best_of": 4}, "needs --reward-model"),
        ({"reward_model": "r"}, "needs --reward-model"),
        ({"best_of": 4, "reward_model": "r", "temperature": 0}, "temperature above 0"),
        ({"stop": "[x"}, "no JSON list"),
        ({"model": ""}, "either --model"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, changes, words):
    prompts = write_prompts(tmp_path / "prompts.jsonl", ["red"])
    assert run(tmp_path / "run", **{"model": "m", "prompts": prompts} | changes) == 2
    assert words in run_dir.read_status(tmp_path / "run")["error"]


def test_stop_strings_are_recorded_and_bring_the_same_completion_again(tmp_path, sft_run):
    prompts = write_prompts(tmp_path / "prompts.jsonl", ["red blue green"])
    assert run(tmp_path / "run", model=sft_run, prompts=prompts, stop="e", temperature=1.5) == 0
    for row in rows_of(tmp_path / "run"):
        assert "e" not in row["text"]
        assert Sampling(**row["sampling"]).stop == ["e"]
