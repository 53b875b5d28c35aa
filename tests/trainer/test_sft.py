"""Supervised fine-tuning: which tokens count, what is left out, learning, stopping, resuming."""

import shutil

import pytest
import torch
from safetensors.torch import load_file

from tests.trainer.tiny import (
    demonstration_row,
    kill_when,
    make_model,
    prompt_row,
    run_in_process,
    start_process,
    write_snapshot,
)
from trainer import run_dir, sft
from trainer.modeling import encode_messages, encode_prompt, load_causal_lm, load_tokenizer
from trainer.run_dir import RunDir
from trainer.snapshot import SnapshotWriter, open_snapshot

# Loss at steps 5, 10, …, 60 of the fixture's run, whose weights and order come from seeds.
LOSS_CURVE = [5.147, 3.979, 2.951, 2.179, 1.673, 1.346, 1.15, 1.023, 0.926, 0.896, 0.81, 0.846]

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


def test_a_demonstration_whose_first_answer_does_not_fit_is_left_out_and_counted(tokenizer):
    rows, counts = encode(tokenizer, [row(DIALOGUE), row(DIALOGUE[:2])], max_length=4)
    assert rows == []
    assert counts["num_left_out_long"] == 2


def test_a_demonstration_of_weight_zero_is_left_out_and_counted(tokenizer):
    rows, counts = encode(tokenizer, [row(DIALOGUE, weight=0), row(DIALOGUE, weight=0.5)])
    assert len(rows) == 1
    assert (counts["num_demonstrations"], counts["num_left_out_weight"]) == (1, 1)


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
    assert [loss for _, loss in curves[0]] == pytest.approx([loss for _, loss in curves[1]], abs=2e-3)
    weights, expected = (load_file(run / "model" / "model.safetensors") for run in (path, other))
    for name in expected:
        assert torch.allclose(weights[name], expected[name], atol=2e-3), name


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
