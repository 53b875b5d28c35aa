"""Supervised fine-tuning on the demonstrations of a snapshot (InstructGPT, section 3.5).

    python -m trainer.sft --snapshot DIR --init-model DIR_OR_ID --run-dir DIR

TRL's SFTTrainer does the training. The loss counts the tokens of assistant turns and nothing else, the token
that ends each turn included, so the model learns to stop. Demonstrations come already tokenised
(trainer.modeling: one encoding for all jobs), which makes the mask right for any chat template.

Too long: whole turns are dropped from the end until the rest fits into max_length and ends with the
assistant; a demonstration whose first answer does not fit is left out. Both are counted in the metrics.
Weights: a token counts as much as its demonstration's weight times that of its dataset (--dataset-weights);
a weight of 0 leaves it out.

Batches and steps are in sft_trainer.py, the choice of the best model by its score in sft_selection.py. A last
pass over a dialogue corpus after PPO (ChatGPT's final step) is this job with the PPO run as --init-model.
Every option with its paper, code and test: docs/trainer.md. Left out: packing (sorted inside a step, little
is padding, without one text seeing another's place in the row).
"""

from __future__ import annotations

import importlib.util
import logging
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from trainer.jobs import PRECISIONS, SCHEDULERS, Outcome, input_entry, option, run_job
from trainer.run_dir import RunDir, RunError
from trainer.snapshot import open_snapshot

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger("trainer")
IGNORED = -100  # the label that the loss passes over
ADAPTER = "adapter"  # the folder beside the merged model that holds the adapter alone


@dataclass(kw_only=True)
class SftConfig:
    """Fine-tune a causal language model on demonstrations."""

    snapshot: str = option("Snapshot directory with demonstrations.")
    init_model: str = option("Model to start from: a directory, a finished run, or a hub id.")
    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    learning_rate: float = option("Peak learning rate.", 2e-5, at_least=0)
    lr_scheduler: str = option(
        "linear, cosine, constant or constant_with_warmup.", "cosine", one_of=SCHEDULERS
    )
    warmup_steps: int = option("Steps of linear warm-up.", 0, at_least=0)
    weight_decay: float = option("AdamW's weight decay.", 0.0, at_least=0)
    max_grad_norm: float = option("Gradients are clipped to this norm.", 1.0, above=0)
    adam_beta2: float = option(
        "AdamW's second beta; .98 suits short trainings from scratch.", 0.999, at_least=0, at_most=1
    )
    num_epochs: float = option("Passes over the demonstrations, unless max_steps is given.", 3.0, above=0)
    max_steps: int = option("Optimizer steps; -1 goes by num_epochs.", -1, at_least=1, unless=-1)
    per_device_batch_size: int = option("Demonstrations of a step on one device.", 8, at_least=1)
    gradient_accumulation_steps: int = option("Batches in one optimizer step.", 1, at_least=1)
    micro_batch_tokens: int = option(
        "Most tokens in one forward and backward, padding included.", 16384, at_least=0
    )
    length_pool: int = option(
        "Steps whose demonstrations are sorted by length together; 1: none are.", 1, at_least=1
    )
    max_length: int = option(
        "Longest demonstration in tokens; the model's own limit if that is less.", 1024, at_least=1
    )
    dataset_weights: str = option("Weights by source or campaign: 'name=0.5,other=2'; others weigh 1.", "")
    neftune_alpha: float = option("Noise on the embeddings (NEFTune); 0: none, 5 is usual.", 0.0, at_least=0)
    lora_rank: int = option("Learn an adapter of this rank; 0: all weights.", 0, at_least=0)
    lora_alpha: int = option("Scale of the adapter, divided by its rank.", 32, above=0)
    lora_dropout: float = option("Dropout before the adapter.", 0.0, at_least=0, at_most=1)
    lora_target: str = option("Layers that get one, by the ends of their names, with commas.", "all-linear")
    quantize: bool = option("Hold the frozen base in 4 bits (QLoRA), with lora_rank.", False)
    reward_model: str = option("Finished reward run that chooses the best model by its score.", "")
    score_every: int = option(
        "Steps between two looks at that score; 0: the last model is kept.", 0, at_least=0
    )
    score_patience: int = option(
        "Stop after so many looks without a better score; 0: train on.", 0, at_least=0
    )
    num_score_prompts: int = option("Validation prompts that are answered at a look.", 64, at_least=1)
    score_temperature: float = option("Of those answers, always of one seed; 0: greedy.", 0.0, at_least=0)
    max_new_tokens: int = option("Longest of those answers, in tokens.", 256, at_least=1)
    precision: str = option(
        "bf16, no (float32), or auto: bf16 on a GPU that has it.", "auto", one_of=PRECISIONS
    )
    gradient_checkpointing: bool = option("Less memory for a slower step.", False)
    logging_steps: int = option("Steps between two rows of metrics.", 10, at_least=1)
    eval_steps: int = option(
        "Steps between two losses on the validation split; 0: only at the end.", 0, at_least=0
    )
    save_steps: int = option("Steps between two checkpoints; 0: by save_minutes alone.", 0, at_least=0)
    save_minutes: float = option("Minutes between two checkpoints; 0: by save_steps alone.", 10.0, at_least=0)
    seed: int = option(
        "Seed of the order of the demonstrations and of dropout.", 0, at_least=0, at_most=0xFFFF_FFFF
    )


def check_config(config: SftConfig) -> None:
    rules = {
        "--score-every needs --reward-model DIR, which scores, and the other way round": (
            bool(config.reward_model) == bool(config.score_every)
        ),
        "score_patience needs --score-every": not config.score_patience or bool(config.score_every),
        "quantize needs --lora-rank: weights of 4 bits cannot learn": (
            not config.quantize or config.lora_rank > 0
        ),
    }
    for rule, holds in rules.items():
        if not holds:
            raise RunError(f"{rule}; correct the option.")


def read_dataset_weights(text: str) -> dict[str, float]:
    """{source or campaign: weight} of 'name=0.5,other=2'."""
    weights = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.rpartition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise RunError(f"dataset_weights has {part!r}; write name=number, with commas between.") from None
        if not name or not 0 <= weights[name.strip()] < math.inf:
            raise RunError(f"dataset_weights has {part!r}; write a name and a weight of 0 or more.")
    return weights


def weight_of(row: dict[str, Any], dataset_weights: Mapping[str, float]) -> float:
    """The demonstration's own weight times those of its source and of its campaign."""
    weight = float(row["weight"])
    if not 0 <= weight < math.inf:
        raise RunError(
            f"Demonstration {row['id']} has the weight {weight}, which is no number of 0 or more; "
            "correct it and make the snapshot again."
        )
    return math.prod([weight, *(dataset_weights.get(str(row[name]), 1.0) for name in ("source", "campaign"))])


def encode_demonstration(
    tokenizer: PreTrainedTokenizerBase, messages: list[dict[str, str]], max_length: int
) -> tuple[list[int], list[int], int] | None:
    """(token ids, labels, turns dropped), or None when not even the first answer fits.

    It ends with an answer that has words: silence is not taught.
    """
    from trainer.modeling import encode_messages

    ends = [at + 1 for at, message in enumerate(messages) if is_answer(message)]
    found, at = None, len(ends) - 1
    first, last = 0, len(ends)  # ends before `first` fit, ends from `last` on do not: a few looks tell
    while first < last:
        ids, is_assistant = encode_messages(tokenizer, messages[: ends[at]])
        if len(ids) <= max_length:
            labels = [token if own else IGNORED for token, own in zip(ids, is_assistant, strict=True)]
            found, first = (ids, labels, len(messages) - ends[at]), at + 1
        else:
            last = at
        at = (first + last) // 2
    return found


def is_answer(message: dict[str, str]) -> bool:
    return message["role"] == "assistant" and bool((message["content"] or "").strip())


def encode_demonstrations(
    tokenizer: PreTrainedTokenizerBase,
    rows: Iterable[dict[str, Any]],
    max_length: int,
    dataset_weights: Mapping[str, float] | None = None,
) -> tuple[Dataset, dict[str, int]]:
    """A dataset of input_ids, labels and weight, and what happened to the rows."""
    import numpy as np
    from datasets import Dataset

    from trainer.modeling import TemplateRefused

    counts = dict.fromkeys(
        ("num_demonstrations", "num_tokens", "num_target_tokens", "num_shortened")
        + ("num_left_out_long", "num_left_out_empty", "num_left_out_weight", "num_left_out_template"),
        0,
    )
    columns: dict[str, list[Any]] = {"input_ids": [], "labels": [], "weight": []}
    unused = set(dataset_weights or {})
    for row in rows:
        unused -= {row["source"], row["campaign"]}
        weight = weight_of(row, dataset_weights or {})
        if weight == 0:
            counts["num_left_out_weight"] += 1
            continue
        if not any(map(is_answer, row["messages"])):
            counts["num_left_out_empty"] += 1
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
        columns["weight"].append(weight)
        counts["num_demonstrations"] += 1
        counts["num_tokens"] += len(ids)
        counts["num_target_tokens"] += sum(label != IGNORED for label in labels)
        counts["num_shortened"] += num_dropped_turns > 0
    if unused:
        raise RunError(
            f"dataset_weights names {', '.join(sorted(unused))}, and no demonstration is from there; "
            "write a source or campaign of the snapshot."
        )
    return Dataset.from_dict(columns), counts


def load_base(config: SftConfig, tokenizer: PreTrainedTokenizerBase) -> Any:
    """The model to start from; with --quantize its weights in 4 bits (QLoRA, section 3)."""
    import torch

    from trainer.modeling import load_causal_lm

    if not config.quantize:
        return load_causal_lm(config.init_model, tokenizer)
    if importlib.util.find_spec("bitsandbytes") is None:
        raise RunError(
            "--quantize needs the package bitsandbytes (pip install -e '.[trainer,qlora]'); "
            "without it leave it out: --lora-rank alone works anywhere."
        )
    from transformers import BitsAndBytesConfig

    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return load_causal_lm(config.init_model, tokenizer, torch.bfloat16, quantization_config=four_bits)


def lora_config(config: SftConfig) -> Any:
    """peft's own; None where all weights learn."""
    if not config.lora_rank:
        return None
    from peft import LoraConfig

    names = [name.strip() for name in config.lora_target.split(",")]
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules="all-linear" if names == ["all-linear"] else names,
    )


def make_trainer(
    config: SftConfig,
    run: RunDir,
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    train_set: Dataset,
    eval_set: Dataset,
) -> Any:
    import warnings

    from trl import SFTConfig as TrlSftConfig

    from trainer.hf_training import common_arguments
    from trainer.sft_trainer import DemonstrationTrainer

    shared = common_arguments(config, run, config.precision)
    if not len(eval_set):
        shared |= {"eval_strategy": "no", "eval_steps": None}
    try:
        with warnings.catch_warnings():  # peft asks transformers by a name that is to go
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            trainer = DemonstrationTrainer(
                options=config,
                lengths=[len(row["input_ids"]) for row in train_set],
                model=model,
                args=TrlSftConfig(
                    **shared,
                    adam_beta2=config.adam_beta2,
                    neftune_noise_alpha=config.neftune_alpha or None,
                    max_length=None,  # already cut, by our rule
                    packing=False,
                    dataset_kwargs={"skip_prepare_dataset": True},
                ),
                train_dataset=train_set.with_format("numpy"),
                eval_dataset=eval_set.with_format("numpy") if len(eval_set) else None,
                processing_class=tokenizer,
                peft_config=lora_config(config),
            )
    except ValueError as error:
        if config.lora_rank and "arget modules" in str(error):
            raise RunError(f"--lora-target {config.lora_target}: {str(error).splitlines()[0]}") from None
        raise
    if config.quantize:  # TRL rounds the adapter to bf16, where small steps are lost
        adapted: Any = trainer.model
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight.data = weight.data.float()
    return trainer


def save_result(config: SftConfig, run: RunDir, trainer: Any, tokenizer: PreTrainedTokenizerBase) -> None:
    """Into model/, as every other job reads it. An adapter is saved by itself too (model/adapter), and the model
    is the base as it lies on disk with the adapter added to its weights."""
    from trainer.modeling import load_causal_lm, save_model

    if not run.writes:
        return
    model = trainer.accelerator.unwrap_model(trainer.model)
    with run.writing_model() as folder:
        if config.lora_rank:
            from peft import PeftModel

            model.save_pretrained(folder / ADAPTER)
            base = load_causal_lm(config.init_model, tokenizer)
            model = PeftModel.from_pretrained(base, str(folder / ADAPTER)).merge_and_unload()
        save_model(folder, model, tokenizer)


def trained_flops(trainer: Any) -> float:
    """Model FLOPs of this process's part so far."""
    from trainer.flops import forward_flops

    if not trainer.num_tokens:
        return 0.0
    model = trainer.accelerator.unwrap_model(trainer.model)
    # forward, gradients of activations, and of weights, which an adapter has next to none of
    passes = 2 if trainer.options.lora_rank else 3
    return passes * forward_flops(model, trainer.num_tokens, trainer.sum_of_squares / trainer.num_tokens)


def train(config: SftConfig, run: RunDir) -> Outcome:
    from trainer.hf_training import last_logged, train_resumable
    from trainer.modeling import context_length, load_tokenizer

    # 1. what to learn from, and what to start from
    check_config(config)
    snapshot = open_snapshot(config.snapshot)
    tokenizer = load_tokenizer(config.init_model)
    model = load_base(config, tokenizer)
    max_length = min(config.max_length, context_length(model))
    weights = read_dataset_weights(config.dataset_weights)
    rows = snapshot.rows("demonstrations", "train")
    train_set, counts = encode_demonstrations(tokenizer, rows, max_length, weights)
    rows = snapshot.rows("demonstrations", "validation")
    eval_set, eval_counts = encode_demonstrations(tokenizer, rows, max_length)
    if not len(train_set):
        raise RunError(
            f"The snapshot {config.snapshot} has no demonstration to train on; "
            "make one from a campaign with demonstrations, or raise max_length."
        )
    log.info("Training on %s; validation: %d demonstrations", counts, len(eval_set))

    # 2. train, from the last checkpoint if there is one
    trainer = make_trainer(config, run, model, tokenizer, train_set, eval_set)
    if config.score_every:
        from trainer.sft_selection import ScoreSelection

        trainer.add_callback(ScoreSelection(config, run, trainer, tokenizer, snapshot))
    trained = train_resumable(trainer, run, config.save_minutes, partial(trained_flops, trainer))

    # 3. choose, measure and save
    metrics: dict[str, Any] = {"train_loss": last_logged(trainer, "loss"), **counts}
    if config.score_every:
        from trainer.sft_selection import put_best

        metrics |= put_best(run, trainer)
    if len(eval_set):
        metrics["eval_loss"] = trainer.evaluate()["eval_loss"]
        metrics["num_eval_demonstrations"] = eval_counts["num_demonstrations"]
    else:
        log.warning("The snapshot has no validation demonstrations: the loss on unseen ones is not known")
    metrics |= {"num_steps": trainer.state.global_step, "num_processes": trainer.args.world_size}
    num_tokens = trainer.args.world_size * trainer.num_tokens  # padding does not count
    metrics |= trained | {"tokens_per_second": round(num_tokens / max(trained["seconds"], 1e-9), 1)}
    save_result(config, run, trainer, tokenizer)
    inputs = {"snapshot": input_entry(config.snapshot), "init_model": input_entry(config.init_model)}
    if config.reward_model:
        inputs["reward_model"] = input_entry(config.reward_model)
    return metrics, inputs


def main() -> None:
    sys.exit(run_job("sft", SftConfig, train))


if __name__ == "__main__":
    main()
