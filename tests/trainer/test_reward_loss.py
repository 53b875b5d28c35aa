"""The reward model's losses against numbers worked out by hand, and against each other."""

import math

import pytest
import torch

from trainer.reward_loss import (
    Preference,
    bradley_terry,
    calibration_error,
    correlation,
    davidson,
    fit_temperature,
    judgement_losses,
    length_losses,
    mean_by,
    pairs_of,
    ranking_losses,
    rao_kupper,
    reward_loss,
    thermometer_losses,
    with_flips,
)


def sigmoid_loss(gap: float) -> float:
    return math.log(1 + math.exp(-gap))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def one_ranking(scores, places, how=None, margins=None):
    """The loss of one ranking under one head."""
    scores, places = torch.tensor(scores), torch.tensor(places)
    ranking = torch.zeros_like(places)
    return float(ranking_losses(scores[:, None], places, ranking, 1, how or Preference(), margins))


# ---------------------------------------------------------------- the plain objective


def test_two_completions_cost_minus_log_sigmoid_of_their_gap():
    loss = reward_loss(torch.tensor([1.5, 0.5]), torch.tensor([0, 1]))
    assert float(loss) == pytest.approx(0.313262, abs=1e-6)  # log(1 + e^-1)


def test_equal_scores_cost_log_two():
    assert float(reward_loss(torch.zeros(4), torch.arange(4))) == pytest.approx(math.log(2), abs=1e-6)


def test_four_completions_cost_the_mean_over_their_six_pairs():
    scores = [2.0, 1.0, 0.5, -1.0]
    # gaps 1, 1.5, 3, .5, 2, 1.5: (.313262 + .201413 + .048587 + .474077 + .126928 + .201413) / 6
    assert float(reward_loss(torch.tensor(scores), torch.arange(4))) == pytest.approx(0.227613, abs=1e-6)


def test_a_tie_makes_no_pair():
    """Tiers [a] > [b, c] > [d]: five pairs, none between b and c."""
    scores = torch.tensor([2.0, 1.0, 0.5, -1.0], requires_grad=True)
    loss = reward_loss(scores, torch.tensor([0, 1, 1, 2]))
    assert loss.item() == pytest.approx(sum(map(sigmoid_loss, [1.0, 1.5, 3.0, 2.0, 1.5])) / 5, abs=1e-6)
    all_tied = reward_loss(torch.tensor([2.0, 1.0], requires_grad=True), torch.tensor([0, 0]))
    assert all_tied.item() == 0.0


def test_the_order_in_which_completions_come_does_not_matter():
    scores = torch.randn(6, generator=torch.Generator().manual_seed(0))
    tiers, shuffled = torch.tensor([0, 1, 1, 2, 3, 3]), torch.tensor([4, 2, 0, 5, 1, 3])
    assert torch.isclose(reward_loss(scores, tiers), reward_loss(scores[shuffled], tiers[shuffled]))


def test_every_ranking_weighs_the_same_whatever_its_k():
    """One pair with gap 1, and four completions with gap 0: the mean of the two, not of the seven pairs."""
    scores = torch.tensor([1.0, 0.0, 5.0, 5.0, 5.0, 5.0])
    tiers = torch.tensor([0, 1, 0, 1, 2, 3])
    ranking = torch.tensor([0, 0, 1, 1, 1, 1])
    expected = (sigmoid_loss(1.0) + math.log(2)) / 2
    assert float(reward_loss(scores, tiers, ranking)) == pytest.approx(expected, abs=1e-6)


def test_completions_of_different_rankings_are_never_compared():
    scores = torch.tensor([0.0, -1.0, 100.0, 99.0], requires_grad=True)
    loss = reward_loss(scores, torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]))
    assert loss.item() == pytest.approx(sigmoid_loss(1.0), abs=1e-6)


def test_an_unranked_completion_makes_neither_pair_nor_tie():
    pairs = pairs_of(torch.tensor([0, -1, -1, 1, 1]), torch.zeros(5, dtype=torch.long))
    assert list(zip(pairs.better.tolist(), pairs.worse.tolist(), strict=True)) == [(0, 3), (0, 4)]
    assert (pairs.tied_first.tolist(), pairs.tied_second.tolist()) == ([3], [4])


def test_each_head_of_an_ensemble_has_its_own_loss():
    scores = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    losses = ranking_losses(scores, torch.tensor([0, 1]), torch.zeros(2, dtype=torch.long), 1, Preference())
    assert losses[0].tolist() == pytest.approx([sigmoid_loss(1.0), sigmoid_loss(-2.0)], abs=1e-6)


# ---------------------------------------------------------------- ties


def test_rao_kupper_by_hand():
    """Strengths 3 and 1, theta 2: P(win) 3/(3+2), P(lose) 1/(1+6), P(tie) = (4-1) x 3 / (5 x 7)."""
    gap, theta = torch.tensor([math.log(3.0)]), torch.tensor(2.0)
    win, tie = rao_kupper(gap, theta)
    lose, tie_reversed = rao_kupper(-gap, theta)
    assert [float(value.exp()) for value in (win, lose, tie)] == pytest.approx(
        [3 / 5, 1 / 7, 9 / 35], abs=1e-6
    )
    assert float(tie) == pytest.approx(float(tie_reversed))


def test_davidson_by_hand():
    """Strengths 4 and 1, nu 1/2: 4, 1 and 1/2 x sqrt(4), out of 6."""
    gap, nu = torch.tensor([math.log(4.0)]), torch.tensor(0.5)
    win, tie = davidson(gap, nu)
    lose, _ = davidson(-gap, nu)
    assert [float(value.exp()) for value in (win, lose, tie)] == pytest.approx(
        [4 / 6, 1 / 6, 1 / 6], abs=1e-6
    )


@pytest.mark.parametrize(("likelihood", "smallest"), [(rao_kupper, 1.0 + 1e-6), (davidson, 1e-6)])
def test_without_room_for_ties_both_are_bradley_terry(likelihood, smallest):
    gaps = torch.tensor([-3.0, 0.0, 0.7, 5.0])
    assert torch.allclose(likelihood(gaps, torch.tensor(smallest))[0], bradley_terry(gaps), atol=1e-5)


@pytest.mark.parametrize("likelihood", [rao_kupper, davidson])
def test_win_tie_and_loss_add_up_to_one(likelihood):
    gaps = torch.linspace(-6, 6, 13)
    win, tie = likelihood(gaps, torch.tensor(1.7))
    assert torch.allclose(
        win.exp() + tie.exp() + likelihood(-gaps, torch.tensor(1.7))[0].exp(), torch.ones(13)
    )


def test_a_tie_counts_as_a_pair_where_it_has_a_likelihood():
    """Tiers [a, b] > [c], theta 2: two pairs and a tie, each a third."""
    how = Preference("rao_kupper", torch.tensor(2.0))
    win = [sigmoid(gap - math.log(2)) for gap in (2.0, 1.0)]
    tie = 3 * sigmoid(1 - math.log(2)) * sigmoid(-1 - math.log(2))
    expected = -sum(math.log(p) for p in (*win, tie)) / 3
    assert one_ranking([1.0, 0.0, -1.0], [0, 0, 1], how) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("likelihood", "shift"), [(rao_kupper, 1.0), (davidson, 0.0)])
def test_the_tie_parameter_is_found_again_from_the_ties_it_makes(likelihood, shift):
    """Maximum likelihood on the outcomes' expected frequencies is a fixed point at the true parameter."""
    gaps, true = torch.linspace(-2, 2, 9), torch.tensor(1.6)
    with torch.no_grad():
        win, tie = likelihood(gaps, true)
        lose, _ = likelihood(-gaps, true)
    raw = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.Adam([raw], lr=0.05)
    for _ in range(300):
        guess = raw.exp() + shift
        log_win, log_tie = likelihood(gaps, guess)
        log_lose, _ = likelihood(-gaps, guess)
        loss = -(win.exp() * log_win + tie.exp() * log_tie + lose.exp() * log_lose).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert raw.detach().exp().item() + shift == pytest.approx(1.6, abs=0.01)


# ---------------------------------------------------------------- margins and noise


def test_a_margin_is_taken_off_the_gap():
    """Llama 2, equation 2; with tiers between as the margin it is TRL's margin column."""
    places = torch.tensor([0, 1, 2])
    margins = 0.5 * (places[None, :] - places[:, None])
    expected = (sigmoid_loss(1.0 - 0.5) + sigmoid_loss(3.0 - 1.0) + sigmoid_loss(2.0 - 0.5)) / 3
    assert one_ranking([2.0, 1.0, -1.0], [0, 1, 2], margins=margins) == pytest.approx(expected, abs=1e-6)


def test_flipped_labels_mix_the_two_orders():
    how = Preference(flip_rate=torch.tensor(0.1))
    expected = -math.log(0.9 * sigmoid(2.0) + 0.1 * sigmoid(-2.0))
    assert one_ranking([2.0, 0.0], [0, 1], how) == pytest.approx(expected, abs=1e-6)


def test_a_sure_score_against_a_noisy_label_costs_a_bounded_amount():
    right, wrong = bradley_terry(torch.tensor([-50.0])), bradley_terry(torch.tensor([50.0]))
    assert float(-with_flips(right, wrong, torch.tensor(0.1))) == pytest.approx(-math.log(0.1), abs=1e-5)


def test_each_annotator_has_a_flip_rate_of_their_own():
    scores, places = torch.tensor([[2.0], [0.0], [2.0], [0.0]]), torch.tensor([0, 1, 0, 1])
    how = Preference(flip_rate=torch.tensor([0.1, 0.4]))
    losses = ranking_losses(scores, places, torch.tensor([0, 0, 1, 1]), 2, how)
    expected = [-math.log((1 - e) * sigmoid(2.0) + e * sigmoid(-2.0)) for e in (0.1, 0.4)]
    assert losses[:, 0].tolist() == pytest.approx(expected, abs=1e-6)


# ---------------------------------------------------------------- absolute judgements


def test_a_rating_answers_one_question_for_each_threshold():
    """Level 1 of 0, 1, 2: above the first threshold (-1), not above the second (2); score 0.5."""
    loss = thermometer_losses(torch.tensor([[0.5]]), torch.tensor([1]), torch.tensor([-1.0, 2.0]))
    assert float(loss) == pytest.approx((sigmoid_loss(1.5) + sigmoid_loss(1.5)) / 2, abs=1e-6)


def test_higher_ratings_ask_for_higher_scores():
    thresholds = torch.linspace(-2, 2, 6)
    best = []
    for level in range(7):
        scores = torch.linspace(-4, 4, 81)[:, None]
        losses = thermometer_losses(scores, torch.full((81,), level), thresholds)
        best.append(int(losses.argmin()))
    assert best == sorted(best) and len(set(best)) == 7


def test_a_judgement_is_a_logistic_regression_on_the_score():
    losses = judgement_losses(torch.tensor([[1.0], [1.0]]), torch.tensor([1, 0]), torch.tensor(0.5))
    assert losses[:, 0].tolist() == pytest.approx([sigmoid_loss(1.5), sigmoid_loss(-1.5)], abs=1e-6)


def test_means_by_ranking_leave_an_empty_ranking_at_zero():
    means = mean_by(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 2]), 3)
    assert means[:, 0].tolist() == [2.0, 0.0, 5.0]


# ---------------------------------------------------------------- length


def test_correlation_by_hand():
    first = torch.tensor([[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]])
    assert correlation(first, torch.tensor([[2.0], [2.0], [5.0]])).tolist() == pytest.approx(
        [0.866025, 0.0], abs=1e-5
    )


def test_the_length_terms_fall_to_minus_one_for_a_score_without_length():
    """Quality uncorrelated, length head fully correlated, heads orthogonal: 0 - 1 + 0."""
    lengths = torch.tensor([[-1.0], [1.0], [-1.0], [1.0]])
    quality = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]])
    loss = length_losses(quality, 2 * lengths, lengths, torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
    assert float(loss) == pytest.approx(-1.0, abs=1e-6)
    swapped = length_losses(lengths, quality, lengths, torch.tensor([[1.0, 0.0], [2.0, 0.0]]))
    assert float(swapped) == pytest.approx(2.0, abs=1e-6)


# ---------------------------------------------------------------- calibration


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_answers_is_found(true):
    generator = torch.Generator().manual_seed(0)
    strength = 2 * torch.randn(20000, generator=generator)
    agrees = torch.rand(20000, generator=generator) < torch.sigmoid(strength.abs() / true)
    gaps = torch.where(agrees, strength.abs(), -strength.abs())
    assert fit_temperature(gaps, torch.ones(20000)) == pytest.approx(true, rel=0.05)


def test_the_temperature_stays_in_bounds_where_the_pairs_give_none():
    assert fit_temperature(torch.tensor([1.0, 2.0]), torch.ones(2)) == pytest.approx(0.05, abs=1e-6)
    assert fit_temperature(torch.tensor([-1.0, -2.0]), torch.ones(2)) == pytest.approx(20.0, abs=1e-3)


def test_calibration_error_by_hand():
    """Bins .5-.6 (two, one right) and .9-1 (two, both right): .5 x |.55 - .5| + .5 x |.95 - 1|."""
    confidence, is_right = torch.tensor([0.54, 0.56, 0.94, 0.96]), torch.tensor([1.0, 0.0, 1.0, 1.0])
    assert calibration_error(confidence, is_right, num_bins=5) == pytest.approx(0.05, abs=1e-6)
