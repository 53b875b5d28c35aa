"""Batches and steps of supervised fine-tuning: TRL's SFTTrainer with little padding and with weights.

A step is a plain random draw of demonstrations, as without any sorting. Inside the step they are sorted by length
and cut into parts that go forward and backward one after another, each padded to its own longest row: the
gradient of the step is the same to the last rounding, and little of the work is padding. Sorting whole
stretches of the training instead (`length_pool`) pads even less and changes which demonstrations meet in a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import Any

import torch
from accelerate.utils import DistributedType
from torch import Tensor, nn
from trl import SFTTrainer

from trainer.batches import cost_of_pass, cut_by_length
from trainer.reward_data import EpochLoader, StepSampler
from trainer.rl_math import token_logprobs

IGNORED = -100  # the label that the loss passes over


def padded(rows: Sequence[dict[str, Any]], pad_id: int) -> dict[str, Tensor]:
    """{input_ids, labels, weights}, each (rows, longest row); a weight for each token, 0 where none counts.

    Padded on the right, where causal attention never looks back at it: no mask is needed.
    """
    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.full((len(rows), width), pad_id)
    labels = torch.full((len(rows), width), IGNORED)
    for at, row in enumerate(rows):
        ids[at, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        labels[at, : len(row["labels"])] = torch.tensor(row["labels"])
    weights = torch.tensor([float(row["weight"]) for row in rows])[:, None]
    return {"input_ids": ids, "labels": labels, "weights": weights * (labels != IGNORED)}


def collate(rows: Sequence[dict[str, Any]], pad_id: int, max_tokens: int, pass_tokens: int) -> dict[str, Any]:
    """One process's share of a step: {parts: [padded tensors], weight: of all target tokens, lengths: [tokens]}."""
    lengths = [len(row["input_ids"]) for row in rows]
    parts = [
        padded([rows[place] for place in part], pad_id)
        for part in cut_by_length(lengths, max_tokens, pass_tokens)
    ]
    # the first token of a row is nobody's prediction
    return {
        "parts": parts,
        "weight": sum(float(part["weights"][:, 1:].double().sum()) for part in parts),
        "lengths": lengths,
    }


class DemonstrationTrainer(SFTTrainer):
    """Loss: the weighted mean of -log p over the assistant's tokens of the whole step, whoever holds them.

    Over accumulation, parts and processes alike, so that none of them changes a step. `options` is the
    SftConfig; rows of the datasets are {input_ids, labels, weight}.
    """

    def __init__(self, options: Any, lengths: Sequence[int], **arguments: Any) -> None:
        self.options, self.lengths = options, lengths
        self.num_tokens = self.sum_of_squares = 0.0  # of the sequences this process went through
        self.num_right: Any = 0  # target tokens that were the likeliest, since the last row of metrics
        self.num_targets = 0
        super().__init__(**arguments)

    def cut(self) -> dict[str, Any]:
        """How a share is cut; sharded weights make every process wait for every pass, so there not at all."""
        pad_id = self.processing_class.pad_token_id  # type: ignore[union-attr]
        if self.is_fsdp_enabled or self.is_deepspeed_enabled:
            return {"pad_id": pad_id, "max_tokens": 0, "pass_tokens": 10**9}
        return {
            "pad_id": pad_id,
            "max_tokens": self.options.micro_batch_tokens,
            "pass_tokens": cost_of_pass(self.args.device),
        }

    def get_train_dataloader(self) -> EpochLoader:
        arguments = self.args
        sampler = StepSampler(
            self.lengths,
            arguments.per_device_train_batch_size,
            arguments.gradient_accumulation_steps,
            arguments.process_index,
            arguments.world_size,
            arguments.seed,
            self.options.length_pool,
        )
        collator = partial(collate, **self.cut())
        return EpochLoader(self.train_dataset, batch_sampler=sampler, collate_fn=collator)  # type: ignore[arg-type]

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
        """The batches of a step, and the weight of its target tokens over accumulation and processes."""
        batches = list(islice(epoch_iterator, num_batches))
        weight = torch.tensor(sum(batch["weight"] for batch in batches), device=device)
        return batches, self.accelerator.reduce(weight, "sum")

    def training_step(
        self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> Tensor:
        """One process's share, part by part; gradients are those of the step's loss."""
        model.train()
        scale = self.args.world_size / float(num_items_in_batch)  # DDP takes the mean over processes
        how = (
            {"scale_wrt_gas": False} if self.accelerator.distributed_type == DistributedType.DEEPSPEED else {}
        )
        total = torch.zeros((), device=self.args.device)
        for at, part in enumerate(inputs["parts"]):
            is_last = at == len(inputs["parts"]) - 1
            with nullcontext() if is_last else self.accelerator.no_sync(model):
                logprobs, weights, is_right = self.target_logprobs(model, self._prepare_inputs(part))
                loss = -scale * (weights * logprobs).sum()
                self.accelerator.backward(loss, **how)
            total += loss.detach()
            self.num_right += is_right.sum()
            self.num_targets += len(is_right)
        self.num_tokens += sum(inputs["lengths"])
        self.sum_of_squares += sum(length**2 for length in inputs["lengths"])
        return total

    def target_logprobs(
        self, model: nn.Module, part: dict[str, Tensor], fused: bool | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of the N target tokens: log-probabilities, weights, and whether each was the likeliest; (N,) each.

        No logits are computed for prompts and padding. On a GPU by TRL's fused output layer, which never holds
        them all; on a CPU that one scores every position, so there the output layer is handed the states of the
        targets alone, and what a family does to its logits afterwards (a soft cap, a scale) still happens.
        """
        inputs = {"input_ids": part["input_ids"], "use_cache": False}
        is_target = part["labels"][:, 1:] != IGNORED
        targets, weights = part["labels"][:, 1:][is_target], part["weights"][:, 1:][is_target]
        if self.args.device.type == "cuda" if fused is None else fused:
            output = model(**inputs, labels=part["labels"], fused_lm_head=True)
            return output.log_probs[is_target], weights, output.is_top1[is_target]

        def gather(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor]:
            return (arguments[0][:, :-1][is_target][None],)

        output_layer = self.accelerator.unwrap_model(model).get_output_embeddings()
        hook = output_layer.register_forward_pre_hook(gather)
        try:
            logits = model(**inputs).logits[0]
        finally:
            hook.remove()
        return token_logprobs(logits, targets), weights, logits.argmax(-1) == targets

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs and self.num_targets:
            logs["mean_token_accuracy"] = float(self.num_right) / self.num_targets
            self.num_right, self.num_targets = 0, 0
        super().log(logs, start_time)

    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """The mean of -log p over all target tokens of the validation split; weights play no part."""
        model: Any = self.model
        was_training = model.training
        model.eval()
        rows: list[dict[str, Any]] = list(self.eval_dataset)  # type: ignore[arg-type]
        total = number = right = 0.0
        pad_id = self.processing_class.pad_token_id  # type: ignore[union-attr]
        lengths = [len(row["input_ids"]) for row in rows]
        # the same parts in every process, so that sharded weights can be waited for
        for places in cut_by_length(lengths, self.options.micro_batch_tokens, cost_of_pass(self.args.device)):
            part = self._prepare_inputs(padded([rows[place] for place in places], pad_id))
            with self.accelerator.autocast():
                logprobs, _, is_right = self.target_logprobs(self.model_wrapped, part)
            total -= float(logprobs.double().sum())
            right += float(is_right.sum())
            number += len(logprobs)
        model.train(was_training)
        metrics = {
            f"{metric_key_prefix}_loss": total / number,
            f"{metric_key_prefix}_mean_token_accuracy": right / number,
        }
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics
