"""The networks of PPO: where the critic starts, adapters on one base, dropout, precision."""

import copy

import pytest
import torch
from peft import PeftModel
from transformers import PreTrainedModel

from tests.trainer.tiny import make_model
from tests.trainer.tiny_ppo import (
    first_batch,
    learn_from,
    loaded,
    metrics_of,
    reward_model_that_likes_a_word,
    run_ppo,
)
from trainer import ppo, ppo_models, rollouts, run_dir
from trainer.modeling import load_causal_lm, load_tokenizer, score_tokens
from trainer.ppo_saving import learning_weights


def test_the_value_model_starts_as_the_reward_model(ppo_arguments, tmp_path, tokenizer):
    path = reward_model_that_likes_a_word(tmp_path / "likes", tokenizer, mean=0.2)
    _, _, models, rolled = first_batch(ppo_arguments, reward_model=str(path))
    sequences = [prompt + row for prompt, row in zip(rolled.prompt_ids, rolled.completions, strict=True)]
    # the value of a token is that of the state before it: of what the reward model makes of the text so far
    before = score_tokens(
        models.reward_model, [sequence[:-1] for sequence in sequences], models.tokenizer.pad_token_id
    )
    last = torch.tensor([len(row) - 1 for row in rolled.completions])
    torch.testing.assert_close(rolled.values[torch.arange(16), last], before, atol=1e-5, rtol=0)
    assert before.unique().numel() > 1
    # which its opinions are at every token, read off the pass that scored
    torch.testing.assert_close(rolled.opinions, rolled.values, atol=1e-5, rtol=0)
    assert not models.leans_on_opinions  # it has them already


@pytest.mark.parametrize("changes", [{"shared_trunk": True}, {"lora_rank": 2}])
def test_a_critic_that_cannot_start_from_the_reward_model_leans_on_its_opinions(ppo_arguments, changes):
    _, _, models, rolled = first_batch(ppo_arguments, **changes)
    assert (models.learner.value_trunk is None) == ("shared_trunk" in changes)
    assert rolled.values.abs().max() == 0
    assert models.leans_on_opinions and rolled.opinions.unique().numel() > 1


def test_a_critic_without_a_reward_model_that_reads_its_tokens_has_no_opinion(ppo_arguments):
    config, accelerator, _ = loaded(ppo_arguments)
    models = ppo_models.load_models(
        config, accelerator, lambda prompts, texts, tokens: [len(t) for t in texts]
    )
    prompts = rollouts.load_prompts(config, models.tokenizer, 100)[:2]
    rolled = rollouts.roll_out(config, models, accelerator, prompts, [0, 1])
    assert not models.leans_on_opinions and rolled.opinions.abs().max() == 0


def test_dropout_is_off_in_all_four_models_even_where_activations_are_recomputed(
    ppo_arguments, tmp_path, tokenizer
):
    make_model(tokenizer, attention_dropout=0.5).save_pretrained(tmp_path / "leaky")
    tokenizer.save_pretrained(tmp_path / "leaky")
    config, accelerator, models, rolled = first_batch(
        ppo_arguments,
        init_model=str(tmp_path / "leaky"),
        gradient_checkpointing=True,
        num_ppo_epochs=1,
        num_mini_batches=1,
    )
    with torch.no_grad():
        judged = [
            rollouts.judge_tokens(config, models, accelerator, rolled.prompt_ids, rolled.completions)
            for _ in range(2)
        ]
    for name in ("logprobs", "values", "ref_logprobs"):
        torch.testing.assert_close(judged[0][name], judged[1][name], atol=0, rtol=0)
    statistics = learn_from(config, accelerator, models, rolled)  # in training mode, which recomputing needs
    assert models.learner.training
    assert statistics["policy/ratio"] == pytest.approx(1.0, abs=1e-5)


def test_dropout_layers_and_rates_of_any_family_become_nothing():
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32, "vocab_size": 40}
    policy = GPT2LMHeadModel(GPT2Config(**sizes, resid_pdrop=0.5, embd_pdrop=0.5, attn_pdrop=0.5))
    learner = ppo_models.PolicyAndValue(policy, copy.deepcopy(policy.base_model), torch.nn.Linear(16, 1))
    ppo_models.remove_dropout(learner, gradient_checkpointing=True)
    learner.train()
    ids, where = torch.arange(12).view(2, 6), torch.tensor([3, 4, 9])
    with torch.no_grad():
        first, second = (learner(ids, where, torch.tensor([4, 5, 10]), 1.0) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


@pytest.mark.slow
def test_recomputing_activations_changes_memory_and_not_numbers(ppo_arguments, tmp_path):
    for changes in ({}, {"lora_rank": 4}):
        one, two = ({**ppo_arguments, "run_dir": str(tmp_path / f"{name}{changes}")} for name in "ab")
        assert run_ppo(one, num_episodes=32, **changes) == 0
        assert run_ppo(two, num_episodes=32, gradient_checkpointing=True, **changes) == 0
        for row, expected in zip(metrics_of(two), metrics_of(one), strict=True):
            assert row == pytest.approx(expected, abs=1e-4)


# ---------------------------------------------------------------- adapters


def tensors_of(models):
    """{address: bytes} of all tensors of policy, value model and reference."""
    modules = (models.learner, models.ref_policy)
    return {p.data_ptr(): p.numel() * p.element_size() for module in modules for p in module.parameters()}


def test_adapters_share_one_base_that_does_not_learn(ppo_arguments):
    _, _, whole = loaded(ppo_arguments)
    config, accelerator, models, rolled = first_batch(ppo_arguments, lora_rank=2)
    base = sum(p.numel() * p.element_size() for p in whole.ref_policy.parameters())
    learned = sum(p.numel() * p.element_size() for p in learning_weights(models.learner).values())
    assert sum(tensors_of(models).values()) == base + learned
    assert learned < base / 3
    names = set(learning_weights(models.learner))
    assert {name.split(".")[0] for name in names} == {"policy", "value_trunk", "value_head"}
    assert all("lora_" in name for name in names if not name.startswith("value_head"))
    before = copy.deepcopy(models.ref_policy.state_dict())
    learn_from(config, accelerator, models, rolled)
    for name, weight in models.ref_policy.state_dict().items():
        assert torch.equal(weight, before[name])


def test_the_reference_is_the_base_without_the_adapter_that_learned(ppo_arguments):
    config, accelerator, models, rolled = first_batch(ppo_arguments, lora_rank=4, learning_rate=1e-2)
    rolled.scores = torch.arange(16.0) % 3  # which no opinion of the prompts tells
    learn_from(config, accelerator, models, rolled)
    with torch.no_grad():
        judged = rollouts.judge_tokens(config, models, accelerator, rolled.prompt_ids, rolled.completions)
    torch.testing.assert_close(judged["ref_logprobs"], rolled.ref_logprobs)  # as before
    assert (judged["logprobs"] - rolled.logprobs).abs().max() > 1e-2
    assert (judged["values"] - rolled.values).abs().max() > 1e-3


def test_layers_with_adapters_are_chosen_by_name(ppo_arguments):
    _, _, models = loaded(ppo_arguments, lora_rank=2, lora_target="q_proj, v_proj")
    names = {name.split(".")[-4] for name in learning_weights(models.learner.policy)}
    assert names == {"q_proj", "v_proj"}
    _, _, models = loaded(ppo_arguments, lora_rank=2)
    names = {name.split(".")[-4] for name in learning_weights(models.learner.policy)}
    assert names == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_the_result_of_adapters_is_a_plain_model_and_the_adapter_alone(ppo_arguments):
    changes = {"lora_rank": 4, "lora_alpha": 8, "learning_rate": 1e-2, "keep": "last"}
    assert run_ppo(ppo_arguments, **changes) == 0
    path = run_dir.RunDir(ppo_arguments["run_dir"]).model_dir
    tokenizer = load_tokenizer(ppo_arguments["run_dir"])
    merged = load_causal_lm(ppo_arguments["run_dir"], tokenizer)
    base = load_causal_lm(ppo_arguments["init_model"], tokenizer)
    ids = torch.tensor([[1, 3, 274, 295, 293, 2]])
    with torch.no_grad():
        from_base = base(ids).logits
        apart = PeftModel.from_pretrained(base, str(path / ppo_models.ADAPTER))(ids).logits
        found = merged(ids).logits
    torch.testing.assert_close(found, apart, atol=1e-4, rtol=1e-4)
    assert (found - from_base).abs().max() > 1e-2
    assert not [name for name in merged.state_dict() if "lora" in name]
    files = run_dir.read_manifest(ppo_arguments["run_dir"], verify=True)["files"]
    assert f"model/{ppo_models.ADAPTER}/adapter_model.safetensors" in files


# ---------------------------------------------------------------- precision


@pytest.mark.parametrize(("precision", "expected"), [("bf16", torch.bfloat16), ("no", torch.float32)])
def test_bf16_is_the_precision_of_the_matrix_products_and_never_of_the_weights_that_learn(
    ppo_arguments, precision, expected
):
    seen = {}

    def look(module, inputs, output):
        if isinstance(module, torch.nn.Linear) and torch.is_tensor(output):
            kind = ("update" if torch.is_grad_enabled() else "rollout", module.out_features)
            seen.setdefault(kind, set()).add(output.dtype)

    config = ppo.PPOConfig(**ppo_arguments | {"precision": precision, "num_ppo_epochs": 1})
    accelerator = ppo.new_accelerator(config)
    models = ppo_models.load_models(config, accelerator)
    hook = torch.nn.modules.module.register_module_forward_hook(look)
    try:
        prompts = rollouts.load_prompts(config, models.tokenizer, 100)[:16]
        rolled = rollouts.roll_out(config, models, accelerator, prompts, list(range(16)))
        statistics = learn_from(config, accelerator, models, rolled)
    finally:
        hook.remove()
    assert {kind for kind, _ in seen} == {"update", "rollout"}
    projections = {dtypes for (_, width), dtypes in ((k, frozenset(v)) for k, v in seen.items()) if width > 1}
    assert projections == {frozenset({expected})}
    assert {p.dtype for p in models.learner.parameters()} == {torch.float32}
    assert rolled.logprobs.dtype == rolled.values.dtype == torch.float32
    assert statistics["policy/ratio"] == pytest.approx(1.0, abs=0.1)


def test_the_frozen_base_of_adapters_is_bf16_where_the_run_is(ppo_arguments):
    config = ppo.PPOConfig(**ppo_arguments | {"precision": "bf16", "lora_rank": 2})
    models = ppo_models.load_models(config, ppo.new_accelerator(config))
    assert {p.dtype for p in models.ref_policy.parameters()} == {torch.bfloat16}
    angles = {name: b for name, b in models.learner.policy.named_buffers() if name.endswith("inv_freq")}
    assert angles and {b.dtype for b in angles.values()} == {torch.float32}
    assert {p.dtype for p in learning_weights(models.learner).values()} == {torch.float32}
    assert run_ppo(ppo_arguments, precision="bf16", lora_rank=2, keep="last") == 0
    saved: PreTrainedModel = load_causal_lm(ppo_arguments["run_dir"], models.tokenizer)
    base = load_causal_lm(ppo_arguments["init_model"], models.tokenizer)
    # what carries no adapter is as it was, not rounded
    assert torch.equal(saved.get_input_embeddings().weight, base.get_input_embeddings().weight)
