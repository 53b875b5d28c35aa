"""Rollouts: which prompts, what the policy writes, what the networks say of it, what it is paid."""

import pytest
import torch

from tests.trainer.tiny import make_tokenizer, prompt_row
from tests.trainer.tiny_ppo import first_batch, loaded, reward_model_that_likes_a_word
from trainer import ppo, ppo_models, ppo_update, rollouts
from trainer.generation import seed_of
from trainer.modeling import score
from trainer.run_dir import RunError
from trainer.snapshot import SnapshotWriter


def test_log_probabilities_of_a_padded_batch_are_those_of_each_sequence_alone(ppo_arguments):
    """At a temperature that is not 1, which belongs into those of the policy and of the reference."""
    _, _, models, rolled = first_batch(ppo_arguments, temperature=0.7, micro_batch_tokens=100)
    for i, (prompt, completion) in enumerate(zip(rolled.prompt_ids, rolled.completions, strict=True)):
        ids = torch.tensor([prompt + completion])
        for model, found in (
            (models.learner.policy, rolled.logprobs),
            (models.ref_policy, rolled.ref_logprobs),
        ):
            with torch.no_grad():
                expected = torch.log_softmax(model(ids).logits[0, len(prompt) - 1 : -1] / 0.7, dim=-1)
            expected = expected.gather(-1, torch.tensor(completion)[:, None])[:, 0]
            torch.testing.assert_close(found[i, : len(completion)], expected, atol=1e-4, rtol=0)
        assert rolled.mask[i].tolist() == [t < len(completion) for t in range(rolled.mask.shape[1])]


FAMILIES = {
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32},
    "gpt_neox": {},
    "llama": {},
    "mistral": {"num_key_value_heads": 1, "sliding_window": 4},
    "qwen2": {"num_key_value_heads": 1},
    "gemma2": {"num_key_value_heads": 1, "head_dim": 8, "final_logit_softcapping": 2.0},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_only_asked_positions_are_predicted_and_as_the_family_does(family):
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
    }
    changes = FAMILIES[family] if family == "gpt2" else sizes | FAMILIES[family]
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, vocab_size=40, bos_token_id=1, eos_token_id=2, **changes)
    model = AutoModelForCausalLM.from_config(config).eval()
    torch.nn.init.normal_(model.get_output_embeddings().weight)
    sequences = [list(range(3, 15)), list(range(20, 28))]
    are_targets = [[0] * 8 + [1] * 4, [0] * 6 + [1] * 2]
    input_ids, where, tokens = rollouts.pad_targets(0, torch.device("cpu"), sequences, are_targets)
    assert tokens.tolist() == [11, 12, 13, 14, 26, 27]
    with torch.no_grad():
        logits, hidden = ppo_models.predict(model, input_ids, where)
        alone = [model(torch.tensor([ids])).logits[0] for ids in sequences]
        ppo_models.narrow_last_mlp(model)
        seen = []
        model.last_mlp[0].register_forward_hook(lambda module, args, output: seen.append(output.shape))
        narrow = ppo_models.predict(model, input_ids, where)
    assert logits.shape == (6, 40) and hidden.shape == (6, 16)
    torch.testing.assert_close(logits, torch.cat([alone[0][7:11], alone[1][5:7]]), atol=1e-5, rtol=1e-4)
    # with the last MLP at those six positions alone, the same
    assert seen == [(1, 6, 16)]
    torch.testing.assert_close(narrow, (logits, hidden), atol=1e-5, rtol=1e-4)


def test_each_completion_ends_with_the_end_token_or_at_the_limit(ppo_arguments):
    config, _, models, rolled = first_batch(ppo_arguments, max_new_tokens=1)
    end = models.tokenizer.eos_token_id
    assert models.tokenizer.pad_token_id != end
    assert 0 < rolled.has_eos.sum() < len(rolled.has_eos)
    for completion, has_eos in zip(rolled.completions, rolled.has_eos.tolist(), strict=True):
        assert end not in completion[:-1]
        assert has_eos == (completion[-1] == end)
        assert has_eos or len(completion) == config.max_new_tokens


def test_padding_is_told_by_length_and_never_by_token(ppo_arguments):
    _, accelerator, models = loaded(ppo_arguments)
    pad = models.tokenizer.pad_token_id
    input_ids, where, tokens = rollouts.pad_rows(
        models, accelerator.device, [[5, 6, 7], [8]], [[9], [pad, 10, pad]], [0, 1]
    )
    assert input_ids.tolist() == [[5, 6, 7, 9], [8, pad, 10, pad]]
    assert tokens.tolist() == [9, pad, 10, pad]  # a padding token that was written is a token
    assert where.tolist() == [2, 4, 5, 6]  # each is predicted by the position before it


def test_completions_do_not_depend_on_how_many_are_written_at_once(ppo_arguments):
    together, apart = (first_batch(ppo_arguments, rollout_batch_size=size)[3] for size in (0, 3))
    assert together.completions == apart.completions


def test_every_pass_takes_every_row_once_in_another_order():
    rows = list("abcdefghij")
    passes = [
        rollouts.in_shuffled_passes(rows, list(range(start, start + 10)), 0, "prompts") for start in (0, 10)
    ]
    assert sorted(passes[0]) == sorted(passes[1]) == rows
    assert passes[0] != passes[1]


def test_two_processes_share_the_episodes_of_one(ppo_arguments):
    config = ppo.PPOConfig(**ppo_arguments)
    shares = [rollouts.episodes_of_batch(config, 3, rank, 2) for rank in (0, 1)]
    assert shares[0] + shares[1] == rollouts.episodes_of_batch(config, 3, 0, 1) == list(range(48, 64))


def test_prompts_that_leave_no_room_are_left_out(ppo_arguments, tmp_path, tokenizer):
    with SnapshotWriter(tmp_path / "snapshot") as writer:
        writer.write("prompts", prompt_row(0, "red blue", "train"))
        writer.write("prompts", prompt_row(1, "red blue " * 60, "train"))
        writer.write("prompts", prompt_row(2, "red sun", "validation"))
        writer.close()
    config = ppo.PPOConfig(**ppo_arguments | {"snapshot": str(tmp_path / "snapshot")})
    assert [prompt.id for prompt in rollouts.load_prompts(config, tokenizer, 100)] == ["p0"]
    assert [prompt.id for prompt in rollouts.load_prompts(config, tokenizer, 100, "validation")] == ["p2"]


# ---------------------------------------------------------------- scores


def test_completions_that_never_end_are_paid_less_or_a_fixed_score(ppo_arguments):
    scores, has_eos = torch.tensor([2.0, 9.0]), torch.tensor([True, False])
    config, _, models = loaded(ppo_arguments, missing_eos_penalty=3.0, score_clip=4.0)
    assert rollouts.paid_scores(config, models, scores, has_eos).tolist() == [2.0, 1.0]
    config.missing_eos_score = -1.0
    assert rollouts.paid_scores(config, models, scores, has_eos).tolist() == [2.0, -1.0]


def test_scores_are_brought_to_the_scale_of_the_reference_before_they_are_clipped(ppo_arguments):
    config, accelerator, models = loaded(ppo_arguments, normalize_scores=24, missing_eos_penalty=0.0)
    prompts = rollouts.load_prompts(config, models.tokenizer, 100)
    rollouts.normalize_scores(config, models, accelerator, prompts)
    chosen = rollouts.in_shuffled_passes(prompts, list(range(24)), config.seed, "normalize")
    seeds = [seed_of(config.seed, "normalize", number) for number in range(24)]
    # the policy still is the reference; scores are paid by the very scale that its own completions have
    rolled = rollouts.roll_out(config, models, accelerator, chosen, seeds)
    assert models.score_mean == pytest.approx(float(rolled.raw_scores.mean()), abs=1e-5)
    assert models.score_std == pytest.approx(float(rolled.raw_scores.std(correction=0)), abs=1e-5)
    paid = rollouts.paid_scores(config, models, rolled.raw_scores, rolled.has_eos)
    torch.testing.assert_close(paid, (rolled.raw_scores - models.score_mean) / models.score_std)
    config.score_clip = 0.1
    assert rollouts.paid_scores(config, models, rolled.raw_scores, rolled.has_eos).abs().max() <= 0.1


def test_normalising_scores_that_never_differ_is_refused(ppo_arguments, tmp_path, tokenizer):
    path = reward_model_that_likes_a_word(tmp_path / "indifferent", tokenizer, strength=0.0)
    config, accelerator, models = loaded(ppo_arguments, reward_model=str(path), normalize_scores=8)
    prompts = rollouts.load_prompts(config, models.tokenizer, 100)
    with pytest.raises(RunError, match="no scale to bring to 1"):
        rollouts.normalize_scores(config, models, accelerator, prompts)


def test_a_reward_model_with_other_tokens_reads_text(ppo_arguments, tmp_path):
    other = make_tokenizer(chat_template="{% for m in messages %}{{ m['content'] + '\n' }}{% endfor %}")
    path = reward_model_that_likes_a_word(tmp_path / "other", other)
    _, _, models, rolled = first_batch(ppo_arguments, reward_model=str(path))
    assert not models.same_tokens
    conversations = [
        [*prompt.messages, {"role": "assistant", "content": text}]
        for prompt, text in zip(rolled.prompts, rolled.texts, strict=True)
    ]
    expected = score(models.reward_model, models.reward_tokenizer, conversations)
    torch.testing.assert_close(rolled.raw_scores, expected)
    assert len(set(expected.tolist())) > 1


def test_the_policy_is_its_own_reference_before_it_learns(ppo_arguments):
    config, accelerator, models, rolled = first_batch(ppo_arguments)
    measured = ppo_update.measure(config, models, accelerator, rolled)
    assert measured["objective/kl"] == pytest.approx(0.0, abs=1e-5)
    assert measured["objective/non_score_reward"] == pytest.approx(0.0, abs=1e-5)
    assert measured["objective/scores"] == pytest.approx(float(rolled.scores.mean()), abs=1e-6)
    assert measured["length"] == pytest.approx(sum(map(len, rolled.completions)) / 16)


def test_entropy_is_that_of_real_tokens(ppo_arguments):
    """What padding holds is in no figure, the entropy's and the KL's among them."""
    config, accelerator, models, rolled = first_batch(ppo_arguments)
    assert not rolled.mask.all() and (rolled.entropies[rolled.mask] > 0).all()
    before = ppo_update.measure(config, models, accelerator, rolled)
    real = [
        row[: len(tokens)].sum() for row, tokens in zip(rolled.entropies, rolled.completions, strict=True)
    ]
    assert before["objective/entropy"] == pytest.approx(float(sum(real)) / 16)
    for name in ("entropies", "logprobs", "ref_logprobs", "values"):
        getattr(rolled, name)[~rolled.mask] = 7.0
    assert ppo_update.measure(config, models, accelerator, rolled) == pytest.approx(before)
