"""PPO: the numbers it learns from, what it learns, how it stops and resumes."""

import copy
import json
import os
import subprocess
import sys

import pytest
import torch
from accelerate import Accelerator
from transformers import HfArgumentParser

from tests.trainer.tiny import (
    NUM_PROMPTS,
    REPOSITORY,
    command_line,
    kill_when,
    make_model,
    make_tokenizer,
    prompt_row,
    run_in_process,
    start_process,
)
from trainer import ppo, ppo_models, rollouts, run_dir
from trainer.modeling import load_causal_lm, load_tokenizer, save_model, score, score_tokens
from trainer.snapshot import SnapshotWriter

LIKED = "sun"


def reward_model_that_likes_a_word(path, tokenizer, strength=1.0):
    """A reward model worked out by hand: its score is the share of one token among all that it reads.

    One layer of attention that looks at everything equally and passes embeddings on unchanged; the embedding of the
    liked token points one way, that of all others another. With strength 0 it scores everything 0.
    """
    from transformers import LlamaConfig, LlamaForSequenceClassification

    size = 8
    model = LlamaForSequenceClassification(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=size,
            intermediate_size=size,
            num_hidden_layers=1,
            num_attention_heads=1,
            num_key_value_heads=1,
            max_position_embeddings=128,
            pad_token_id=tokenizer.pad_token_id,
            num_labels=1,
        )
    )
    (liked,) = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in [LIKED])
    layer = model.model.layers[0]
    with torch.no_grad():
        for weights in (
            *layer.mlp.parameters(),
            layer.self_attn.q_proj.weight,
            layer.self_attn.k_proj.weight,
        ):
            weights.zero_()
        for projection in (layer.self_attn.v_proj, layer.self_attn.o_proj):
            projection.weight.copy_(torch.eye(size))
        model.model.embed_tokens.weight.zero_()
        model.model.embed_tokens.weight[:, 1] = 1.0
        model.model.embed_tokens.weight[liked[-1]] = torch.eye(size)[0]
        model.score.weight.copy_(strength * torch.eye(size)[:1])
    path.mkdir()
    save_model(path, model, tokenizer, {"mean": 0.0, "std": 0.5})
    return path


@pytest.fixture(scope="session")
def likes_a_word(tmp_path_factory, tokenizer):
    return reward_model_that_likes_a_word(tmp_path_factory.mktemp("reward") / "likes", tokenizer)


@pytest.fixture(scope="session")
def indifferent(tmp_path_factory, tokenizer):
    return reward_model_that_likes_a_word(tmp_path_factory.mktemp("reward") / "indifferent", tokenizer, 0.0)


@pytest.fixture
def arguments(tmp_path, snapshot_dir, sft_run, likes_a_word):
    """A short run: 4 batches of 16 episodes of at most 8 tokens, 4 optimizer steps for each."""
    return {
        "snapshot": str(snapshot_dir),
        "init_model": str(sft_run),
        "reward_model": str(likes_a_word),
        "run_dir": str(tmp_path / "ppo"),
        "num_episodes": 64,
        "batch_size": 16,
        "max_new_tokens": 8,
        "num_ppo_epochs": 2,
        "num_mini_batches": 2,
        "learning_rate": 1e-3,
        "checkpoint_every": 1,
        "sample_every": 2,
        "num_samples": 2,
    }


@pytest.fixture
def rolled_out(arguments):
    """Configuration, models, accelerator and the first batch of rollouts, at a temperature that is not 1."""
    config = ppo.PPOConfig(**arguments | {"temperature": 0.7})
    accelerator = Accelerator(cpu=True)
    models = ppo_models.load_models(config, accelerator)
    prompts = rollouts.load_prompts(config, models.tokenizer, 100)
    episodes = rollouts.episodes_of_batch(config, 0, 0, 1)
    chosen = rollouts.prompts_of_episodes(prompts, episodes, config.seed)
    return config, models, accelerator, rollouts.roll_out(config, models, accelerator, chosen, episodes)


def run_ppo(arguments, **changes):
    return run_in_process(ppo, ppo.PPOConfig, **arguments | changes)


def metrics_of(arguments):
    """Rows of the run without what depends on the clock."""
    rows = run_dir.read_metrics(arguments["run_dir"])
    return [{name: value for name, value in row.items() if name not in ("time", "eps")} for row in rows]


def result_of(arguments):
    return run_dir.read_manifest(arguments["run_dir"], verify=True)["metrics"]


# ---------------------------------------------------------------- the numbers


def test_log_probabilities_of_a_padded_batch_are_those_of_each_sequence_alone(rolled_out):
    _, models, _, rolled = rolled_out
    for i, (prompt, completion) in enumerate(zip(rolled.prompt_ids, rolled.completions, strict=True)):
        ids = torch.tensor([prompt + completion])
        for model, found in (
            (models.learner.policy, rolled.logprobs),
            (models.ref_policy, rolled.ref_logprobs),
        ):
            with torch.no_grad():
                expected = torch.log_softmax(model(ids).logits[0] / 0.7, dim=-1)
            for t, token in enumerate(completion):
                assert found[i, t].item() == pytest.approx(
                    expected[len(prompt) + t - 1, token].item(), abs=1e-4
                )
        assert rolled.mask[i].sum() == len(completion)


def test_each_completion_ends_with_the_end_token_or_at_the_limit(rolled_out):
    config, models, _, rolled = rolled_out
    end = models.tokenizer.eos_token_id
    assert models.tokenizer.pad_token_id != end
    for completion, has_eos in zip(rolled.completions, rolled.has_eos.tolist(), strict=True):
        assert end not in completion[:-1]
        assert has_eos == (completion[-1] == end)
        assert has_eos or len(completion) == config.max_new_tokens


def test_padding_is_told_by_length_and_never_by_token(rolled_out):
    _, models, accelerator, _ = rolled_out
    pad = models.tokenizer.pad_token_id
    inputs, tokens, mask = rollouts.pad_sequences(
        models, accelerator.device, [[5, 6, 7], [8]], [[9], [pad, 10, pad]], [0, 1]
    )
    assert inputs["input_ids"].tolist() == [[5, 6, 7, 9, pad, pad], [pad, pad, 8, pad, 10, pad]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 1, 1]]
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 3, 3, 3], [0, 0, 0, 1, 2, 3]]
    assert tokens.tolist() == [[9, pad, pad], [pad, 10, pad]]
    assert mask.tolist() == [[True, False, False], [True, True, True]]


def test_the_policy_is_its_own_reference_before_it_learns(rolled_out):
    config, models, accelerator, rolled = rolled_out
    measured = ppo.measure(config, models, accelerator, rolled)
    assert measured["objective/kl"] == pytest.approx(0.0, abs=1e-5)
    assert measured["objective/non_score_reward"] == pytest.approx(0.0, abs=1e-5)


def test_the_first_step_on_a_batch_finds_the_probabilities_it_was_sampled_with(rolled_out):
    config, models, accelerator, rolled = rolled_out
    config.num_ppo_epochs = config.num_mini_batches = 1
    statistics = ppo.update(config, models, accelerator, rolled, first_step=0)
    assert statistics["policy/ratio"] == pytest.approx(1.0, abs=1e-5)
    assert statistics["policy/approx_kl"] == pytest.approx(0.0, abs=1e-8)
    assert statistics["policy/clipfrac"] == statistics["val/clipfrac"] == 0.0


def test_a_step_does_not_depend_on_how_it_is_cut_into_micro_batches(rolled_out):
    config, models, accelerator, rolled = rolled_out
    learned = []
    for budget in (20, 100_000):
        config.micro_batch_tokens = budget
        own = copy.deepcopy(models)
        # the optimizer's copy holds the copied parameters: deepcopy keeps what belongs together together
        ppo.update(config, own, accelerator, rolled, first_step=0)
        learned.append(torch.cat([p.detach().flatten() for p in own.learner.parameters()]))
    before = torch.cat([p.detach().flatten() for p in models.learner.parameters()])
    assert (learned[0] - before).abs().max() > 1e-4
    torch.testing.assert_close(learned[0], learned[1], atol=2e-5, rtol=0)


def test_the_value_model_starts_as_the_reward_model(rolled_out):
    _, models, _, rolled = rolled_out
    sequence = rolled.prompt_ids[0] + rolled.completions[0]
    with torch.no_grad():
        hidden = models.learner.value_trunk(input_ids=torch.tensor([sequence]))[0]
        value = models.learner.value_head(hidden)[0, -1, 0]
    expected = score_tokens(models.reward_model, [sequence], models.tokenizer.pad_token_id)[0]
    assert value.item() == pytest.approx(expected.item(), abs=1e-5)


def test_completions_that_never_end_are_paid_less_or_a_fixed_score(arguments):
    scores, has_eos = torch.tensor([2.0, 9.0]), torch.tensor([True, False])
    config = ppo.PPOConfig(**arguments | {"missing_eos_penalty": 3.0, "score_clip": 4.0})
    assert rollouts.paid_scores(config, scores, has_eos).tolist() == [2.0, 1.0]
    config.missing_eos_score = -1.0
    assert rollouts.paid_scores(config, scores, has_eos).tolist() == [2.0, -1.0]


def test_every_pass_takes_every_prompt_once_in_another_order(arguments):
    config = ppo.PPOConfig(**arguments)
    prompts = [rollouts.Prompt(str(number), [], []) for number in range(48)]
    batches = [rollouts.episodes_of_batch(config, batch, 0, 1) for batch in range(6)]
    passes = [
        [each.id for batch in half for each in rollouts.prompts_of_episodes(prompts, batch, config.seed)]
        for half in (batches[:3], batches[3:])
    ]
    assert sorted(passes[0]) == sorted(passes[1]) == sorted(prompt.id for prompt in prompts)
    assert passes[0] != passes[1]


def test_two_processes_share_the_episodes_of_one(arguments):
    config = ppo.PPOConfig(**arguments)
    shares = [rollouts.episodes_of_batch(config, 3, rank, 2) for rank in (0, 1)]
    assert sorted(shares[0] + shares[1]) == rollouts.episodes_of_batch(config, 3, 0, 1)


def test_learning_rate_warms_up_and_then_falls_in_a_line(arguments):
    config = ppo.PPOConfig(**arguments | {"num_warmup_steps": 4, "lr_end_share": 0.1})
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    optimizer.param_groups[0]["peak_lr"] = 1.0
    rates = []
    for step in range(16):
        ppo.set_learning_rate(config, optimizer, step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4] == 1.0 and rates[10] == pytest.approx(0.55)
    assert rates[15] == pytest.approx(1 - 0.9 * 11 / 12)


# ---------------------------------------------------------------- what it learns


@pytest.mark.parametrize("shared_trunk", [False, True])
def test_the_score_rises_when_a_word_is_liked(arguments, shared_trunk):
    changes = {"num_episodes": 224, "learning_rate": 5e-3, "kl_coef": 0.0, "shared_trunk": shared_trunk}
    assert run_ppo(arguments, **changes) == 0
    result = result_of(arguments)
    assert result["score"] > result["first_score"] + 0.3
    assert result["kl"] > 0.1
    texts = [row["completion"] for row in run_dir.read_samples(arguments["run_dir"])]
    assert LIKED in " ".join(texts[-4:])


def test_a_policy_that_is_paid_nothing_stays_at_its_reference(arguments, indifferent):
    changes = {"reward_model": indifferent, "num_episodes": 96, "missing_eos_penalty": 0.0, "kl_coef": 0.2}
    assert run_ppo(arguments, **changes) == 0
    assert {row["objective/scores"] for row in metrics_of(arguments)} == {0.0}
    assert abs(result_of(arguments)["kl"]) < 0.3


def test_a_learned_policy_is_a_model_that_any_job_loads(arguments):
    assert run_ppo(arguments) == 0
    tokenizer = load_tokenizer(arguments["run_dir"])
    learned = load_causal_lm(arguments["run_dir"], tokenizer)
    start = load_causal_lm(arguments["init_model"], tokenizer)
    moved = [
        (a - b).abs().max().item() for a, b in zip(learned.parameters(), start.parameters(), strict=True)
    ]
    assert min(moved) > 0
    row = metrics_of(arguments)[-1]
    assert row["step"] == 16 and row["episode"] == 64
    assert {"objective/kl", "objective/scores", "policy/clipfrac", "loss/value", "lr"} <= set(row)


def test_the_weight_of_the_kl_adapts_to_its_target(arguments):
    assert run_ppo(arguments, kl_target=100.0, kl_horizon=100, kl_coef=0.1) == 0
    # always far below the target: each batch of 16 lowers the weight by .2 * 16 / 100
    assert result_of(arguments)["kl_coef"] == pytest.approx(0.1 * (1 - 0.2 * 16 / 100) ** 4)


def test_a_run_that_strays_too_far_is_ended(arguments):
    assert run_ppo(arguments, max_kl=0.2, learning_rate=2e-2, kl_coef=0.0, num_episodes=640) == 0
    result = result_of(arguments)
    assert result["stopped_early"] and result["kl"] > 0.2
    assert result["num_episodes"] < 640


def test_a_batch_that_moved_the_policy_far_enough_is_left(arguments):
    assert run_ppo(arguments, max_update_kl=1e-7) == 0
    assert {row["policy/num_steps"] for row in metrics_of(arguments)} == {2}


def test_a_reward_model_with_other_tokens_reads_text(arguments, tmp_path):
    other = make_tokenizer(chat_template="{% for m in messages %}{{ m['content'] + '\n' }}{% endfor %}")
    path = reward_model_that_likes_a_word(tmp_path / "other", other)
    config = ppo.PPOConfig(**arguments | {"reward_model": str(path)})
    accelerator = Accelerator(cpu=True)
    models = ppo_models.load_models(config, accelerator)
    assert not models.same_tokens
    prompts = rollouts.load_prompts(config, models.tokenizer, 100)[:16]
    rolled = rollouts.roll_out(config, models, accelerator, prompts, list(range(16)))
    conversations = [
        [*prompt.messages, {"role": "assistant", "content": text}]
        for prompt, text in zip(prompts, rolled.texts, strict=True)
    ]
    expected = score(models.reward_model, models.reward_tokenizer, conversations)
    torch.testing.assert_close(rolled.raw_scores, expected)
    assert len(set(expected.tolist())) > 1


# ---------------------------------------------------------------- stopping, resuming, refusing


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_numbers(arguments, tmp_path):
    run_ppo(arguments, run_dir=str(tmp_path / "whole"))
    whole = metrics_of(arguments | {"run_dir": str(tmp_path / "whole")})
    process = start_process("ppo", **arguments)
    kill_when(process, lambda: len(run_dir.read_metrics(arguments["run_dir"])) >= 2)
    assert run_dir.read_status(arguments["run_dir"])["state"] == "running"
    assert run_ppo(arguments) == 0
    continued = metrics_of(arguments)
    assert len(continued) == len(whole) == 4
    for row, expected in zip(continued, whole, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)


def test_a_stopped_run_continues_to_the_same_numbers(arguments, tmp_path):
    run_ppo(arguments, run_dir=str(tmp_path / "whole"))
    (tmp_path / "ppo").mkdir()
    run_dir.request_stop(arguments["run_dir"])
    assert run_ppo(arguments) == 3
    assert run_dir.read_status(arguments["run_dir"])["state"] == "cancelled"
    assert len(metrics_of(arguments)) == 1
    assert run_ppo(arguments) == 0
    whole = metrics_of(arguments | {"run_dir": str(tmp_path / "whole")})
    for row, expected in zip(metrics_of(arguments), whole, strict=True):
        assert row == pytest.approx(expected, abs=1e-6)


def test_recomputing_activations_changes_memory_and_not_numbers(arguments, tmp_path):
    run_ppo(arguments, num_episodes=32)
    again = arguments | {"run_dir": str(tmp_path / "again")}
    assert run_ppo(again, num_episodes=32, gradient_checkpointing=True) == 0
    for row, expected in zip(metrics_of(again), metrics_of(arguments), strict=True):
        assert row == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(arguments, tmp_path):
    run_ppo(arguments, run_dir=str(tmp_path / "one"))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    finished = subprocess.run(
        [*launcher, "-m", "trainer.ppo", *command_line(arguments)],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert result_of(arguments)["num_processes"] == 2
    one, two = metrics_of(arguments | {"run_dir": str(tmp_path / "one")}), metrics_of(arguments)
    for name in ("objective/scores", "objective/kl", "length", "eos_share"):
        # the same episodes; minibatches are drawn within each process, so later batches differ a little
        assert two[0][name] == pytest.approx(one[0][name], abs=1e-4)
        assert two[-1][name] == pytest.approx(one[-1][name], abs=0.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 15}, "choose a multiple"),
        ({"kl_estimator": "k9"}, "k1, k2, k3"),
        ({"temperature": 0.0}, "above 0"),
        ({"precision": "fp8"}, "auto, bf16 or no"),
        ({"max_new_tokens": 127}, "no train prompts"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(arguments, changes, said):
    assert run_ppo(arguments, **changes) == 2
    assert said in run_dir.read_status(arguments["run_dir"])["error"]


def test_a_reference_with_another_vocabulary_is_refused(arguments, tmp_path):
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["further"])
    make_model(tokenizer).save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    assert run_ppo(arguments, ref_model=tmp_path / "other") == 2
    assert "different vocabularies" in run_dir.read_status(arguments["run_dir"])["error"]


def test_prompts_that_leave_no_room_are_left_out(arguments, tmp_path, tokenizer):
    with SnapshotWriter(tmp_path / "snapshot") as writer:
        writer.write("prompts", prompt_row(0, "red blue", "train"))
        writer.write("prompts", prompt_row(1, "red blue " * 60, "train"))
        writer.write("prompts", prompt_row(2, "red sun", "validation"))
        writer.close()
    config = ppo.PPOConfig(**arguments | {"snapshot": str(tmp_path / "snapshot")})
    assert [prompt.id for prompt in rollouts.load_prompts(config, tokenizer, 100)] == ["p0"]


def test_help_names_every_field():
    shown = HfArgumentParser(ppo.PPOConfig).format_help()
    for name, field in ppo.PPOConfig.__dataclass_fields__.items():
        assert f"--{name}" in shown
        assert field.metadata["help"]


def test_samples_show_prompt_completion_and_score(arguments):
    assert run_ppo(arguments) == 0
    rows = run_dir.read_samples(arguments["run_dir"])
    assert [row["step"] for row in rows] == [4, 4, 8, 8, 16, 16]
    assert json.loads(json.dumps(rows[0])).keys() == {
        "step",
        "prompt",
        "completion",
        "score",
        "kl",
        "finish_reason",
    }
    assert NUM_PROMPTS and all(row["prompt"][0]["role"] == "user" for row in rows)
