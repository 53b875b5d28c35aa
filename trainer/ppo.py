"""PPO against a reward model: the policy writes completions, the reward model scores them, the policy learns.

    python -m trainer.ppo --snapshot DIR --init-model SFT_RUN --reward-model REWARD_RUN --run-dir DIR

Read from top to bottom: configuration, advantages, the update, checkpoints, the job (`train`). Beside it:
ppo_models.py (the four networks), rollouts.py (completions and what the networks say of them), rl_math.py
(the formulas). The algorithm is that of InstructGPT (Ouyang et al. 2022) with the details that reproductions
found to matter (Huang et al. 2024, "The N+ Implementation Details of RLHF with PPO").

One batch of episodes = sample a completion for each prompt, score it, then several epochs of minibatch steps
on it. Several processes (torchrun) share each batch; each holds all models, statistics are global.
Left out: sharded models (FSDP, ZeRO), vLLM rollouts, adapters, the pretraining mix (PTX).
"""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import time
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from trainer import rl_math
from trainer.generation import seed_of
from trainer.jobs import Outcome, check_finite, input_entry, option, run_job
from trainer.modeling import context_length, save_model
from trainer.ppo_models import Models, load_models
from trainer.rollouts import (
    Rollouts,
    episodes_of_batch,
    load_prompts,
    micro_batches,
    pad_sequences,
    prompts_of_episodes,
    roll_out,
)
from trainer.run_dir import RunDir, RunError, RunStopped

log = logging.getLogger("trainer")

# ---------------------------------------------------------------- configuration


@dataclass
class PPOConfig:
    """Flat; defaults are for a model of a billion parameters or so, and were not tuned for yours."""

    snapshot: str = option("Snapshot directory; its train prompts are rolled out.")
    init_model: str = option("Policy to start from: an sft run, a model directory or a hub id.")
    reward_model: str = option("Finished reward run (or its model directory).")
    run_dir: str = option("Run directory to write; the same command on it continues.")
    ref_model: str = option("Reference policy of the KL term; empty: the policy as it starts.", "")
    num_episodes: int = option("Completions to sample and learn from, all together.", 10_000)
    batch_size: int = option("Episodes between two rounds of updates, over all processes.", 64)
    max_new_tokens: int = option("Longest completion, in tokens.", 256)
    temperature: float = option("Sampling temperature; it enters every log-probability too.", 1.0)
    missing_eos_penalty: float = option("Subtracted from the score of a completion that never ended.", 1.0)
    missing_eos_score: float | None = option(
        "Instead, the score such a completion gets, whatever it says.", None
    )
    score_clip: float = option("Scores are kept within plus and minus this; 0: as they are.", 0.0)
    whiten_rewards: bool = option("Scale each batch's rewards to variance 1, keeping their mean.", False)
    kl_estimator: str = option("Estimate of the KL in the reward: k1, k2 or k3.", "k1")
    kl_coef: float = option("Weight of the KL in the reward (the first one, where it adapts).", 0.05)
    kl_target: float = option("Adapt the weight so that a completion's KL nears this; 0: fixed weight.", 0.0)
    kl_horizon: int = option("Episodes over which the weight adapts.", 10_000)
    max_kl: float = option("End the run when a batch's KL to the reference exceeds this; 0: never.", 0.0)
    max_update_kl: float = option(
        "Leave a batch when the policy moved this far (KL per token); 0: never.", 0.0
    )
    gamma: float = option("Discount of later rewards.", 1.0)
    lam: float = option("Lambda of generalized advantage estimation.", 0.95)
    num_ppo_epochs: int = option("Passes over each batch.", 4)
    num_mini_batches: int = option("Optimizer steps in a pass, each on its own share of the batch.", 1)
    micro_batch_tokens: int = option("Most tokens in one forward and backward, padding included.", 8192)
    learning_rate: float = option("Of the policy; Adam with epsilon 1e-5.", 3e-6)
    value_learning_rate: float = option("Of a separate value model; 0: that of the policy.", 0.0)
    lr_end_share: float = option("Share of the learning rate left at the end of the linear decay.", 0.0)
    num_warmup_steps: int = option("Optimizer steps of linear warm-up.", 0)
    clip_range: float = option("How far the probability ratio may pay off, from 1.", 0.2)
    value_clip_range: float = option("How far a value may move from its rollout value.", 0.2)
    value_coef: float = option("Weight of the value loss beside the policy loss.", 0.1)
    max_grad_norm: float = option("Gradients are clipped to this norm.", 1.0)
    shared_trunk: bool = option(
        "Value head on the policy's own trunk: faster, half the memory; the values no longer start from the "
        "reward model and their gradients reach the policy.",
        False,
    )
    gradient_checkpointing: bool = option("Recompute activations in the backward pass to save memory.", False)
    precision: str = option("bf16, no (float32), or auto: bf16 on a GPU that has it.", "auto")
    checkpoint_every: int = option("Batches between two checkpoints.", 10)
    sample_every: int = option("Batches between two looks at completions in samples.jsonl.", 5)
    num_samples: int = option("Completions in such a look.", 4)
    seed: int = option("Seed of the sampling and of the order of the prompts.", 0)

    @property
    def num_batches(self) -> int:
        """Batches of episodes in the whole run; the last one is full too."""
        return math.ceil(self.num_episodes / self.batch_size)

    @property
    def steps_per_batch(self) -> int:
        """Optimizer steps that each batch is allowed."""
        return self.num_ppo_epochs * self.num_mini_batches


def check_config(config: PPOConfig, num_processes: int) -> None:
    """Refuse what cannot work before anything is loaded."""
    if config.kl_estimator not in rl_math.KL_ESTIMATORS:
        raise RunError(f"--kl-estimator is {config.kl_estimator}; use {', '.join(rl_math.KL_ESTIMATORS)}.")
    if config.temperature <= 0:
        raise RunError("--temperature must be above 0: PPO learns from sampled completions.")
    if config.batch_size % (num_processes * config.num_mini_batches):
        raise RunError(
            f"--batch-size {config.batch_size} cannot be divided over {num_processes} processes and "
            f"{config.num_mini_batches} minibatches; choose a multiple of their product."
        )
    if min(config.num_episodes, config.batch_size, config.max_new_tokens, config.num_ppo_epochs) < 1:
        raise RunError(
            "--num-episodes, --batch-size, --max-new-tokens and --num-ppo-epochs must be 1 or more."
        )


# ---------------------------------------------------------------- the update


def sum_over_processes(accelerator: Accelerator, values: Tensor) -> Tensor:
    """Elementwise sum of a small tensor over all processes."""
    return accelerator.reduce(values, reduction="sum")


def advantages_and_returns(
    config: PPOConfig, models: Models, accelerator: Accelerator, rollouts: Rollouts
) -> tuple[Tensor, Tensor]:
    """Whitened advantages and returns of every token, (B, T) each; statistics of the whole batch."""

    def add(sums: Tensor) -> Tensor:
        return sum_over_processes(accelerator, sums)

    kl = rl_math.kl_estimate(rollouts.logprobs, rollouts.ref_logprobs, config.kl_estimator)
    rewards = rl_math.shaped_rewards(rollouts.scores, kl, rollouts.mask, models.kl_controller.kl_coef)
    if config.whiten_rewards:
        rewards = rl_math.whiten(rewards, rollouts.mask, shift_mean=False, sum_over_processes=add)
    advantages, returns = rl_math.gae(rewards, rollouts.values, rollouts.mask, config.gamma, config.lam)
    return rl_math.whiten(advantages, rollouts.mask, sum_over_processes=add), returns


def update(
    config: PPOConfig, models: Models, accelerator: Accelerator, rollouts: Rollouts, first_step: int
) -> dict[str, float]:
    """The optimizer steps that a batch is worth: epochs of minibatches, each in a fresh order."""
    advantages, returns = advantages_and_returns(config, models, accelerator, rollouts)
    models.learner.train(config.gradient_checkpointing)  # the only difference: there is no dropout
    num_rows = len(rollouts.prompts)
    statistics: list[dict[str, float]] = []
    for epoch in range(config.num_ppo_epochs):
        generator = torch.Generator().manual_seed(seed_of(config.seed, "order", first_step, epoch))
        order = torch.randperm(num_rows, generator=generator).tolist()
        share = num_rows // config.num_mini_batches
        for number in range(config.num_mini_batches):
            rows = order[number * share : (number + 1) * share]
            step = first_step + epoch * config.num_mini_batches + number
            set_learning_rate(config, models.optimizer, step)
            statistics.append(
                mini_batch_step(config, models, accelerator, rollouts, advantages, returns, rows)
            )
            check_finite(step, **{"The loss": statistics[-1]["loss"]})
            if 0 < config.max_update_kl < statistics[-1]["policy/approx_kl"]:
                return mean_of(statistics)
    return mean_of(statistics)


def mean_of(statistics: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each statistic over the optimizer steps, and how many those were."""
    mean = {name: sum(row[name] for row in statistics) / len(statistics) for name in statistics[0]}
    return mean | {"policy/num_steps": len(statistics)}


def set_learning_rate(config: PPOConfig, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Linear warm-up, then linear decay over the whole run to the share that is left at its end."""
    total = config.num_batches * config.steps_per_batch
    done = (step - config.num_warmup_steps) / max(1, total - config.num_warmup_steps)
    share = 1 - (1 - config.lr_end_share) * max(0.0, done)
    if step < config.num_warmup_steps:
        share = (step + 1) / config.num_warmup_steps
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * share


STATISTICS = (
    "loss/policy",
    "loss/value",
    "policy/approx_kl",
    "policy/clipfrac",
    "policy/ratio",
    "val/clipfrac",
)


def mini_batch_step(
    config: PPOConfig,
    models: Models,
    accelerator: Accelerator,
    rollouts: Rollouts,
    advantages: Tensor,
    returns: Tensor,
    rows: list[int],
) -> dict[str, float]:
    """One optimizer step on some rows, in micro-batches of similar length.

    Every token of every process counts the same, however the micro-batches fall: sums are divided by the
    number of tokens in the whole minibatch.
    """
    num_tokens = sum_over_processes(accelerator, rollouts.mask[rows].sum().float())
    prompt_ids, completions = rollouts.prompt_ids, rollouts.completions
    groups = micro_batches(config, [prompt_ids[i] for i in rows], [completions[i] for i in rows])
    sums = torch.zeros(len(STATISTICS), device=accelerator.device)
    for number, group in enumerate(groups, start=1):
        group = [rows[i] for i in group]
        inputs, tokens, mask = pad_sequences(models, accelerator.device, prompt_ids, completions, group)
        where = (torch.tensor(group, device=accelerator.device), slice(0, tokens.shape[1]))
        is_last = number == len(groups)
        with contextlib.nullcontext() if is_last else accelerator.no_sync(models.learner):
            logprobs, values, _ = models.learner(inputs, tokens, config.temperature)
            losses, statistics = token_losses(
                config, logprobs, values, rollouts, advantages[where], returns[where], where
            )
            # accelerate averages gradients over processes: times their number, so that they add up
            accelerator.backward((losses * mask).sum() / num_tokens * accelerator.num_processes)
        sums += torch.stack([(each.detach() * mask).sum() for each in statistics])
    # apart, so that large gradients of a separate value model do not shrink the policy's
    norms = [
        accelerator.clip_grad_norm_(g["params"], config.max_grad_norm) for g in models.optimizer.param_groups
    ]
    models.optimizer.step()
    models.optimizer.zero_grad()
    means = dict(zip(STATISTICS, (sum_over_processes(accelerator, sums) / num_tokens).tolist(), strict=True))
    loss = means["loss/policy"] + config.value_coef * means["loss/value"]
    return means | {"loss": loss, "policy/grad_norm": float(norms[0]), "val/grad_norm": float(norms[1])}


def token_losses(
    config: PPOConfig,
    logprobs: Tensor,
    values: Tensor,
    rollouts: Rollouts,
    advantages: Tensor,
    returns: Tensor,
    where: tuple[Tensor, slice],
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Loss of every token, (B, T), and what STATISTICS names, each (B, T), before masking."""
    old_logprobs = rollouts.logprobs[where]
    policy_losses, policy_clipped = rl_math.clipped_policy_loss(
        logprobs, old_logprobs, advantages, config.clip_range
    )
    value_losses, value_clipped = rl_math.clipped_value_loss(
        values, rollouts.values[where], returns, config.value_clip_range
    )
    log_ratio = logprobs - old_logprobs
    statistics = (
        policy_losses,
        value_losses,
        rl_math.kl_estimate(logprobs, old_logprobs, "k2"),
        policy_clipped,
        log_ratio.exp(),
        value_clipped,
    )
    return policy_losses + config.value_coef * value_losses, statistics


def measure(
    config: PPOConfig, models: Models, accelerator: Accelerator, rollouts: Rollouts
) -> dict[str, float]:
    """What a batch of rollouts says of the policy that wrote it, over all processes (names of the papers)."""
    kl = ((rollouts.logprobs - rollouts.ref_logprobs) * rollouts.mask).sum(1)
    kl_k3 = (rl_math.kl_estimate(rollouts.logprobs, rollouts.ref_logprobs, "k3") * rollouts.mask).sum(1)
    reward_kl = (
        rl_math.kl_estimate(rollouts.logprobs, rollouts.ref_logprobs, config.kl_estimator) * rollouts.mask
    )
    per_episode = {
        "objective/kl": kl,
        "objective/kl_k3": kl_k3,
        "objective/scores": rollouts.scores,
        "objective/raw_scores": rollouts.raw_scores,
        "objective/non_score_reward": -models.kl_controller.kl_coef * reward_kl.sum(1),
        "eos_share": rollouts.has_eos.float(),
        "length": rollouts.mask.sum(1).float(),
        "objective/entropy": (rollouts.entropies * rollouts.mask).sum(1),
    }
    sums = torch.stack([values.double().sum() for values in per_episode.values()])
    means = (sum_over_processes(accelerator, sums) / config.batch_size).tolist()
    measured = dict(zip(per_episode, means, strict=True))
    measured["objective/rlhf_reward"] = measured["objective/scores"] + measured["objective/non_score_reward"]
    measured["objective/kl_coef"] = models.kl_controller.kl_coef
    return measured


# ---------------------------------------------------------------- checkpoints

Measures = tuple[dict[str, float], dict[str, float]]  # of the first batch and of the latest


def save_checkpoint(
    run: RunDir, models: Models, accelerator: Accelerator, batch: int, step: int, measures: Measures
) -> None:
    """Weights, optimizer, KL weight and place. Sampling and order need no random state: see rollouts.py."""
    if accelerator.is_main_process:
        with run.checkpoint(step) as folder:
            state = {
                "batch": batch,
                "learner": accelerator.unwrap_model(models.learner).state_dict(),
                "optimizer": models.optimizer.state_dict(),
                "kl_coef": models.kl_controller.kl_coef,
                "first": measures[0],
                "last": measures[1],
            }
            torch.save(state, folder / "state.pt")
    accelerator.wait_for_everyone()


def load_checkpoint(run: RunDir, models: Models, accelerator: Accelerator) -> tuple[int, int, Measures]:
    """(batches done, step, measures of the first and of the last batch); zeros where there is no checkpoint."""
    newest = run.newest_checkpoint()
    run.resume_from(newest[0] if newest else 0)
    if newest is None:
        return 0, 0, ({}, {})
    step, folder = newest
    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    accelerator.unwrap_model(models.learner).load_state_dict(state["learner"])
    models.optimizer.load_state_dict(state["optimizer"])
    models.kl_controller.kl_coef = state["kl_coef"]
    log.info("Continuing after batch %d (step %d)", state["batch"], step)
    return state["batch"], step, (state["first"], state["last"])


# ---------------------------------------------------------------- the job


def train(config: PPOConfig, run: RunDir) -> Outcome:
    """Rollouts and updates until the episodes are used up, the KL is too large, or somebody says stop."""
    accelerator = new_accelerator(config)
    check_config(config, accelerator.num_processes)

    # 1. models, prompts, and the place where an earlier attempt left off
    models = load_models(config, accelerator)
    policy = accelerator.unwrap_model(models.learner).policy
    longest = context_length(policy) - config.max_new_tokens
    prompts = load_prompts(config, models.tokenizer, longest)
    batch, step, (first, last) = load_checkpoint(run, models, accelerator)
    log.info("%d prompts, %d batches of %d episodes", len(prompts), config.num_batches, config.batch_size)
    total = config.num_batches * config.steps_per_batch
    run.progress(step, total)
    stopped_early = False

    while batch < config.num_batches:
        # 2. completions of this batch of prompts, and what they say of the policy that wrote them
        began = time.monotonic()
        episodes = episodes_of_batch(config, batch, accelerator.process_index, accelerator.num_processes)
        chosen = prompts_of_episodes(prompts, episodes, config.seed)
        rollouts = roll_out(config, models, accelerator, chosen, episodes)
        last = measure(config, models, accelerator, rollouts)
        first = first or last
        if 0 < config.max_kl < last["objective/kl"]:
            log.info("The KL to the reference is %.1f, above %.1f: stop", last["objective/kl"], config.max_kl)
            stopped_early = True
            break

        # 3. learn from them
        learned = update(config, models, accelerator, rollouts, first_step=step)
        models.kl_controller.update(last["objective/kl"], config.batch_size)
        batch, step = batch + 1, step + config.steps_per_batch

        # 4. say so, save so
        run.progress(step, total, **last, **learned, **speed(config, models, batch, began))
        if batch % config.sample_every == 0 or batch == 1:
            write_samples(config, run, rollouts, step)
        should_stop = stop_requested(run, accelerator)
        if should_stop or batch % config.checkpoint_every == 0:
            save_checkpoint(run, models, accelerator, batch, step, (first, last))
        if should_stop and batch < config.num_batches:
            raise RunStopped
    return save_result(config, run, models, accelerator, first, last, batch, stopped_early)


def new_accelerator(config: PPOConfig) -> Accelerator:
    """Devices and precision; one that is not there is refused in a sentence."""
    if config.precision not in ("auto", "bf16", "no"):
        raise RunError(f"--precision is {config.precision}; use auto, bf16 or no.")
    has_gpu = torch.cuda.is_available()
    is_bf16 = config.precision == "bf16" or (
        config.precision == "auto" and has_gpu and torch.cuda.is_bf16_supported()
    )
    if not has_gpu:
        log.info("No GPU was found: the CPU is used, with %d threads", torch.get_num_threads())
    return Accelerator(mixed_precision="bf16" if is_bf16 else "no", cpu=not has_gpu)


def speed(config: PPOConfig, models: Models, batch: int, began: float) -> dict[str, float]:
    """Where the run is and how fast it goes."""
    return {
        "episode": batch * config.batch_size,
        "lr": models.optimizer.param_groups[0]["lr"],
        "eps": round(config.batch_size / (time.monotonic() - began), 2),
    }


def write_samples(config: PPOConfig, run: RunDir, rollouts: Rollouts, step: int) -> None:
    """A few rollouts to look at: a rising score says little, the texts say what it was paid for."""
    kl = ((rollouts.logprobs - rollouts.ref_logprobs) * rollouts.mask).sum(1).tolist()
    for i in range(min(config.num_samples, len(rollouts.texts))):
        run.sample(
            {
                "step": step,
                "prompt": rollouts.prompts[i].messages,
                "completion": rollouts.texts[i],
                "score": float(rollouts.raw_scores[i]),
                "kl": kl[i],
                "finish_reason": "stop" if bool(rollouts.has_eos[i]) else "length",
            }
        )


def stop_requested(run: RunDir, accelerator: Accelerator) -> bool:
    """Whether any process was asked to stop; all get the same answer."""
    asked = torch.tensor(float(run.stop_requested()), device=accelerator.device)
    return bool(sum_over_processes(accelerator, asked) > 0)


def save_result(
    config: PPOConfig,
    run: RunDir,
    models: Models,
    accelerator: Accelerator,
    first: dict[str, float],
    last: dict[str, float],
    batch: int,
    stopped_early: bool,
) -> Outcome:
    """The policy into model/; for the manifest, what it began and ended with (`score`: the last batch)."""
    if accelerator.is_main_process:
        with run.writing_model() as folder:
            save_model(folder, accelerator.unwrap_model(models.learner).policy, models.tokenizer)
    accelerator.wait_for_everyone()
    metrics = {
        "score": last["objective/raw_scores"],
        "first_score": first["objective/raw_scores"],
        "kl": last["objective/kl"],
        "eos_share": last["eos_share"],
        "length": last["length"],
        "first_length": first["length"],
        "kl_coef": models.kl_controller.kl_coef,
        "num_episodes": batch * config.batch_size,
        "num_steps": batch * config.steps_per_batch,
        "stopped_early": stopped_early,
        "num_processes": accelerator.num_processes,
    }
    inputs = {name: input_entry(getattr(config, name)) for name in ("snapshot", "init_model", "reward_model")}
    return metrics, inputs | ({"ref_model": input_entry(config.ref_model)} if config.ref_model else {})


def main() -> None:
    sys.exit(run_job("ppo", PPOConfig, train))


if __name__ == "__main__":
    main()
