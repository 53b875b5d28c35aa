"""Supervised fine-tuning: which tokens count, what is left out, learning, stopping, resuming."""

import importlib.util
import os
import random
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.tiny import (
    REPOSITORY,
    command_line,
    demonstration_row,
    kill_when,
    make_model,
    prompt_row,
    run_in_process,
    start_process,
    write_snapshot,
)
from trainer import modeling, run_dir, sft
from trainer.generation import Sampling, completion_text, generate, seed_of
from trainer.modeling import (
    encode_messages,
    encode_prompt,
    load_causal_lm,
    load_reward_model,
    load_tokenizer,
    score,
    stop_token_ids,
)
from trainer.run_dir import RunDir
from trainer.sft import encode_demonstration
from trainer.snapshot import SnapshotWriter, open_snapshot

# Loss at steps 5, 10, …, 60 of the fixture's run, whose weights and order come from seeds.
LOSS_CURVE = [5.167, 3.993, 2.93, 2.185, 1.685, 1.41, 1.207, 1.07, 0.977, 0.9, 0.89, 0.85]

DIALOGUE = [
    {"role": "user", "content": "red blue"},
    {"role": "assistant", "content": "sun"},
    {"role": "user", "content": "cat"},
    {"role": "assistant", "content": "dog bird"},
]


def encode(tokenizer, rows, max_length=128):
    dataset, counts = sft.encode_demonstrations(tokenizer, rows, max_length)
    return [dict(row) for row in dataset], counts


def row(messages, **changes):
    return demonstration_row(0, messages[:-1], messages[-1]["content"], "train", **changes)


# ---------------------------------------------------------------- what the loss counts


def test_only_assistant_turns_have_labels_and_their_end_tokens_are_among_them(tokenizer):
    (encoded,), counts = encode(tokenizer, [row(DIALOGUE)])
    counted = [label for label in encoded["labels"] if label != -100]
    assert tokenizer.decode(counted) == "sun<|end|>dog bird<|end|>"
    for token, label in zip(encoded["input_ids"], encoded["labels"], strict=True):
        assert label in (-100, token)
    end = tokenizer.eos_token_id
    at_ends = [
        label for token, label in zip(encoded["input_ids"], encoded["labels"], strict=True) if token == end
    ]
    assert at_ends == [-100, end, -100, end]  # a person's turn ends uncounted, the assistant's counted
    assert counts["num_target_tokens"] == len(counted)


def test_the_trainers_loss_is_the_mean_over_assistant_tokens_alone(sft_run, snapshot_dir):
    """The reported validation loss, computed again by hand from the saved model."""
    tokenizer = load_tokenizer(sft_run)
    model = load_causal_lm(sft_run, tokenizer).eval()
    losses = []
    for demonstration in open_snapshot(snapshot_dir).rows("demonstrations", "validation"):
        ids, is_assistant = encode_messages(tokenizer, demonstration["messages"])
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1).detach()
        losses += [-float(logprobs[at - 1, ids[at]]) for at in range(1, len(ids)) if is_assistant[at]]
    reported = run_dir.read_manifest(sft_run)["metrics"]["eval_loss"]
    assert reported == pytest.approx(sum(losses) / len(losses), abs=1e-3)


# ---------------------------------------------------------------- what is left out


def test_a_long_demonstration_loses_whole_turns_from_its_end(tokenizer):
    whole = len(encode_messages(tokenizer, DIALOGUE)[0])
    (encoded,), counts = encode(tokenizer, [row(DIALOGUE)], max_length=whole - 1)
    assert encoded["input_ids"] == encode_messages(tokenizer, DIALOGUE[:2])[0]
    assert counts["num_shortened"] == 1
    _, counts = encode(tokenizer, [row(DIALOGUE)], max_length=whole)
    assert counts["num_shortened"] == 0


def test_a_very_long_dialogue_is_cut_to_the_same_turns_in_a_few_looks(tokenizer, monkeypatch):
    dialogue = [
        {"role": role, "content": "red " * (at % 3)} for at in range(40) for role in ("user", "assistant")
    ]
    lengths = [len(encode_messages(tokenizer, dialogue[:end])[0]) for end in range(1, 81)]
    looks, encode_messages_of = [], modeling.encode_messages
    monkeypatch.setattr(
        modeling, "encode_messages", lambda *given: looks.append(1) or encode_messages_of(*given)
    )
    for most in (30, 100, 175, 999):
        ids, _, num_dropped = encode_demonstration(tokenizer, dialogue, most)
        fitting = [
            end for end in range(2, 81, 2) if lengths[end - 1] <= most and dialogue[end - 1]["content"]
        ]
        assert (len(ids), num_dropped) == (lengths[fitting[-1] - 1], 80 - fitting[-1])
    assert len(looks) <= 4 * 6


def test_a_demonstration_whose_first_answer_does_not_fit_is_left_out_and_counted(tokenizer):
    rows, counts = encode(tokenizer, [row(DIALOGUE), row(DIALOGUE[:2])], max_length=4)
    assert rows == []
    assert counts["num_left_out_long"] == 2


def test_a_demonstration_of_weight_zero_is_left_out_and_counted(tokenizer):
    rows, counts = encode(tokenizer, [row(DIALOGUE, weight=0), row(DIALOGUE, weight=0.5)])
    assert len(rows) == 1
    assert (counts["num_demonstrations"], counts["num_left_out_weight"]) == (1, 1)


def test_a_demonstration_without_an_answer_is_left_out_and_an_empty_last_one_is_cut(tokenizer):
    silent = [DIALOGUE[0], {"role": "assistant", "content": " "}]
    rows, counts = encode(tokenizer, [row(silent), row([*DIALOGUE, *silent])])
    assert counts["num_left_out_empty"] == 1
    assert [encoded["input_ids"] for encoded in rows] == [encode_messages(tokenizer, DIALOGUE)[0]]
    assert counts["num_shortened"] == 1


# ---------------------------------------------------------------- the run


def test_the_loss_follows_its_recorded_curve(sft_run):
    losses = [row["loss"] for row in run_dir.read_metrics(sft_run) if "loss" in row]
    assert losses == pytest.approx(LOSS_CURVE, abs=0.05)


def test_the_model_has_learned_to_answer_and_to_stop(sft_run, snapshot_dir):
    tokenizer = load_tokenizer(sft_run)
    model = load_causal_lm(sft_run, tokenizer).eval()
    prompt = encode_prompt(tokenizer, [{"role": "user", "content": "moon cat red"}])
    logits = model(torch.tensor([[*prompt, *tokenizer("moon")["input_ids"]]])).logits[0, -1]
    assert logits.argmax() == tokenizer.eos_token_id


def test_the_manifest_names_inputs_counts_and_speed(sft_run, snapshot_dir):
    manifest = run_dir.read_manifest(sft_run, verify=True)
    assert manifest["inputs"]["snapshot"]["path"] == str(snapshot_dir)
    assert len(manifest["inputs"]["snapshot"]["manifest_sha256"]) == 64
    metrics = manifest["metrics"]
    assert (metrics["num_demonstrations"], metrics["num_eval_demonstrations"]) == (48, 12)
    assert metrics["num_steps"] == 60
    assert metrics["tokens_per_second"] > 0
    assert metrics["train_loss"] < 2.0
    assert "model/model.safetensors" in manifest["files"]


def arguments_for(path, snapshot_dir, base_model_dir, **changes):
    return {
        "snapshot": snapshot_dir,
        "init_model": base_model_dir,
        "run_dir": path,
        "learning_rate": 5e-3,
        "max_steps": 40,
        "per_device_batch_size": 4,
        "logging_steps": 1,
        "save_steps": 4,
    } | changes


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, snapshot_dir, base_model_dir):
    path = tmp_path_factory.mktemp("runs") / "uninterrupted"
    assert run_in_process(sft, sft.SftConfig, **arguments_for(path, snapshot_dir, base_model_dir)) == 0
    return path


def assert_same_training(path, other):
    """Same losses at the same steps, none twice, and the same weights."""
    curves = [
        [(row["step"], row["loss"]) for row in run_dir.read_metrics(run) if "loss" in row]
        for run in (path, other)
    ]
    assert [step for step, _ in curves[0]] == list(range(1, 41))
    assert [loss for _, loss in curves[0]] == pytest.approx([loss for _, loss in curves[1]], abs=1e-6)
    weights, expected = (load_file(run / "model" / "model.safetensors") for run in (path, other))
    for name in expected:
        assert torch.allclose(weights[name], expected[name], atol=1e-6), name


@pytest.mark.slow
def test_killed_in_mid_run_the_same_command_finishes_with_the_same_result(
    tmp_path, snapshot_dir, base_model_dir, uninterrupted
):
    arguments = arguments_for(tmp_path / "run", snapshot_dir, base_model_dir)
    process = start_process("sft", **arguments)
    kill_when(process, lambda: (tmp_path / "run" / "checkpoints" / "checkpoint-8" / "complete.json").exists())
    assert not run_dir.is_finished(tmp_path / "run")
    assert RunDir(tmp_path / "run").newest_checkpoint()[0] >= 8
    assert run_in_process(sft, sft.SftConfig, **arguments) == 0
    assert "Resuming from the checkpoint at step" in (tmp_path / "run" / "log.txt").read_text()
    assert_same_training(tmp_path / "run", uninterrupted)


def test_a_stop_saves_a_checkpoint_and_the_same_command_goes_on(
    tmp_path, snapshot_dir, base_model_dir, uninterrupted
):
    path = tmp_path / "run"
    path.mkdir()
    run_dir.request_stop(path)
    arguments = arguments_for(path, snapshot_dir, base_model_dir)
    assert run_in_process(sft, sft.SftConfig, **arguments) == 3
    assert run_dir.read_status(path)["state"] == "cancelled"
    assert RunDir(path).newest_checkpoint()[0] == 1
    assert run_in_process(sft, sft.SftConfig, **arguments) == 0
    assert_same_training(path, uninterrupted)


def test_a_finished_run_is_not_run_again(sft_run, snapshot_dir, base_model_dir):
    before = (sft_run / "manifest.json").read_bytes()
    assert run_in_process(sft, sft.SftConfig, **arguments_for(sft_run, snapshot_dir, base_model_dir)) == 0
    assert (sft_run / "manifest.json").read_bytes() == before


def error_of(path, **arguments):
    path.mkdir(exist_ok=True)  # as the web side prepares it
    assert run_in_process(sft, sft.SftConfig, run_dir=path, **arguments) == 2
    status = run_dir.read_status(path)
    assert status["state"] == "failed"
    return status["error"]


def test_a_snapshot_without_demonstrations_is_refused(tmp_path, base_model_dir):
    with SnapshotWriter(tmp_path / "empty") as writer:
        writer.write("prompts", prompt_row(0, "red", "train"))
        writer.close()
    error = error_of(tmp_path / "run", snapshot=tmp_path / "empty", init_model=base_model_dir)
    assert "has no demonstration to train on" in error


def test_a_changed_snapshot_is_refused(tmp_path, base_model_dir):
    snapshot = write_snapshot(tmp_path / "frozen", num_prompts=5)
    path = snapshot / "demonstrations.jsonl"
    path.write_bytes(path.read_bytes().replace(b"red", b"RED"))
    error = error_of(tmp_path / "run", snapshot=snapshot, init_model=base_model_dir)
    assert "demonstrations.jsonl" in error and "was changed" in error


def test_a_model_that_is_only_a_pickle_is_refused(tmp_path, snapshot_dir, base_model_dir, tokenizer):
    path = shutil.copytree(base_model_dir, tmp_path / "unsafe")
    (path / "model.safetensors").unlink()
    torch.save(make_model(tokenizer).state_dict(), path / "pytorch_model.bin")
    error = error_of(tmp_path / "run", snapshot=snapshot_dir, init_model=path)
    assert "can run code when loaded" in error


def test_a_training_that_diverges_ends_with_a_sentence(tmp_path, snapshot_dir, base_model_dir):
    error = error_of(
        tmp_path / "run",
        snapshot=snapshot_dir,
        init_model=base_model_dir,
        learning_rate=1e30,
        max_steps=5,
        logging_steps=1,
    )
    assert "lower learning rate" in error


def metrics_of(path):
    return run_dir.read_manifest(path, verify=True)["metrics"]


def finished(path, snapshot_dir, base_model_dir, **changes):
    arguments = arguments_for(path, snapshot_dir, base_model_dir) | {"max_steps": 6, "save_steps": 0}
    assert run_in_process(sft, sft.SftConfig, **arguments | changes) == 0
    return path


def losses_of(path):
    return figures(path, "loss")


def figures(path, name):
    return [row[name] for row in run_dir.read_metrics(path) if name in row]


# ---------------------------------------------------------------- resuming to the same numbers


@pytest.mark.slow
def test_killed_at_random_steps_a_run_gives_the_numbers_of_an_unbroken_one(
    tmp_path, monkeypatch, snapshot_dir, base_model_dir
):
    """With noise and dropout, so that the random state counts; each time from the last checkpoint of every third step.

    A row of metrics is the mean of two steps, so every other checkpoint falls between two rows.
    """
    from trainer import hf_training

    random_parts = {"neftune_alpha": 5, "lora_rank": 4, "lora_dropout": 0.2, "max_steps": 24, "save_steps": 3}
    random_parts |= {"logging_steps": 2}
    whole = finished(tmp_path / "whole", snapshot_dir, base_model_dir, **random_parts)
    deaths = set(random.Random(5).sample(range(2, 24), 4))
    end_of_step = hf_training.RunCallback.on_step_end

    def dying(self, args, state, control, **kwargs):
        if state.global_step in deaths:
            deaths.remove(state.global_step)
            raise KeyError("killed")
        end_of_step(self, args, state, control, **kwargs)

    monkeypatch.setattr(hf_training.RunCallback, "on_step_end", dying)
    arguments = arguments_for(tmp_path / "broken", snapshot_dir, base_model_dir) | random_parts
    codes = []
    while not run_dir.is_finished(tmp_path / "broken"):
        codes.append(run_in_process(sft, sft.SftConfig, **arguments))
    assert codes == [1, 1, 1, 1, 0]
    for name in ("loss", "mean_token_accuracy"):
        assert figures(tmp_path / "broken", name) == pytest.approx(figures(whole, name), abs=1e-6)
    for name in ("train_loss", "eval_loss"):
        assert metrics_of(tmp_path / "broken")[name] == pytest.approx(metrics_of(whole)[name], abs=1e-6)


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(tmp_path, snapshot_dir, base_model_dir):
    changes = {"per_device_batch_size": 8, "gradient_accumulation_steps": 2, "micro_batch_tokens": 30}
    alone = metrics_of(finished(tmp_path / "one", snapshot_dir, base_model_dir, **changes))
    arguments = arguments_for(tmp_path / "two", snapshot_dir, base_model_dir)
    arguments |= {"max_steps": 6, "save_steps": 0} | changes | {"per_device_batch_size": 4}
    launched = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        + ["-m", "trainer.sft", *command_line(arguments)],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert launched.returncode == 0, launched.stderr[-3000:]
    both = metrics_of(tmp_path / "two")
    assert (alone["num_processes"], both["num_processes"]) == (1, 2)
    assert losses_of(tmp_path / "two") == pytest.approx(losses_of(tmp_path / "one"), abs=1e-5)
    assert both["eval_loss"] == pytest.approx(alone["eval_loss"], abs=1e-5)


# ---------------------------------------------------------------- ending before harm


def test_a_step_that_becomes_no_number_is_not_learned_from_and_what_was_learned_is_kept(
    tmp_path, snapshot_dir, base_model_dir
):
    error = error_of(
        tmp_path / "run",
        snapshot=snapshot_dir,
        init_model=base_model_dir,
        learning_rate=1e30,
        max_steps=5,
    )
    assert "became" in error and "at step 2" in error and "checkpoints/checkpoint-1" in error
    weights = load_file(tmp_path / "run" / "checkpoints" / "checkpoint-1" / "model.safetensors")
    assert all(torch.isfinite(weight).all() for weight in weights.values())


@pytest.mark.slow
def test_where_memory_is_full_the_steps_done_are_saved_and_a_smaller_part_goes_on(
    tmp_path, monkeypatch, snapshot_dir, base_model_dir
):
    from trainer.sft_trainer import DemonstrationTrainer

    whole = finished(tmp_path / "whole", snapshot_dir, base_model_dir)
    predict, passes = DemonstrationTrainer.target_logprobs, []

    def fill_the_memory(self, *arguments):
        passes.append(self.state.global_step)
        if self.state.global_step == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return predict(self, *arguments)

    arguments = arguments_for(tmp_path / "run", snapshot_dir, base_model_dir) | {
        "max_steps": 6,
        "save_steps": 0,
    }
    with monkeypatch.context() as patched:
        patched.setattr(DemonstrationTrainer, "target_logprobs", fill_the_memory)
        assert run_in_process(sft, sft.SftConfig, **arguments) == 2
    error = run_dir.read_status(tmp_path / "run")["error"]
    assert "memory is full" in error and "checkpoint-3" in error and "smaller micro_batch_tokens" in error
    assert run_in_process(sft, sft.SftConfig, **arguments | {"micro_batch_tokens": 20}) == 0
    assert losses_of(tmp_path / "run") == pytest.approx(losses_of(whole), abs=1e-5)


# ---------------------------------------------------------------- noise, precision, adapters


def test_noise_on_the_embeddings_is_there_while_training_alone(tmp_path, snapshot_dir, base_model_dir):
    """With a learning rate of 0 the model stays what it was: its held-out loss too, and only the train loss moves."""
    quiet, noisy = (
        finished(tmp_path / str(alpha), snapshot_dir, base_model_dir, learning_rate=0, neftune_alpha=alpha)
        for alpha in (0, 50)
    )
    assert metrics_of(quiet)["eval_loss"] == metrics_of(noisy)["eval_loss"]
    differences = [abs(a - b) for a, b in zip(losses_of(quiet), losses_of(noisy), strict=True)]
    assert min(differences) > 1e-4


def test_bf16_learns_the_same_in_less_precision_and_keeps_whole_weights(
    tmp_path, snapshot_dir, base_model_dir
):
    whole = finished(tmp_path / "no", snapshot_dir, base_model_dir)
    half = finished(tmp_path / "bf16", snapshot_dir, base_model_dir, precision="bf16")
    assert losses_of(half) != losses_of(whole)
    assert losses_of(half) == pytest.approx(losses_of(whole), rel=0.01)
    weights = load_file(half / "model" / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    error = error_of(tmp_path / "x", snapshot=snapshot_dir, init_model=base_model_dir, precision="fp8")
    assert "precision is fp8; give one of auto, bf16, no" in error


def test_an_adapter_is_merged_into_a_plain_model_and_lies_beside_it(tmp_path, snapshot_dir, base_model_dir):
    from peft import PeftModel

    path = finished(tmp_path / "run", snapshot_dir, base_model_dir, lora_rank=4, learning_rate=0.02)
    tokenizer = load_tokenizer(base_model_dir)
    base, merged = (load_causal_lm(name, tokenizer).eval() for name in (base_model_dir, path))
    moved = {
        name
        for name, weight in merged.state_dict().items()
        if not torch.equal(weight, base.state_dict()[name])
    }
    assert moved == {
        f"model.layers.{layer}.{part}.weight"
        for layer in (0, 1)
        for part in (
            *(f"self_attn.{name}_proj" for name in "qkvo"),
            *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
        )
    }
    adapted = PeftModel.from_pretrained(base, str(path / "model" / "adapter")).eval()
    ids = torch.tensor([[1, 8, 9, 10]])
    assert torch.allclose(adapted(ids).logits, merged(ids).logits, atol=1e-4)
    assert losses_of(path)[-1] < losses_of(path)[0]


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_a_base_of_four_bits_learns_an_adapter_that_ends_as_a_plain_model(
    tmp_path, snapshot_dir, base_model_dir
):
    from bitsandbytes.nn import Linear4bit

    adapted = {"lora_rank": 4, "learning_rate": 0.01, "max_steps": 12}
    whole = finished(tmp_path / "whole", snapshot_dir, base_model_dir, **adapted)
    options = adapted | {"quantize": True}
    path = finished(tmp_path / "run", snapshot_dir, base_model_dir, **options)
    assert losses_of(path) != losses_of(whole)
    assert losses_of(path) == pytest.approx(losses_of(whole), rel=0.02)
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    run_dir.request_stop(stopped)
    arguments = arguments_for(stopped, snapshot_dir, base_model_dir) | options
    assert [run_in_process(sft, sft.SftConfig, **arguments) for _ in range(2)] == [3, 0]
    assert losses_of(stopped) == pytest.approx(losses_of(path), abs=1e-6)
    config = sft.SftConfig(**arguments)
    four_bits = sft.load_base(config, load_tokenizer(base_model_dir))
    packed = {name: layer for name, layer in four_bits.named_modules() if isinstance(layer, Linear4bit)}
    assert len(packed) == 14  # seven of each layer; the embeddings and the output layer stay whole
    for layer in packed.values():
        assert layer.weight.dtype == torch.uint8
        assert layer.weight.numel() * 2 == layer.in_features * layer.out_features
        assert layer.weight.quant_state.quant_type == "nf4" and layer.weight.quant_state.nested
    # what was learned is added to the base as it lies on disk, not to its four bits
    base, merged = (
        load_causal_lm(name, load_tokenizer(base_model_dir)).state_dict() for name in (base_model_dir, path)
    )
    adapter = load_file(path / "model" / "adapter" / "adapter_model.safetensors")
    down, up = (adapter[f"base_model.model.model.layers.0.mlp.up_proj.lora_{which}.weight"] for which in "AB")
    assert down.dtype == up.dtype == torch.float32  # what learns is not rounded to the precision of the base
    name = "model.layers.0.mlp.up_proj.weight"
    scale = config.lora_alpha / config.lora_rank
    assert torch.allclose(merged[name] - base[name], scale * up @ down, atol=1e-5)
    assert {weight.dtype for weight in merged.values()} == {torch.float32}


def test_without_bitsandbytes_four_bits_are_refused(tmp_path, snapshot_dir, base_model_dir, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bitsandbytes" else find(name)
    )
    options = {"quantize": True, "lora_rank": 4}
    error = error_of(tmp_path / "run", snapshot=snapshot_dir, init_model=base_model_dir, **options)
    assert "pip install -e '.[trainer,qlora]'" in error


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantize": True}, "needs --lora-rank"),
        ({"lora_rank": 4, "lora_target": "nothing"}, "--lora-target nothing"),
        ({"score_every": 2}, "needs --reward-model"),
        ({"score_patience": 2}, "needs --score-every"),
        ({"dataset_weights": "nowhere=2"}, "names nowhere"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, snapshot_dir, base_model_dir, changes, words):
    assert words in error_of(tmp_path / "run", snapshot=snapshot_dir, init_model=base_model_dir, **changes)


# ---------------------------------------------------------------- the best by its score


def scored(path, snapshot_dir, base_model_dir, likes_a_word, **changes):
    settings = {"score_every": 4, "reward_model": likes_a_word, "max_new_tokens": 6, "max_steps": 16}
    settings |= {"score_temperature": 1.0}
    return finished(path, snapshot_dir, base_model_dir, **settings | changes)


def test_the_model_with_the_best_score_on_validation_prompts_is_kept(
    tmp_path, snapshot_dir, base_model_dir, likes_a_word
):
    """Its score, once more from the saved model; and the loss that is reported is that model's."""
    path = scored(tmp_path / "run", snapshot_dir, base_model_dir, likes_a_word)
    looks = {row["step"]: row["eval/scores"] for row in run_dir.read_metrics(path) if "eval/scores" in row}
    assert list(looks) == [4, 8, 12, 16]
    metrics = metrics_of(path)
    assert metrics["score"] == max(looks.values()) == looks[metrics["best_step"]]
    assert metrics["best_step"] < 16  # so the last model is not the one that is kept
    tokenizer = load_tokenizer(path)
    model = load_causal_lm(path, tokenizer).eval()
    rows = [row for row in open_snapshot(snapshot_dir).rows("prompts", "validation")]
    prompts = [encode_prompt(tokenizer, row["prompt"]) for row in rows]
    seeds = [seed_of(0, "score", row["id"]) for row in rows]
    made = generate(model, prompts, seeds, Sampling(1.0, 1.0, 6), stop_token_ids(tokenizer, model), 0)
    reward_model, reward_tokenizer = load_reward_model(likes_a_word)
    conversations = [
        [*row["prompt"], {"role": "assistant", "content": completion_text(tokenizer, one)}]
        for row, one in zip(rows, made, strict=True)
    ]
    again = float(score(reward_model, reward_tokenizer, conversations).mean())
    assert metrics["score"] == pytest.approx(again, abs=1e-4)
    assert run_dir.read_manifest(path)["inputs"]["reward_model"]["path"] == str(likes_a_word)


def test_a_score_that_no_longer_rises_ends_the_training_and_a_stop_forgets_nothing(
    tmp_path, snapshot_dir, base_model_dir, likes_a_word
):
    path = tmp_path / "run"
    changes = {"score_every": 2, "score_patience": 3, "max_steps": 40, "lora_rank": 4}
    whole = scored(tmp_path / "whole", snapshot_dir, base_model_dir, likes_a_word, **changes)
    metrics = metrics_of(whole)
    assert metrics["num_steps"] == metrics["best_step"] + 6 < 40
    path.mkdir()
    settings = {"reward_model": likes_a_word, "max_new_tokens": 6, "score_temperature": 1.0, "save_steps": 0}
    arguments = arguments_for(path, snapshot_dir, base_model_dir) | settings | changes
    for _ in range(3):
        run_dir.request_stop(path)
        assert run_in_process(sft, sft.SftConfig, **arguments) == 3
    assert run_in_process(sft, sft.SftConfig, **arguments) == 0
    for name in ("best_step", "num_steps", "score", "eval_loss"):
        assert metrics_of(path)[name] == pytest.approx(metrics[name], abs=1e-6), name


def test_without_validation_prompts_there_is_nothing_to_score(tmp_path, base_model_dir, likes_a_word):
    snapshot = write_snapshot(tmp_path / "frozen", num_prompts=5, validation_every=0)
    settings = {"score_every": 2, "reward_model": likes_a_word}
    error = error_of(tmp_path / "run", snapshot=snapshot, init_model=base_model_dir, **settings)
    assert "needs validation prompts" in error


def test_one_demonstration_without_validation_trains_after_another_run(tmp_path, sft_run):
    """The last pass over a dialogue corpus is the same job with another parent."""
    snapshot = write_snapshot(tmp_path / "frozen", num_prompts=1, validation_every=0)
    path = finished(tmp_path / "run", snapshot, sft_run, max_steps=2)
    manifest = run_dir.read_manifest(path)
    assert manifest["inputs"]["init_model"]["path"] == str(sft_run)
    assert "eval_loss" not in manifest["metrics"]
