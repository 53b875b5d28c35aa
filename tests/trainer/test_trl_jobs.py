"""DPO, KTO, RLOO and GRPO: what they learn from, that they learn it, what they refuse, and that a kill costs nothing."""

import importlib
import json
import os
import subprocess
import sys
from functools import cache
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.tiny import (
    REPOSITORY,
    command_line,
    make_model,
    make_tokenizer,
    prompt_row,
    ranking_row,
    run_in_process,
)
from tests.trainer.tiny_ppo import LIKED, loaded
from trainer import rollouts, run_dir
from trainer.evaluate import completion_logprobs
from trainer.generation import Sampling, generate, seed_of
from trainer.modeling import (
    encode_messages,
    load_causal_lm,
    load_reward_model,
    load_tokenizer,
    score_tokens,
    stop_token_ids,
)
from trainer.preferences import (
    desirable,
    encode_completion,
    labelled_completions,
    mismatched,
    preference_pairs,
)
from trainer.rl_math import kl_estimate
from trainer.rollouts import in_shuffled_passes, load_prompts
from trainer.snapshot import SnapshotWriter, open_snapshot

KINDS = ("dpo", "kto", "rloo", "grpo")
PROMPT = [{"role": "user", "content": "red blue sun"}]
CLOCK = ("time", "mfu")


@pytest.fixture(scope="module")
def arguments_of(request, snapshot_dir, base_model_dir):
    """A short run of each kind; eight steps."""

    def arguments(kind, path, **changes):
        shared = {"snapshot": snapshot_dir, "run_dir": path, "logging_steps": 1, "save_steps": 4}
        if kind in ("dpo", "kto"):
            # 12: the rows of both splits fill their batches
            own = {"init_model": base_model_dir, "max_steps": 8, "per_device_batch_size": 12, "beta": 0.5}
            return shared | own | {"learning_rate": 2e-3} | changes
        models = {"init_model": "sft_run", "reward_model": "likes_a_word"}
        own = {name: request.getfixturevalue(fixture) for name, fixture in models.items()}
        own |= {"num_episodes": 512, "batch_size": 64, "lr_scheduler": "constant", "kl_coef": 0.01}
        own |= {"num_completions": 4, "max_new_tokens": 8, "learning_rate": 1e-2, "sample_every": 5}
        own |= {"num_eval_prompts": 11}  # which two processes cannot share evenly
        return shared | own | changes

    return arguments


def run(kind, **arguments):
    module = importlib.import_module(f"trainer.{kind}")
    return run_in_process(module, getattr(module, f"{kind.capitalize()}Config"), **arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, arguments_of):
    """The directory of a finished run of a kind, never interrupted."""

    @cache
    def run_of(kind):
        path = tmp_path_factory.mktemp("runs") / kind
        assert run(kind, **arguments_of(kind, path)) == 0
        return path

    return run_of


def rows_of(path, name="loss"):
    return [row for row in run_dir.read_metrics(path) if name in row]


def result_of(path):
    return run_dir.read_manifest(path, verify=True)["metrics"]


# ---------------------------------------------------------------- what rankings say


def ids_of(tokenizer, text):
    return encode_completion(tokenizer, PROMPT, text)[1]


def test_a_completion_begins_where_the_assistants_turn_does_and_ends_with_its_end_token(tokenizer):
    prompt_ids, ids = encode_completion(tokenizer, PROMPT, "cat dog")
    assert tokenizer.decode(ids) == "cat dog<|end|>"
    assert (
        prompt_ids + ids
        == encode_messages(tokenizer, [*PROMPT, {"role": "assistant", "content": "cat dog"}])[0]
    )


def test_pairs_are_every_tier_above_every_lower_one_and_what_is_left_out_is_counted(tokenizer):
    rows = [
        ranking_row(0, PROMPT, [["a"], ["b", "c"], ["d"]], "train"),  # ab ac ad bd cd, not bc
        ranking_row(1, PROMPT, [["e", "f"]], "train"),  # a tie alone
        ranking_row(2, PROMPT, [["g"]], "train"),  # K of 1
        ranking_row(3, PROMPT, [["h"], ["i"]], "train", all_bad=True),
        ranking_row(4, PROMPT, [["j"], [" "], ["k " * 60]], "train"),
    ]
    pairs, counts = preference_pairs(tokenizer, rows, max_length=40)
    told = [
        (tokenizer.decode(row["chosen_ids"][:-1]), tokenizer.decode(row["rejected_ids"][:-1]))
        for row in pairs
    ]
    assert told == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "d"), ("c", "d")]
    assert (counts["num_rankings"], counts["num_pairs"]) == (1, 5)
    assert (counts["num_left_out_no_pair"], counts["num_left_out_all_bad"]) == (3, 1)
    assert (counts["num_empty_completions"], counts["num_long_completions"]) == (1, 1)


def test_of_a_long_ranking_only_so_many_pairs_are_drawn_and_always_the_same(tokenizer):
    rows = [ranking_row(0, PROMPT, [[letter] for letter in "abcdef"], "train")]
    drawn, counts = preference_pairs(tokenizer, rows, 40, most_pairs=4)
    assert (counts["num_pairs"], counts["num_left_out_pairs"]) == (4, 11)
    assert list(drawn) == list(preference_pairs(tokenizer, rows, 40, most_pairs=4)[0])
    assert list(drawn) != list(preference_pairs(tokenizer, rows, 40, most_pairs=4, seed=1)[0])


def rating(completion, value, low=1, high=7, criterion="overall", flags=()):
    return {
        "completion": completion, "criterion": criterion, "value": value, "scale_min": low, "scale_max": high,
        "flags": list(flags),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "row", "expected"),
    [
        ("tiers", {}, {"c0-0": True, "c0-3": False}),  # b and c stand between
        ("tiers", {"tiers": [["c0-0", "c0-1", "c0-2", "c0-3"]]}, {}),  # a tie alone
        ("tiers", {"all_bad": True}, dict.fromkeys(("c0-0", "c0-1", "c0-2", "c0-3"), False)),
        ("tiers", {"ratings": [rating("c0-1", 1, 0, 1)]}, {"c0-0": True, "c0-1": True, "c0-3": False}),
        ("tiers", {"ratings": [rating("c0-0", None, flags=["spam"])]}, {"c0-0": False, "c0-3": False}),
        ("ratings", {"ratings": [rating("c0-0", 5), rating("c0-1", 4), rating("c0-3", 2)]}, {"c0-0": True, "c0-3": False}),
        ("ratings", {"ratings": [rating("c0-0", 7, criterion="tone"), rating("gone", 7)]}, {}),
    ],
)  # fmt: skip
def test_which_completions_are_desirable(labels, row, expected):
    whole = ranking_row(0, PROMPT, [["a"], ["b", "c"], ["d"]], "train")
    assert desirable(whole | row, labels) == expected


def test_labelled_completions_are_counted(tokenizer):
    rows = [
        ranking_row(0, PROMPT, [["a"], ["b"], ["c"], [""]], "train"),
        ranking_row(1, PROMPT, [["d", "e"]], "train"),
    ]
    made, counts = labelled_completions(tokenizer, rows, 40, "tiers")
    assert [(row["completion_ids"], row["label"]) for row in made] == [(ids_of(tokenizer, "a"), True)]
    assert (counts["num_desirable"], counts["num_undesirable"], counts["num_empty_completions"]) == (1, 0, 1)
    assert (counts["num_rankings"], counts["num_left_out_no_label"]) == (1, 1)


def test_ktos_reference_point_is_estimated_on_completions_of_other_prompts(tokenizer):
    prompts = [[{"role": "user", "content": word}] for word in ("red", "blue", "green " * 12)]
    rows = [
        ranking_row(at, prompt, [[f"{at} a"], [f"{at} b " * 4]], "train") for at, prompt in enumerate(prompts)
    ]
    longest = len(encode_completion(tokenizer, prompts[2], "2 b " * 4)[1])
    longest += len(encode_completion(tokenizer, prompts[2], "")[0])
    made = list(labelled_completions(tokenizer, rows, longest, "tiers")[0])
    for row in made:
        fits = longest - len(row["prompt_ids"])
        others = [
            other["completion_ids"][:fits] for other in made if other["prompt_ids"] != row["prompt_ids"]
        ]
        assert row["KL_completion_ids"] in others


@pytest.mark.parametrize(
    "prompts",
    [
        "abcdef" * 2,  # two people rank the same prompts in the same order
        "aabbccaabbcc",
        "aaaaaabc",  # one prompt has more than half of all rows
        "baacaaada",
        "abb",
    ],
)
def test_the_mismatched_row_is_never_of_the_same_prompt(prompts):
    others = mismatched([(ord(prompt),) for prompt in prompts])
    assert all(prompts[row] != prompts[other] for row, other in enumerate(others))
    if max(map(prompts.count, prompts)) <= len(prompts) // 2:
        assert sorted(others) == list(range(len(prompts)))  # each once


def test_a_single_prompt_has_no_other_and_that_is_said(caplog):
    with caplog.at_level("WARNING"):
        assert mismatched([(1,)] * 4) == [2, 3, 0, 1]
    assert "one prompt alone" in caplog.text


# ---------------------------------------------------------------- learning


@pytest.mark.slow
def test_dpos_reward_accuracy_rises_and_its_loss_is_the_papers(finished, snapshot_dir, base_model_dir):
    path = finished("dpo")
    accuracies = [row["rewards/accuracies"] for row in rows_of(path, "rewards/accuracies")]
    metrics = result_of(path)
    assert accuracies[0] == 0  # both policies are one, no completion is above another
    assert metrics["eval_accuracies"] > 0.9
    tokenizer = load_tokenizer(path)
    pairs, counts = preference_pairs(
        tokenizer, open_snapshot(snapshot_dir).rows("rankings", "validation"), 128
    )
    policy, reference = (load_causal_lm(model, tokenizer).eval() for model in (path, base_model_dir))
    losses = []
    for pair in pairs:
        ratios = [
            logprob(policy, pair["prompt_ids"], pair[name])
            - logprob(reference, pair["prompt_ids"], pair[name])
            for name in ("chosen_ids", "rejected_ids")
        ]
        losses.append(-torch.nn.functional.logsigmoid(0.5 * (ratios[0] - ratios[1])))
    assert metrics["eval_loss"] == pytest.approx(float(torch.stack(losses).mean()), abs=1e-4)
    assert metrics["num_eval_rankings"] == counts["num_rankings"] == 12


@torch.no_grad()
def logprob(model, prompt_ids, completion_ids):
    """The sum over the completion's tokens, by a full softmax."""
    logprobs = model(torch.tensor([prompt_ids + completion_ids])).logits[0].log_softmax(-1)
    return sum(logprobs[len(prompt_ids) + at - 1, token] for at, token in enumerate(completion_ids))


@pytest.mark.slow
def test_ktos_margin_rises(finished):
    margins = [row["rewards/margins"] for row in rows_of(finished("kto"), "rewards/margins")]
    metrics = result_of(finished("kto"))
    assert metrics["eval_margins"] > max(margins[0], 0) + 0.1
    assert metrics["num_desirable"] == metrics["num_undesirable"] == 48


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rloo", "grpo"])
def test_the_score_rises_and_the_texts_say_what_it_was_paid_for(finished, kind):
    scores = [row["objective/scores"] for row in rows_of(finished(kind), "objective/scores")]
    metrics = result_of(finished(kind))
    assert sum(scores[-3:]) / 3 > sum(scores[:3]) / 3 + 0.5
    assert metrics["eval_score"] > metrics["first_score"]
    assert metrics["kl"] > 0 and metrics["num_episodes"] == 512
    last = [row for row in run_dir.read_samples(finished(kind)) if row["step"] == 5]
    assert LIKED in " ".join(row["completion"] for row in last)


def test_scores_are_those_of_ppo(ppo_arguments, tmp_path):
    """Same reward model, normalisation and missing-EOS rule: one completion that ended, one that did not."""
    from trainer.trl_jobs import reward_function, scorer

    config, _, models = loaded(ppo_arguments, missing_eos_penalty=2.5)
    (prompt,) = rollouts.load_prompts(config, models.tokenizer, 100)[:1]
    ended, cut = ids_of(models.tokenizer, f"{LIKED} cat"), ids_of(models.tokenizer, LIKED)[:-1]
    raw, _ = rollouts.score_completions(config, models, [prompt] * 2, [ended, cut], ["", ""])
    expected = rollouts.paid_scores(config, models, raw, torch.tensor([True, False]))
    told = {}
    own = SimpleNamespace(**vars(config))
    paid = scorer(own, models.tokenizer, models.reward_model, models.reward_tokenizer, models.stop_ids)
    score = reward_function(own, run_dir.RunDir(tmp_path), paid, {"0": prompt})
    found = score(
        prompts=["0"] * 2,
        completion_ids=[ended, cut],
        trainer_state=SimpleNamespace(global_step=0),
        log_metric=told.__setitem__,
    )
    assert found == pytest.approx(expected.tolist())
    assert told["objective/raw_scores"] == pytest.approx(float(raw.mean()))
    assert (told["eos_share"], told["length"]) == (0.5, (len(ended) + len(cut)) / 2)


def test_batches_of_the_validation_split_weigh_by_their_rows():
    from trainer.trl_jobs import weigh_batches

    told = {}
    trainer = SimpleNamespace(
        args=SimpleNamespace(per_device_eval_batch_size=4, world_size=2),
        model=SimpleNamespace(training=False),
        _metrics={"train": {}, "eval": {"accuracies": [0.5, 1.0], "num_tokens": [7]}},
        log=lambda logs: told.update(logs),
    )
    weigh_batches(trainer, 10)  # of eight rows and of two
    trainer.log({"eval_loss": 1.0})
    assert told == {"eval_loss": 1.0}
    assert trainer._metrics["eval"] == {"accuracies": [0.6], "num_tokens": [7]}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["rloo", "grpo"])
def test_every_validation_prompt_counts_once_by_its_score_and_its_kl(
    tmp_path, arguments_of, snapshot_dir, sft_run, likes_a_word, kind
):
    """Seven prompts, which no batch of four holds: once more, one by one, by the policy that was saved."""
    changes = {"num_episodes": 8, "batch_size": 4, "num_completions": 2, "num_eval_prompts": 7}
    changes |= {"temperature": 0.7, "learning_rate": 3e-3}
    path = tmp_path / kind
    assert run(kind, **arguments_of(kind, path, **changes)) == 0
    tokenizer = load_tokenizer(path)
    policy, reference = (load_causal_lm(model, tokenizer).eval() for model in (path, sft_run))
    reward_model, _ = load_reward_model(likes_a_word)
    everybody = load_prompts(SimpleNamespace(snapshot=snapshot_dir), tokenizer, 100, "validation")
    kl, scores = [], []
    for prompt in in_shuffled_passes(everybody, list(range(7)), 0, "eval"):
        stop_ids, pad_id = stop_token_ids(tokenizer, policy), tokenizer.pad_token_id
        seed = seed_of(0, "eval", prompt.id)
        (made,) = generate(policy, [prompt.ids], [seed], Sampling(0.7, 1.0, 8), stop_ids, pad_id)
        scores += score_tokens(reward_model, [prompt.ids + made.token_ids], pad_id).tolist()
        own, ref = (
            completion_logprobs(model, [prompt.ids], [made.token_ids], 0.7, pad_id)[0]
            for model in (policy, reference)
        )
        kl.append(float(kl_estimate(own, ref, "k1" if kind == "rloo" else "k3").sum()))
    assert result_of(path)["eval_score"] == pytest.approx(sum(scores) / 7, abs=1e-5)
    assert result_of(path)["eval_kl"] == pytest.approx(sum(kl) / 7, abs=1e-5) != 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_begins_at_its_reference(finished, kind):
    """Dropout off, one encoding, one temperature: before the first step no log-ratio is anything but 0."""
    first, second = rows_of(finished(kind))[:2]
    names = ("rewards/chosen", "rewards/rejected") if kind in ("dpo", "kto") else ("objective/kl",)
    assert [first[name] for name in names] == pytest.approx([0.0] * len(names), abs=1e-4)
    assert all(abs(second[name]) > 1e-4 for name in names)


def test_both_kinds_weigh_the_same_unless_told():
    from trainer.kto import KtoConfig, undesirable_weight

    counts = {"num_desirable": 30, "num_undesirable": 10}
    config = KtoConfig(snapshot="s", init_model="m", run_dir="r", desirable_weight=2.0)
    assert undesirable_weight(config, counts) == 6.0
    config.undesirable_weight = 1.5
    assert undesirable_weight(config, counts) == 1.5


@pytest.mark.slow
def test_a_step_may_forget_its_activations(tmp_path, arguments_of, finished):
    path = tmp_path / "grpo"
    assert run("grpo", **arguments_of("grpo", path, gradient_checkpointing=True, num_episodes=64)) == 0
    (row,), expected = rows_of(path), rows_of(finished("grpo"))[0]
    assert row["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-3)


@pytest.mark.slow
def test_every_figure_has_a_name_in_words(finished):
    names = json.loads((REPOSITORY / "frontend/src/locales/en.json").read_text())["metric"]
    for kind in KINDS:
        assert not set(result_of(finished(kind))) - set(names)


@pytest.mark.slow
def test_an_adapter_ends_as_a_plain_model(tmp_path, arguments_of, sft_run):
    changes = {"lora_rank": 2, "num_episodes": 128, "normalize_advantages": True}
    path = tmp_path / "rloo"
    assert run("rloo", **arguments_of("rloo", path, **changes)) == 0
    before, after = (load_file(folder / "model" / "model.safetensors") for folder in (sft_run, path))
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert (path / "model" / "adapter" / "adapter_model.safetensors").exists()


@pytest.mark.slow
def test_a_base_without_padding_token_and_template_learns_from_a_model_of_other_tokens(
    tmp_path, arguments_of
):
    """The reference gets the row of the new padding token too; the reward model reads the text."""
    tokenizer = make_tokenizer(pad_token=None, chat_template=None)
    base = tmp_path / "base"
    model = make_model(tokenizer)
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    arguments = arguments_of("rloo", tmp_path / "run", init_model=base, num_episodes=64)
    assert run("rloo", **arguments) == 0
    assert "it reads completions as text" in (tmp_path / "run" / "log.txt").read_text()


# ---------------------------------------------------------------- bad input


def write_rankings(path, tiers, split="train"):
    with SnapshotWriter(path) as writer:
        for at in range(4):
            writer.write("prompts", prompt_row(at, "red blue", split))
            writer.write("rankings", ranking_row(at, PROMPT, tiers, split))
        writer.close()
    return path


@pytest.mark.parametrize(
    ("kind", "tiers", "sentence"),
    [
        ("dpo", [["sun", "moon"]], "nothing to learn from"),
        ("dpo", [["sun"]], "nothing to learn from"),
        ("kto", [["sun", "moon"]], "nothing to learn from"),
        ("kto", [["sun"], [" "]], "needs desirable and undesirable"),
    ],
)
def test_rankings_from_which_nothing_follows_are_refused(tmp_path, arguments_of, kind, tiers, sentence):
    snapshot = write_rankings(tmp_path / "snapshot", tiers)
    assert run(kind, **arguments_of(kind, tmp_path / "run", snapshot=snapshot)) == 2
    assert sentence in run_dir.read_status(tmp_path / "run")["error"]


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        ("dpo", {"beta": 0}, "beta must be above 0"),
        ("dpo", {"loss_type": "magic"}, "loss_type is magic; give one of sigmoid,"),
        ("dpo", {"label_smoothing": 0.1}, "label_smoothing is for"),
        ("kto", {"per_device_batch_size": 1}, "at least 2"),
        ("kto", {"labels": "stars"}, "labels is stars; give one of"),
        ("rloo", {"num_completions": 1}, "num_completions must be 2 or more"),
        ("rloo", {"batch_size": 30}, "batch_size must be a multiple"),
        ("grpo", {"scale_rewards": "much"}, "scale_rewards is much; give one of"),
        ("grpo", {"temperature": 0}, "temperature must be above 0"),
        ("rloo", {"max_new_tokens": 128}, "no train prompts to roll out"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, arguments_of, kind, changes, sentence):
    (tmp_path / "run").mkdir()  # as the web side prepares it
    assert run(kind, **arguments_of(kind, tmp_path / "run", **changes)) == 2
    assert sentence in run_dir.read_status(tmp_path / "run")["error"]


@pytest.mark.parametrize("kind", ["dpo", "grpo"])
def test_without_a_validation_split_the_run_goes_on_and_says_so(tmp_path, arguments_of, kind):
    snapshot = write_rankings(tmp_path / "snapshot", [["sun"], ["moon"]])
    changes = {"max_steps": 1} if kind == "dpo" else {"num_episodes": 64}
    assert run(kind, **arguments_of(kind, tmp_path / "run", snapshot=snapshot, **changes)) == 0
    assert not [name for name in result_of(tmp_path / "run") if name.startswith("eval")]
    assert "no validation" in (tmp_path / "run" / "log.txt").read_text()


# ---------------------------------------------------------------- several processes

JOBS_IN_TURN = """
import importlib, json, sys
import torch
from trainer.jobs import run_job
for kind, line in json.loads(sys.argv[1]).items():
    module = importlib.import_module(f"trainer.{kind}")
    assert run_job(kind, getattr(module, f"{kind.capitalize()}Config"), module.train, line) == 0, kind
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(tmp_path, arguments_of, finished):
    halves = {kind: {"per_device_batch_size": 6} if kind in ("dpo", "kto") else {} for kind in KINDS}
    lines = {kind: command_line(arguments_of(kind, tmp_path / kind, **halves[kind])) for kind in KINDS}
    (tmp_path / "jobs.py").write_text(JOBS_IN_TURN)
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        + [str(tmp_path / "jobs.py"), json.dumps(lines)],
        cwd=REPOSITORY,
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true", "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    for kind in KINDS:
        alone, both = result_of(finished(kind)), result_of(tmp_path / kind)
        assert (alone["num_processes"], both["num_processes"]) == (1, 2)
        rows, expected = (run_dir.read_metrics(path) for path in (tmp_path / kind, finished(kind)))
        assert [row["step"] for row in rows] == [row["step"] for row in expected]
        for row, other in zip(rows, expected, strict=True):
            assert row.keys() - set(CLOCK) == other.keys() - set(CLOCK)
            # rounding differs, by processor more or less, and steps at such a learning rate magnify it
            rel = 1e-5 if row["step"] <= 4 else 1e-3
            for name in row.keys() - set(CLOCK):
                assert row[name] == pytest.approx(other[name], abs=1e-5, rel=rel), (kind, row["step"], name)


# ---------------------------------------------------------------- a kill

# One process that imports once and forks for each job, which it kills at its first checkpoint.
KILLING = """
import importlib, json, os, signal, sys, time
from pathlib import Path
import trainer.trl_jobs
from trainer.jobs import run_job
for kind, line in json.loads(sys.argv[1]).items():
    child = os.fork()
    if not child:
        module = importlib.import_module(f"trainer.{kind}")
        os._exit(run_job(kind, getattr(module, f"{kind.capitalize()}Config"), module.train, line))
    mark = Path(line[line.index("--run_dir") + 1], "checkpoints", "checkpoint-4", "complete.json")
    while not mark.exists():
        assert os.waitpid(child, os.WNOHANG) == (0, 0), f"{kind} ended before it could be killed"
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


@pytest.mark.slow
def test_killed_the_same_command_finishes_with_the_same_numbers(tmp_path, arguments_of):
    """The checkpoint of step 4 falls between two rows of metrics, each the mean of three steps."""
    lines = {kind: command_line(arguments_of(kind, tmp_path / kind, logging_steps=3)) for kind in KINDS}
    killed = subprocess.run(
        [sys.executable, "-c", KILLING, json.dumps(lines)],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads()), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == 0, killed.stderr[-2000:]
    for kind in KINDS:
        broken, whole = tmp_path / kind, tmp_path / f"{kind}-whole"
        assert not run_dir.is_finished(broken)
        for path in (broken, whole):
            assert run(kind, **arguments_of(kind, path, logging_steps=3)) == 0
        assert "Resuming from the checkpoint at step" in (broken / "log.txt").read_text()
        rows, expected = (run_dir.read_metrics(path) for path in (broken, whole))
        assert [row["step"] for row in rows] == [row["step"] for row in expected]
        for row, other in zip(rows, expected, strict=True):
            assert row.keys() - set(CLOCK) == other.keys() - set(CLOCK)
            for name in row.keys() - set(CLOCK):
                assert row[name] == pytest.approx(other[name], abs=1e-6, rel=0), (kind, row["step"], name)
        weights, expected = (load_file(path / "model" / "model.safetensors") for path in (broken, whole))
        torch.testing.assert_close(weights, expected, atol=1e-6, rtol=0)
