"""What PPO learns from a batch: advantages, minibatches, losses, the optimizer's steps."""

import copy
import json

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from tests.trainer.tiny import demonstration_row
from tests.trainer.tiny_ppo import first_batch, learn_from, loaded, metrics_of, run_ppo
from trainer import ppo, ppo_ptx, ppo_update, rl_math, rollouts, run_dir
from trainer.run_dir import RunError
from trainer.snapshot import SnapshotWriter


def all_weights(models):
    return torch.cat([p.detach().flatten() for p in models.learner.parameters()])


def by_hand(models, scores=(1.0, -2.0)):
    """Two episodes of two tokens and one, with numbers that are easy to follow."""
    prompt = rollouts.Prompt("p", [], [5])
    mask = torch.tensor([[True, True], [True, False]])
    return rollouts.Rollouts(
        prompts=[prompt, prompt],
        completions=[[6, 7], [8]],
        texts=["", ""],
        has_eos=torch.tensor([True, True]),
        raw_scores=torch.tensor(scores),
        scores=torch.tensor(scores),
        mask=mask,
        logprobs=torch.tensor([[-1.0, -1.0], [-1.0, 0.0]]),
        values=torch.tensor([[0.5, 0.25], [-1.0, 0.0]]),
        entropies=torch.zeros(2, 2),
        ref_logprobs=torch.tensor([[-2.0, -1.0], [-0.5, 0.0]]),
        written_logprobs=torch.tensor([[-1.0, -1.0], [-1.0, 0.0]]),
        opinions=torch.tensor([[0.2, 0.6], [-0.4, 0.0]]),
    )


# ---------------------------------------------------------------- advantages


@pytest.mark.parametrize(
    ("changes", "expected_returns"),
    [
        # k1: rewards -.1 * 1, -0 + 1; and -.1 * -.5 - 2. With lambda 1 a return is the sum of what follows.
        ({}, [[0.9, 1.0], [-1.95, 0.0]]),
        # k3 of 1: e^-1 - 1 + 1 = .3679; of -.5: e^.5 - 1 - .5 = .1487
        ({"kl_estimator": "k3"}, [[1 - 0.03679, 1.0], [-2 - 0.01487, 0.0]]),
        ({"gamma": 0.5}, [[-0.1 + 0.5, 1.0], [-1.95, 0.0]]),
        # delta0 = -.1 + .25 - .5 = -.35, delta1 = .75; A0 = -.35 + .5 * .75 = .025, return = .525
        ({"lam": 0.5}, [[0.525, 1.0], [-1.95, 0.0]]),
    ],
)
def test_rewards_and_returns_of_a_batch_by_hand(ppo_arguments, changes, expected_returns):
    config, accelerator, models = loaded(ppo_arguments, **{"kl_coef": 0.1, "lam": 1.0} | changes)
    rolled = by_hand(models)
    advantages, returns, _ = ppo_update.advantages_and_returns(config, models, accelerator, rolled)
    torch.testing.assert_close(returns, torch.tensor(expected_returns), atol=1e-4, rtol=0)
    raw = (torch.tensor(expected_returns) - rolled.values)[rolled.mask]
    whitened = (raw - raw.mean()) / raw.std(correction=0)
    torch.testing.assert_close(advantages[rolled.mask], whitened, atol=1e-3, rtol=0)


def test_values_that_lean_on_opinions_are_their_sum_and_learn_what_is_left(ppo_arguments):
    config, accelerator, models = loaded(ppo_arguments, kl_coef=0.1, lam=0.5, shared_trunk=True)
    rolled = by_hand(models)
    advantages, left, explained = ppo_update.advantages_and_returns(config, models, accelerator, rolled)
    rewards = torch.tensor([[-0.1, 1.0], [-1.95, 0.0]])
    to_come = torch.tensor([[0.9, 1.0], [-1.95, 0.0]])
    said = rl_math.fitted(rolled.opinions, to_come - rolled.values, rolled.mask)
    assert said[rolled.mask].abs().min() > 0.1  # they say something
    expected, returns = rl_math.gae(rewards, rolled.values + said, rolled.mask, 1.0, 0.5)
    torch.testing.assert_close(advantages, rl_math.whiten(expected, rolled.mask))
    torch.testing.assert_close(left, returns - said)
    # three tokens, three coefficients that matter: such a line goes through all of them
    assert explained == pytest.approx(1, abs=1e-6)


def test_whitening_rewards_scales_them_and_keeps_their_mean(ppo_arguments):
    config, accelerator, models = loaded(ppo_arguments, kl_coef=0.1, lam=1.0, whiten_rewards=True)
    _, returns, _ = ppo_update.advantages_and_returns(config, models, accelerator, by_hand(models))
    rewards = torch.tensor([-0.1, 1.0, -1.95])
    a, b, c = ((rewards - rewards.mean()) / rewards.std(correction=0) + rewards.mean()).tolist()
    torch.testing.assert_close(returns, torch.tensor([[a + b, b], [c, 0.0]]), atol=1e-4, rtol=0)


# ---------------------------------------------------------------- minibatches and steps


def test_every_epoch_takes_every_row_once_in_another_order(ppo_arguments):
    config = ppo.PPOConfig(**ppo_arguments | {"num_mini_batches": 4})
    epochs = [
        [ppo_update.rows_of_mini_batch(config, 16, 0, 0, epoch * 4 + place) for place in range(4)]
        for epoch in range(2)
    ]
    for epoch in epochs:
        assert sorted(row for rows in epoch for row in rows) == list(range(16))
        assert all(len(rows) == 4 for rows in epoch)
    assert epochs[0] != epochs[1]


def test_minibatches_of_two_processes_are_those_of_one(ppo_arguments):
    config = ppo.PPOConfig(**ppo_arguments)
    for number in range(4):
        whole = ppo_update.rows_of_mini_batch(config, 16, 0, 12, number)
        first, second = (ppo_update.rows_of_mini_batch(config, 8, rank, 12, number) for rank in (0, 1))
        assert first + [8 + row for row in second] == whole


def test_a_batch_is_worth_epochs_times_minibatches_optimizer_steps(ppo_arguments):
    config, accelerator, models, rolled = first_batch(ppo_arguments, num_ppo_epochs=3, num_mini_batches=4)
    assert learn_from(config, accelerator, models, rolled)["policy/num_steps"] == 12
    steps = {int(state["step"]) for state in models.optimizer.state.values()}
    assert steps == {12}  # counted by Adam itself


def test_the_first_step_on_a_batch_finds_the_probabilities_it_was_sampled_with(ppo_arguments):
    config, accelerator, models, rolled = first_batch(
        ppo_arguments, temperature=0.7, num_ppo_epochs=1, num_mini_batches=1
    )
    statistics = learn_from(config, accelerator, models, rolled)
    assert statistics["policy/ratio"] == pytest.approx(1.0, abs=1e-5)
    assert statistics["policy/approx_kl"] == pytest.approx(0.0, abs=1e-8)
    assert statistics["policy/clipfrac"] == statistics["val/clipfrac"] == 0.0


@pytest.mark.parametrize("shared_trunk", [False, True])
def test_a_step_does_not_depend_on_how_it_is_cut_into_micro_batches(ppo_arguments, shared_trunk):
    config, accelerator, models, rolled = first_batch(ppo_arguments, shared_trunk=shared_trunk)
    rolled.scores = torch.arange(16.0) % 3  # which no opinion of the prompts tells
    learned = []
    for budget in (20, 100_000):
        config.micro_batch_tokens = budget
        own = copy.deepcopy(models)
        # the optimizer's copy holds the copied parameters: deepcopy keeps what belongs together together
        learn_from(config, accelerator, own, rolled)
        learned.append(all_weights(own))
    assert (learned[0] - all_weights(models)).abs().max() > 1e-4
    torch.testing.assert_close(learned[0], learned[1], atol=2e-5, rtol=0)


@pytest.mark.parametrize("shared_trunk", [False, True])
def test_the_last_mlp_leaves_out_the_prompts_and_a_step_stays_the_same(ppo_arguments, shared_trunk):
    config, accelerator, models, rolled = first_batch(ppo_arguments, shared_trunk=shared_trunk)
    rolled.scores = torch.arange(16.0) % 3
    learned, num_read = [], []
    for is_narrow in (True, False):
        own = copy.deepcopy(models)
        networks = [own.learner.policy] + ([] if shared_trunk else [own.learner.value_trunk])
        for network in networks:
            assert network.last_mlp[0] is network.base_model.layers[-1].mlp
            network.last_mlp[0].gate_proj.register_forward_hook(
                lambda module, args, output: num_read.append(output.shape[:-1].numel())
            )
            if not is_narrow:
                network.last_mlp = (None,)
        learn_from(config, accelerator, own, rolled)
        learned.append(all_weights(own))
        if is_narrow:  # every completion token once in each epoch, and no other
            assert sum(num_read) == config.num_ppo_epochs * len(networks) * sum(map(len, rolled.completions))
    assert (learned[0] - all_weights(models)).abs().max() > 1e-4
    torch.testing.assert_close(learned[0], learned[1], atol=2e-5, rtol=0)


def test_gradients_of_policy_and_value_model_are_clipped_apart(ppo_arguments):
    config, accelerator, models, rolled = first_batch(ppo_arguments, max_grad_norm=1e-3)
    seen = []

    def look(optimizer, *_):
        for group in optimizer.param_groups:
            seen.append(torch.cat([p.grad.flatten() for p in group["params"]]).norm().item())

    hook = register_optimizer_step_pre_hook(look)
    try:
        statistics = learn_from(config, accelerator, models, rolled)
    finally:
        hook.remove()
    assert len(seen) == 2 * 4
    assert all(norm == pytest.approx(1e-3, rel=1e-2) for norm in seen)  # both at the limit, neither above
    assert statistics["policy/grad_norm"] > 1e-3 and statistics["val/grad_norm"] > 1e-3


def test_adam_has_the_epsilon_of_the_papers_and_a_rate_for_each_network(ppo_arguments):
    _, _, models = loaded(ppo_arguments, learning_rate=1e-4, value_learning_rate=3e-4)
    groups = models.optimizer.param_groups
    assert [group["eps"] for group in groups] == [1e-5, 1e-5]
    assert [group["weight_decay"] for group in groups] == [0.0, 0.0]
    assert [group["peak_lr"] for group in groups] == [1e-4, 3e-4]
    owners = [{id(p) for p in group["params"]} for group in groups]
    assert owners[0] == {id(p) for p in models.learner.policy.parameters()}
    assert owners[1] == {
        id(p) for part in (models.learner.value_trunk, models.learner.value_head) for p in part.parameters()
    }


def test_learning_rate_warms_up_and_then_falls_in_a_line(ppo_arguments):
    config = ppo.PPOConfig(**ppo_arguments | {"num_warmup_steps": 4, "lr_end_share": 0.1})
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    optimizer.param_groups[0]["peak_lr"] = 1.0
    rates = []
    for step in range(16):
        ppo_update.set_learning_rate(config, optimizer, step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0 and rates[10] == pytest.approx(0.55)
    assert rates[15] == pytest.approx(1 - 0.9 * 11 / 12)


def test_the_rates_of_a_run_end_near_nothing(ppo_arguments):
    assert run_ppo(ppo_arguments) == 0
    rates = [row["lr"] for row in metrics_of(ppo_arguments)]
    assert rates == pytest.approx([1e-3 * (1 - step / 16) for step in (3, 7, 11, 15)])


def test_a_batch_that_moved_the_policy_far_enough_is_left(ppo_arguments):
    assert run_ppo(ppo_arguments, max_update_kl=1e-7) == 0
    assert {row["policy/num_steps"] for row in metrics_of(ppo_arguments)} == {2}


# ---------------------------------------------------------------- losses


def losses_of(ppo_arguments, weights=(1.0, 1.0), **changes):
    """Of two tokens whose ratios are 1.5 and .5, with advantages 1 and -1; the first value reached its return."""
    config = ppo.PPOConfig(**ppo_arguments | changes)
    tensors = [torch.tensor(row) for row in ([1.5, 0.5], [1.0, 2.0], [3.0, 1.0], [1.0, -1.0], [1.0, 1.0])]
    tensors[0] = tensors[0].log() - 1
    logprobs, values, old_values, advantages, returns = tensors
    old_logprobs = torch.tensor([-1.0, -1.0])
    return ppo_update.token_losses(
        config,
        0.25,
        logprobs,
        values,
        old_logprobs,
        old_values,
        advantages,
        returns,
        torch.tensor(weights),
    )


def test_the_loss_of_a_token_is_the_clipped_one_and_a_share_of_the_values(ppo_arguments):
    losses, statistics = losses_of(ppo_arguments, clip_range=0.2, value_clip_range=0.5, value_coef=0.1)
    # policy: max(-1.5, -1.2) and max(.5, .8); values: max(0, 1.5)^2 / 2 and max(1, .5)^2 / 2
    assert losses.tolist() == pytest.approx([-1.2 + 0.1 * 1.125, 0.8 + 0.1 * 0.5])
    named = dict(zip(ppo_update.STATISTICS, statistics, strict=True))
    assert named["policy/clipfrac"].tolist() == [1.0, 1.0]
    assert named["val/clipfrac"].tolist() == [1.0, 0.0]
    assert named["policy/ratio"].tolist() == pytest.approx([1.5, 0.5])


def test_a_token_that_vllm_wrote_counts_by_its_weight_and_its_value_in_full(ppo_arguments):
    losses, _ = losses_of(
        ppo_arguments, weights=(2.0, 0.5), clip_range=0.2, value_clip_range=0.5, value_coef=0.1
    )
    assert losses.tolist() == pytest.approx([2 * -1.2 + 0.1 * 1.125, 0.5 * 0.8 + 0.1 * 0.5])


def test_the_penalty_takes_the_place_of_the_clip(ppo_arguments):
    losses, _ = losses_of(ppo_arguments, policy_loss="kl_penalty", value_coef=0.0)
    # -A ratio + beta (ratio - 1 - log ratio), beta = .25
    k3 = [0.5 - torch.tensor(1.5).log().item(), -0.5 - torch.tensor(0.5).log().item()]
    assert losses.tolist() == pytest.approx([-1.5 + 0.25 * k3[0], 0.5 + 0.25 * k3[1]])


@pytest.mark.slow
def test_the_penalty_doubles_after_large_updates_and_halves_after_small_ones(ppo_arguments):
    weights = {}
    for target in (1e-9, 1e9):
        changes = {"policy_loss": "kl_penalty", "penalty_target": target, "num_episodes": 48}
        path = ppo_arguments["run_dir"] + str(target)
        assert run_ppo(ppo_arguments, run_dir=path, **changes) == 0
        rows = run_dir.read_metrics(path)
        weights[target] = [row["policy/penalty_coef"] for row in rows]
        assert all(row["policy/update_kl"] > 0 for row in rows)
    assert weights == {1e-9: [1.0, 2.0, 4.0], 1e9: [1.0, 0.5, 0.25]}


def test_how_far_an_update_moved_the_policy_is_measured_after_it(ppo_arguments):
    """One step on a batch moves the policy, though before that step nothing had moved yet."""
    changes = {"policy_loss": "kl_penalty", "num_ppo_epochs": 1, "num_mini_batches": 1}
    config, accelerator, models, rolled = first_batch(ppo_arguments, **changes)
    learned = learn_from(config, accelerator, models, rolled)
    assert learned["policy/approx_kl"] == pytest.approx(0.0, abs=1e-8)
    with torch.no_grad():
        judged = rollouts.judge_tokens(config, models, accelerator, rolled.prompt_ids, rolled.completions)
    expected = rl_math.kl_estimate(rolled.logprobs, judged["logprobs"], "k3")[rolled.mask].mean()
    assert learned["policy/update_kl"] == pytest.approx(float(expected), rel=1e-3)
    assert expected > 1e-6


# ---------------------------------------------------------------- PPO-ptx


def test_the_ptx_gradient_is_that_of_the_mean_loss_of_the_target_tokens(ppo_arguments):
    config, accelerator, models = loaded(ppo_arguments, ptx_coef=0.5, ptx_batch_size=6, micro_batch_tokens=40)
    texts = ppo_ptx.load_ptx_texts(config, models.tokenizer, 100)
    loss = ppo_ptx.add_ptx_gradient(config, models, accelerator, texts, step=3)
    found = [p.grad.clone() for p in models.learner.policy.parameters()]
    models.learner.zero_grad()
    chosen = rollouts.in_shuffled_passes(texts, list(range(18, 24)), config.seed, "ptx")
    summed, count = 0.0, 0
    for text in chosen:
        ids = torch.tensor([text.ids])
        labels = torch.where(torch.tensor([text.is_target]) == 1, ids, -100)
        number = sum(text.is_target)
        summed, count = summed + number * models.learner.policy(ids, labels=labels).loss, count + number
    (0.5 * summed / count).backward()
    assert loss == pytest.approx((summed / count).item(), rel=1e-5)
    for grad, p in zip(found, models.learner.policy.parameters(), strict=True):
        torch.testing.assert_close(grad, p.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.slow
def test_the_mix_keeps_what_the_reward_would_unlearn(ppo_arguments):
    """With a score that pays one word, demonstrations get less likely, unless they are mixed in."""
    losses = {}
    for coef in (1e-9, 1.0):
        changes = {"ptx_coef": coef, "learning_rate": 5e-3, "num_episodes": 96, "kl_coef": 0.0}
        assert run_ppo(ppo_arguments, run_dir=ppo_arguments["run_dir"] + str(coef), **changes) == 0
        losses[coef] = [row["loss/ptx"] for row in run_dir.read_metrics(ppo_arguments["run_dir"] + str(coef))]
    assert losses[1e-9][-1] > losses[1e-9][0] + 0.1
    assert losses[1.0][-1] < losses[1e-9][-1] - 0.3


def test_texts_of_the_mix_come_from_a_file_of_texts_or_messages(ppo_arguments, tmp_path):
    path = tmp_path / "texts.jsonl"
    turns = [{"role": "user", "content": "red"}, {"role": "assistant", "content": "sun"}]
    rows = [{"text": "red blue green sun"}, {"messages": turns}, {"messages": turns[:1]}, {"text": ""}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config, _, models = loaded(ppo_arguments, ptx_coef=1.0, ptx_data=str(path))
    plain, talk, empty = ppo_ptx.load_ptx_texts(config, models.tokenizer, 100)
    assert plain.is_target == [0] + [1] * (len(plain.ids) - 1)
    assert plain.ids[-1] == empty.ids[-1] == models.tokenizer.eos_token_id
    learned = [token for token, is_target in zip(talk.ids, talk.is_target, strict=True) if is_target]
    assert models.tokenizer.decode(learned) == "sun<|end|>"
    pieces = ppo_ptx.load_ptx_texts(config, models.tokenizer, 3)
    assert all(len(piece.ids) <= 3 for piece in pieces)
    predicted = [token for piece in pieces for token in piece.ids[1:]]
    assert predicted == plain.ids[1:] + empty.ids[1:]


def test_the_mix_learns_of_demonstrations_what_sft_does(ppo_arguments, tmp_path):
    """A weight of 0 leaves out, an empty last answer is cut, and a long dialogue loses turns from its end."""
    prompt, more = [{"role": "user", "content": "red"}], {"role": "user", "content": "blue"}
    answer, silence = ({"role": "assistant", "content": text} for text in ("sun", " "))
    long = {"role": "assistant", "content": "moon " * 70}
    with SnapshotWriter(tmp_path / "snapshot") as writer:
        rows = [demonstration_row(0, prompt, "cat", "train", weight=0.0)]
        rows += [demonstration_row(1, prompt, "", "train"), demonstration_row(2, prompt, "dog", "train")]
        rows += [
            demonstration_row(at, prompt, "", "train", messages=[*prompt, answer, more, last])
            for at, last in ((3, silence), (4, long))
        ]
        for row in rows:
            writer.write("demonstrations", row)
        writer.close()
    config, _, models = loaded(ppo_arguments, ptx_coef=1.0, snapshot=str(tmp_path / "snapshot"))
    texts = ppo_ptx.load_ptx_texts(config, models.tokenizer, 60)
    learned = [
        models.tokenizer.decode([token for token, own in zip(text.ids, text.is_target, strict=True) if own])
        for text in texts
    ]
    assert learned == ["dog<|end|>", "sun<|end|>", "sun<|end|>"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"prompt": 1}\n', "no JSON object with text or messages"),
        ("{\n", "cannot be read"),
        ("", "no texts"),
    ],
)
def test_a_file_without_texts_is_refused(ppo_arguments, tmp_path, content, said):
    path = tmp_path / "texts.jsonl"
    path.write_text(content)
    config, _, models = loaded(ppo_arguments, ptx_coef=1.0, ptx_data=str(path))
    with pytest.raises(RunError, match=said):
        ppo_ptx.load_ptx_texts(config, models.tokenizer, 100)
