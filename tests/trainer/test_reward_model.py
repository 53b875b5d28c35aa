"""Heads and layouts: rows, trees and expanded pairs give one loss and one gradient; what is saved is linear."""

import random
from dataclasses import replace

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BloomConfig,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
)

from trainer.batches import pad_right
from trainer.modeling import new_reward_model, raw_scores
from trainer.reward import RewardConfig
from trainer.reward_data import EncodedRanking, TargetIndex, batch_elements, collate
from trainer.reward_model import (
    RewardHeads,
    RewardObjective,
    collapse_heads,
    last_mlp_of,
    score_parts,
    use_heads,
    why_no_tree,
)

SIZES = {
    "vocab_size": 90,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 48,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "num_labels": 1,
}
NEOX = {name: size for name, size in SIZES.items() if name != "num_key_value_heads"}
GPT = {"vocab_size": 90, "n_layer": 2, "n_head": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
FAMILIES = {
    "llama": LlamaConfig(**SIZES),
    "qwen2": Qwen2Config(**SIZES),
    "gemma": GemmaConfig(**SIZES, head_dim=16),
    "gemma2": Gemma2Config(**SIZES, head_dim=16, sliding_window=40),  # its attention takes no boolean mask
    "mistral": MistralConfig(**SIZES, sliding_window=40),
    "gpt2": GPT2Config(**GPT, n_embd=32, n_positions=48, num_labels=1),  # learned absolute positions
    "gpt_neox": GPTNeoXConfig(**NEOX),
}


def build(config):
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config).eval()


def options(**changes):
    return RewardConfig(snapshot="", init_model="", run_dir="", **changes)


def make_rankings(layout="rows", seed=0):
    """Four rankings of K 2 to 5 with ties; two sequences of one are the same, one begins another."""
    rng = random.Random(seed)
    rankings = []
    for num, prompt_length in ((4, 9), (3, 4), (2, 12), (5, 1)):
        prompt = [rng.randrange(3, 90) for _ in range(prompt_length)]
        ends = [[rng.randrange(3, 90) for _ in range(rng.randrange(1, 9))] for _ in range(num)]
        tiers = sorted(rng.randrange(num) for _ in range(num - 1)) + [num]
        rankings.append(EncodedRanking([prompt + end for end in ends], tiers, layout=layout))
    rankings[0].sequences[1] = rankings[0].sequences[0]
    rankings[0].sequences[2] = rankings[0].sequences[0] + [5]
    return rankings


def loss_and_gradient(objective, rankings, max_tokens=0):
    objective.zero_grad()
    total = 0.0
    elements = batch_elements(rankings)
    for part in collate(elements, pad_id=0, max_tokens=max_tokens, index=objective.index)["micro_batches"]:
        loss = objective(part, 1 / len(rankings))
        loss.backward()
        total += loss.item()
    found = {name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None}
    assert found
    return total, found


def expanded_pairs(objective, rankings):
    """As a pairwise trainer has it: each pair its own two rows, the mean over a ranking's pairs, then over rankings."""
    objective.zero_grad()
    losses = []
    for encoded in rankings:
        pairs = [
            (encoded.sequences[a], encoded.sequences[b])
            for a in range(len(encoded.tiers))
            for b in range(len(encoded.tiers))
            if encoded.tiers[a] < encoded.tiers[b]
        ]
        inputs = pad_right([chosen for chosen, _ in pairs] + [rejected for _, rejected in pairs], pad_id=0)
        chosen, rejected = objective.model(**inputs, use_cache=False).logits[:, 0].chunk(2)
        losses.append(-torch.nn.functional.logsigmoid(chosen - rejected).mean())
    loss = torch.stack(losses).mean()
    loss.backward()
    return loss.item(), {
        name: p.grad.clone() for name, p in objective.named_parameters() if p.grad is not None
    }


def assert_equal(first, second):
    assert first[0] == pytest.approx(second[0], abs=1e-5)
    assert first[1].keys() == second[1].keys()
    for name, gradient in second[1].items():
        assert torch.allclose(first[1][name], gradient, atol=1e-5), name


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_trees_and_expanded_pairs_have_one_loss_and_gradient(family):
    """InstructGPT, section 3.5: the same objective with K forwards, or one, instead of K(K-1)."""
    model = build(FAMILIES[family])
    last_mlp = last_mlp_of(model, make_rankings()[0], pad_id=0)
    assert last_mlp is not None
    objective = RewardObjective(model, options(), TargetIndex(), last_mlp)
    assert why_no_tree(model, make_rankings(), pad_id=0) is None
    pairs = expanded_pairs(objective, make_rankings())
    for layout in ("rows", "tree"):
        assert_equal(loss_and_gradient(objective, make_rankings(layout)), pairs)


@pytest.mark.parametrize("layout", ["rows", "tree"])
def test_completions_that_several_people_ranked_go_forward_once_and_lose_nothing(layout):
    """Three people, one of whom left a completion out: the loss and gradient of three rankings apart."""
    apart = make_rankings(layout)
    apart += [
        replace(apart[0], tiers=[2, 0, 1, 1], annotator="bob"),
        replace(apart[3], tiers=[0, 0, 1, 2, 2]),
    ]
    apart += [EncodedRanking(apart[0].sequences[1:], [0, 1, 2], "carol", layout=layout)]
    index = TargetIndex({None: 0, "bob": 1, "carol": 2}, {None: 0.5, "bob": 2.0, "carol": 1.0})
    model = build(FAMILIES["llama"])
    last_mlp = last_mlp_of(model, apart[3], pad_id=0)
    changes = {"ties": "davidson", "margin": "tiers", "learn_annotators": True}
    objective = RewardObjective(model, options(**changes), index, last_mlp)
    expected = loss_and_gradient(objective, apart)
    shown = [0, 1, 2, 3, 0, 3, 0]
    together = [replace(ranking, shown=number) for ranking, number in zip(apart, shown, strict=True)]
    elements = batch_elements(together)
    assert [len(element.rankings) for element in elements] == [3, 1, 1, 2]
    num_distinct = sum(len({tuple(ids) for ids in element.sequences}) for element in elements)
    for max_tokens in (0, 60):
        parts = collate(elements, 0, max_tokens)["micro_batches"]
        assert sum(len(part["ends"]) for part in parts) == num_distinct == 3 + 3 + 2 + 5
        found = loss_and_gradient(objective, together, max_tokens)
        assert found[0] == pytest.approx(expected[0], abs=1e-6)
        assert_equal(found, expected)


def test_parts_of_a_batch_add_up_to_the_batch():
    objective = RewardObjective(build(FAMILIES["llama"]), options(), TargetIndex())
    rankings = make_rankings("rows")
    rankings[0].layout = rankings[3].layout = "tree"
    assert_equal(loss_and_gradient(objective, rankings, max_tokens=40), expanded_pairs(objective, rankings))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (MistralConfig(**SIZES, sliding_window=8), "attention window of 8 tokens"),
        (BloomConfig(**GPT, hidden_size=32, num_labels=1), "positions and a mask"),  # ALiBi
    ],
    ids=["sliding window", "alibi"],
)
def test_a_model_that_would_read_a_tree_wrongly_reads_rows(config, reason):
    assert reason in why_no_tree(build(config), make_rankings(), pad_id=0)


def test_a_model_that_reads_a_tree_otherwise_is_noticed_by_its_scores():
    """Attention that ignores the mask: every completion would see those before it."""
    model = build(FAMILIES["llama"])

    def forget_the_mask(module, args, kwargs):
        return args, kwargs | {"attention_mask": None}

    model.base_model.register_forward_pre_hook(forget_the_mask, with_kwargs=True)
    assert "scores differ by" in why_no_tree(model, make_rankings(), pad_id=0)


def test_the_last_mlp_is_run_at_the_scored_tokens_alone():
    model = build(FAMILIES["llama"])
    last_mlp = last_mlp_of(model, make_rankings()[0], pad_id=0)
    assert last_mlp is model.base_model.layers[-1].mlp
    seen = []
    objective = RewardObjective(model, options(), TargetIndex(), last_mlp)
    last_mlp.gate_proj.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[:-1].numel()))
    loss_and_gradient(objective, make_rankings("tree"))
    assert seen == [3 + 3 + 2 + 5]  # two of the first ranking are the same
    raw_scores(model, [[4, 5, 6]] * 2, pad_id=0)  # elsewhere it is whole
    assert seen[1:] == [6]


def test_an_mlp_that_looks_at_other_tokens_is_run_at_all_of_them():
    model = build(FAMILIES["llama"])
    whole = model.base_model.layers[-1].mlp

    class Shifted(torch.nn.Module):
        def forward(self, states):
            return whole(states + states.roll(1, dims=1))

    model.base_model.layers[-1].mlp = Shifted()
    assert last_mlp_of(model, make_rankings()[0], pad_id=0) is None


# ---------------------------------------------------------------- heads


@pytest.fixture
def ensemble(base_model_dir, tokenizer):
    model = new_reward_model(base_model_dir, tokenizer).eval()
    use_heads(model, options(ensemble_size=4, criteria="a=0.25,b=0.75", seed=3), {"a": 0.25, "b": 0.75})
    return model


def test_every_head_starts_like_a_single_one():
    heads = RewardHeads(255, 40, 2, prior_scale=2.0, mix=None, seed=0)
    assert heads.weight.shape == (40, 2, 255)
    assert heads.weight.std().item() == pytest.approx(1 / 16, rel=0.05)  # 1 / sqrt(d + 1)
    assert float(heads.prior.std()) == pytest.approx(2 / 16, rel=0.05)
    assert heads.mix().tolist() == [0.5, 0.5]
    assert not any(name == "prior" for name, _ in heads.named_parameters())


def test_what_is_saved_of_an_ensemble_of_criteria_is_its_mean(ensemble):
    rows = [[4, 9, 8], [4, 7], [30, 31, 32, 33]]
    before = raw_scores(ensemble, rows, pad_id=0)
    heads = collapse_heads(ensemble)
    assert isinstance(ensemble.score, torch.nn.Linear)
    assert torch.allclose(raw_scores(ensemble, rows, pad_id=0), before, atol=1e-5)
    ensemble.score_heads = heads
    parts = score_parts(ensemble, rows, pad_id=0, max_tokens=5)
    assert parts.shape == (3, 4, 2)
    assert torch.allclose((parts @ torch.tensor([0.25, 0.75])).mean(1), before, atol=1e-5)


def test_the_heads_disagree_and_their_priors_never_learn(ensemble):
    objective = RewardObjective(ensemble, options(ensemble_size=4), TargetIndex())
    prior = ensemble.score.prior.clone()
    _, gradient = loss_and_gradient(objective, [with_heads(encoded) for encoded in make_rankings()])
    assert gradient["model.score.weight"].abs().sum() > 0
    optimizer = torch.optim.SGD(objective.parameters(), lr=0.1)
    optimizer.step()
    assert torch.equal(ensemble.score.prior, prior)
    parts = score_parts_of(ensemble, make_rankings()[0].sequences)
    assert float(parts[:, :, 0].std(1).min()) > 1e-3


def with_heads(encoded):
    encoded.bootstrap = [2.0, 0.0, 2.0, 0.0]
    return encoded


def score_parts_of(model, sequences):
    model.score_heads = model.score.directions().detach()
    return score_parts(model, sequences, pad_id=0)


def test_a_head_learns_only_from_the_rankings_it_was_dealt(base_model_dir, tokenizer):
    model = new_reward_model(base_model_dir, tokenizer).eval()
    use_heads(model, options(ensemble_size=4), None)
    objective = RewardObjective(model, options(ensemble_size=4), TargetIndex())
    _, gradient = loss_and_gradient(objective, [with_heads(encoded) for encoded in make_rankings()])
    moved = gradient["model.score.weight"].abs().sum((1, 2)) > 0
    assert moved.tolist() == [True, False, True, False]


# ---------------------------------------------------------------- the parts of the objective


def rated_rankings():
    rankings = make_rankings()
    for encoded in rankings:
        num = len(encoded.tiers)
        encoded.ratings = {"overall": [1 - at / num for at in range(num)]}
        encoded.judgements = [1] + [None] * (num - 2) + [0]
        encoded.annotator = "ann"
        encoded.criteria = {"kind": list(range(num))[::-1]}
    return rankings


EVERYTHING = {
    "ties": "davidson",
    "learn_annotators": True,
    "margin": "ratings",
    "rating_coef": 0.5,
    "judgement_coef": 0.5,
    "length_coef": 0.1,
    "criteria": "kind,true",
}


def test_all_options_together_give_every_parameter_a_gradient(base_model_dir, tokenizer):
    model = new_reward_model(base_model_dir, tokenizer).eval()
    config = options(**EVERYTHING, ensemble_size=2)
    use_heads(model, config, {"kind": float("nan"), "true": float("nan")})
    index = TargetIndex({"ann": 0}, {}, ("kind", "true"), ("overall",))
    rankings = rated_rankings()
    for encoded in rankings:
        encoded.criteria["true"] = [-1] * len(encoded.tiers)
        encoded.bootstrap = [2.0, 2.0]
    objective = RewardObjective(model, config, index)
    loss, gradient = loss_and_gradient(objective, rankings)
    assert 0 < loss < 20
    for name, _ in objective.named_parameters():
        if "embed" not in name:
            assert name in gradient and gradient[name].abs().sum() > 0, name
    learned = objective.learned()
    assert learned["tie_parameter"] == pytest.approx(1.0)
    assert learned["annotator_flip_rates"] == {"ann": pytest.approx(0.1)}
    assert learned["criteria"] == {"kind": 0.5, "true": 0.5}
    assert len(learned["rating_thresholds"]["overall"]) == 6


def test_the_margin_of_ratings_never_pushes_against_the_order():
    rankings = [EncodedRanking([[3], [4], [5]], [0, 1, 2], ratings={"overall": [0.2, 0.9, None]})]
    config = options(margin="ratings", margin_scale=2.0)
    objective = RewardObjective(build(FAMILIES["llama"]), config, TargetIndex(rated=("overall",)))
    (part,) = collate(batch_elements(rankings), 0, index=objective.index)["micro_batches"]
    margins = objective.margins(part)
    assert margins[0].tolist() == [0.0, 0.0, 0.0]  # rated lower than the second, and the third has no rating
    assert float(margins[1, 0]) == pytest.approx(1.4)


def test_a_heavier_annotator_pulls_harder(base_model_dir, tokenizer):
    rankings = make_rankings()[:2]
    rankings[0].annotator, rankings[1].annotator = "ann", "bob"
    model = new_reward_model(base_model_dir, tokenizer).eval()
    losses = {}
    for name, weights in (("even", {}), ("ann", {"ann": 2.0, "bob": 0.0}), ("bob", {"ann": 0.0, "bob": 2.0})):
        index = TargetIndex({"ann": 0, "bob": 1}, weights)
        losses[name] = loss_and_gradient(RewardObjective(model, options(), index), rankings)[0]
    assert losses["ann"] != pytest.approx(losses["bob"], abs=1e-3)
    assert losses["even"] == pytest.approx((losses["ann"] + losses["bob"]) / 2, abs=1e-6)
