"""The tensor mathematics of RLHF: pure functions, no model, no state but the KL controller's coefficient.

Shapes: B sequences, T completion tokens, V words of the vocabulary. `mask` is (B, T): True where
a completion token is real; its end-of-sequence token counts as real, the padding after it does not.

Sources
    [N+]    Huang et al. 2024, "The N+ Implementation Details of RLHF with PPO"
    [IGPT]  Ouyang et al. 2022, "Training language models to follow instructions with human feedback"
    [FT]    Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences"
    [GAE]   Schulman et al. 2016, "High-Dimensional Continuous Control Using Generalized Advantage Estimation"
    [PPO]   Schulman et al. 2017, "Proximal Policy Optimization Algorithms"
    [TIS]   Yao et al. 2025, "Your Efficient RL Framework Secretly Brings You Off-Policy RL Training"
    [KL]    Schulman 2020, "Approximating KL Divergence" (joschu.net/blog/kl-approx.html)
"""

from collections.abc import Callable

import torch
from torch import Tensor

KL_ESTIMATORS = ("k1", "k2", "k3")


def token_logprobs(logits: Tensor, tokens: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probability of each token under softmax(logits / temperature): (..., V), (...) -> (...) float32.

    The temperature is the one that sampled the tokens; it has to enter every log-probability of the ratio
    and of the KL ([N+], detail "sampling with temperature"). logits[i] must be the prediction *for* tokens[i].
    """
    scaled = logits.float() if temperature == 1.0 else logits.float() / temperature
    return scaled.gather(-1, tokens.unsqueeze(-1)).squeeze(-1) - scaled.logsumexp(-1)


def token_entropy(logits: Tensor, temperature: float = 1.0) -> Tensor:
    """Entropy in nats of softmax(logits / temperature) at each position: (..., V) -> (...)."""
    logprobs = torch.log_softmax(logits.float() / temperature, dim=-1)
    return -(logprobs.exp() * logprobs).sum(-1)


def masked_sums(values: Tensor, mask: Tensor) -> Tensor:
    """(3,) float64: how many values the mask keeps, their sum, the sum of their squares.

    Such sums add over processes, means and variances do not.
    """
    kept = values.double() * mask
    return torch.stack([mask.double().sum(), kept.sum(), (kept * kept).sum()])


def mean_and_variance(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance from `masked_sums`."""
    mean = sums[1] / sums[0].clamp(min=1)
    variance = (sums[2] / sums[0].clamp(min=1) - mean * mean).clamp(min=0)
    return mean, variance


def whiten(
    values: Tensor,
    mask: Tensor,
    shift_mean: bool = True,
    sum_over_processes: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> Tensor:
    """Scale to variance 1 over the masked values, and to mean 0 if `shift_mean`; padding becomes 0.

    [N+]: advantages with, rewards without the shift. `sum_over_processes` makes the statistics global.
    """
    mean, variance = mean_and_variance(sum_over_processes(masked_sums(values, mask)))
    whitened = (values - mean) * torch.rsqrt(variance + 1e-8)
    if not shift_mean:
        whitened = whitened + mean
    return (whitened * mask).to(values.dtype)


def fitted(
    opinions: Tensor,
    targets: Tensor,
    mask: Tensor,
    sum_over_processes: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> Tensor:
    """What an opinion o of each token says of the targets, by least squares over the masked tokens.

    f = a + b o + (c + d o) t for the t-th token of a sequence: an opinion of a few words tells less of the end than
    one of the whole text. opinions, targets, mask (B, T) -> (B, T), 0 on padding. Where the opinions do not differ,
    the smallest of the coefficients that fit as well. `sum_over_processes` makes the fit global.
    """
    places = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape)
    columns = torch.stack([torch.ones_like(opinions), opinions, places, opinions * places], -1).double()
    real = columns[mask]
    sums = torch.cat([real.T @ real, real.T @ targets[mask].double()[:, None]], 1)
    sums = sum_over_processes(sums)
    scale = sums.diagonal().sqrt().clamp(min=1e-12)  # columns of one size, so that one tolerance fits all
    inverse = torch.linalg.pinv(sums[:, :-1] / scale / scale[:, None], rtol=1e-10, hermitian=True)
    coefficients = inverse @ (sums[:, -1] / scale) / scale
    return ((columns @ coefficients) * mask).to(opinions.dtype)


def explained_variance(
    values: Tensor,
    targets: Tensor,
    mask: Tensor,
    sum_over_processes: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> Tensor:
    """1 - Var(targets - values) / Var(targets) over the masked tokens: 1 at best, 0 for one value for all.

    All (B, T); gives (), float64. 0 where the targets do not differ.
    """
    sums = sum_over_processes(torch.stack([masked_sums(x, mask) for x in (targets - values, targets)]))
    (_, left), (_, whole) = (mean_and_variance(row) for row in sums)
    return torch.where(whole > 0, 1 - left / whole.clamp(min=1e-12), torch.zeros_like(whole))


def kl_estimate(logprobs: Tensor, ref_logprobs: Tensor, estimator: str = "k1") -> Tensor:
    """Per-token estimate of KL(policy || reference) from tokens sampled by the policy: (B, T) -> (B, T). [KL]

    With d = log p(x) - log p_ref(x):  k1 = d (unbiased),  k2 = d^2 / 2 (biased, low variance),
    k3 = exp(-d) - 1 + d (unbiased, never negative).
    """
    difference = logprobs - ref_logprobs
    if estimator == "k1":
        return difference
    if estimator == "k2":
        return difference.square() / 2
    if estimator == "k3":
        return torch.expm1(-difference) + difference
    raise ValueError(f"Unknown KL estimator {estimator!r}: use one of {', '.join(KL_ESTIMATORS)}.")


def shaped_rewards(scores: Tensor, kl: Tensor, mask: Tensor, kl_coef: float) -> Tensor:
    """Reward of every token: -kl_coef * KL_t, plus the sequence's score at its last real token.

    [FT, eq. 2; IGPT, eq. 2]
    scores (B,), kl (B, T), mask (B, T) -> (B, T). A sequence without a real token gets nothing.
    """
    rewards = -kl_coef * kl * mask
    lengths = mask.sum(1)
    rows = torch.nonzero(lengths).squeeze(1)
    rewards[rows, lengths[rows] - 1] += scores[rows].to(rewards.dtype)
    return rewards


def missing_eos_scores(
    scores: Tensor, has_eos: Tensor, penalty: float = 0.0, fixed_score: float | None = None
) -> Tensor:
    """Score of completions that never ended: replaced by `fixed_score` where one is given, else lowered by `penalty`.

    [N+], the EOS trick: summarize-from-feedback replaces by -1. scores (B,), has_eos (B,) bool -> (B,).
    """
    if fixed_score is not None:
        return torch.where(has_eos, scores, torch.full_like(scores, fixed_score))
    return scores - penalty * (~has_eos).to(scores.dtype)


def rewards_to_go(rewards: Tensor, gamma: float = 1.0) -> Tensor:
    """G_t = r_t + gamma G_{t+1}: (B, T), 0 on padding, to (B, T)."""
    return gae(rewards, torch.zeros_like(rewards), torch.ones_like(rewards), gamma, lam=1.0)[0]


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimation. [GAE, eq. 11-16] All (B, T); gives (advantages, returns).

    delta_t = r_t + gamma V_{t+1} - V_t,   A_t = delta_t + gamma lam A_{t+1},   return_t = A_t + V_t;
    nothing follows a sequence's last real token: V and A beyond it are 0.
    """
    real = mask.to(values.dtype)
    values = values * real
    rewards = rewards * real
    advantages = torch.zeros_like(values)
    next_advantage = torch.zeros_like(values[:, 0])
    next_value = torch.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        next_advantage = (delta + gamma * lam * next_advantage) * real[:, t]
        advantages[:, t] = next_advantage
        next_value = values[:, t]
    return advantages, advantages + values


def clipped_policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, clip_range: float
) -> tuple[Tensor, Tensor]:
    """PPO's pessimistic surrogate per token. [PPO, eq. 7] All (B, T); gives (loss, 1.0 where clipped).

    loss = max(-A ratio, -A clip(ratio, 1 - e, 1 + e)),  ratio = p(x) / p_old(x).
    """
    ratio = torch.exp(logprobs - old_logprobs)
    plain = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip_range, 1 + clip_range)
    return torch.maximum(plain, clipped), (clipped > plain).float()


def penalized_policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, penalty_coef: float
) -> Tensor:
    """PPO's other surrogate per token, a KL penalty instead of the clip. [PPO, eq. 8] All of one shape.

    loss = -A ratio + beta KL[p_old, p].  The tokens come from p_old, so k3 of (p_old, p) estimates that KL
    without bias, in value and in gradient, and is 0 with gradient 0 where the two agree.
    """
    ratio = torch.exp(logprobs - old_logprobs)
    return -advantages * ratio + penalty_coef * kl_estimate(old_logprobs, logprobs, "k3")


def truncated_importance(logprobs: Tensor, written_logprobs: Tensor, cap: float) -> Tensor:
    """Weight of each token that another program wrote than the one that computes p: all of one shape. [TIS]

    min(p(x) / p_written(x), cap): rounding makes the two differ, and without the cap a few rare tokens would
    count more than all others. Cap 0: every token counts 1.
    """
    if not cap:
        return torch.ones_like(logprobs)
    return torch.exp(logprobs - written_logprobs).clamp(max=cap)


def clipped_value_loss(
    values: Tensor, old_values: Tensor, returns: Tensor, clip_range: float
) -> tuple[Tensor, Tensor]:
    """Squared error to the return, the value kept within `clip_range` of its rollout value.

    [N+], detail "value clipping". All (B, T); gives (larger error / 2, 1.0 where clipped).
    """
    kept_near = old_values + (values - old_values).clamp(-clip_range, clip_range)
    plain = (values - returns).square()
    clipped = (kept_near - returns).square()
    return torch.maximum(plain, clipped) / 2, (clipped > plain).float()


class FixedKLController:
    """A KL coefficient that stays what it was set to."""

    def __init__(self, kl_coef: float) -> None:
        self.kl_coef = kl_coef

    def update(self, kl: float, num_episodes: int) -> None:
        """Nothing: the coefficient is fixed."""


class AdaptiveKLController:
    """Moves the KL coefficient so that the measured KL of a sequence approaches a target. [FT, section 2.2]

    e = clip(KL / target - 1, -0.2, 0.2),   coef <- coef * (1 + e * episodes / horizon).
    """

    def __init__(self, kl_coef: float, target: float, horizon: int) -> None:
        self.kl_coef = kl_coef
        self.target = target
        self.horizon = horizon

    def update(self, kl: float, num_episodes: int) -> None:
        """Adjust the coefficient after `num_episodes` episodes whose mean sequence KL was `kl`."""
        error = min(max(kl / self.target - 1, -0.2), 0.2)
        self.kl_coef *= 1 + error * num_episodes / self.horizon


class UpdatePenalty:
    """The coefficient beta of the KL penalty, moved so that each update moves the policy about `target` far.

    [PPO, section 4]: after a policy update with d = KL[p_old, p],
    beta / 2 if d < target / 1.5,   2 beta if d > 1.5 target.
    """

    def __init__(self, penalty_coef: float, target: float) -> None:
        self.penalty_coef = penalty_coef
        self.target = target

    def update(self, kl: float) -> None:
        """Adjust the coefficient after an update that moved the policy by `kl` (nats per token)."""
        if kl < self.target / 1.5:
            self.penalty_coef /= 2
        elif kl > self.target * 1.5:
            self.penalty_coef *= 2
