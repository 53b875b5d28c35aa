"""What PPO learns from a batch of rollouts: advantages, then epochs of minibatch steps.

The formulas are in rl_math.py. Here: which rows make a minibatch, how a minibatch becomes micro-batches, and
that every token of every process counts the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from torch import Tensor

from trainer import rl_math
from trainer.generation import seed_of
from trainer.jobs import check_finite
from trainer.ppo_models import Models
from trainer.ppo_ptx import PtxText, add_ptx_gradient
from trainer.rollouts import Rollouts, micro_batches, pad_rows, token_passes
from trainer.sharding import complete, in_step, whole

if TYPE_CHECKING:
    from trainer.ppo import PPOConfig


@dataclass
class Progress:
    """Where a run is. A checkpoint holds all of it, so a run continues at any optimizer step."""

    batch: int = 0  # batches learned from
    step: int = 0  # optimizer steps that those batches were allowed, and those taken of the present one
    first: dict[str, float] = field(default_factory=dict)  # what the first batch said of the policy
    last: dict[str, float] = field(default_factory=dict)  # what the latest did
    rollouts: Rollouts | None = None  # of the batch that is being learned from
    statistics: list[dict[str, float]] = field(default_factory=list)  # of its optimizer steps so far
    is_whole: bool = True  # False while a step is being taken: nothing to save then


def sum_over_processes(accelerator: Accelerator, values: Tensor) -> Tensor:
    """Elementwise sum of a small tensor over all processes."""
    return accelerator.reduce(values, reduction="sum")


def advantages_and_returns(
    config: PPOConfig, models: Models, accelerator: Accelerator, rollouts: Rollouts
) -> tuple[Tensor, Tensor, float]:
    """Whitened advantages and returns of every token, (B, T) each; the share of variance that values explain.

    All statistics are of the whole batch. Where the critic leans on the reward model's opinions, the returns are
    what is left for it to learn: they and `rollouts.values` are both without what the opinions say.
    """

    def add(sums: Tensor) -> Tensor:
        return sum_over_processes(accelerator, sums)

    kl = rl_math.kl_estimate(rollouts.logprobs, rollouts.ref_logprobs, config.kl_estimator)
    rewards = rl_math.shaped_rewards(rollouts.scores, kl, rollouts.mask, models.kl_controller.kl_coef)
    if config.whiten_rewards:
        rewards = rl_math.whiten(rewards, rollouts.mask, shift_mean=False, sum_over_processes=add)
    to_go = rl_math.rewards_to_go(rewards, config.gamma)
    said = torch.zeros_like(rewards)
    if models.leans_on_opinions:
        said = rl_math.fitted(rollouts.opinions, to_go - rollouts.values, rollouts.mask, add)
    values = rollouts.values + said
    explained = rl_math.explained_variance(values, to_go, rollouts.mask, add)
    advantages, returns = rl_math.gae(rewards, values, rollouts.mask, config.gamma, config.lam)
    return (
        rl_math.whiten(advantages, rollouts.mask, sum_over_processes=add),
        returns - said,
        float(explained),
    )


def rows_of_mini_batch(
    config: PPOConfig, num_rows: int, rank: int, first_step: int, number: int
) -> list[int]:
    """This process's rows in the optimizer step `number` of a batch: a fresh shuffle for every epoch.

    A batch is cut into runs of `num_mini_batches` neighbours, and each run is dealt out, one row to each
    minibatch. So all processes have equal shares of every minibatch, and the same episodes meet in it
    however many processes there are (neighbours are strangers: prompts come in a random order).
    """
    count = config.num_mini_batches
    epoch, place = divmod(number, count)
    generator = torch.Generator().manual_seed(seed_of(config.seed, "order", first_step, epoch))
    dealt = torch.rand(config.batch_size // count, count, generator=generator).argsort(1)
    own = dealt[rank * num_rows // count : (rank + 1) * num_rows // count]
    return [start * count + offset for start, offset in enumerate(own[:, place].tolist())]


def update(
    config: PPOConfig,
    models: Models,
    accelerator: Accelerator,
    progress: Progress,
    ptx_texts: list[PtxText],
    after_step: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """The optimizer steps that the batch in `progress` is worth, from the one where it stands.

    `after_step` makes the progress whole again and may make a checkpoint. Gives the mean of the steps' statistics.
    """
    rollouts = progress.rollouts
    assert rollouts is not None
    advantages, returns, explained = advantages_and_returns(config, models, accelerator, rollouts)
    weights = rl_math.truncated_importance(
        rollouts.logprobs, rollouts.written_logprobs, config.importance_cap
    )
    models.learner.train(config.gradient_checkpointing)  # the only difference: there is no dropout
    first_step = progress.batch * config.steps_per_batch
    for number in range(len(progress.statistics), config.steps_per_batch):
        if progress.statistics and 0 < config.max_update_kl < progress.statistics[-1]["policy/approx_kl"]:
            break
        rows = rows_of_mini_batch(
            config, len(rollouts.prompts), accelerator.process_index, first_step, number
        )
        step = first_step + number
        set_learning_rate(config, models.optimizer, step)
        ptx_loss = add_ptx_gradient(config, models, accelerator, ptx_texts, step)
        statistics = mini_batch_gradient(
            config, models, accelerator, rollouts, advantages, returns, weights, rows, step
        )
        progress.is_whole = False
        models.optimizer.step()
        models.optimizer.zero_grad()
        progress.statistics.append(statistics | ({"loss/ptx": ptx_loss} if ptx_texts else {}))
        progress.step = step + 1
        after_step()
    learned = mean_of(progress.statistics) | {"val/explained_variance": explained}
    if config.policy_loss == "kl_penalty":
        moved = kl_of_update(config, models, accelerator, rollouts)
        learned |= {"policy/update_kl": moved, "policy/penalty_coef": models.update_penalty.penalty_coef}
        models.update_penalty.update(moved)
    return learned


def mean_of(statistics: list[dict[str, float]]) -> dict[str, float]:
    """Mean of each statistic over the optimizer steps, and how many those were."""
    mean = {name: sum(row[name] for row in statistics) / len(statistics) for name in statistics[0]}
    return mean | {"policy/num_steps": len(statistics)}


def set_learning_rate(config: PPOConfig, optimizer: torch.optim.Optimizer, step: int) -> None:
    """Linear warm-up, then linear decay over the whole run to the share that is left at its end."""
    done = (step - config.num_warmup_steps) / max(1, config.num_steps - config.num_warmup_steps)
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


def mini_batch_gradient(
    config: PPOConfig,
    models: Models,
    accelerator: Accelerator,
    rollouts: Rollouts,
    advantages: Tensor,
    returns: Tensor,
    weights: Tensor,
    rows: list[int],
    step: int,
) -> dict[str, float]:
    """The clipped gradient of some rows, in micro-batches of similar length; gives their statistics.

    Every token of every process counts the same, however the micro-batches fall: sums are divided by the
    number of tokens in the whole minibatch. A loss or a gradient that is no number is refused before it
    reaches a weight, so the checkpoint that follows is sound.
    """
    device = accelerator.device
    num_tokens = sum_over_processes(accelerator, rollouts.mask[rows].sum().float())
    groups = micro_batches(
        config, device, [rollouts.prompt_ids[i] for i in rows], [rollouts.completions[i] for i in rows]
    )
    if config.shard_weights:
        groups = in_step(accelerator, groups)
    sums = torch.zeros(len(STATISTICS), device=device)
    for number, group in enumerate(groups, start=1):
        group = [rows[i] for i in group]
        input_ids, where, tokens = pad_rows(models, device, rollouts.prompt_ids, rollouts.completions, group)
        real = rollouts.mask[group]
        with contextlib.nullcontext() if number == len(groups) else accelerator.no_sync(models.learner):
            logprobs, values, _ = models.learner(input_ids, where, tokens, config.temperature)
            losses, statistics = token_losses(
                config,
                models.update_penalty.penalty_coef,
                logprobs,
                values,
                *(
                    each[group][real]
                    for each in (rollouts.logprobs, rollouts.values, advantages, returns, weights)
                ),
            )
            # accelerate averages gradients over processes: times their number, so that they add up
            accelerator.backward(losses.sum() / num_tokens * accelerator.num_processes)
        sums += torch.stack([each.detach().sum() for each in statistics])
    # apart, so that large gradients of a separate value model do not shrink the policy's
    norms = [
        float(complete(accelerator.clip_grad_norm_(group["params"], config.max_grad_norm)))
        for group in models.optimizer.param_groups
    ]
    means = dict(zip(STATISTICS, (sum_over_processes(accelerator, sums) / num_tokens).tolist(), strict=True))
    loss = means["loss/policy"] + config.value_coef * means["loss/value"]
    check_finite(step, **{"The loss": loss, "The gradient": sum(norms)})
    return means | {"loss": loss, "policy/grad_norm": norms[0], "val/grad_norm": norms[1]}


def token_losses(
    config: PPOConfig,
    penalty_coef: float,
    logprobs: Tensor,
    values: Tensor,
    old_logprobs: Tensor,
    old_values: Tensor,
    advantages: Tensor,
    returns: Tensor,
    weights: Tensor,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Loss of every token, (N,), and what STATISTICS names, each (N,); `weights` are for the policy's part."""
    policy_losses, policy_clipped = rl_math.clipped_policy_loss(
        logprobs, old_logprobs, advantages, config.clip_range
    )
    if config.policy_loss == "kl_penalty":
        policy_losses = rl_math.penalized_policy_loss(logprobs, old_logprobs, advantages, penalty_coef)
    policy_losses = policy_losses * weights
    value_losses, value_clipped = rl_math.clipped_value_loss(
        values, old_values, returns, config.value_clip_range
    )
    statistics = (
        policy_losses,
        value_losses,
        rl_math.kl_estimate(logprobs, old_logprobs, "k2"),
        policy_clipped,
        (logprobs - old_logprobs).exp(),
        value_clipped,
    )
    return policy_losses + config.value_coef * value_losses, statistics


@torch.no_grad()
def kl_of_update(config: PPOConfig, models: Models, accelerator: Accelerator, rollouts: Rollouts) -> float:
    """KL[p_old, p] per token after the update, by k3 over the batch's tokens and all processes."""
    models.learner.eval()
    sums = torch.zeros(2, device=accelerator.device, dtype=torch.float64)
    learner = accelerator.unwrap_model(models.learner)
    with whole(learner.policy):
        for group, input_ids, where, tokens in token_passes(
            config, models, accelerator, rollouts.prompt_ids, rollouts.completions
        ):
            logprobs, _, _ = learner(input_ids, where, tokens, config.temperature, with_values=False)
            old_logprobs = rollouts.logprobs[group][rollouts.mask[group]]
            kl = rl_math.kl_estimate(old_logprobs, logprobs, "k3").double()
            sums += torch.stack([kl.sum(), torch.tensor(float(len(kl)), device=kl.device, dtype=kl.dtype)])
    total, count = sum_over_processes(accelerator, sums).tolist()
    return total / count


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
    sums = torch.stack(
        [torch.ones_like(kl).double().sum(), *(v.double().sum() for v in per_episode.values())]
    )
    count, *totals = sum_over_processes(accelerator, sums).tolist()
    measured = {name: total / count for name, total in zip(per_episode, totals, strict=True)}
    measured["objective/rlhf_reward"] = measured["objective/scores"] + measured["objective/non_score_reward"]
    measured["objective/kl_coef"] = models.kl_controller.kl_coef
    return measured | (gap_to_vllm(accelerator, rollouts) if models.vllm is not None else {})


def gap_to_vllm(accelerator: Accelerator, rollouts: Rollouts) -> dict[str, float]:
    """How far vLLM's log-probabilities of the tokens it wrote are from the policy's own, over all processes."""
    gaps = (rollouts.logprobs - rollouts.written_logprobs).abs()[rollouts.mask]
    sums = torch.stack([torch.ones_like(gaps).double().sum(), gaps.double().sum()])
    count, total = sum_over_processes(accelerator, sums).tolist()
    return {
        "rollout/logprob_gap": total / count,
        "rollout/logprob_gap_max": float(accelerator.gather(gaps.max().reshape(1)).max()),
    }
