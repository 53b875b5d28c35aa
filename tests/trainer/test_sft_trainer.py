"""A step of SFT: how it is cut, what it weighs, and that cutting, weights and processes change nothing else."""

import random

import pytest
import torch

from tests.trainer.tiny import demonstration_row, make_model
from trainer import run_dir, sft
from trainer.run_dir import RunError
from trainer.sft_trainer import IGNORED, collate

# ---------------------------------------------------------------- the loss of a step


def make_rows(tokenizer, weights):
    rng = random.Random(1)
    rows = []
    for weight in weights:
        answer = " ".join(rng.choices(["red", "sun", "cat"], k=rng.randint(1, 9)))
        prompt = [{"role": "user", "content": " ".join(rng.choices(["blue", "moon"], k=rng.randint(1, 6)))}]
        ids, labels, _ = sft.encode_demonstration(
            tokenizer, [*prompt, {"role": "assistant", "content": answer}], 128
        )
        rows.append({"input_ids": ids, "labels": labels, "weight": weight})
    return rows


@pytest.fixture
def trainer_of(tmp_path, tokenizer):
    """A trainer over rows, as the job makes it, with nothing trained."""
    from datasets import Dataset

    def make(rows, model=None, **changes):
        config = sft.SftConfig(snapshot="", init_model="", run_dir="", **changes)
        run = run_dir.RunDir(tmp_path / "run")
        columns = {name: [row[name] for row in rows] for name in ("input_ids", "labels", "weight")}
        dataset = Dataset.from_dict(columns)
        return sft.make_trainer(config, run, model or make_model(tokenizer), tokenizer, dataset, dataset)

    return make


def gradients(trainer, rows, max_tokens, pass_tokens):
    trainer.model.zero_grad()
    batch = collate(rows, 0, max_tokens, pass_tokens)
    loss = trainer.training_step(trainer.model, batch, torch.tensor(batch["weight"]))
    return float(loss), {name: p.grad.clone() for name, p in trainer.model.named_parameters()}, batch


def test_the_loss_and_gradient_of_a_step_are_those_of_the_plain_formula(trainer_of, tokenizer):
    """Row by row through the model's own forward: the weighted mean of -log p over target tokens."""
    rows = make_rows(tokenizer, [1.0, 0.25, 2.0, 1.0, 3.0, 0.5])
    trainer = trainer_of(rows)
    model = trainer.model
    total, weight = 0.0, 0.0
    for row in rows:
        logprobs = model(torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        for at in range(1, len(row["input_ids"])):
            if row["labels"][at] != IGNORED:
                total = total - row["weight"] * logprobs[at - 1, row["labels"][at]]
                weight += row["weight"]
    (total / weight).backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters()}
    for max_tokens, pass_tokens, num_parts in ((0, 10**9, 1), (0, 0, None), (40, 5, None)):
        loss, found, batch = gradients(trainer, rows, max_tokens, pass_tokens)
        assert len(batch["parts"]) == num_parts or (num_parts is None and len(batch["parts"]) > 1)
        assert batch["weight"] == pytest.approx(weight)
        assert loss == pytest.approx(float(total.detach() / weight), abs=1e-5)
        for name, gradient in expected.items():
            assert torch.allclose(found[name], gradient, atol=1e-6, rtol=1e-4), name


def test_the_fused_output_layer_of_a_gpu_gives_the_same(trainer_of, tokenizer):
    rows = make_rows(tokenizer, [1.0, 0.5, 1.0])
    trainer = trainer_of(rows)
    (part,) = collate(rows, 0, 0, 10**9)["parts"]
    found = []
    for fused in (False, True):
        trainer.model.zero_grad()
        logprobs, weights, is_right = trainer.target_logprobs(trainer.model, part, fused)
        (weights * logprobs).sum().backward()
        gradient = trainer.model.model.layers[0].mlp.up_proj.weight.grad.clone()
        found.append((logprobs.detach(), weights, is_right, gradient))
    for plain, fused in zip(*found, strict=True):
        assert torch.allclose(plain.float(), fused.float(), atol=1e-5)


def test_a_weight_of_two_is_the_demonstration_twice(trainer_of, tokenizer):
    single = make_rows(tokenizer, [1.0, 2.0])
    twice = [single[0], {**single[1], "weight": 1.0}, {**single[1], "weight": 1.0}]
    trainer = trainer_of(twice)
    loss, weighted, _ = gradients(trainer, single, 0, 100)
    loss_twice, repeated, _ = gradients(trainer, twice, 0, 100)
    assert loss == pytest.approx(loss_twice, abs=1e-6)
    for name, gradient in weighted.items():
        assert torch.allclose(gradient, repeated[name], atol=1e-6), name


def test_padding_is_little_and_the_steps_are_the_random_ones(trainer_of, tokenizer):
    rows = make_rows(tokenizer, [1.0] * 64)
    trainer = trainer_of(rows, per_device_batch_size=16)
    trainer.cut = lambda: {"pad_id": 0, "max_tokens": 0, "pass_tokens": 5}
    batches = list(trainer.get_train_dataloader())
    assert len(batches) == 4
    real = sum(sum(batch["lengths"]) for batch in batches)
    padded = sum(part["input_ids"].numel() for batch in batches for part in batch["parts"])
    whole = sum(len(batch["lengths"]) * max(batch["lengths"]) for batch in batches)
    assert real == sum(len(row["input_ids"]) for row in rows)
    assert padded < 1.1 * real and whole > 1.3 * real
    for batch in batches:  # a step is no bucket: long and short ones meet in each
        assert max(batch["lengths"]) - min(batch["lengths"]) > 6


# ---------------------------------------------------------------- weights


def test_weights_of_datasets_multiply_those_of_demonstrations(tokenizer):
    messages = [{"role": "user", "content": "red"}]
    rows = [
        demonstration_row(0, messages, "sun", "train", source="hh", weight=0.5),
        demonstration_row(1, messages, "sun", "train", source="oasst", campaign="words"),
        demonstration_row(2, messages, "sun", "train", source="other", campaign="chat"),
    ]
    weights = sft.read_dataset_weights("hh = 3, chat=0, words=2")
    assert weights == {"hh": 3.0, "chat": 0.0, "words": 2.0}
    dataset, counts = sft.encode_demonstrations(tokenizer, rows, 128, weights)
    assert dataset["weight"] == [3.0, 2.0]  # hh 3 x words 2 x 0.5, and words 2
    assert counts["num_left_out_weight"] == 1
    with pytest.raises(RunError, match="names nowhere, and no demonstration"):
        sft.encode_demonstrations(tokenizer, rows, 128, {"nowhere": 2.0})


@pytest.mark.parametrize("text", ["hh", "hh=x", "=2", "hh=-1", "hh=nan"])
def test_weights_that_cannot_be_read_are_refused(text):
    with pytest.raises(RunError, match="dataset_weights"):
        sft.read_dataset_weights(text)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_demonstration_whose_weight_is_no_weight_is_refused(tokenizer, weight):
    row = demonstration_row(7, [{"role": "user", "content": "red"}], "sun", "train", weight=weight)
    with pytest.raises(RunError, match="Demonstration d7 has the weight"):
        sft.encode_demonstrations(tokenizer, [row], 128)


def test_sharded_weights_read_the_validation_split_in_parts(trainer_of, tokenizer, monkeypatch):
    """A step is not cut there, since processes wait for each other; the validation split is one and the same for all."""
    rows = make_rows(tokenizer, [1.0] * 12)
    trainer = trainer_of(rows, micro_batch_tokens=60)
    expected = trainer.evaluate()["eval_loss"]
    trainer.is_fsdp_enabled = True
    sizes, target_logprobs = [], trainer.target_logprobs
    monkeypatch.setattr(
        trainer,
        "target_logprobs",
        lambda model, part: sizes.append(part["input_ids"].numel()) or target_logprobs(model, part),
    )
    assert trainer.evaluate()["eval_loss"] == pytest.approx(expected)
    assert len(sizes) > 1 and max(sizes) <= 60
