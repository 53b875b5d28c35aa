"""The reward model's losses: pure functions of scores, without a model, a snapshot or an option in sight.

Shapes: N completions of R rankings; scores (N, E), E heads of an ensemble (1 without one). `places` (N,) is the
tier of each completion, 0 the best, -1 for one that takes no part; `ranking` (N,) says which ranking it
belongs to. A gap is the score of the better completion minus that of the worse.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

# ---------------------------------------------------------------- pairs


@dataclass
class Pairs:
    """Indices into the N completions: better above worse (P,), and the two of each tie (T,), any order."""

    better: Tensor
    worse: Tensor
    tied_first: Tensor
    tied_second: Tensor


def pairs_of(places: Tensor, ranking: Tensor, can_tie: Tensor | None = None) -> Pairs:
    """Every pair within one ranking whose places differ, and every tie once; a place of -1 makes neither.

    can_tie (N,): false where an equal place is no tie, because nobody has compared the two.
    """
    is_ranked = places >= 0
    together = (ranking[:, None] == ranking[None, :]) & is_ranked[:, None] & is_ranked[None, :]
    better, worse = (together & (places[:, None] < places[None, :])).nonzero(as_tuple=True)
    is_tie = (together & (places[:, None] == places[None, :])).triu(1)
    if can_tie is not None:
        is_tie &= can_tie[:, None]
    tied_first, tied_second = is_tie.nonzero(as_tuple=True)
    return Pairs(better, worse, tied_first, tied_second)


def mean_by(values: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """(M, E) values to their means in each group, (num_groups, E); a group without a value gives 0.

    This is the normalisation of a ranking by its number of pairs (InstructGPT, equation 1: 1/C(K,2)).
    """
    sums = values.new_zeros(num_groups, values.shape[1]).index_add(0, group, values)
    return sums / torch.bincount(group, minlength=num_groups).clamp(min=1)[:, None]


# ---------------------------------------------------------------- how a preference comes about


def bradley_terry(gaps: Tensor) -> Tensor:
    """log P(better wins) = log sigmoid(gap) (Bradley and Terry 1952; InstructGPT, equation 1)."""
    return logsigmoid(gaps)


def rao_kupper(gaps: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """(log P(better wins), log P(tie)) with a threshold theta >= 1 (Rao and Kupper 1967, section 2).

    With strengths p = exp(score): P(i wins) = p_i / (p_i + theta p_j), and
    P(tie) = (theta^2 - 1) p_i p_j / ((p_i + theta p_j) (p_j + theta p_i)).
    In logits, eta = log theta: sigmoid(gap - eta), and (theta^2 - 1) sigmoid(gap - eta) sigmoid(-gap - eta).
    """
    eta = theta.log()
    win, lose = logsigmoid(gaps - eta), logsigmoid(-gaps - eta)
    return win, torch.log(theta**2 - 1) + win + lose


def davidson(gaps: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
    """(log P(better wins), log P(tie)); nu >= 0 says how common ties are (Davidson 1970, section 2).

    P(i wins) = p_i / (p_i + p_j + nu sqrt(p_i p_j)) and P(tie) = nu sqrt(p_i p_j) / (the same).
    """
    half = torch.stack([gaps / 2, -gaps / 2, nu.log().expand_as(gaps)])
    total = half.logsumexp(0)
    return half[0] - total, half[2] - total


def with_flips(log_right: Tensor, log_wrong: Tensor, flip_rate: Tensor) -> Tensor:
    """log of (1 - e) P(right) + e P(wrong): a label that was turned round with probability e.

    e in (0, 1/2): one number for all (Mitchell 2023, "A note on DPO with noisy preferences"), or (P, 1), that
    of each pair's annotator, whose reliability is 1 - e (Chen et al. 2013, Crowd-BT, section 3).
    """
    return torch.logaddexp(torch.log1p(-flip_rate) + log_right, flip_rate.log() + log_wrong)


@dataclass
class Preference:
    """How pairs are judged: ties ("drop", "rao_kupper", "davidson") with their parameter, and label flips."""

    ties: str = "drop"
    tie_parameter: Tensor | None = None
    flip_rate: Tensor | None = None  # () or (rankings,)


def ranking_losses(
    scores: Tensor,
    places: Tensor,
    ranking: Tensor,
    num_rankings: int,
    how: Preference,
    margins: Tensor | None = None,
    can_tie: Tensor | None = None,
) -> Tensor:
    """(R, E): the mean over a ranking's pairs of -log P(what the annotator said); 0 for one without a pair.

    margins (N, N): what the better completion must win by, log sigmoid(gap - margin) (Llama 2, equation 2).
    Ties are pairs too where `how` gives them a likelihood (can_tie: see `pairs_of`).
    """
    pairs = pairs_of(places, ranking, can_tie)
    gaps = scores[pairs.better] - scores[pairs.worse]
    if margins is not None:
        gaps = gaps - margins[pairs.better, pairs.worse][:, None]
    tie_gaps = scores[pairs.tied_first] - scores[pairs.tied_second]
    if how.ties == "drop":
        right, wrong, tie = bradley_terry(gaps), bradley_terry(-gaps), None
    else:
        assert how.tie_parameter is not None
        likelihood = {"rao_kupper": rao_kupper, "davidson": davidson}[how.ties]
        right, wrong = likelihood(gaps, how.tie_parameter)[0], likelihood(-gaps, how.tie_parameter)[0]
        tie = likelihood(tie_gaps, how.tie_parameter)[1]
    if how.flip_rate is not None:
        rate = how.flip_rate if how.flip_rate.dim() == 0 else how.flip_rate[ranking[pairs.better]][:, None]
        right = with_flips(right, wrong, rate)
    losses, group = -right, ranking[pairs.better]
    if tie is not None:
        losses, group = torch.cat([losses, -tie]), torch.cat([group, ranking[pairs.tied_first]])
    return mean_by(losses, group, num_rankings)


def reward_loss(scores: Tensor, places: Tensor, ranking: Tensor | None = None) -> Tensor:
    """The plain objective: mean over rankings of the mean over pairs of -log sigmoid(better - worse).

    InstructGPT, equation 1. scores (N,). ranking None: all belong to one. A ranking without a pair counts for
    nothing.
    """
    if ranking is None:
        ranking = torch.zeros_like(places)
    num_rankings = int(ranking.max()) + 1
    losses = ranking_losses(scores[:, None], places, ranking, num_rankings, Preference())
    has_pair = torch.bincount(ranking[pairs_of(places, ranking).better], minlength=num_rankings) > 0
    return losses.sum() / has_pair.sum().clamp(min=1)


# ---------------------------------------------------------------- absolute judgements


def thermometer_losses(scores: Tensor, levels: Tensor, thresholds: Tensor) -> Tensor:
    """(M, E): a rating 0 .. L-1 as L-1 questions "is it above j?", one logit each: score - threshold_j.

    CORAL (Cao, Mirjalili and Raschka 2020, section 3): one score, a bias for each question; the ordinal
    regression of McCullagh 1980 in thermometer form. scores (M, E), levels (M,), thresholds (M, L-1) or (L-1,).
    """
    num_questions = thresholds.shape[-1]
    is_above = levels[:, None] > torch.arange(num_questions, device=levels.device)  # (M, L-1)
    logits = scores[:, :, None] - thresholds.expand(len(levels), num_questions)[:, None, :]  # (M, E, L-1)
    targets = is_above[:, None, :].expand_as(logits).to(logits.dtype)
    return binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(2)


def judgement_losses(scores: Tensor, judgements: Tensor, bias: Tensor) -> Tensor:
    """(M, E): -log P of good (1) or bad (0), P(good) = sigmoid(score + bias). scores (M, E), judgements (M,)."""
    targets = judgements.to(scores.dtype)[:, None].expand_as(scores)
    return binary_cross_entropy_with_logits(scores + bias, targets, reduction="none")


# ---------------------------------------------------------------- length


def centred(values: Tensor, ranking: Tensor, num_rankings: int) -> Tensor:
    """(N, E) values minus the mean of their ranking."""
    return values - mean_by(values, ranking, num_rankings)[ranking]


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's, of (N, E) with (N, 1), one for each head: (E,); 0 where one of them does not vary."""
    first, second = first - first.mean(0), second - second.mean(0)
    spread = (first.pow(2).sum(0) * second.pow(2).sum(0)).clamp(min=1e-12).sqrt()
    return (first * second).sum(0) / spread


def length_losses(scores: Tensor, length_scores: Tensor, lengths: Tensor, directions: Tensor) -> Tensor:
    """ODIN's two terms (Chen et al. 2024, section 3): quality without length, and a head that takes it up.

    |corr(score, length)| - corr(length score, length) + |cos(quality head, length head)|, mean over E. scores
    and length_scores (N, E) and lengths (N, 1) are centred within their rankings, since a ranking never compares
    two prompts; directions (2, d): the two heads. The preference loss sees score + length score; the length
    head is thrown away at the end.
    """
    quality, length = correlation(scores, lengths), correlation(length_scores, lengths)
    cosine = torch.nn.functional.cosine_similarity(directions[0], directions[1], dim=0)
    return (quality.abs() - length).mean() + cosine.abs()


# ---------------------------------------------------------------- calibration


def fit_temperature(gaps: Tensor, weights: Tensor, lowest: float = 0.05, highest: float = 20.0) -> float:
    """The T in [lowest, highest] with the least -sum of weight x log sigmoid(gap / T) (Guo et al. 2017, 4.2).

    gaps and weights (P,). The loss is convex in 1/T: the root of its derivative, by bisection. Pairs that are
    all ordered right ask for T = 0 and get `lowest`; all wrong, `highest`.
    """
    gaps, weights = gaps.double(), weights.double()
    low, high = 1 / highest, 1 / lowest
    for _ in range(60):
        middle = (low + high) / 2
        slope = -(weights * gaps * torch.sigmoid(-middle * gaps)).sum()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return 2 / (low + high)


def calibration_error(confidence: Tensor, is_right: Tensor, num_bins: int = 10) -> float:
    """Expected calibration error over equal bins of [0.5, 1] (Guo et al. 2017, equation 3).

    confidence (P,): the probability of the order that the model holds likelier; is_right (P,): 1, 0, or 0.5 for
    equal scores.
    """
    bins = ((confidence - 0.5) * 2 * num_bins).long().clamp(0, num_bins - 1)
    error = 0.0
    for at in range(num_bins):
        chosen = bins == at
        if chosen.any():
            error += float((confidence[chosen].mean() - is_right[chosen].float().mean()).abs() * chosen.sum())
    return error / max(1, len(confidence))
