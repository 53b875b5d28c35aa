"""What DPO, KTO, RLOO and GRPO share: TRL's trainers on our snapshot, tokens, samples and scores.

TRL computes the losses. Ours are the rows (preferences.py), one encoding for all jobs, the reference policy, the
sampling (a seed for each completion, every stop token of the model and its template), the score (the reward
model's normalisation and the missing-EOS rule of PPO), the run directory and resuming.

Three habits of TRL 1.16 are worked around. Its own tokens come from another use of the chat template. Its prompts
are shuffled anew in each pass by a generator that a resumed run begins again: here a run is one pass over as many
prompts as it needs. Its reference is loaded by name, without the rows that a new padding token added.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import DPOTrainer, KTOTrainer
from trl.trainer.utils import add_fused_lm_head, disable_dropout_in_model

from trainer import rl_math
from trainer.batches import cost_of_pass, cut_by_length, pad_targets
from trainer.flops import forward_flops
from trainer.generation import Generated, Sampling, completion_text, generate, seed_of
from trainer.hf_training import common_arguments, last_logged, train_resumable, uses_bf16
from trainer.jobs import Outcome, input_entry
from trainer.modeling import (
    context_length,
    load_causal_lm,
    load_reward_model,
    load_tokenizer,
    pick_device,
    reads_tokens,
    score_tokens,
    stop_token_ids,
)
from trainer.ppo_models import predict
from trainer.rollouts import Prompt, in_shuffled_passes, load_prompts, score_texts
from trainer.run_dir import RunDir, RunError
from trainer.sft import lora_config, save_result

log = logging.getLogger("trainer")
# Of TRL's figures for RLOO and GRPO: what is told beside those of PPO's names
TOLD = ("reward_std", "frac_reward_zero_std", "eos_share", "length", "entropy", "num_tokens")

# ---------------------------------------------------------------- the policy and its reference


def load_reference(config: Any, policy: PreTrainedModel, tokenizer: Any) -> PreTrainedModel | None:
    """The frozen policy of the KL; None where it is the policy itself with its adapter off."""
    if config.lora_rank and config.ref_model in ("", config.init_model):
        return None
    ref_policy = load_causal_lm(config.ref_model or config.init_model, tokenizer)
    if ref_policy.get_input_embeddings().num_embeddings != policy.get_input_embeddings().num_embeddings:
        raise RunError(
            f"{config.ref_model} and {config.init_model} have different vocabularies; the KL needs one."
        )
    return ref_policy.requires_grad_(False)


def build(config: Any, trainer_type: Callable[..., Any], **arguments: Any) -> Any:
    """The TRL trainer; what cannot be adapted is refused in a sentence."""
    try:
        with warnings.catch_warnings():  # peft asks transformers by a name that is to go
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            return trainer_type(peft_config=lora_config(config), **arguments)
    except ValueError as error:
        if config.lora_rank and "arget modules" in str(error):
            raise RunError(f"--lora-target {config.lora_target}: {str(error).splitlines()[0]}") from None
        raise


def inputs_of(config: Any, *names: str) -> dict[str, Any]:
    """The manifest's entries of the inputs that were named."""
    return {name: input_entry(getattr(config, name)) for name in names if getattr(config, name)}


def refuse(rules: dict[str, bool]) -> None:
    """RunError with the first rule that does not hold."""
    for rule, holds in rules.items():
        if not holds:
            raise RunError(f"{rule}; correct the option.")


# ---------------------------------------------------------------- DPO and KTO


class PairTrainer(DPOTrainer):
    """TRL's DPO on rows that are tokens already."""

    def _prepare_dataset(self, dataset: Dataset, *arguments: Any) -> Dataset:  # type: ignore[override]
        return dataset


class LabelTrainer(KTOTrainer):
    """TRL's KTO on rows that are tokens already."""

    def _prepare_dataset(self, dataset: Dataset, *arguments: Any) -> Dataset:  # type: ignore[override]
        return dataset


def train_on_feedback(
    config: Any,
    run: RunDir,
    encode: Callable[[PreTrainedTokenizerBase, str, int], tuple[Dataset, dict[str, int]]],
    make: Callable[..., Any],
    num_readings: int,
) -> dict[str, Any]:
    """DPO and KTO: the metrics; the policy is saved.

    `encode(tokenizer, split, max_length)` gives rows and counts; `make(shared, counts, tokenizer)` gives the type
    of the trainer and its arguments beyond those that both have. `num_readings`: forward passes over a row without a
    backward one, the reference's and those over mismatched rows.
    """
    tokenizer = load_tokenizer(config.init_model)
    policy = load_causal_lm(config.init_model, tokenizer)
    max_length = min(config.max_length, context_length(policy))
    train_set, counts = encode(tokenizer, "train", max_length)
    if not len(train_set):
        raise RunError(
            f"The snapshot {config.snapshot} has nothing to learn from in its train rankings; "
            "make one with rankings of two or more tiers, or raise max_length."
        )
    eval_set, eval_counts = encode(tokenizer, "validation", max_length)
    shared = common_arguments(config, run, config.precision)
    if not len(eval_set):
        log.warning("The snapshot has no validation rankings: nothing is known of unseen ones")
        shared |= {"eval_strategy": "no", "eval_steps": None}
    log.info("Training on %s; validation: %s", counts, eval_counts)
    trainer_type, arguments = make(shared, counts, tokenizer)
    trainer = build(
        config,
        trainer_type,
        model=policy,
        ref_model=load_reference(config, policy, tokenizer),
        train_dataset=train_set,
        eval_dataset=eval_set if len(eval_set) else None,
        processing_class=tokenizer,
        **arguments,
    )
    trainer.args.train_sampling_strategy = (
        "random"  # KTO's rows too: each has its mismatched completion with it
    )
    lengths = [sum(len(ids) for ids in row.values() if isinstance(ids, list)) for row in train_set]
    length = sum(each**2 for each in lengths) / sum(lengths)  # what a token sees, in the mean

    def flops_done() -> float:
        num_tokens = trainer._total_train_tokens / trainer.args.world_size
        return (num_passes(config) + num_readings) * forward_flops(policy, num_tokens, length)

    forget_tokens(trainer)
    weigh_batches(trainer, len(eval_set))
    trained = train_resumable(trainer, run, config.save_minutes, flops_done)
    metrics: dict[str, Any] = {"train_loss": last_logged(trainer, "loss"), **counts}
    if len(eval_set):
        evaluated = trainer.evaluate()
        names = ("loss", "rewards/accuracies", "rewards/margins", "kl")
        metrics |= {
            f"eval_{name.removeprefix('rewards/')}": evaluated[f"eval_{name}"]
            for name in names
            if f"eval_{name}" in evaluated
        }
        metrics["num_eval_rankings"] = eval_counts["num_rankings"]
    metrics |= {"num_steps": trainer.state.global_step, "num_processes": trainer.args.world_size}
    save_result(config, run, trainer, tokenizer)
    return metrics | trained


def num_passes(config: Any) -> int:
    """A forward and backward in forward passes: an adapter has next to no gradients of weights."""
    return 2 if config.lora_rank else 3


def forget_tokens(trainer: Any) -> None:
    """TRL counts a resumed run's tokens from 0 again: such a figure is not told."""
    tell = trainer.log

    def tell_without(logs: dict[str, float], *arguments: Any) -> None:
        for metrics in trainer._metrics.values():
            metrics.pop("num_tokens", None)
        tell(logs, *arguments)

    trainer.log = tell_without


def weigh_batches(trainer: Any, num_rows: int) -> None:
    """TRL takes the mean over the batches of the validation split: here each weighs by its rows, the last one too."""
    tell = trainer.log

    def tell_weighed(logs: dict[str, float], *arguments: Any) -> None:
        size = trainer.args.per_device_eval_batch_size * trainer.args.world_size
        rows = [min(size, num_rows - first) for first in range(0, num_rows, size)]
        metrics = {} if trainer.model.training else trainer._metrics["eval"]
        for name, means in metrics.items():
            if len(means) == len(rows):
                total = sum(mean * number for mean, number in zip(means, rows, strict=True))
                metrics[name] = [total / num_rows]
        tell(logs, *arguments)

    trainer.log = tell_weighed


# ---------------------------------------------------------------- RLOO and GRPO


def check_rollouts(config: Any) -> None:
    """What RLOO and GRPO refuse alike; `config` is their flat dataclass."""
    share = int(os.environ.get("WORLD_SIZE", "1")) * config.gradient_accumulation_steps
    refuse(
        {
            "num_completions must be 2 or more: a completion is held against the others of its prompt": (
                config.num_completions >= 2
            ),
            f"batch_size must be a multiple of num_completions and of {share} (processes times "
            "gradient_accumulation_steps)": (
                config.batch_size % config.num_completions == 0 and config.batch_size % max(share, 1) == 0
            ),
            "temperature must be above 0: the policy learns from sampled completions": config.temperature > 0,
        }
    )


def num_steps(config: Any) -> int:
    """Optimizer steps in the whole run, one for each batch of episodes; the last batch is full too."""
    return -(-config.num_episodes // config.batch_size)


def rollout_arguments(config: Any, run: RunDir) -> dict[str, Any]:
    """TrainingArguments and TRL's own that RLOO and GRPO set alike: one step for each batch of fresh completions."""
    share = int(os.environ.get("WORLD_SIZE", "1")) * config.gradient_accumulation_steps
    flat = SimpleNamespace(
        **asdict(config),
        per_device_batch_size=config.batch_size // share,
        num_epochs=1,
        max_steps=num_steps(config),
    )
    return common_arguments(flat, run, config.precision) | {
        "max_completion_length": config.max_new_tokens,
        "num_generations": config.num_completions,
        "num_generations_eval": 1,
        "temperature": config.temperature,
        "beta": 0.0,  # no reference by name: `add_reference` sets both
        "disable_dropout": True,
        "shuffle_dataset": False,
    }


def train_on_scores(
    config: Any,
    run: RunDir,
    trainer_type: Callable[..., Any],
    arguments: Callable[[dict[str, Any]], Any],
    num_readings: int,
    kl_estimator: str,
) -> Outcome:
    """RLOO and GRPO: metrics and inputs. `arguments(shared)` gives the configuration of TRL's trainer.

    `num_readings`: how often the policy reads its completions again before it learns from them. `kl_estimator`: that
    of TRL's figure.
    """
    # 1. the prompts of the whole run, in the order of PPO's: every pass over the snapshot is shuffled anew
    tokenizer = load_tokenizer(config.init_model)
    policy = load_causal_lm(config.init_model, tokenizer)
    reward_model, reward_tokenizer = load_reward_model(config.reward_model)
    same_tokens = reads_tokens(reward_tokenizer, tokenizer)
    context = context_length(policy)
    longest = min(context, context_length(reward_model) if same_tokens else context) - config.max_new_tokens
    prompts = load_prompts(config, tokenizer, longest)
    num_prompts = num_steps(config) * config.batch_size // config.num_completions
    chosen = in_shuffled_passes(list(range(len(prompts))), list(range(num_prompts)), config.seed, "prompts")
    held_out = load_prompts(config, tokenizer, longest, "validation")
    shared = rollout_arguments(config, run)
    numbers = range(min(config.num_eval_prompts, len(held_out)))
    held_out = in_shuffled_passes(held_out, list(numbers), config.seed, "eval")
    if not held_out:
        log.warning("The snapshot has no validation prompts: the score on unseen ones is not known")
    named = {str(at): prompt for at, prompt in enumerate(prompts)}
    if not held_out:
        shared |= {"eval_strategy": "no", "eval_steps": None}

    # 2. TRL's trainer, with our sampling, scores and reference
    stop_ids = stop_token_ids(tokenizer, policy)
    paid_scores = scorer(config, tokenizer, reward_model, reward_tokenizer, stop_ids)
    trainer = build(
        config,
        trainer_type,
        model=policy,
        reward_funcs=reward_function(config, run, paid_scores, named),
        args=arguments(shared),
        train_dataset=Dataset.from_dict({"prompt": [str(at) for at in chosen]}),
        # its evaluation is ours, which needs a dataset of some sort
        eval_dataset=Dataset.from_dict({"prompt": [prompt.id for prompt in held_out]}) if held_out else None,
        processing_class=tokenizer,
    )
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise RunError(
            "The policy writes between its steps, so every process holds it whole: launch by torchrun or with "
            "deploy/accelerate/bf16.yaml, and save memory by --lora-rank."
        )
    add_reference(config, trainer, load_reference(config, policy, tokenizer) if config.kl_coef else None)
    lengths: list[int] = []
    sample_as_ever(config, trainer, tokenizer, named, stop_ids, lengths)
    name_metrics(trainer)
    evaluate_as_ever(config, trainer, tokenizer, held_out, stop_ids, paid_scores, kl_estimator)

    def flops_done() -> float:
        num_tokens = max(1, sum(lengths))
        length = sum(each**2 for each in lengths) / num_tokens  # what a token sees, in the mean
        # written, learned from, read again by the policy, read by the reference; and scored
        num_forwards = 1 + num_passes(config) + num_readings + bool(config.kl_coef)
        of_policy = num_forwards * forward_flops(policy, num_tokens, length)
        return of_policy + forward_flops(reward_model, num_tokens, length)

    # 3. train, look at the validation prompts, save
    trained = train_resumable(trainer, run, config.save_minutes, flops_done)
    rows = [row for row in trainer.state.log_history if "objective/raw_scores" in row]
    first, last = rows[0], rows[-1]
    metrics = {
        "score": last["objective/raw_scores"],
        "first_score": first["objective/raw_scores"],
        "kl": last.get("objective/kl"),
        "eos_share": last["eos_share"],
        "length": last["length"],
        "first_length": first["length"],
        "num_episodes": num_steps(config) * config.batch_size,
        "num_steps": trainer.state.global_step,
        "num_processes": trainer.args.world_size,
    } | trained
    if held_out:
        evaluated = trainer.evaluate()
        metrics |= {"eval_score": evaluated["eval_raw_scores"], "eval_kl": evaluated.get("eval_kl")}
    save_result(config, run, trainer, tokenizer)
    return metrics, inputs_of(config, "snapshot", "init_model", "reward_model", "ref_model")


def add_reference(config: Any, trainer: Any, ref_policy: PreTrainedModel | None) -> None:
    """The KL's weight, and its reference; None is the policy with its adapter off."""
    trainer.beta = config.kl_coef
    if ref_policy is not None:
        disable_dropout_in_model(ref_policy)
        add_fused_lm_head(ref_policy, temperature=config.temperature)
        trainer.ref_model = trainer.accelerator.prepare_model(ref_policy, evaluation_mode=True)


def sample_as_ever(
    config: Any,
    trainer: Any,
    tokenizer: PreTrainedTokenizerBase,
    named: dict[str, Prompt],
    stop_ids: Sequence[int],
    lengths: list[int],
) -> None:
    """The trainer's completions come from trainer.generation, each with its own seed, as PPO's do.

    `lengths` gets those of the prompts with their completions, of this process's episodes.
    """

    def tokenize(names: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [named[name].ids for name in names], None, {}

    def sample(prompt_ids: list[list[int]], *arguments: Any) -> Any:
        first = trainer.state.global_step * config.batch_size
        first += trainer.args.process_index * len(prompt_ids)
        seeds = [seed_of(config.seed, "completion", first + at) for at in range(len(prompt_ids))]
        made = written(config, trainer, tokenizer, stop_ids, prompt_ids, seeds)
        completion_ids = [each.token_ids for each in made]
        lengths.extend(len(a) + len(b) for a, b in zip(prompt_ids, completion_ids, strict=True))
        # GRPO asks for log-probabilities too
        return (completion_ids, None) if arguments[2:] else completion_ids

    trainer._tokenize_prompts, trainer._generate_single_turn = tokenize, sample
    trainer.eos_token_ids = list(stop_ids)


def written(
    config: Any,
    trainer: Any,
    tokenizer: PreTrainedTokenizerBase,
    stop_ids: Sequence[int],
    prompt_ids: list[list[int]],
    seeds: list[int],
) -> list[Generated]:
    """A completion of the present policy for each prompt and seed."""
    sampling = Sampling(temperature=config.temperature, max_new_tokens=config.max_new_tokens)
    was_training = trainer.model.training
    trainer.model.eval()
    with trainer.accelerator.autocast():
        policy = bare_policy(config, trainer)
        made = generate(policy, prompt_ids, seeds, sampling, stop_ids, tokenizer.pad_token_id)
    trainer.model.train(was_training)
    return made


def bare_policy(config: Any, trainer: Any) -> Any:
    """The policy without what several processes or an adapter wrap around it; the adapter is in its layers."""
    policy = trainer.accelerator.unwrap_model(trainer.model)
    return policy.get_base_model() if config.lora_rank else policy


def evaluate_as_ever(
    config: Any,
    trainer: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[Prompt],
    stop_ids: Sequence[int],
    paid_scores: Callable[..., Scored],
    kl_estimator: str,
) -> None:
    """The trainer's look at validation prompts: each answered once, by the same seed every time, and counted once.

    TRL's takes the mean over batches, which a launcher fills up with prompts that were there before.
    """

    @torch.no_grad()
    def evaluate(*arguments: Any, **named: Any) -> dict[str, float]:
        accelerator = trainer.accelerator
        was_training = trainer.model.training
        trainer.model.eval()
        own = prompts[accelerator.process_index :: accelerator.num_processes]
        size = trainer.args.per_device_train_batch_size
        sums = torch.zeros(7, dtype=torch.float64)
        for at in range(0, len(own), size):
            group = own[at : at + size]
            seeds = [seed_of(config.seed, "eval", prompt.id) for prompt in group]
            made = written(config, trainer, tokenizer, stop_ids, [prompt.ids for prompt in group], seeds)
            completion_ids = [each.token_ids for each in made]
            scored = paid_scores(group, completion_ids)
            kl, entropy = spent(config, trainer, tokenizer, group, completion_ids, kl_estimator)
            num_tokens = sum(map(len, completion_ids))
            sums += torch.tensor(
                [len(group), float(scored.raw.double().sum()), float(scored.paid.double().sum())]
                + [float(scored.has_eos.sum()), num_tokens, kl, entropy]
            )
        sums = accelerator.reduce(sums.to(accelerator.device), "sum")
        number, raw, paid, has_eos, num_tokens, kl, entropy = sums.tolist()
        means = {"raw_scores": raw, "scores": paid, "eos_share": has_eos, "length": num_tokens}
        means |= {"kl": kl} if config.kl_coef else {}
        metrics = {f"eval_{name}": value / number for name, value in means.items()}
        metrics["eval_entropy"] = entropy / num_tokens
        trainer.log(dict(metrics))
        trainer.model.train(was_training)
        trainer.control = trainer.callback_handler.on_evaluate(
            trainer.args, trainer.state, trainer.control, metrics
        )
        return metrics

    trainer.evaluate = evaluate


def spent(
    config: Any,
    trainer: Any,
    tokenizer: PreTrainedTokenizerBase,
    prompts: list[Prompt],
    completion_ids: list[list[int]],
    kl_estimator: str,
) -> tuple[float, float]:
    """Sums over the completions' tokens: the estimated KL to the reference (0 without one), and the entropy."""
    policy, ref_policy = bare_policy(config, trainer), trainer.ref_model
    adapter_off = nullcontext
    if ref_policy is None and config.lora_rank:
        ref_policy, adapter_off = policy, trainer.accelerator.unwrap_model(trainer.model).disable_adapter
    kl = entropy = 0.0
    rows = [prompt.ids + ids for prompt, ids in zip(prompts, completion_ids, strict=True)]
    targets = [
        [0] * (len(row) - len(ids)) + [1] * len(ids) for row, ids in zip(rows, completion_ids, strict=True)
    ]
    device = trainer.args.device
    for group in cut_by_length([len(row) for row in rows], config.micro_batch_tokens, cost_of_pass(device)):
        input_ids, where, tokens = pad_targets(
            tokenizer.pad_token_id, device, [rows[i] for i in group], [targets[i] for i in group]
        )
        with trainer.accelerator.autocast():
            logits, _ = predict(policy, input_ids, where)
            entropy += float(rl_math.token_entropy(logits, config.temperature).sum())
            if config.kl_coef:
                own = rl_math.token_logprobs(logits, tokens, config.temperature)
                with adapter_off():
                    ref_logits, _ = predict(ref_policy, input_ids, where)
                ref = rl_math.token_logprobs(ref_logits, tokens, config.temperature)
                kl += float(rl_math.kl_estimate(own, ref, kl_estimator).sum())
    return kl, entropy


# ---------------------------------------------------------------- scores


class Scored(NamedTuple):
    """Of a batch of completions: scores as the reward model normalises them, what is paid, whether each ended."""

    raw: torch.Tensor
    paid: torch.Tensor
    has_eos: torch.Tensor
    texts: list[str]


def scorer(
    config: Any,
    tokenizer: PreTrainedTokenizerBase,
    reward_model: PreTrainedModel,
    reward_tokenizer: PreTrainedTokenizerBase,
    stop_ids: Sequence[int],
) -> Callable[[list[Prompt], list[list[int]]], Scored]:
    """The reward model's score of completions, with PPO's rule for those that never ended.

    A reward model with the policy's tokens and template reads the tokens as they were sampled, another one reads
    their text.
    """
    reward_model.to(pick_device()).requires_grad_(False)  # type: ignore[arg-type]
    same_tokens = reads_tokens(reward_tokenizer, tokenizer)
    if not same_tokens:
        log.info("The reward model has another tokenizer or chat template: it reads completions as text")
    autocast = torch.autocast(pick_device().type, torch.bfloat16, enabled=uses_bf16(config.precision))

    def paid_scores(prompts: list[Prompt], completion_ids: list[list[int]]) -> Scored:
        has_eos = torch.tensor([ids[-1] in stop_ids for ids in completion_ids])
        texts = [
            completion_text(tokenizer, Generated(ids, "stop" if ended else "length"))
            for ids, ended in zip(completion_ids, has_eos.tolist(), strict=True)
        ]
        with autocast:
            if same_tokens:
                sequences = [prompt.ids + ids for prompt, ids in zip(prompts, completion_ids, strict=True)]
                pad_id = reward_tokenizer.pad_token_id
                raw_scores = score_tokens(reward_model, sequences, pad_id, config.micro_batch_tokens)
            else:
                raw_scores = score_texts(
                    reward_model, reward_tokenizer, prompts, texts, config.micro_batch_tokens
                )
        paid = rl_math.missing_eos_scores(
            raw_scores, has_eos, config.missing_eos_penalty, config.missing_eos_score
        )
        return Scored(raw_scores, paid, has_eos, texts)

    return paid_scores


def reward_function(
    config: Any, run: RunDir, paid_scores: Callable[..., Scored], named: dict[str, Prompt]
) -> Callable[..., list[float]]:
    """TRL's: what each completion is paid; the figures by PPO's names, and some completions to look at."""
    looked_at = [-1]

    def score_completions(
        prompts: list[str],
        completion_ids: list[list[int]],
        trainer_state: Any,
        log_metric: Any,
        **others: Any,
    ) -> list[float]:
        asked = [named[name] for name in prompts]
        scored = paid_scores(asked, completion_ids)
        log_metric("objective/raw_scores", float(scored.raw.mean()))
        log_metric("objective/scores", float(scored.paid.mean()))
        log_metric("eos_share", float(scored.has_eos.float().mean()))
        log_metric("length", sum(map(len, completion_ids)) / len(completion_ids))
        step = trainer_state.global_step
        if step % config.sample_every == 0 and step > looked_at[0]:
            looked_at[0] = step
            for at in range(min(config.num_samples, len(asked))):
                run.sample(
                    {
                        "step": step,
                        "prompt": asked[at].messages,
                        "completion": scored.texts[at],
                        "score": float(scored.raw[at]),
                        "finish_reason": "stop" if bool(scored.has_eos[at]) else "length",
                    }
                )
        return scored.paid.tolist()

    return score_completions


def name_metrics(trainer: Any) -> None:
    """PPO's names for what PPO has too.

    objective/kl is a completion's KL to the reference, in nats: TRL gives the mean of a token, and the mean length
    of the same completions makes the sum of it (RLOO's estimate is k1, GRPO's k3).
    """
    tell = trainer.log

    def tell_by_name(logs: dict[str, float], *arguments: Any) -> None:
        metrics = trainer._metrics["train"] if trainer.model.training else {}
        if per_token := metrics.pop("kl", None):
            lengths = metrics["completions/mean_length"]
            metrics["objective/kl"] = [sum(per_token) / len(per_token) * sum(lengths) / len(lengths)]
        for name in [name for name in metrics if not name.startswith(("objective/", *TOLD))]:
            del metrics[name]
        tell(logs, *arguments)

    trainer.log = tell_by_name
