"""The mathematics of RLHF against numbers worked out by hand."""

import math

import numpy
import pytest
import torch

from trainer import rl_math


def close(actual, expected, tolerance=1e-5):
    torch.testing.assert_close(
        torch.as_tensor(actual, dtype=torch.float32),
        torch.as_tensor(expected, dtype=torch.float32),
        atol=tolerance,
        rtol=0,
    )


def test_log_probability_of_a_token_by_hand():
    logits = torch.tensor([[[0.0, math.log(3.0)], [math.log(9.0), 0.0]]])
    tokens = torch.tensor([[1, 1]])
    close(rl_math.token_logprobs(logits, tokens), [[math.log(3 / 4), math.log(1 / 10)]])


def test_log_probabilities_keep_the_shape_of_the_tokens():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    tokens = torch.tensor([[0, 1, 2], [3, 4, 0]])
    found = rl_math.token_logprobs(logits, tokens, temperature=0.7)
    flat = rl_math.token_logprobs(logits.flatten(0, 1), tokens.flatten(), temperature=0.7)
    assert found.shape == (2, 3) and flat.shape == (6,)
    close(found.flatten(), flat)
    close(flat, torch.log_softmax(logits.flatten(0, 1) / 0.7, -1)[torch.arange(6), tokens.flatten()])


def test_temperature_divides_the_logits_before_the_softmax():
    logits = torch.tensor([[[0.0, math.log(9.0)]]])
    tokens = torch.tensor([[1]])
    close(rl_math.token_logprobs(logits, tokens, temperature=2.0), [[math.log(3 / 4)]])


def test_log_probabilities_are_float32_even_for_half_precision_logits():
    logits = torch.zeros(1, 1, 4, dtype=torch.bfloat16)
    logprobs = rl_math.token_logprobs(logits, torch.tensor([[2]]))
    assert logprobs.dtype == torch.float32
    close(logprobs, [[math.log(1 / 4)]])


def test_entropy_of_a_uniform_choice_is_log_of_its_size():
    close(rl_math.token_entropy(torch.zeros(1, 1, 8)), [[math.log(8)]])


def test_whitening_gives_mean_zero_and_variance_one_over_real_tokens():
    values = torch.tensor([[1.0, 3.0, 50.0], [5.0, 7.0, 50.0]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 0]]).bool()
    root5 = math.sqrt(5)  # mean 4, biased variance (9 + 1 + 1 + 9) / 4 = 5
    close(rl_math.whiten(values, mask), [[-3 / root5, -1 / root5, 0], [1 / root5, 3 / root5, 0]])


def test_whitening_without_shift_keeps_the_mean():
    values = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
    mask = torch.ones(2, 2, dtype=torch.bool)
    whitened = rl_math.whiten(values, mask, shift_mean=False)
    close(whitened.mean(), 4.0)
    close(whitened[0, 0], 4 - 3 / math.sqrt(5))


def test_whitening_over_two_processes_equals_whitening_the_whole_batch():
    values = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.rand(4, 5, generator=torch.Generator().manual_seed(1)) > 0.3
    whole = rl_math.whiten(values, mask)
    total = rl_math.masked_sums(values[:2], mask[:2]) + rl_math.masked_sums(values[2:], mask[2:])
    parts = [
        rl_math.whiten(values[s], mask[s], sum_over_processes=lambda _: total)
        for s in (slice(2), slice(2, 4))
    ]
    close(torch.cat(parts), whole)


def test_kl_estimators_by_hand():
    logprobs = torch.tensor([[math.log(0.5)]])
    ref_logprobs = torch.tensor([[math.log(0.25)]])
    close(rl_math.kl_estimate(logprobs, ref_logprobs, "k1"), [[math.log(2)]])
    close(rl_math.kl_estimate(logprobs, ref_logprobs, "k2"), [[math.log(2) ** 2 / 2]])
    close(rl_math.kl_estimate(logprobs, ref_logprobs, "k3"), [[0.5 - 1 + math.log(2)]])


def test_k1_and_k3_average_to_the_true_divergence():
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    truth = (p * (p / q).log()).sum()
    for estimator in ("k1", "k3"):
        close((p * rl_math.kl_estimate(p.log(), q.log(), estimator)).sum(), truth)


def test_unknown_kl_estimator_is_refused():
    with pytest.raises(ValueError, match="k1, k2, k3"):
        rl_math.kl_estimate(torch.zeros(1, 1), torch.zeros(1, 1), "k4")


def test_score_falls_on_the_last_real_token_and_kl_on_every_one():
    mask = torch.tensor([[1, 1, 1], [1, 0, 0], [0, 0, 0]]).bool()
    kl = torch.tensor([[1.0, 2.0, 3.0], [4.0, 9.0, 9.0], [9.0, 9.0, 9.0]])
    rewards = rl_math.shaped_rewards(torch.tensor([10.0, 20.0, 30.0]), kl, mask, kl_coef=0.1)
    close(rewards, [[-0.1, -0.2, 9.7], [19.6, 0.0, 0.0], [0.0, 0.0, 0.0]])


def test_missing_eos_is_penalised_or_replaced():
    scores, has_eos = torch.tensor([2.0, 3.0]), torch.tensor([True, False])
    close(rl_math.missing_eos_scores(scores, has_eos), [2.0, 3.0])
    close(rl_math.missing_eos_scores(scores, has_eos, penalty=5.0), [2.0, -2.0])
    close(rl_math.missing_eos_scores(scores, has_eos, fixed_score=-1.0), [2.0, -1.0])
    close(rl_math.missing_eos_scores(scores, has_eos, penalty=5.0, fixed_score=-1.0), [2.0, -1.0])


def test_gae_by_hand():
    rewards = torch.tensor([[0.0, 0.0, 1.0]])
    values = torch.tensor([[0.5, 0.6, 0.7]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    advantages, returns = rl_math.gae(rewards, values, mask, gamma=1.0, lam=0.5)
    # deltas .1, .1, .3; A2 = .3, A1 = .1 + .5 * .3 = .25, A0 = .1 + .5 * .25 = .225
    close(advantages, [[0.225, 0.25, 0.3]])
    close(returns, [[0.725, 0.85, 1.0]])


def test_gae_discounts_by_gamma():
    advantages, returns = rl_math.gae(
        torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 8.0]]), torch.ones(1, 2).bool(), gamma=0.5, lam=1.0
    )
    # delta1 = 2 - 8 = -6; delta0 = 1 + .5 * 8 - 4 = 1; A0 = 1 + .5 * -6 = -2; return0 = 1 + .5 * 2 = 2
    close(advantages, [[-2.0, -6.0]])
    close(returns, [[2.0, 2.0]])


def test_gae_with_lambda_one_returns_the_sum_of_the_rewards_to_come():
    rewards = torch.tensor([[1.0, 2.0, 3.0]])
    _, returns = rl_math.gae(rewards, torch.randn(1, 3), torch.ones(1, 3).bool(), gamma=1.0, lam=1.0)
    close(returns, [[6.0, 5.0, 3.0]])


def test_what_is_still_to_come_by_hand():
    rewards = torch.tensor([[1.0, 2.0, 4.0], [3.0, 0.0, 0.0]])
    close(rl_math.rewards_to_go(rewards), [[7.0, 6.0, 4.0], [3.0, 0.0, 0.0]])
    close(rl_math.rewards_to_go(rewards, gamma=0.5), [[3.0, 4.0, 4.0], [3.0, 0.0, 0.0]])


def test_gae_of_a_padded_row_equals_gae_of_the_row_alone():
    rewards = torch.tensor([[0.1, 1.0, 55.0, 55.0]])
    values = torch.tensor([[0.2, 0.3, 77.0, 77.0]])
    mask = torch.tensor([[1, 1, 0, 0]]).bool()
    padded, padded_returns = rl_math.gae(rewards, values, mask)
    alone, alone_returns = rl_math.gae(rewards[:, :2], values[:, :2], mask[:, :2])
    close(padded[:, :2], alone)
    close(padded_returns[:, :2], alone_returns)
    close(padded[:, 2:], [[0.0, 0.0]])


def test_what_opinions_say_is_the_least_squares_line_of_each_place():
    """Targets that are such a line are found again; others as numpy's least squares finds them; padding is out."""
    torch.manual_seed(0)
    opinions, mask = torch.randn(5, 3), torch.tensor([[True] * 3] * 4 + [[True, False, False]])
    places = torch.arange(3.0).expand(5, 3)
    line = 0.5 + 2 * opinions + (0.25 - opinions) * places
    close(rl_math.fitted(opinions, line + 9 * ~mask, mask), line * mask, tolerance=1e-5)

    targets = torch.randn(5, 3)
    columns = torch.stack([torch.ones(5, 3), opinions, places, opinions * places], -1)[mask]
    by_numpy = numpy.linalg.lstsq(columns.double().numpy(), targets[mask].double().numpy())[0]
    found = rl_math.fitted(opinions, targets, mask)
    close(found[mask], columns.double() @ torch.from_numpy(by_numpy), tolerance=1e-5)
    explained = 1 - (targets - found)[mask].var() / targets[mask].var()
    assert 0 < explained < 1
    close(rl_math.explained_variance(found, targets, mask), explained)


def test_opinions_that_do_not_differ_say_the_mean_of_each_place():
    mask = torch.ones(4, 2, dtype=torch.bool)
    targets = torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [2.0, 9.0]])
    for opinion in (0.0, 7.3):
        found = rl_math.fitted(torch.full((4, 2), opinion), targets, mask)
        close(found, torch.tensor([[2.0, 6.0]]).expand(4, 2), tolerance=1e-5)
    # of a single token each: no place to tell apart
    close(
        rl_math.fitted(torch.zeros(4, 1), targets[:, :1], mask[:, :1]),
        torch.full((4, 1), 2.0),
        tolerance=1e-5,
    )


def test_what_opinions_say_and_explain_over_two_processes_is_that_of_the_whole_batch():
    torch.manual_seed(1)
    opinions, targets = torch.randn(6, 4), torch.randn(6, 4)
    mask = torch.rand(6, 4) < 0.7
    for function in (rl_math.fitted, rl_math.explained_variance):
        sums: list[torch.Tensor] = []

        def of(half, share, function=function):
            return function(opinions[half], targets[half], mask[half], share)

        def keep(own, sums=sums):
            sums.append(own)
            return own

        of(slice(0, 3), keep), of(slice(3, 6), keep)
        whole = of(slice(0, 6), lambda own: own)
        first = of(slice(0, 3), lambda own, sums=sums: sums[0] + sums[1])
        close(first, whole[:3] if whole.dim() else whole, tolerance=1e-5)


def test_values_that_know_the_targets_explain_all_and_one_value_for_all_nothing():
    mask = torch.tensor([[True, True], [True, False]])
    targets = torch.tensor([[1.0, 3.0], [5.0, 99.0]])
    assert (
        float(rl_math.explained_variance(targets + 7, targets, mask)) == 1
    )  # a constant error is no variance
    assert float(rl_math.explained_variance(torch.zeros(2, 2), targets, mask)) == 0
    assert float(rl_math.explained_variance(-targets, targets, mask)) == -3  # errors of 2, 6 and 10
    assert float(rl_math.explained_variance(targets, torch.ones(2, 2), mask)) == 0  # nothing to explain


def test_policy_loss_is_pessimistic_on_both_sides():
    old = torch.zeros(1, 4)
    new = torch.log(torch.tensor([[1.5, 0.5, 1.5, 0.5]]))
    advantages = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    loss, clipped = rl_math.clipped_policy_loss(new, old, advantages, clip_range=0.2)
    close(loss, [[-1.2, -0.5, 1.5, 0.8]])
    close(clipped, [[1.0, 0.0, 0.0, 1.0]])


def test_policy_loss_has_no_gradient_where_it_is_clipped():
    new = torch.log(torch.tensor([[1.5, 1.1]])).requires_grad_()
    loss, _ = rl_math.clipped_policy_loss(new, torch.zeros(1, 2), torch.ones(1, 2), clip_range=0.2)
    loss.sum().backward()
    close(new.grad, [[0.0, -1.1]])


def test_penalised_policy_loss_by_hand():
    new, old = torch.log(torch.tensor([0.6, 0.1])), torch.log(torch.tensor([0.4, 0.2]))
    loss = rl_math.penalized_policy_loss(new, old, torch.tensor([2.0, -1.0]), penalty_coef=3.0)
    # ratios 1.5 and .5: -A ratio + 3 (ratio - 1 - log ratio)
    close(loss, [-3 + 3 * (0.5 - math.log(1.5)), 0.5 + 3 * (-0.5 - math.log(0.5))])


def test_truncated_importance_by_hand():
    own, written = torch.tensor([0.2, 0.3, 0.9]).log(), torch.tensor([0.4, 0.3, 0.1]).log()
    close(rl_math.truncated_importance(own, written, cap=2.0), [0.5, 1.0, 2.0])
    close(rl_math.truncated_importance(own, written, cap=0.0), [1.0, 1.0, 1.0])


def test_truncated_importance_makes_tokens_of_another_program_count_as_the_policys_own():
    """E_written[min(p / p_written, C) f] = E_p[f] where the cap is above every ratio; below it, less."""
    own, written, pays = (
        torch.tensor([0.5, 0.3, 0.2]),
        torch.tensor([0.6, 0.3, 0.1]),
        torch.tensor([1.0, 2.0, 4.0]),
    )
    weights = rl_math.truncated_importance(own.log(), written.log(), cap=2.0)
    assert float((written * weights * pays).sum()) == pytest.approx(float((own * pays).sum()), rel=1e-5)
    capped = rl_math.truncated_importance(own.log(), written.log(), cap=1.5)
    assert float((written * capped * pays).sum()) == pytest.approx(0.5 + 0.6 + 0.1 * 1.5 * 4, rel=1e-5)


def test_the_penalty_averages_to_the_divergence_from_the_old_policy_in_value_and_gradient():
    old = torch.tensor([0.7, 0.2, 0.1])
    logits = torch.tensor([0.3, -0.1, 0.4], requires_grad=True)
    new = torch.log_softmax(logits, 0)
    estimate = (old * rl_math.penalized_policy_loss(new, old.log(), torch.zeros(3), penalty_coef=1.0)).sum()
    truth = (old * (old.log() - new)).sum()
    close(estimate, truth)
    (found,) = torch.autograd.grad(estimate, logits, retain_graph=True)
    (expected,) = torch.autograd.grad(truth, logits)
    close(found, expected)


def test_value_loss_takes_the_larger_error():
    values, old = torch.tensor([[1.0, 0.1]]), torch.zeros(1, 2)
    loss, clipped = rl_math.clipped_value_loss(values, old, torch.tensor([[1.0, 1.0]]), clip_range=0.2)
    # first: plain error 0, kept near .2 -> error .8^2 / 2; second: inside the range, .9^2 / 2 both ways
    close(loss, [[0.32, 0.405]])
    close(clipped, [[1.0, 0.0]])


def test_adaptive_controller_raises_the_coefficient_above_its_target_and_lowers_it_below():
    controller = rl_math.AdaptiveKLController(0.1, target=6.0, horizon=1000)
    controller.update(kl=6.6, num_episodes=100)  # error .1 -> factor 1.01
    assert controller.kl_coef == pytest.approx(0.101)
    controller.update(kl=600.0, num_episodes=100)  # error clipped to .2 -> factor 1.02
    assert controller.kl_coef == pytest.approx(0.101 * 1.02)
    controller.update(kl=0.0, num_episodes=500)  # error clipped to -.2 -> factor .9
    assert controller.kl_coef == pytest.approx(0.101 * 1.02 * 0.9)


def test_fixed_controller_does_not_move():
    controller = rl_math.FixedKLController(0.05)
    controller.update(kl=100.0, num_episodes=100)
    assert controller.kl_coef == 0.05


def test_the_weight_of_the_update_penalty_doubles_halves_or_stays():
    penalty = rl_math.UpdatePenalty(1.0, target=0.01)
    weights = []
    for kl in (0.0151, 0.0149, 0.0068, 0.0066):
        penalty.update(kl)
        weights.append(penalty.penalty_coef)
    assert weights == [2.0, 2.0, 2.0, 1.0]
