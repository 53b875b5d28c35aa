"""Supervised fine-tuning on the demonstrations of a snapshot (InstructGPT, section 3.5).

    python -m trainer.sft --snapshot DIR --init-model DIR_OR_ID --run-dir DIR

TRL's SFTTrainer does the training. The loss counts the tokens of assistant turns and nothing else, the token
that ends each turn included, so the model learns to stop. Demonstrations come already tokenised
(trainer.modeling: one encoding for all jobs), which makes the mask right for any chat template.

Too long: whole turns are dropped from the end until the rest fits into max_length and ends with the
assistant; a demonstration whose first answer does not fit is left out. Both are counted in the metrics.
Weights: a demonstration of weight 0 is left out; other weights all count as 1 (TRL has no sample weights).
Left out: packing (a padded batch is simpler to follow), PEFT, sample weights.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.jobs import Outcome, input_entry, option, run_job
from trainer.run_dir import RunDir, RunError
from trainer.snapshot import open_snapshot

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger("trainer")
IGNORED = -100  # the label that the loss passes over


@dataclass(kw_only=True)
class SftConfig:
    """Fine-tune a causal language model on demonstrations."""

    snapshot: str = option("Snapshot directory with demonstrations.")
    init_model: str = option("Model to start from: a directory, a finished run, or a hub id.")
    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    learning_rate: float = option("Peak learning rate.", 2e-5)
    lr_scheduler: str = option("linear, cosine, constant or constant_with_warmup.", "cosine")
    warmup_steps: int = option("Steps of linear warm-up.", 0)
    weight_decay: float = option("AdamW's weight decay.", 0.0)
    max_grad_norm: float = option("Gradients are clipped to this norm.", 1.0)
    adam_beta2: float = option("AdamW's second beta; .98 suits short trainings from scratch.", 0.999)
    num_epochs: float = option("Passes over the demonstrations, unless max_steps is given.", 3.0)
    max_steps: int = option("Optimizer steps; -1 goes by num_epochs.", -1)
    per_device_batch_size: int = option("Demonstrations in a forward pass on one device.", 8)
    gradient_accumulation_steps: int = option("Forward passes in one optimizer step.", 1)
    max_length: int = option("Longest demonstration in tokens; the model's own limit if that is less.", 1024)
    gradient_checkpointing: bool = option("Less memory for a slower step.", False)
    logging_steps: int = option("Steps between two rows of metrics.", 10)
    eval_steps: int = option("Steps between two losses on the validation split; 0: only at the end.", 0)
    save_steps: int = option("Steps between two checkpoints; 0: by save_minutes alone.", 0)
    save_minutes: float = option("Minutes between two checkpoints; 0: by save_steps alone.", 10.0)
    seed: int = option("Seed of the order of the demonstrations and of dropout.", 0)


def encode_demonstration(
    tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], max_length: int
) -> tuple[list[int], list[int], int] | None:
    """(token ids, labels, turns dropped), or None when not even the first answer fits or there is none."""
    from trainer.modeling import encode_messages

    for end in range(len(messages), 0, -1):
        if messages[end - 1]["role"] != "assistant":
            continue
        ids, is_assistant = encode_messages(tokenizer, messages[:end])
        if len(ids) <= max_length:
            labels = [token if own else IGNORED for token, own in zip(ids, is_assistant, strict=True)]
            return ids, labels, len(messages) - end
    return None


def encode_demonstrations(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[dict[str, Any]], max_length: int
) -> tuple[Dataset, dict[str, int]]:
    """A dataset of input_ids and labels, and what happened to the rows."""
    import numpy as np
    from datasets import Dataset

    from trainer.modeling import TemplateRefused

    counts = dict.fromkeys(
        ("num_demonstrations", "num_tokens", "num_target_tokens", "num_shortened")
        + ("num_left_out_long", "num_left_out_weight", "num_left_out_template"),
        0,
    )
    columns: dict[str, list[Any]] = {"input_ids": [], "labels": []}
    for row in rows:
        if row["weight"] == 0:
            counts["num_left_out_weight"] += 1
            continue
        try:
            encoded = encode_demonstration(tokenizer, row["messages"], max_length)
        except TemplateRefused:
            counts["num_left_out_template"] += 1
            continue
        if encoded is None:
            counts["num_left_out_long"] += 1
            continue
        ids, labels, num_dropped_turns = encoded
        columns["input_ids"].append(np.array(ids, dtype=np.int32))
        columns["labels"].append(np.array(labels, dtype=np.int32))
        counts["num_demonstrations"] += 1
        counts["num_tokens"] += len(ids)
        counts["num_target_tokens"] += sum(label != IGNORED for label in labels)
        counts["num_shortened"] += num_dropped_turns > 0
    return Dataset.from_dict(columns), counts


def train(config: SftConfig, run: RunDir) -> Outcome:
    from trl import SFTConfig as TrlSftConfig
    from trl import SFTTrainer

    from trainer.hf_training import common_arguments, last_logged, train_resumable
    from trainer.modeling import context_length, load_causal_lm, load_tokenizer, save_model

    # 1. what to learn from, and what to start from
    snapshot = open_snapshot(config.snapshot)
    tokenizer = load_tokenizer(config.init_model)
    model = load_causal_lm(config.init_model, tokenizer)
    max_length = min(config.max_length, context_length(model))
    train_set, counts = encode_demonstrations(tokenizer, snapshot.rows("demonstrations", "train"), max_length)
    eval_set, eval_counts = encode_demonstrations(
        tokenizer, snapshot.rows("demonstrations", "validation"), max_length
    )
    if not len(train_set):
        raise RunError(
            f"The snapshot {config.snapshot} has no demonstration to train on (left out: {counts}); "
            "make one from a campaign with demonstrations, or raise max_length."
        )
    log.info("Training on %s; validation: %d demonstrations", counts, len(eval_set))

    # 2. train, from the last checkpoint if there is one
    trainer = SFTTrainer(
        model=model,
        args=TrlSftConfig(
            **common_arguments(config, run),
            adam_beta2=config.adam_beta2,
            max_length=None,  # already cut, by our rule
            packing=False,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        train_dataset=train_set,
        eval_dataset=eval_set if len(eval_set) else None,
        processing_class=tokenizer,
    )
    trained = train_resumable(trainer, run, config.save_minutes)

    # 3. measure and save
    metrics: dict[str, Any] = {"train_loss": last_logged(trainer, "loss"), **counts}
    if len(eval_set):
        metrics["eval_loss"] = trainer.evaluate()["eval_loss"]
        metrics["num_eval_demonstrations"] = eval_counts["num_demonstrations"]
    args = trainer.args
    num_rows = trained["steps"] * args.train_batch_size * args.gradient_accumulation_steps * args.world_size
    mean_tokens = counts["num_tokens"] / counts["num_demonstrations"]
    metrics["num_steps"] = trainer.state.global_step
    metrics["tokens_per_second"] = round(num_rows * mean_tokens / max(trained["seconds"], 1e-9), 1)
    if run.writes:
        with run.writing_model() as folder:
            save_model(folder, trainer.accelerator.unwrap_model(trainer.model), tokenizer)
    return metrics, {"snapshot": input_entry(config.snapshot), "init_model": input_entry(config.init_model)}


def main() -> None:
    sys.exit(run_job("sft", SftConfig, train))


if __name__ == "__main__":
    main()
