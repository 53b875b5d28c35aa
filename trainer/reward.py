"""A reward model from the rankings of a snapshot, with the K-wise loss (InstructGPT, sections 3.5 and 4.1).

    python -m trainer.reward --snapshot DIR --init-model SFT_DIR --run-dir DIR

The SFT model gets a scalar head. One set of K completions is one element of a batch: each goes forward once (or,
with --layout tree, even their prompt does) for all rankings of them, whoever gave these; the loss of a ranking is the
mean over all its pairs; a mean over the step's rankings follows, so that K does not weigh. Training on the pairs
one by one instead costs K-1 times the tokens and overfits, because each completion comes K-1 times.

Tiers give the pairs: every completion of a tier above every completion of the tiers below. A tie makes no
pair (unless --ties gives it a likelihood) and an unranked completion takes no part. Left out and counted:
rankings marked all bad, rankings without a pair, empty completions and those whose conversation is longer than
max_length (their ranking goes on without them).

The score of a completion is the head's value at its last token. It is stored with a mean and a spread that
bring reference completions to mean 0 and variance 1: those of --reference-run where given, else the train
rankings'; and with the temperature at which sigmoid(gap / T) is the share of people who agree.

reward_data.py has the tokens and batches, reward_loss.py the formulas, reward_model.py heads and objective.
Every option with its paper, formula and test: docs/trainer.md.
"""

from __future__ import annotations

import json
import logging
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.files import iterate_jsonl, why_unreadable
from trainer.jobs import SCHEDULERS, Outcome, input_entry, option, run_job
from trainer.run_dir import RunDir, RunError, read_manifest
from trainer.snapshot import Snapshot, open_snapshot

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from trainer.reward_data import EncodedRanking, TargetIndex, Targets
    from trainer.reward_model import RewardObjective

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
    learning_rate: float = option("Peak learning rate.", 1e-5, at_least=0)
    lr_scheduler: str = option(
        "linear, cosine, constant or constant_with_warmup.", "cosine", one_of=SCHEDULERS
    )
    warmup_steps: int = option("Steps of linear warm-up.", 0, at_least=0)
    weight_decay: float = option("AdamW's weight decay.", 0.01, at_least=0)
    max_grad_norm: float = option("Gradients are clipped to this norm.", 1.0, above=0)
    num_epochs: float = option(
        "Passes over the rankings, unless max_steps is given; more than one overfits.", 1.0, above=0
    )
    max_steps: int = option("Optimizer steps; -1 goes by num_epochs.", -1, at_least=1, unless=-1)
    per_device_batch_size: int = option(
        "Sets of K completions on one device in a step, each with every ranking of it.", 8, at_least=1
    )
    micro_batch_tokens: int = option(
        "Most tokens in one forward and backward, padding included; 0: the whole batch at once.",
        16384,
        at_least=0,
    )
    layout: str = option(
        "rows: each completion with its prompt before it; tree: the prompt once for all its completions; "
        "auto: what costs less, ranking by ranking.",
        "auto",
        one_of=("auto", "rows", "tree"),
    )
    gradient_accumulation_steps: int = option("Batches in one optimizer step.", 1, at_least=1)
    max_length: int = option(
        "Longest prompt with completion in tokens; at most the model's own limit.", 1024, at_least=1
    )
    gradient_checkpointing: bool = option("Less memory for a slower step.", False)
    ties: str = option(
        "drop: a tie makes no pair; rao_kupper or davidson: a tie is an outcome with a probability.",
        "drop",
        one_of=("drop", "rao_kupper", "davidson"),
    )
    tie_parameter: float = option(
        "Theta of rao_kupper (above 1) or nu of davidson; 0: learned.", 0.0, at_least=0
    )
    margin: str = option(
        "What the better has to win by: none, tiers (tiers between the two, or the strength of a choice) or ratings (gap of the overall "
        "ratings, 0 to 1).",
        "none",
        one_of=("none", "tiers", "ratings"),
    )
    margin_scale: float = option("Factor of the margin.", 1.0)
    annotator_weights: str = option("JSON file {annotator: weight}; who is not in it weighs 1.", "")
    label_flip_rate: float = option("Share of pairs that are taken to be the wrong way round.", 0.0)
    learn_annotators: bool = option("Learn a flip rate for each annotator.", False)
    rating_coef: float = option("Weight of the ratings' ordinal loss beside the rankings'.", 0.0, at_least=0)
    rating_levels: int = option("Levels that every scale of ratings is brought to.", 7)
    judgement_coef: float = option(
        "Weight of the loss of good or bad (flags, all bad, thumbs).", 0.0, at_least=0
    )
    length_coef: float = option(
        "Weight of ODIN's terms, which take length out of the score.", 0.0, at_least=0
    )
    criteria: str = option(
        "Criteria with a head each, from the rankings' own criteria or ratings: 'a,b' learns how they mix into "
        "the score, 'a=0.7,b=0.3' fixes it.",
        "",
    )
    ensemble_size: int = option(
        "Heads with randomised priors, for an uncertainty; 1: a single head.", 1, at_least=1
    )
    prior_scale: float = option("Size of the ensemble's priors, in spreads of a fresh head.", 1.0, at_least=0)
    scalar_learning_rate: float = option(
        "Learning rate of the few numbers beside the model (ties, flips, thresholds, mix).", 0.01, at_least=0
    )
    logging_steps: int = option("Steps between two rows of metrics.", 10, at_least=1)
    eval_steps: int = option(
        "Steps between two accuracies on the validation split; 0: only at the end.", 0, at_least=0
    )
    keep: str = option(
        "What the run ends with: last, or best: as it was when the loss on the validation split, after its "
        "calibration, was least, of the looks that eval_steps sets (little feedback is soon learned by heart).",
        "last",
        one_of=("last", "best"),
    )
    save_steps: int = option("Steps between two checkpoints; 0: by save_minutes alone.", 0, at_least=0)
    save_minutes: float = option("Minutes between two checkpoints; 0: by save_steps alone.", 10.0, at_least=0)
    seed: int = option(
        "Seed of the head's first weights and of the order of the rankings.",
        0,
        at_least=0,
        at_most=0xFFFF_FFFF,
    )


def check_config(config: RewardConfig) -> None:
    rules = {
        "label_flip_rate must be at least 0 and below 0.5": 0 <= config.label_flip_rate < 0.5,
        "rating_levels must be at least 2": config.rating_levels >= 2,
        "keep best chooses among the looks that eval_steps sets, so that must be above 0": (
            config.keep == "last" or config.eval_steps > 0
        ),
        "tie_parameter of rao_kupper must be above 1, or 0 to learn it": (
            config.ties != "rao_kupper" or config.tie_parameter == 0 or config.tie_parameter > 1
        ),
    }
    for rule, holds in rules.items():
        if not holds:
            raise RunError(f"{rule}; correct the option.")


def read_criteria(text: str) -> dict[str, float]:
    """{name: weight in the mix}, NaN for weights to be learned; 'a,b' or 'a=0.7,b=0.3'."""
    mix = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, has_weight, weight = part.partition("=")
        try:
            mix[name.strip()] = float(weight) if has_weight else math.nan
        except ValueError:
            raise RunError(
                f"criteria has the weight {weight!r}; write name=number, or names alone."
            ) from None
    if len({math.isnan(weight) for weight in mix.values()}) > 1:
        raise RunError(
            "criteria gives a weight to some names only; give one to all, or to none to learn them."
        )
    return mix


def read_annotator_weights(path: str, rankings: Sequence[EncodedRanking]) -> dict[str | None, float]:
    """{annotator: weight}, scaled so that the mean over the rankings is 1 and the learning rate keeps its sense."""
    if not path:
        return {}
    try:
        given = json.loads(Path(path).read_text(encoding="utf-8"))
        weights = {str(name): float(weight) for name, weight in given.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise RunError(
            f"{path} is no JSON object of annotators and weights ({why_unreadable(error)})."
        ) from None
    if any(not math.isfinite(weight) or weight < 0 for weight in weights.values()):
        raise RunError(f"{path} holds a weight that is negative or no number; correct it.")
    mean = sum(weights.get(str(encoded.annotator), 1.0) for encoded in rankings) / len(rankings)
    if not mean:
        raise RunError(f"{path} gives every annotator of the train rankings the weight 0.")
    return {encoded.annotator: weights.get(str(encoded.annotator), 1.0) / mean for encoded in rankings}


# ---------------------------------------------------------------- measuring


def pair_gaps(model: PreTrainedModel, rankings: Sequence[EncodedRanking], pad_id: int) -> list[torch.Tensor]:
    """Of each ranking, score of the better minus score of the worse for its pairs, (pairs,) raw."""
    import torch

    from trainer.modeling import raw_scores

    was_training = model.training
    model.eval()
    distinct: dict[tuple[int, ...], int] = {}
    places = [
        [distinct.setdefault(tuple(ids), len(distinct)) for ids in encoded.sequences] for encoded in rankings
    ]
    scores = raw_scores(model, list(distinct), pad_id)
    model.train(was_training)
    gaps = []
    for encoded, place in zip(rankings, places, strict=True):
        own = scores[place]
        tiers = torch.tensor(encoded.tiers)
        is_pair = (tiers[:, None] < tiers[None, :]) & (tiers[:, None] >= 0)
        if is_pair.any():
            gaps.append((own[:, None] - own[None, :])[is_pair])
    return gaps


def measure(gaps: Sequence[torch.Tensor]) -> dict[str, float]:
    """Loss, and the share of pairs ordered as the annotator did: over all pairs, and mean over rankings.

    Equal scores count half. The loss is the plain one (InstructGPT, equation 1), whatever was trained.
    """
    from torch.nn.functional import logsigmoid

    losses = [-float(logsigmoid(own).mean()) for own in gaps]
    right = [float((own > 0).sum() + 0.5 * (own == 0).sum()) for own in gaps]
    shares = [number / len(own) for number, own in zip(right, gaps, strict=True)]
    return {
        "loss": sum(losses) / len(losses),
        "accuracy": sum(right) / sum(map(len, gaps)),
        "accuracy_per_ranking": sum(shares) / len(shares),
    }


def calibrate(gaps: Sequence[torch.Tensor]) -> dict[str, float]:
    """The temperature that fits the held-out pairs, and the calibration error without and with it."""
    import torch

    from trainer.reward_loss import calibration_error, fit_temperature

    flat = torch.cat(list(gaps))
    weights = torch.cat([torch.full((len(own),), 1 / len(own)) for own in gaps])
    temperature = fit_temperature(flat, weights)
    is_right = (flat > 0).float() + 0.5 * (flat == 0).float()
    raw, scaled = (torch.sigmoid(flat.abs() / t) for t in (1.0, temperature))
    return {
        "temperature": temperature,
        "calibration_error_before": calibration_error(raw, is_right),
        "calibration_error": calibration_error(scaled, is_right),
    }


def reference_sequences(
    config: RewardConfig,
    tokenizer: PreTrainedTokenizerBase,
    snapshot: Snapshot,
    rankings: Sequence[EncodedRanking],
    max_length: int,
) -> tuple[str, list[list[int]]]:
    """Where the scale of the scores comes from, and its conversations as tokens."""
    from trainer.modeling import encode_messages

    if not config.reference_run:
        distinct = dict.fromkeys(tuple(ids) for encoded in rankings for ids in encoded.sequences)
        return "train rankings", [list(ids) for ids in distinct]
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
    std = float(scores.std()) if len(scores) > 1 else 0.0
    return {
        "mean": float(scores.mean()),
        "std": std if std > 1e-6 else 1.0,
        "num_completions": len(sequences),
    }


# ---------------------------------------------------------------- the job


def make_trainer(
    objective: RewardObjective,
    arguments: Any,
    train_set: Sequence[EncodedRanking],
    eval_set: Sequence[EncodedRanking],
    pad_id: int,
) -> Any:
    """A transformers.Trainer whose batches are rankings and whose evaluation is pair accuracy."""
    from contextlib import nullcontext
    from functools import partial

    import torch
    from transformers import Trainer

    from trainer.reward_data import EpochLoader, StepSampler, batch_elements, collate
    from trainer.reward_model import trunk_shape

    options, shape = objective.options, trunk_shape(objective.model)
    # the length terms are a correlation over the batch, which parts of a batch would each have their own of
    max_tokens = 0 if options.length_coef else options.micro_batch_tokens
    elements = batch_elements(train_set)
    scalars = [*objective.scalars.values()]
    scalars += [p for name, p in objective.named_parameters() if name.endswith("mix_logits")]

    class RankingTrainer(Trainer):
        def get_train_dataloader(self) -> EpochLoader:
            arguments = self.args
            sampler = StepSampler(
                [element.tree_length for element in elements],  # in either layout: the same steps
                arguments.per_device_train_batch_size,
                arguments.gradient_accumulation_steps,
                arguments.process_index,
                arguments.world_size,
                arguments.seed,
            )
            collator = partial(
                collate, pad_id=pad_id, max_tokens=max_tokens, index=objective.index, shape=shape
            )
            return EpochLoader(elements, batch_sampler=sampler, collate_fn=collator)  # type: ignore[arg-type]

        def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
            optimizer = super().create_optimizer(model)
            own = {id(parameter) for parameter in scalars}
            for group in optimizer.param_groups:
                group["params"] = [p for p in group["params"] if id(p) not in own]
            learned = [parameter for parameter in scalars if parameter.requires_grad]
            if learned:
                rate = {"lr": options.scalar_learning_rate, "weight_decay": 0.0}
                optimizer.add_param_group({"params": learned, **rate})
            return optimizer

        def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: torch.device) -> Any:
            """The batches of a step, and its rankings over accumulation and processes."""
            batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
            number = torch.tensor(sum(batch["num_rankings"] for batch in batches), device=device)
            return batches, self.accelerator.reduce(number, "sum")

        def training_step(
            self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
        ) -> torch.Tensor:
            """The share of one process, part by part; gradients are those of the mean over the step's rankings."""
            model.train()
            scale = self.args.world_size / float(num_items_in_batch)  # DDP takes the mean over processes
            total = torch.zeros((), device=self.args.device)
            parts = inputs["micro_batches"]
            for at, part in enumerate(parts):
                is_last = at == len(parts) - 1
                with nullcontext() if is_last else self.accelerator.no_sync(model):
                    loss = model(self._prepare_inputs(part), scale)
                    self.accelerator.backward(loss)
                total += loss.detach()
            return total

        def floating_point_ops(self, inputs: dict[str, Any]) -> int:
            objective.trained_flops += inputs["flops"]
            return int(inputs["flops"])

        def evaluate(
            self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
        ) -> dict[str, float]:
            gaps = pair_gaps(objective.model, eval_set, pad_id)
            self.calibration = calibrate(gaps)
            measured = measure(gaps)
            scaled = [own / self.calibration["temperature"] for own in gaps]
            measured["calibrated_loss"] = measure(scaled)["loss"]
            metrics = {f"{metric_key_prefix}_{name}": value for name, value in measured.items()}
            self.log(metrics)
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

    return RankingTrainer(
        model=objective, args=arguments, train_dataset=elements, eval_dataset=eval_set or None
    )


def choose_layouts(
    config: RewardConfig, model: PreTrainedModel, rankings: Sequence[EncodedRanking], pad_id: int
) -> None:
    """Set each ranking's layout; a model that cannot read trees reads rows, and that is said."""
    from trainer.reward_data import batch_elements, choose_layout
    from trainer.reward_model import trunk_shape, why_no_tree

    shape = trunk_shape(model)
    if config.layout == "rows":
        return
    elements = batch_elements(rankings)
    chosen = ["tree" if config.layout == "tree" else choose_layout(element, shape) for element in elements]
    if config.length_coef and "tree" in chosen:  # one batch, one layout: the more frequent
        chosen = [max(("rows", "tree"), key=chosen.count)] * len(chosen)
    if "tree" in chosen and (reason := why_no_tree(model, elements, pad_id)):
        log.warning("%s reads rows, not trees: %s", type(model).__name__, reason)
        return
    for element, layout in zip(elements, chosen, strict=True):
        for ranking in element.rankings:
            ranking.layout = layout


def index_of(config: RewardConfig, targets: Targets, rankings: Sequence[EncodedRanking]) -> TargetIndex:
    """Numbers for the annotators, criteria and ratings that the train rankings hold; refuses what they lack."""
    from trainer.reward_data import TargetIndex

    annotators = list(dict.fromkeys(encoded.annotator for encoded in rankings))
    rated = sorted({name for encoded in rankings for name in encoded.ratings})
    for name in targets.criteria:
        if not any(max(encoded.criteria[name], default=-1) >= 0 for encoded in rankings):
            raise RunError(
                f"No train ranking says anything of the criterion {name!r}; rated are: {', '.join(rated) or 'none'}."
            )
    if config.rating_coef and not rated:
        raise RunError("rating_coef asks for ratings and the train rankings have none; leave it at 0.")
    if config.margin == "ratings" and "overall" not in rated:
        raise RunError(
            "margin ratings needs ratings of the criterion 'overall', and the train rankings have none."
        )
    return TargetIndex(
        annotators={name: at for at, name in enumerate(annotators)},
        weights=read_annotator_weights(config.annotator_weights, rankings),
        criteria=targets.criteria,
        rated=tuple(rated),
        rating_levels=config.rating_levels,
    )


def train(config: RewardConfig, run: RunDir) -> Outcome:
    from transformers import TrainingArguments

    from trainer.hf_training import common_arguments, last_logged, train_resumable
    from trainer.modeling import context_length, load_tokenizer, new_reward_model, save_model
    from trainer.reward_data import Targets, encode_rankings
    from trainer.reward_model import RewardObjective, collapse_heads, last_mlp_of, use_heads

    # 1. what to learn from, and what to start from
    check_config(config)
    mix = read_criteria(config.criteria)
    snapshot = open_snapshot(config.snapshot)
    tokenizer = load_tokenizer(config.init_model)
    pad_id = tokenizer.pad_token_id
    model = new_reward_model(config.init_model, tokenizer, config.seed)
    max_length = min(config.max_length, context_length(model))
    targets = Targets(
        ties=config.ties != "drop",
        ratings=bool(config.rating_coef) or config.margin == "ratings",
        judgements=bool(config.judgement_coef),
        criteria=tuple(mix),
        num_heads=config.ensemble_size,
        seed=config.seed,
    )
    rows = snapshot.rows("rankings", "train")
    train_set, counts = encode_rankings(tokenizer, rows, max_length, targets)
    eval_set, eval_counts = encode_rankings(tokenizer, snapshot.rows("rankings", "validation"), max_length)
    log.info("Training on %s; validation: %d rankings", counts, len(eval_set))
    if not train_set:
        raise RunError(
            f"The snapshot {config.snapshot} has no ranking with a pair to train on; "
            "make one from a campaign with rankings, or raise max_length."
        )
    scale_from, references = reference_sequences(config, tokenizer, snapshot, train_set, max_length)
    choose_layouts(config, model, train_set, pad_id)
    counts["num_trees"] = sum(encoded.layout == "tree" for encoded in train_set)
    use_heads(model, config, mix)
    # activations that are computed again find the hooks gone
    last_mlp = None if config.gradient_checkpointing else last_mlp_of(model, train_set[0], pad_id)
    objective = RewardObjective(model, config, index_of(config, targets, train_set), last_mlp)

    # 2. train, from the last checkpoint if there is one
    shared = common_arguments(config, run)
    if not eval_set:
        shared |= {"eval_strategy": "no", "eval_steps": None}
    elif config.keep == "best":  # each look has its checkpoint, and the best one's stays
        shared |= {"metric_for_best_model": "eval_calibrated_loss", "greater_is_better": False}
        shared |= {"save_steps": config.eval_steps}
    arguments = TrainingArguments(**shared, remove_unused_columns=False)
    trainer = make_trainer(objective, arguments, train_set, eval_set, pad_id)
    trained = train_resumable(trainer, run, config.save_minutes, lambda: objective.trained_flops)

    # 3. measure: held-out accuracy first, the train split's beside it
    metrics: dict[str, Any] = {"loss": last_logged(trainer, "loss"), **counts}
    if best := config.keep == "best" and trainer.state.best_model_checkpoint:
        trainer._load_from_checkpoint(best)
        metrics["best_step"] = trainer.state.best_global_step
    calibration = {"temperature": 1.0}
    if eval_set:
        held_out = trainer.evaluate()
        metrics |= {name: held_out[f"eval_{name}"] for name in ("accuracy", "accuracy_per_ranking")}
        metrics["eval_loss"] = held_out["eval_loss"]
        metrics |= {f"num_eval_{name}": eval_counts[f"num_{name}"] for name in ("rankings", "pairs")}
        calibration = trainer.calibration
    else:
        log.warning(
            "The snapshot has no validation rankings: the accuracy on unseen prompts is not known, and the "
            "temperature of its probabilities stays 1"
        )
    subset = random.Random(config.seed).sample(train_set, min(len(train_set), MOST_FOR_TRAIN_ACCURACY))
    if gaps := pair_gaps(model, subset, pad_id):
        metrics["train_accuracy"] = measure(gaps)["accuracy"]
    metrics |= calibration
    metrics["num_steps"] = trainer.state.global_step
    metrics["num_processes"] = trainer.args.world_size
    metrics |= trained

    # 4. save, with the scale of the scores
    learned = objective.learned()
    heads = collapse_heads(model)
    scale = normalization(model, references, pad_id, config.seed)
    metrics |= {"score_mean": scale["mean"], "score_std": scale["std"]}
    if run.writes:
        stored = scale | calibration | learned | {"from": scale_from}
        with run.writing_model() as folder:
            save_model(folder, model, tokenizer, stored, heads)
    inputs = {"snapshot": input_entry(config.snapshot), "init_model": input_entry(config.init_model)}
    if config.reference_run:
        inputs["reference_run"] = input_entry(config.reference_run)
    return metrics, inputs


def main() -> None:
    sys.exit(run_job("reward", RewardConfig, train))


if __name__ == "__main__":
    main()
