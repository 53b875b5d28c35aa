"""A reward model from the rankings of a snapshot, with the K-wise loss (InstructGPT, sections 3.5 and 4.1).

    python -m trainer.reward --snapshot DIR --init-model SFT_DIR --run-dir DIR

The SFT model gets a scalar head. One ranking is one element of a batch: each of its K completions goes
forward once, and the loss is the mean over all its pairs; a mean over rankings follows, so that K does not
weigh. Training on the pairs one by one instead costs K-1 times the tokens and overfits, because each
completion comes K-1 times.

Tiers give the pairs: every completion of a tier above every completion of the tiers below. A tie makes no
pair and an unranked completion takes no part. Left out and counted: rankings marked all bad, rankings without
a pair, completions whose conversation is longer than max_length (their ranking goes on without them).

The score of a completion is the head's value at its last token. It is stored with a mean and a spread that
bring reference completions to mean 0 and variance 1: those of --reference-run where given, else the train
rankings'.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.files import iterate_jsonl
from trainer.jobs import Outcome, input_entry, option, run_job
from trainer.run_dir import RunDir, RunError, read_manifest
from trainer.snapshot import Snapshot, open_snapshot

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger("trainer")
MOST_FOR_TRAIN_ACCURACY = 256  # rankings; the figure is only there to be held against the validation split's
MOST_FOR_NORMALIZATION = 2048  # completions; the mean is then known to about 2 % of the spread


@dataclass(kw_only=True)
class RewardConfig:
    """Train a reward model on rankings."""

    snapshot: str = option("Snapshot directory with rankings.")
    init_model: str = option("The SFT model to start from: a directory, a finished run, or a hub id.")
    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    reference_run: str = option("Finished sample run whose completions shall score 0 on average.", "")
    learning_rate: float = option("Peak learning rate.", 1e-5)
    lr_scheduler: str = option("linear, cosine, constant or constant_with_warmup.", "cosine")
    warmup_steps: int = option("Steps of linear warm-up.", 0)
    weight_decay: float = option("AdamW's weight decay.", 0.01)
    max_grad_norm: float = option("Gradients are clipped to this norm.", 1.0)
    num_epochs: float = option(
        "Passes over the rankings, unless max_steps is given; more than one overfits.", 1.0
    )
    max_steps: int = option("Optimizer steps; -1 goes by num_epochs.", -1)
    per_device_batch_size: int = option(
        "Rankings (of K completions each) in a forward pass on one device.", 8
    )
    gradient_accumulation_steps: int = option("Forward passes in one optimizer step.", 1)
    max_length: int = option("Longest prompt with completion in tokens; at most the model's own limit.", 1024)
    gradient_checkpointing: bool = option("Less memory for a slower step.", False)
    logging_steps: int = option("Steps between two rows of metrics.", 10)
    eval_steps: int = option("Steps between two accuracies on the validation split; 0: only at the end.", 0)
    save_steps: int = option("Steps between two checkpoints; 0: by save_minutes alone.", 0)
    save_minutes: float = option("Minutes between two checkpoints; 0: by save_steps alone.", 10.0)
    seed: int = option("Seed of the head's first weights and of the order of the rankings.", 0)


# ---------------------------------------------------------------- the loss


def reward_loss(
    scores: torch.Tensor, tiers: torch.Tensor, ranking: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean over rankings of the mean over pairs of -log sigmoid(better - worse) (InstructGPT, equation 1).

    scores (N,): one for each completion. tiers (N,): its place, 0 the best; equal tiers make no pair.
    ranking (N,): which ranking it belongs to; None: all to one. A ranking without a pair counts for nothing.
    """
    import torch

    if ranking is None:
        ranking = torch.zeros_like(tiers)
    is_pair = (ranking[:, None] == ranking[None, :]) & (tiers[:, None] < tiers[None, :])  # (better, worse)
    better, worse = is_pair.nonzero(as_tuple=True)
    losses = -torch.nn.functional.logsigmoid(scores[better] - scores[worse])
    num_pairs = torch.bincount(ranking[better], minlength=int(ranking.max()) + 1)
    weights = 1.0 / (num_pairs[ranking[better]] * (num_pairs > 0).sum())
    return (losses * weights).sum()


# ---------------------------------------------------------------- rankings as tokens


@dataclass
class EncodedRanking:
    """The ranked completions of one ranking: token ids of prompt with completion, and the tier of each."""

    sequences: list[list[int]]
    tiers: list[int]

    @property
    def num_pairs(self) -> int:
        return sum(a < b for a in self.tiers for b in self.tiers)


def encode_ranking(
    tokenizer: PreTrainedTokenizerBase, row: dict[str, Any], max_length: int
) -> tuple[EncodedRanking, int]:
    """The ranking's tokens, and how many completions were too long."""
    from trainer.modeling import encode_messages

    texts = {completion["id"]: completion["text"] for completion in row["completions"]}
    encoded, num_long = EncodedRanking([], []), 0
    for tier, members in enumerate(row["tiers"]):
        for member in members:
            if member not in texts:
                raise RunError(
                    f"Ranking {row['id']} ranks {member}, which it does not hold; make the snapshot again."
                )
            messages = [*row["prompt"], {"role": "assistant", "content": texts[member]}]
            ids = encode_messages(tokenizer, messages)[0]
            if len(ids) > max_length:
                num_long += 1
                continue
            encoded.sequences.append(ids)
            encoded.tiers.append(tier)
    return encoded, num_long


def encode_rankings(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[dict[str, Any]], max_length: int
) -> tuple[list[EncodedRanking], dict[str, int]]:
    """The rankings that can be learned from, and what happened to the rows."""
    from trainer.modeling import TemplateRefused

    counts = dict.fromkeys(
        ("num_rankings", "num_pairs", "num_completions", "num_left_out_all_bad", "num_left_out_no_pair")
        + ("num_left_out_template", "num_long_completions"),
        0,
    )
    rankings = []
    for row in rows:
        if row["all_bad"]:
            counts["num_left_out_all_bad"] += 1
            continue
        try:
            encoded, num_long = encode_ranking(tokenizer, row, max_length)
        except TemplateRefused:
            counts["num_left_out_template"] += 1
            continue
        counts["num_long_completions"] += num_long
        if not encoded.num_pairs:
            counts["num_left_out_no_pair"] += 1
            continue
        rankings.append(encoded)
        counts["num_rankings"] += 1
        counts["num_pairs"] += encoded.num_pairs
        counts["num_completions"] += len(encoded.sequences)
    return rankings, counts


def collate(rankings: Sequence[EncodedRanking], pad_id: int) -> dict[str, torch.Tensor]:
    """Every completion of the rankings once: input_ids and attention_mask (N, T), tiers and ranking (N,)."""
    import torch

    from trainer.modeling import pad_right

    inputs = pad_right([sequence for encoded in rankings for sequence in encoded.sequences], pad_id)
    inputs["tiers"] = torch.tensor([tier for encoded in rankings for tier in encoded.tiers])
    inputs["ranking"] = torch.tensor([at for at, encoded in enumerate(rankings) for _ in encoded.tiers])
    return inputs


# ---------------------------------------------------------------- measuring


def measure(model: PreTrainedModel, rankings: Sequence[EncodedRanking], pad_id: int) -> dict[str, float]:
    """Loss, and the share of pairs ordered as the annotator did: over all pairs, and mean over rankings.

    Equal scores count half.
    """
    import torch

    from trainer.modeling import raw_scores

    was_training = model.training
    model.eval()
    scores = raw_scores(model, [sequence for encoded in rankings for sequence in encoded.sequences], pad_id)
    model.train(was_training)
    losses, shares, right, total, start = [], [], 0.0, 0, 0
    for encoded in rankings:
        own = scores[start : start + len(encoded.tiers)]
        start += len(encoded.tiers)
        tiers = torch.tensor(encoded.tiers)
        gaps = (own[:, None] - own[None, :])[tiers[:, None] < tiers[None, :]]
        own_right = float((gaps > 0).sum() + 0.5 * (gaps == 0).sum())
        losses.append(float(reward_loss(own, tiers)))
        shares.append(own_right / len(gaps))
        right, total = right + own_right, total + len(gaps)
    return {
        "loss": sum(losses) / len(losses),
        "accuracy": right / total,
        "accuracy_per_ranking": sum(shares) / len(shares),
    }


def reference_sequences(
    config: RewardConfig,
    tokenizer: PreTrainedTokenizerBase,
    snapshot: Snapshot,
    rankings: Sequence[EncodedRanking],
    max_length: int,
) -> tuple[str, list[list[int]]]:
    """Where the scale of the scores comes from, and its conversations as tokens."""
    from pathlib import Path

    from trainer.modeling import encode_messages

    if not config.reference_run:
        return "train rankings", [sequence for encoded in rankings for sequence in encoded.sequences]
    read_manifest(config.reference_run, verify=True)
    prompts = {row["id"]: row["prompt"] for row in snapshot.rows("prompts")}
    sequences = []
    for row in iterate_jsonl(Path(config.reference_run) / "completions.jsonl"):
        if row["prompt_id"] in prompts:
            messages = [*prompts[row["prompt_id"]], {"role": "assistant", "content": row["text"]}]
            ids = encode_messages(tokenizer, messages)[0]
            sequences += [ids] if len(ids) <= max_length else []
    if len(sequences) < 2:
        raise RunError(
            f"{config.reference_run} holds no completions for the prompts of {config.snapshot}; "
            "sample from this snapshot's prompts, or leave --reference-run out."
        )
    return str(config.reference_run), sequences


def normalization(
    model: PreTrainedModel, sequences: list[list[int]], pad_id: int, seed: int
) -> dict[str, float]:
    """Mean and spread of the raw score over (at most MOST_FOR_NORMALIZATION of) the sequences."""
    from trainer.modeling import raw_scores

    if len(sequences) > MOST_FOR_NORMALIZATION:
        sequences = random.Random(seed).sample(sequences, MOST_FOR_NORMALIZATION)
    scores = raw_scores(model.eval(), sequences, pad_id).double()
    std = float(scores.std())
    return {
        "mean": float(scores.mean()),
        "std": std if std > 1e-6 else 1.0,
        "num_completions": len(sequences),
    }


# ---------------------------------------------------------------- the job


def make_trainer(
    model: PreTrainedModel,
    arguments: Any,
    train_set: Sequence[EncodedRanking],
    eval_set: Sequence[EncodedRanking],
    pad_id: int,
) -> Any:
    """A transformers.Trainer whose batches are rankings and whose evaluation is pair accuracy."""
    from functools import partial

    from transformers import Trainer

    class RankingTrainer(Trainer):
        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Any = None,
        ) -> Any:
            tiers, ranking = inputs.pop("tiers"), inputs.pop("ranking")
            output = model(**inputs, use_cache=False)
            loss = reward_loss(output.logits[:, 0].float(), tiers, ranking)
            return (loss, output) if return_outputs else loss

        def evaluate(
            self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
        ) -> dict[str, float]:
            measured = measure(self.accelerator.unwrap_model(self.model), eval_set, pad_id)
            metrics = {f"{metric_key_prefix}_{name}": value for name, value in measured.items()}
            self.log(metrics)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

    trainer = RankingTrainer(
        model=model,
        args=arguments,
        train_dataset=train_set,
        eval_dataset=eval_set or None,
        data_collator=partial(collate, pad_id=pad_id),
    )
    # our loss is a mean over rankings: the Trainer shall divide it by the accumulation steps
    trainer.model_accepts_loss_kwargs = False
    return trainer


def train(config: RewardConfig, run: RunDir) -> Outcome:
    from transformers import TrainingArguments

    from trainer.hf_training import common_arguments, last_logged, train_resumable
    from trainer.modeling import context_length, load_tokenizer, new_reward_model, save_model

    # 1. what to learn from, and what to start from
    snapshot = open_snapshot(config.snapshot)
    tokenizer = load_tokenizer(config.init_model)
    model = new_reward_model(config.init_model, tokenizer, config.seed)
    max_length = min(config.max_length, context_length(model))
    train_set, counts = encode_rankings(tokenizer, snapshot.rows("rankings", "train"), max_length)
    eval_set, eval_counts = encode_rankings(tokenizer, snapshot.rows("rankings", "validation"), max_length)
    if not train_set:
        raise RunError(
            f"The snapshot {config.snapshot} has no ranking with a pair to train on (left out: {counts}); "
            "make one from a campaign with rankings, or raise max_length."
        )
    log.info("Training on %s; validation: %d rankings", counts, len(eval_set))
    scale_from, references = reference_sequences(config, tokenizer, snapshot, train_set, max_length)

    # 2. train, from the last checkpoint if there is one
    shared = common_arguments(config, run)
    if not eval_set:
        shared |= {"eval_strategy": "no", "eval_steps": None}
    pad_id = tokenizer.pad_token_id
    arguments = TrainingArguments(**shared, remove_unused_columns=False)
    trainer = make_trainer(model, arguments, train_set, eval_set, pad_id)
    trained = train_resumable(trainer, run, config.save_minutes)

    # 3. measure: held-out accuracy first, the train split's beside it
    metrics: dict[str, Any] = {"loss": last_logged(trainer, "loss"), **counts}
    if eval_set:
        held_out = trainer.evaluate()
        metrics |= {name: held_out[f"eval_{name}"] for name in ("accuracy", "accuracy_per_ranking")}
        metrics["eval_loss"] = held_out["eval_loss"]
        metrics |= {f"num_eval_{name}": eval_counts[f"num_{name}"] for name in ("rankings", "pairs")}
    else:
        log.warning("The snapshot has no validation rankings: the accuracy on unseen prompts is not known")
    reward_model = trainer.accelerator.unwrap_model(trainer.model)
    subset = random.Random(config.seed).sample(train_set, min(len(train_set), MOST_FOR_TRAIN_ACCURACY))
    metrics["train_accuracy"] = measure(reward_model, subset, pad_id)["accuracy"]
    metrics["num_steps"] = trainer.state.global_step
    metrics["seconds"] = round(trained["seconds"], 2)

    # 4. save, with the scale of the scores
    scale = normalization(reward_model, references, pad_id, config.seed)
    metrics |= {"score_mean": scale["mean"], "score_std": scale["std"]}
    if run.writes:
        with run.writing_model() as folder:
            save_model(folder, reward_model, tokenizer, scale | {"from": scale_from})
    inputs = {"snapshot": input_entry(config.snapshot), "init_model": input_entry(config.init_model)}
    if config.reference_run:
        inputs["reference_run"] = input_entry(config.reference_run)
    return metrics, inputs


def main() -> None:
    sys.exit(run_job("reward", RewardConfig, train))


if __name__ == "__main__":
    main()
