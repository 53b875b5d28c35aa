"""PPO as a whole: what it finds, what it learns, what it refuses."""

import gc
import json
from pathlib import Path

import pytest
import torch

from tests.trainer.tiny import REPOSITORY, make_model, make_tokenizer
from tests.trainer.tiny_ppo import (
    LIKED,
    PAYS,
    arm_probabilities,
    make_bandit,
    metrics_of,
    result_of,
    run_ppo,
    total_variation,
    train_with,
)
from trainer import ppo, run_dir
from trainer.jobs import parse_config
from trainer.modeling import load_causal_lm, load_tokenizer

# ---------------------------------------------------------------- a known optimum


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"shared_trunk": False, "policy_loss": "kl_penalty"}, {"lora_rank": 8}],
    ids=["clip, shared trunk", "KL penalty, separate critic", "adapters"],
)
def test_the_policy_becomes_the_optimum_of_the_penalised_reward(tmp_path, changes):
    """argmax E[r] - beta KL(pi, ref) is pi(a) ~ ref(a) exp(r(a) / beta), whatever PPO does on its way."""
    arguments = make_bandit(tmp_path)
    reference = arm_probabilities(arguments["init_model"])
    optimum = (reference.log() + PAYS / arguments["kl_coef"]).softmax(-1)
    assert total_variation(reference, optimum) > 0.3
    train_with(lambda prompts, texts, tokens: [float(PAYS[row[0]]) for row in tokens], arguments, **changes)
    assert total_variation(arm_probabilities(arguments["run_dir"]), optimum) < 0.02


def test_a_policy_that_is_paid_nothing_stays_at_its_reference(tmp_path):
    arguments = make_bandit(tmp_path)
    train_with(lambda prompts, texts, tokens: [0.0] * len(texts), arguments, num_episodes=10 * 256)
    reference = arm_probabilities(arguments["init_model"])
    assert total_variation(arm_probabilities(arguments["run_dir"]), reference) < 0.02


def test_a_function_that_scores_is_asked_with_prompts_texts_and_tokens(ppo_arguments):
    asked = []

    def score(prompts, texts, tokens):
        asked.append((prompts, texts, tokens))
        return [float(LIKED in text) for text in texts]

    metrics = train_with(score, ppo_arguments, reward_model="", num_episodes=32)
    prompts, texts, tokens = asked[0]
    assert len(asked) == 3  # two batches, and one more for the figures of the result
    assert len(prompts) == len(texts) == len(tokens) == 16
    assert prompts[0][0]["role"] == "user" and isinstance(tokens[0][0], int)
    assert metrics["first_score"] == sum(LIKED in text for text in texts) / 16


# ---------------------------------------------------------------- what it learns


@pytest.mark.slow
@pytest.mark.parametrize("shared_trunk", [False, True])
def test_the_score_rises_when_a_word_is_liked(ppo_arguments, shared_trunk):
    changes = {"num_episodes": 640, "batch_size": 64, "learning_rate": 5e-3, "kl_coef": 0.0}
    assert run_ppo(ppo_arguments, **changes, shared_trunk=shared_trunk) == 0
    result = result_of(ppo_arguments)
    assert result["score"] > result["first_score"] + 0.3
    assert result["kl"] > 0.1
    texts = [row["completion"] for row in run_dir.read_samples(ppo_arguments["run_dir"])]
    assert LIKED in " ".join(texts[-2:])


def test_a_learned_policy_is_a_model_that_any_job_loads(ppo_arguments):
    assert run_ppo(ppo_arguments) == 0
    tokenizer = load_tokenizer(ppo_arguments["run_dir"])
    learned = load_causal_lm(ppo_arguments["run_dir"], tokenizer)
    start = load_causal_lm(ppo_arguments["init_model"], tokenizer)
    moved = [
        (a - b).abs().max().item() for a, b in zip(learned.parameters(), start.parameters(), strict=True)
    ]
    assert min(moved) > 0
    row = metrics_of(ppo_arguments)[-1]
    assert row["step"] == 16 and row["episode"] == 64
    assert {"objective/kl", "objective/scores", "policy/clipfrac", "loss/value", "lr"} <= set(row)


def test_the_weight_of_the_kl_adapts_to_its_target(ppo_arguments):
    assert run_ppo(ppo_arguments, kl_target=100.0, kl_horizon=100, kl_coef=0.1) == 0
    # always far below the target: each batch of 16 lowers the weight by .2 * 16 / 100
    weights = [0.1 * (1 - 0.2 * 16 / 100) ** batch for batch in range(5)]
    assert result_of(ppo_arguments)["kl_coef"] == pytest.approx(weights[4])
    assert [row["objective/kl_coef"] for row in metrics_of(ppo_arguments)] == pytest.approx(weights[:4])


def test_scores_are_normalised_once_before_the_run(ppo_arguments):
    assert run_ppo(ppo_arguments, normalize_scores=64, missing_eos_penalty=0.0) == 0
    rows = metrics_of(ppo_arguments)
    pairs = torch.tensor([[row["objective/raw_scores"], row["objective/scores"]] for row in rows])
    scale = (pairs[0, 1] - pairs[1, 1]) / (pairs[0, 0] - pairs[1, 0])
    # one line through all batches, and another than the reward model's own
    torch.testing.assert_close(
        pairs[:, 1], pairs[0, 1] + scale * (pairs[:, 0] - pairs[0, 0]), atol=1e-3, rtol=0
    )
    assert scale > 1.1 or scale < 0.9
    assert abs(pairs[0, 1]) < 1


# ---------------------------------------------------------------- refusing, telling


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 15}, "choose a multiple"),
        ({"keep": "first"}, "best, last, ema"),
        ({"temperature": 0.0}, "above 0"),
        ({"precision": "fp8"}, "precision is fp8; give one of auto, bf16, no"),
        ({"policy_loss": "none"}, "policy_loss is none; give one of clip, kl_penalty"),
        ({"max_new_tokens": 127}, "no train prompts"),
        ({"reward_model": ""}, "--reward-model"),
        ({"lora_rank": 4, "lora_target": "nowhere"}, "--lora-target nowhere"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(ppo_arguments, changes, said):
    Path(ppo_arguments["run_dir"]).mkdir()  # as the web side prepares it
    assert run_ppo(ppo_arguments, **changes) == 2
    assert said in run_dir.read_status(ppo_arguments["run_dir"])["error"]


@pytest.mark.parametrize("name", ["ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"])
def test_a_launcher_that_cuts_weights_its_own_way_is_refused(ppo_arguments, monkeypatch, name):
    monkeypatch.setenv(name, "true")
    assert run_ppo(ppo_arguments) == 2
    assert "add --shard-weights True" in run_dir.read_status(ppo_arguments["run_dir"])["error"]


@pytest.mark.parametrize(("name", "kind"), [("bf16", "MULTI_GPU"), ("zero2", "DEEPSPEED"), ("fsdp2", "FSDP")])
def test_the_configurations_that_we_ship_are_read_by_accelerate(name, kind):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(REPOSITORY / "deploy" / "accelerate" / f"{name}.yaml"))
    assert config.distributed_type == kind
    assert config.mixed_precision == "bf16"
    assert bool(config.deepspeed_config) == (kind == "DEEPSPEED")
    assert bool(config.fsdp_config) == (kind == "FSDP")


def test_a_reference_with_another_vocabulary_is_refused(ppo_arguments, tmp_path):
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["further"])
    make_model(tokenizer).save_pretrained(tmp_path / "other")
    tokenizer.save_pretrained(tmp_path / "other")
    assert run_ppo(ppo_arguments, ref_model=tmp_path / "other") == 2
    assert "different vocabularies" in run_dir.read_status(ppo_arguments["run_dir"])["error"]


def test_help_names_every_field(capsys):
    with pytest.raises(SystemExit):
        parse_config(ppo.PPOConfig, ["--help"])
    shown = capsys.readouterr().out
    for name, field in ppo.PPOConfig.__dataclass_fields__.items():
        assert f"--{name}" in shown
        assert field.metadata["help"]


def test_samples_show_prompt_completion_and_score(ppo_arguments):
    assert run_ppo(ppo_arguments) == 0
    rows = run_dir.read_samples(ppo_arguments["run_dir"])
    assert [row["step"] for row in rows] == [4, 4, 8, 8, 16, 16]
    assert json.loads(json.dumps(rows[0])).keys() == {
        "step",
        "prompt",
        "completion",
        "score",
        "kl",
        "finish_reason",
    }
    assert all(row["prompt"][0]["role"] == "user" for row in rows)


# ---------------------------------------------------------------- one seed, one run


def test_the_same_seed_gives_the_same_run(ppo_arguments, tmp_path):
    changes = {"num_episodes": 32, "eval_every": 1, "num_eval_prompts": 4}
    runs = {"again": 0, "other": 1}
    assert run_ppo(ppo_arguments, **changes) == 0
    first = metrics_of(ppo_arguments)
    for name, seed in runs.items():
        arguments = ppo_arguments | {"run_dir": str(tmp_path / name)}
        assert run_ppo(arguments, **changes, seed=seed) == 0
        assert (metrics_of(arguments) == first) == (name == "again")


def test_nothing_collects_memory_between_updates(ppo_arguments, monkeypatch):
    collected = []
    monkeypatch.setattr(gc, "collect", lambda *_: collected.append("gc") or 0)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: collected.append("cuda"))
    assert run_ppo(ppo_arguments) == 0
    assert collected == ["gc"]  # at the end, so that nothing stays beside the next job of this process
