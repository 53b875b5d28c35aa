"""The reward job: accuracy, scale, calibration, its variants end to end, bad input, resuming, two processes."""

import json
import math
import os
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig

from tests.trainer.tiny import (
    REPOSITORY,
    command_line,
    kill_when,
    make_model,
    make_tokenizer,
    prompt_row,
    ranking_row,
    run_in_process,
    start_process,
)
from trainer import reward, run_dir, sample
from trainer.modeling import load_reward_model, score
from trainer.reward import calibrate, measure, pair_gaps, read_annotator_weights
from trainer.reward_data import EncodedRanking
from trainer.reward_model import preference_probability, score_parts, score_with_uncertainty
from trainer.run_dir import RunError
from trainer.snapshot import SnapshotWriter, open_snapshot

PROMPT = [{"role": "user", "content": "red blue"}]


# ---------------------------------------------------------------- accuracy and scale


class Fixed(torch.nn.Module):
    """Scores a sequence by its last token's number: the states are the tokens, the head leaves them as they are."""

    device, score = torch.device("cpu"), torch.nn.Identity()
    config = LlamaConfig(max_position_embeddings=99)

    @property
    def base_model(self):
        return lambda input_ids, **others: type("Output", (), {"last_hidden_state": input_ids[..., None]})


def test_accuracy_is_the_share_of_pairs_in_the_annotators_order():
    rankings = [
        EncodedRanking([[1, 30], [1, 20], [1, 25]], [0, 1, 2]),  # 2 of 3 right
        EncodedRanking([[1, 5], [1, 5]], [0, 1]),  # equal: half
    ]
    measured = measure(pair_gaps(Fixed(), rankings, pad_id=0))
    assert measured["accuracy"] == pytest.approx(2.5 / 4)
    assert measured["accuracy_per_ranking"] == pytest.approx((2 / 3 + 1 / 2) / 2)


def test_the_fixture_learned_what_the_annotators_prefer(reward_run):
    metrics = run_dir.read_manifest(reward_run, verify=True)["metrics"]
    assert metrics["accuracy"] > 0.9
    assert metrics["train_accuracy"] > 0.9
    assert (metrics["num_rankings"], metrics["num_pairs"]) == (48, 48 * 5)
    assert (metrics["num_eval_rankings"], metrics["num_eval_pairs"]) == (12, 12 * 5)
    rows = run_dir.read_metrics(reward_run)
    assert [row["step"] for row in rows if "loss" in row] == [4, 8, 12, 16, 20, 24]
    assert any("eval_accuracy" in row for row in rows)


def test_the_scale_says_where_it_comes_from(reward_run):
    scale = json.loads((reward_run / "model" / "score_normalization.json").read_text())
    assert scale["from"] == "train rankings"
    assert scale["num_completions"] == 48 * 4
    assert scale["std"] > 0


@pytest.mark.slow
def test_the_scale_can_come_from_completions_of_the_reference_policy(tmp_path, snapshot_dir, sft_run):
    code = run_in_process(
        sample,
        sample.SampleConfig,
        model=sft_run,
        snapshot=snapshot_dir,
        run_dir=tmp_path / "sample",
        num_completions=2,
        max_new_tokens=8,
    )
    assert code == 0
    arguments = reward_arguments(tmp_path / "run", snapshot_dir, sft_run, max_steps=4)
    assert run_in_process(reward, reward.RewardConfig, **arguments, reference_run=tmp_path / "sample") == 0
    model, tokenizer = load_reward_model(tmp_path / "run")
    prompts = {row["id"]: row["prompt"] for row in open_snapshot(snapshot_dir).rows("prompts")}
    rows = [json.loads(line) for line in (tmp_path / "sample" / "completions.jsonl").read_text().splitlines()]
    conversations = [
        [*prompts[row["prompt_id"]], {"role": "assistant", "content": row["text"]}] for row in rows
    ]
    scores = score(model, tokenizer, conversations)
    assert len(scores) == 120
    assert abs(float(scores.mean())) < 1e-3
    assert abs(float(scores.std()) - 1) < 1e-3
    assert "reference_run" in run_dir.read_manifest(tmp_path / "run")["inputs"]


# ---------------------------------------------------------------- the run


def reward_arguments(path, snapshot_dir, model, **changes):
    return {
        "snapshot": snapshot_dir,
        "init_model": model,
        "run_dir": path,
        "learning_rate": 1e-3,
        "max_steps": 60,
        "per_device_batch_size": 4,
        "logging_steps": 1,
        "save_steps": 4,
    } | changes


@pytest.mark.slow
def test_killed_in_mid_run_the_same_command_finishes_with_the_same_result(tmp_path, snapshot_dir, sft_run):
    whole = reward_arguments(tmp_path / "whole", snapshot_dir, sft_run)
    assert run_in_process(reward, reward.RewardConfig, **whole) == 0
    arguments = reward_arguments(tmp_path / "run", snapshot_dir, sft_run)
    process = start_process("reward", **arguments)
    kill_when(process, lambda: (tmp_path / "run" / "checkpoints" / "checkpoint-8" / "complete.json").exists())
    assert not run_dir.is_finished(tmp_path / "run")
    assert run_in_process(reward, reward.RewardConfig, **arguments) == 0
    assert "Resuming from the checkpoint at step" in (tmp_path / "run" / "log.txt").read_text()
    curves = [
        [(row["step"], row["loss"]) for row in run_dir.read_metrics(tmp_path / name) if "loss" in row]
        for name in ("run", "whole")
    ]
    assert [step for step, _ in curves[0]] == list(range(1, 61))
    assert [loss for _, loss in curves[0]] == pytest.approx([loss for _, loss in curves[1]], abs=1e-5)
    weights, expected = (load_file(tmp_path / n / "model" / "model.safetensors") for n in ("run", "whole"))
    for name in expected:
        assert torch.allclose(weights[name], expected[name], atol=1e-5), name


def error_of(path, **arguments):
    path.mkdir(exist_ok=True)  # as the web side prepares it
    assert run_in_process(reward, reward.RewardConfig, run_dir=path, **arguments) == 2
    return run_dir.read_status(path)["error"]


def test_a_snapshot_without_a_usable_ranking_is_refused(tmp_path, base_model_dir):
    with SnapshotWriter(tmp_path / "tied") as writer:
        writer.write("prompts", prompt_row(0, "red", "train"))
        writer.write("rankings", ranking_row(0, PROMPT, [["sun", "moon"]], "train"))
        writer.close()
    error = error_of(tmp_path / "run", snapshot=tmp_path / "tied", init_model=base_model_dir)
    assert "no ranking with a pair to train on" in error
    assert "'num_left_out_no_pair': 1" in (tmp_path / "run" / "log.txt").read_text()


def test_a_reference_run_of_other_prompts_is_refused(tmp_path, snapshot_dir, base_model_dir):
    run = run_dir.start(tmp_path / "other", "sample", {})
    run.completions_path.write_text('{"prompt_id": "elsewhere", "text": "a"}\n')
    run.finish({}, {})
    error = error_of(
        tmp_path / "run",
        snapshot=snapshot_dir,
        init_model=base_model_dir,
        reference_run=tmp_path / "other",
    )
    assert "holds no completions for the prompts of" in error


def test_the_same_command_with_another_option_is_refused(tmp_path, snapshot_dir, base_model_dir):
    arguments = reward_arguments(tmp_path / "run", snapshot_dir, base_model_dir, max_steps=3)
    (tmp_path / "run").mkdir()
    run_dir.request_stop(tmp_path / "run")
    assert run_in_process(reward, reward.RewardConfig, **arguments) == 3
    assert run_in_process(reward, reward.RewardConfig, **arguments | {"ties": "davidson"}) == 2


def test_a_checkpoint_of_another_objective_is_refused(tmp_path, snapshot_dir, base_model_dir):
    """A checkpoint put into another run's directory: its weights would load, and some of them nowhere."""
    for name, own in (("one", {"ensemble_size": 3, "ties": "davidson"}), ("two", {})):
        arguments = reward_arguments(tmp_path / name, snapshot_dir, base_model_dir, max_steps=3) | own
        (tmp_path / name).mkdir()
        run_dir.request_stop(tmp_path / name)
        assert run_in_process(reward, reward.RewardConfig, **arguments) == 3
    shutil.rmtree(tmp_path / "two" / "checkpoints")
    shutil.copytree(tmp_path / "one" / "checkpoints", tmp_path / "two" / "checkpoints")
    assert run_in_process(reward, reward.RewardConfig, **arguments) == 2
    assert "belongs to another configuration" in run_dir.read_status(tmp_path / "two")["error"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layout": "bush"}, "layout is bush; give one of auto, rows, tree"),
        ({"ties": "rao_kupper", "tie_parameter": 0.5}, "tie_parameter of rao_kupper must be above 1"),
        ({"keep": "best"}, "eval_steps sets, so that must be above 0"),
        ({"label_flip_rate": 0.5}, "label_flip_rate must be at least 0 and below 0.5"),
        ({"criteria": "kind"}, "says anything of the criterion 'kind'"),
        ({"criteria": "kind=0.5,true"}, "gives a weight to some names only"),
        ({"criteria": "kind=much"}, "the weight 'much'"),
        ({"rating_coef": 1.0}, "rating_coef asks for ratings"),
        ({"margin": "ratings"}, "margin ratings needs ratings"),
        ({"annotator_weights": "nowhere.json"}, "nowhere.json is no JSON object"),
    ],
)
def test_options_that_cannot_be_met_are_refused(tmp_path, snapshot_dir, base_model_dir, changes, sentence):
    assert sentence in error_of(tmp_path / "run", snapshot=snapshot_dir, init_model=base_model_dir, **changes)


# ---------------------------------------------------------------- small and odd snapshots, odd bases


def write_rankings(path, rows):
    with SnapshotWriter(path) as writer:
        for number, row in enumerate(rows):
            writer.write("prompts", prompt_row(number, row["prompt"][0]["content"], row["split"]))
            writer.write("rankings", row)
        writer.close()
    return path


def finished(path, snapshot, model, **changes):
    """A short run's metrics."""
    arguments = reward_arguments(path, snapshot, model, max_steps=3) | changes
    assert run_in_process(reward, reward.RewardConfig, **arguments) == 0
    return run_dir.read_manifest(path)["metrics"]


def test_one_prompt_without_a_validation_split_trains_and_says_what_is_not_known(tmp_path, base_model_dir):
    snapshot = write_rankings(tmp_path / "one", [ranking_row(0, PROMPT, [["sun"], ["moon"]], "train")])
    metrics = finished(tmp_path / "run", snapshot, base_model_dir, eval_steps=1)
    assert (metrics["num_rankings"], metrics["temperature"]) == (1, 1.0)
    assert "accuracy" not in metrics and metrics["train_accuracy"] in (0.0, 0.5, 1.0)
    assert "no validation rankings" in (tmp_path / "run" / "log.txt").read_text()
    model, _ = load_reward_model(tmp_path / "run")
    assert model.score_temperature == 1.0


def test_what_is_kept_is_the_model_of_the_least_loss_on_held_out_rankings(tmp_path, base_model_dir):
    """Those held out say the opposite of those trained on: every step makes them worse."""
    rows = [ranking_row(at, PROMPT, [["sun"], ["moon"]], "train") for at in range(8)]
    rows.append(ranking_row(8, PROMPT, [["moon"], ["sun"]], "validation"))
    snapshot = write_rankings(tmp_path / "opposed", rows)
    changes = {"max_steps": 6, "learning_rate": 1e-2, "warmup_steps": 0, "save_steps": 0}
    last = finished(tmp_path / "last", snapshot, base_model_dir, eval_steps=2, **changes)
    best = finished(tmp_path / "best", snapshot, base_model_dir, eval_steps=2, keep="best", **changes)
    looks = [
        row["eval_loss"] for row in run_dir.read_metrics(tmp_path / "best") if "eval_loss" in row
    ]  # and once more of what is kept
    assert best["best_step"] == 2
    assert looks[0] < looks[1] < looks[2] == pytest.approx(last["eval_loss"], abs=1e-6)
    assert looks[3] == best["eval_loss"] == pytest.approx(looks[0], abs=1e-6)
    assert "best_step" not in last


@pytest.mark.parametrize("ties", ["drop", "rao_kupper"])
def test_a_snapshot_of_ties_alone_needs_a_likelihood_for_them(tmp_path, base_model_dir, ties):
    rows = [ranking_row(at, PROMPT, [["sun", "moon"]], "train") for at in range(4)]
    arguments = {"snapshot": write_rankings(tmp_path / "tied", rows), "init_model": base_model_dir}
    if ties == "drop":
        assert "no ranking with a pair" in error_of(tmp_path / "run", **arguments)
        assert "'num_left_out_no_pair': 4" in (tmp_path / "run" / "log.txt").read_text()
        return
    metrics = finished(tmp_path / "run", arguments["snapshot"], base_model_dir, ties=ties)
    assert (metrics["num_ties"], metrics["num_pairs"]) == (4, 0)
    assert "train_accuracy" not in metrics


def test_a_base_without_chat_template_or_padding_gets_both(tmp_path, snapshot_dir):
    tokenizer = make_tokenizer(pad_token=None, chat_template=None)
    base = tmp_path / "base"
    model = make_model(make_tokenizer())
    model.config.pad_token_id = model.generation_config.pad_token_id = None
    model.save_pretrained(base)
    tokenizer.save_pretrained(base)
    finished(tmp_path / "run", snapshot_dir, base)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "has no chat template" in log and "no padding token of its own" in log
    reward_model, own = load_reward_model(tmp_path / "run")
    assert own.pad_token_id not in (None, own.eos_token_id)
    assert reward_model.config.pad_token_id == own.pad_token_id


# ---------------------------------------------------------------- layouts, variants


def losses_of(path):
    return [row["loss"] for row in run_dir.read_metrics(path) if "loss" in row]


@pytest.mark.slow
def test_layouts_and_parts_of_a_batch_change_nothing_but_the_time(tmp_path, snapshot_dir, base_model_dir):
    whole = finished(tmp_path / "rows", snapshot_dir, base_model_dir, layout="rows", micro_batch_tokens=0)
    curves = [losses_of(tmp_path / "rows")]
    for name, changes in (
        ("tree", {"layout": "tree"}),
        ("parts", {"micro_batch_tokens": 60}),
        ("auto", {"per_device_batch_size": 2, "gradient_accumulation_steps": 2}),
    ):
        metrics = finished(tmp_path / name, snapshot_dir, base_model_dir, **changes)
        assert metrics["num_trees"] == 48
        assert metrics["accuracy"] == whole["accuracy"]
        curves.append(losses_of(tmp_path / name))
    for curve in curves[1:]:
        assert curve == pytest.approx(curves[0], abs=1e-5)


def test_recomputing_activations_changes_no_reward_step(tmp_path, snapshot_dir, base_model_dir):
    curves = []
    for name, recomputed in (("kept", False), ("recomputed", True)):
        finished(tmp_path / name, snapshot_dir, base_model_dir, gradient_checkpointing=recomputed)
        curves.append(losses_of(tmp_path / name))
    assert curves[0] == pytest.approx(curves[1], abs=1e-5)


def test_a_family_that_cannot_read_trees_says_so_and_reads_rows(tmp_path, snapshot_dir, tokenizer):
    from transformers import MistralConfig, MistralForCausalLM

    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        sliding_window=6,
    )
    MistralForCausalLM(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    metrics = finished(tmp_path / "run", snapshot_dir, tmp_path / "base", layout="tree")
    assert metrics["num_trees"] == 0
    assert "reads rows, not trees: its attention window of 6" in (tmp_path / "run" / "log.txt").read_text()


def conversations_of(snapshot_dir, split="validation"):
    return [
        [*row["prompt"], {"role": "assistant", "content": completion["text"]}]
        for row in open_snapshot(snapshot_dir).rows("rankings", split)
        for completion in row["completions"]
    ]


@pytest.fixture(scope="module")
def judged_snapshot(tmp_path_factory):
    """Two annotators over the tiny world: alice ranks by how often the word is said, bob the other way round a
    third of the time; ratings of two criteria, ties, flags, a ranking marked all bad."""
    rows = []
    for at in range(60):
        answers = [" ".join(["sun"] * times + ["cat"]) for times in (3, 1, 0)]
        is_bobs = at % 2 == 1
        tiers = [[answers[0]], [answers[1]], [answers[2]]]
        if is_bobs and at % 3 == 0:
            tiers = tiers[::-1]
        if at % 10 == 4:
            tiers = [[answers[0]], [answers[1], answers[2]]]
        row = ranking_row(at, PROMPT, tiers, "validation" if at % 10 == 0 else "train")
        row["annotator"] = "bob" if is_bobs else "alice"
        row["all_bad"] = at == 7
        texts = {completion["text"]: completion["id"] for completion in row["completions"]}
        for place, answer in enumerate(answers):
            for criterion, value in (("overall", 7 - 3 * place), ("brief", 1 + 3 * place)):
                row["ratings"].append(
                    {
                        "completion": texts[answer],
                        "criterion": criterion,
                        "value": value,
                        "scale_min": 1,
                        "scale_max": 7,
                        "flags": ["empty"] if (criterion, place) == ("overall", 2) else [],
                    }
                )
        rows.append(row)
    return write_rankings(tmp_path_factory.mktemp("snapshots") / "judged", rows)


def test_an_ensemble_gives_its_mean_everywhere_and_its_uncertainty_when_asked(
    tmp_path, snapshot_dir, base_model_dir, reward_run
):
    finished(tmp_path / "run", snapshot_dir, base_model_dir, ensemble_size=5)
    model, tokenizer = load_reward_model(tmp_path / "run")
    conversations = conversations_of(snapshot_dir)
    mean, spread = score_with_uncertainty(model, tokenizer, conversations)
    assert torch.allclose(mean, score(model, tokenizer, conversations), atol=1e-4)
    assert float(spread.min()) > 0
    assert not (reward_run / "model" / "score_heads.safetensors").exists()
    single, _ = load_reward_model(reward_run)
    assert float(score_with_uncertainty(single, tokenizer, conversations)[1].abs().max()) == 0.0


@pytest.mark.slow
def test_criteria_have_a_head_each_and_a_mix_that_is_kept(tmp_path, judged_snapshot, base_model_dir):
    finished(tmp_path / "run", judged_snapshot, base_model_dir, criteria="overall=1,brief=-0.5", max_steps=25)
    model, tokenizer = load_reward_model(tmp_path / "run")
    assert model.score_criteria == {"overall": 1.0, "brief": -0.5}
    texts = ["sun sun sun cat", "cat"]
    conversations = [[*PROMPT, {"role": "assistant", "content": text}] for text in texts]
    from trainer.modeling import encode_messages

    rows = [encode_messages(tokenizer, messages)[0] for messages in conversations]
    parts = score_parts(model, rows, tokenizer.pad_token_id)[:, 0]
    assert parts[0, 0] > parts[1, 0] and parts[0, 1] < parts[1, 1]
    mean, _ = score_with_uncertainty(model, tokenizer, conversations)
    assert torch.allclose(mean, score(model, tokenizer, conversations), atol=1e-4)


@pytest.mark.slow
def test_a_learned_reliability_tells_the_annotators_apart(tmp_path, judged_snapshot, base_model_dir):
    metrics = finished(
        tmp_path / "run",
        judged_snapshot,
        base_model_dir,
        max_steps=60,
        learn_annotators=True,
        ties="davidson",
        scalar_learning_rate=0.1,
    )
    stored = json.loads((tmp_path / "run" / "model" / "score_normalization.json").read_text())
    rates = stored["annotator_flip_rates"]
    assert rates["alice"] < 0.1 < rates["bob"] < 0.5
    assert 0 < stored["tie_parameter"] < 1  # it began at 1, and ties are rare here
    assert metrics["num_ties"] > 0


def test_ratings_and_judgements_are_learned_beside_rankings(tmp_path, judged_snapshot, base_model_dir):
    metrics = finished(
        tmp_path / "run",
        judged_snapshot,
        base_model_dir,
        max_steps=40,
        rating_coef=1.0,
        judgement_coef=1.0,
        scalar_learning_rate=0.1,
    )
    assert metrics["num_left_out_all_bad"] == 0
    stored = json.loads((tmp_path / "run" / "model" / "score_normalization.json").read_text())
    thresholds = stored["rating_thresholds"]["overall"]
    assert len(thresholds) == 6 and thresholds[0] < thresholds[-1]
    assert math.isfinite(stored["judgement_bias"])


def test_annotators_weights_have_the_mean_one_over_the_rankings(tmp_path):
    rankings = [EncodedRanking([[1], [2]], [0, 1], name) for name in ("alice", "alice", "bob", "carol")]
    file = tmp_path / "weights.json"
    file.write_text('{"alice": 0, "bob": 3}')
    assert read_annotator_weights(str(file), rankings) == {"alice": 0, "bob": 3, "carol": 1}
    file.write_text('{"alice": 6, "bob": 3}')
    assert read_annotator_weights(str(file), rankings) == {"alice": 1.5, "bob": 0.75, "carol": 0.25}
    for text, reason in (
        ('{"alice": 0, "bob": 0, "carol": 0}', "every annotator"),
        ('{"bob": -1}', "negative"),
        ('{"bob": "a SECRET"}', "not of the form"),
        ("a SECRET", "no JSON at line 1"),
    ):
        file.write_text(text)
        with pytest.raises(RunError, match=reason) as refusal:
            read_annotator_weights(str(file), rankings)
        assert "SECRET" not in str(refusal.value)  # who may start a job may not read every file by it


@pytest.mark.slow
def test_the_length_terms_take_length_out_of_the_score(tmp_path, base_model_dir):
    """The better answer is the longer one; half of them also say sun. Without the terms, length is the score."""
    rows = []
    for at in range(64):
        short, long = ("cat", "cat dog bird fish cat") if at % 2 else ("cat dog", "sun cat dog bird fish cat")
        rows.append(ranking_row(at, PROMPT, [[long], [short]], "train"))
    snapshot = write_rankings(tmp_path / "long", rows)
    gaps = {}
    for name, coef in (("plain", 0.0), ("odin", 4.0)):
        finished(tmp_path / name, snapshot, base_model_dir, max_steps=40, length_coef=coef)
        model, tokenizer = load_reward_model(tmp_path / name)
        texts = ["cat", "cat dog bird fish cat", "dog", "dog bird cat bird fish dog"]
        scores = score(
            model, tokenizer, [[*PROMPT, {"role": "assistant", "content": text}] for text in texts]
        )
        gaps[name] = float((scores[1] - scores[0] + scores[3] - scores[2]) * model.score_std)
    assert gaps["plain"] > 1
    assert gaps["odin"] < 0.5 * gaps["plain"]


# ---------------------------------------------------------------- calibration


def test_the_temperature_is_fitted_on_the_held_out_rankings_and_kept(reward_run):
    metrics = run_dir.read_manifest(reward_run)["metrics"]
    model, _ = load_reward_model(reward_run)
    assert model.score_temperature == pytest.approx(metrics["temperature"])
    assert 0 <= metrics["calibration_error"] <= 1
    first, second = torch.tensor([1.0]), torch.tensor([0.0])
    expected = 1 / (1 + math.exp(-model.score_std / model.score_temperature))
    assert float(preference_probability(model, first, second)) == pytest.approx(expected, rel=1e-5)


def test_a_model_that_is_too_sure_is_cooled():
    """Half of the pairs of every gap are the other way round than a gap of 4 says: T grows to its bound."""
    found = calibrate([torch.tensor([4.0, -4.0]), torch.tensor([4.0, -4.0, 4.0])])
    assert found["temperature"] > 5
    assert found["calibration_error"] < 0.1 < found["calibration_error_before"]


# ---------------------------------------------------------------- resuming, several processes


@pytest.mark.slow
def test_stopped_after_every_step_a_run_gives_the_metrics_of_an_unbroken_one(
    tmp_path, judged_snapshot, tokenizer
):
    """Dropout, an ensemble, learned numbers, a schedule, three epochs: all of it comes back with the checkpoint."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64, resid_pdrop=0.2
    )
    torch.manual_seed(0)
    GPT2LMHeadModel(config).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    changes = {
        "max_steps": 10,
        "per_device_batch_size": 16,
        "ensemble_size": 2,
        "ties": "rao_kupper",
        "learn_annotators": True,
        "eval_steps": 3,
        "logging_steps": 3,
        "keep": "best",
    }
    whole = finished(tmp_path / "whole", judged_snapshot, tmp_path / "base", **changes)
    arguments = reward_arguments(tmp_path / "run", judged_snapshot, tmp_path / "base") | changes
    codes = []
    while not codes or codes[-1] == 3:
        (tmp_path / "run").mkdir(exist_ok=True)
        run_dir.request_stop(tmp_path / "run")
        codes.append(run_in_process(reward, reward.RewardConfig, **arguments))
    assert codes == [3] * 10 + [0]  # the last time there is nothing left to train, only to measure and save
    broken = run_dir.read_manifest(tmp_path / "run")["metrics"]
    curves = [
        [
            {name: value for name, value in row.items() if name != "time"}
            for row in run_dir.read_metrics(tmp_path / name)
        ]
        for name in ("run", "whole")
    ]
    assert len(curves[0]) == len(curves[1]) >= 8
    for row, expected in zip(*curves, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)
    for name in ("loss", "accuracy", "eval_loss", "temperature", "score_mean", "score_std", "best_step"):
        assert broken[name] == pytest.approx(whole[name], abs=1e-6), name


def test_where_memory_is_full_the_steps_done_are_saved_and_the_way_on_is_told(tmp_path, tokenizer):
    from transformers import LlamaForSequenceClassification, TrainingArguments

    from trainer.hf_training import common_arguments, train_resumable
    from trainer.reward_data import TargetIndex
    from trainer.reward_model import RewardObjective

    model = LlamaForSequenceClassification(make_model(tokenizer).config)
    forwards = []

    def fill_the_memory(module, arguments):
        forwards.append(module)
        if len(forwards) == 6:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    model.model.layers[0].mlp.register_forward_pre_hook(fill_the_memory)
    config = reward.RewardConfig(snapshot="", init_model="", run_dir="", micro_batch_tokens=10, max_steps=5)
    run = run_dir.start(tmp_path / "run", "reward", {})
    arguments = TrainingArguments(**common_arguments(config, run), remove_unused_columns=False)
    rankings = [EncodedRanking([[7, 8, 20 + at], [7, 9, at]], [0, 1]) for at in range(16)]
    config.per_device_batch_size = arguments.per_device_train_batch_size = 2
    trainer = reward.make_trainer(RewardObjective(model, config, TargetIndex()), arguments, rankings, [], 0)
    with pytest.raises(RunError, match="smaller micro_batch_tokens"):
        train_resumable(trainer, run, 0.0)
    assert run.newest_checkpoint()[0] == 2  # two micro-batches a step; the sixth is the third step's second
    run.close()


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(tmp_path, snapshot_dir, base_model_dir):
    rows = [
        row
        for split in ("train", "validation")
        for row in open_snapshot(snapshot_dir).rows("rankings", split)
    ]
    twice = [row | {"id": f"{row['id']}-{who}", "annotator": who} for row in rows for who in ("alice", "bob")]
    judged_snapshot = write_rankings(tmp_path / "twice", twice)
    changes = {"max_steps": 6, "ties": "davidson", "micro_batch_tokens": 80}
    alone = finished(tmp_path / "one", judged_snapshot, base_model_dir, **changes)
    arguments = reward_arguments(tmp_path / "two", judged_snapshot, base_model_dir)
    arguments |= changes | {"per_device_batch_size": 2}
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        + ["-m", "trainer.reward", *command_line(arguments)],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    both = run_dir.read_manifest(tmp_path / "two")["metrics"]
    assert (alone["num_processes"], both["num_processes"]) == (1, 2)
    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(tmp_path / "one"), abs=1e-5)
    for name in ("accuracy", "eval_loss", "score_mean", "score_std", "temperature"):
        assert both[name] == pytest.approx(alone[name], abs=1e-4), name
