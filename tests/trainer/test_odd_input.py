"""What every job does with input that is small, bare, damaged or of another run: a stated rule or a sentence."""

import json
import shutil

import pytest
import torch

from tests.trainer.tiny import make_model, make_tokenizer, run_in_process, write_snapshot
from tests.trainer.tiny_ppo import run_ppo
from trainer import evaluate, reward, rloo, run_dir, sample, sft
from trainer.modeling import load_causal_lm, load_tokenizer, save_model


def run(module, config_type, path, **arguments):
    return run_in_process(module, config_type, run_dir=path, **arguments)


def error_of(module, config_type, path, **arguments):
    assert run(module, config_type, path, **arguments) == 2
    status = run_dir.read_status(path)
    assert status["state"] == "failed"
    return status["error"]


def metrics_of(path):
    return run_dir.read_manifest(path)["metrics"]


@pytest.fixture(scope="module")
def bare_base(tmp_path_factory):
    """A base model whose tokenizer has neither a chat template nor a padding token."""
    path = tmp_path_factory.mktemp("models") / "bare"
    model = make_model(make_tokenizer())
    model.config.pad_token_id = model.generation_config.pad_token_id = None
    model.save_pretrained(path)
    make_tokenizer(pad_token=None, chat_template=None).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def damaged_policy(tmp_path_factory, base_model_dir):
    """A policy one of whose weights is no number."""
    path = tmp_path_factory.mktemp("models") / "damaged"
    tokenizer = load_tokenizer(base_model_dir)
    model = load_causal_lm(base_model_dir, tokenizer)
    with torch.no_grad():
        model.model.layers[1].mlp.up_proj.weight[0, 0] = float("nan")
    path.mkdir()
    save_model(path, model, tokenizer)
    return path


# ---------------------------------------------------------------- a bare base, a single prompt


def test_a_base_without_chat_template_or_padding_is_tuned_sampled_from_and_learns_by_ppo(
    tmp_path, snapshot_dir, bare_base, ppo_arguments
):
    settings = {"snapshot": snapshot_dir, "init_model": bare_base, "max_steps": 1}
    assert run(sft, sft.SftConfig, tmp_path / "sft", **settings) == 0
    told = (tmp_path / "sft" / "log.txt").read_text()
    assert "has no chat template" in told and "no padding token of its own" in told
    tokenizer = load_tokenizer(tmp_path / "sft")
    assert tokenizer.chat_template and tokenizer.pad_token_id not in (None, tokenizer.eos_token_id)
    settings = {"model": tmp_path / "sft", "snapshot": snapshot_dir, "num_prompts": 2, "max_new_tokens": 4}
    assert run(sample, sample.SampleConfig, tmp_path / "sample", **settings) == 0
    assert metrics_of(tmp_path / "sample")["num_completions"] == 8
    assert run_ppo(ppo_arguments, init_model=bare_base, num_episodes=16) == 0
    assert "reads completions as text" in (tmp_path / "ppo" / "log.txt").read_text()


def test_ppo_and_sampling_work_on_a_single_prompt_and_one_completion(tmp_path, sft_run, ppo_arguments):
    snapshot = write_snapshot(tmp_path / "one", num_prompts=1, validation_every=0)
    assert run_ppo(ppo_arguments, snapshot=snapshot, num_episodes=16, eval_every=1) == 0
    assert metrics_of(tmp_path / "ppo")["kept"] == "last"
    settings = {"model": sft_run, "snapshot": snapshot, "num_completions": 1, "max_new_tokens": 4}
    assert run(sample, sample.SampleConfig, tmp_path / "sample", **settings) == 0
    metrics = metrics_of(tmp_path / "sample")
    assert (metrics["num_prompts"], metrics["num_completions"]) == (1, 1)


def test_evaluation_works_on_a_single_prompt_and_says_how_little_that_is(tmp_path, sft_run, likes_a_word):
    snapshot = write_snapshot(tmp_path / "one", num_prompts=1, validation_every=1)
    settings = {"snapshot": snapshot, "model": sft_run, "ref_model": sft_run, "reward_model": likes_a_word}
    assert run(evaluate, evaluate.EvaluateConfig, tmp_path / "run", **settings, max_new_tokens=4) == 0
    metrics = metrics_of(tmp_path / "run")
    assert metrics["num_prompts"] == 1
    assert metrics["win_rate_low"] == metrics["win_rate"] == metrics["win_rate_high"] == 0.5


# ---------------------------------------------------------------- what is no number


def test_a_reward_training_that_diverges_ends_with_a_sentence_and_what_was_learned(
    tmp_path, snapshot_dir, base_model_dir
):
    error = error_of(
        reward,
        reward.RewardConfig,
        tmp_path / "run",
        snapshot=snapshot_dir,
        init_model=base_model_dir,
        learning_rate=1e30,
        max_steps=5,
    )
    assert "became" in error and "lower learning rate" in error and "checkpoints/checkpoint-1" in error


def test_a_policy_of_no_numbers_is_refused_before_anything_is_written(
    tmp_path, snapshot_dir, sft_run, likes_a_word, damaged_policy
):
    settings = {"snapshot": snapshot_dir, "model": damaged_policy, "max_new_tokens": 4}
    error = error_of(sample, sample.SampleConfig, tmp_path / "sample", **settings)
    assert "probabilities are no numbers" in error
    assert not (tmp_path / "sample" / "completions.jsonl").exists()
    settings |= {"ref_model": sft_run, "reward_model": likes_a_word}
    error = error_of(evaluate, evaluate.EvaluateConfig, tmp_path / "evaluate", **settings)
    assert "probabilities are no numbers" in error


def test_scores_that_are_no_numbers_are_refused(tmp_path, snapshot_dir, sft_run, likes_a_word, ppo_arguments):
    from trainer.modeling import load_reward_model

    model, tokenizer = load_reward_model(likes_a_word)
    with torch.no_grad():
        model.score.weight.fill_(float("nan"))
    (tmp_path / "reward").mkdir()
    save_model(tmp_path / "reward", model, tokenizer, {"mean": 0.0, "std": 1.0})
    settings = {"snapshot": snapshot_dir, "model": sft_run, "max_new_tokens": 4, "num_prompts": 2}
    settings |= {"reward_model": tmp_path / "reward"}
    best = error_of(sample, sample.SampleConfig, tmp_path / "best", **settings, best_of=2)
    held = error_of(evaluate, evaluate.EvaluateConfig, tmp_path / "held", **settings, ref_model=sft_run)
    assert run_ppo(ppo_arguments, reward_model=tmp_path / "reward") == 2
    for error in (best, held, run_dir.read_status(tmp_path / "ppo")["error"]):
        assert "The reward model gives scores that are no numbers" in error


@pytest.mark.parametrize("kind", ["ppo", "rloo"])
def test_a_reward_model_that_cannot_read_a_prompt_with_its_answer_leaves_it_out(
    tmp_path, snapshot_dir, sft_run, likes_a_word, ppo_arguments, kind
):
    """Its context is of eight tokens, all of which the answer may take."""
    shutil.copytree(likes_a_word, tmp_path / "short")
    config = json.loads((tmp_path / "short" / "config.json").read_text()) | {"max_position_embeddings": 8}
    (tmp_path / "short" / "config.json").write_text(json.dumps(config))
    settings = {"reward_model": str(tmp_path / "short"), "max_new_tokens": 8}
    if kind == "ppo":
        assert run_ppo(ppo_arguments, **settings) == 2
    else:
        settings |= {"snapshot": snapshot_dir, "init_model": sft_run, "num_episodes": 8, "batch_size": 8}
        assert run(rloo, rloo.RlooConfig, tmp_path / kind, **settings) == 2
    assert "no train prompts to roll out" in run_dir.read_status(tmp_path / kind)["error"]
    assert "48 prompts are left out" in (tmp_path / kind / "log.txt").read_text()


# ---------------------------------------------------------------- full memory


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sample", "evaluate"])
def test_where_memory_is_full_what_was_written_stays_and_a_smaller_batch_goes_on(
    tmp_path, monkeypatch, snapshot_dir, sft_run, likes_a_word, kind
):
    """The third batch is too large for it; the same command with a smaller one writes the rest."""
    settings = {"snapshot": snapshot_dir, "model": sft_run, "max_new_tokens": 4, "num_prompts": 8}
    module, config_type, batch, smaller = sample, sample.SampleConfig, 8, 4
    if kind == "evaluate":
        module, config_type, batch, smaller = evaluate, evaluate.EvaluateConfig, 2, 1
        settings |= {"ref_model": sft_run, "reward_model": likes_a_word}
    assert run(module, config_type, tmp_path / "whole", **settings, batch_size=batch) == 0
    generated, calls = sample.Sampler.generated, []

    def fill_the_memory(self, prompts, seeds):
        calls.append(len(prompts))
        if len(calls) == 7:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return generated(self, prompts, seeds)

    with monkeypatch.context() as patched:
        patched.setattr(sample.Sampler, "generated", fill_the_memory)
        error = error_of(module, config_type, tmp_path / "run", **settings, batch_size=batch)
    assert "memory is full" in error and "smaller batch size" in error
    name = "completions.jsonl" if kind == "sample" else "samples.jsonl"
    written = (tmp_path / "run" / name).read_text().splitlines()
    assert written
    assert run(module, config_type, tmp_path / "run", **settings, batch_size=smaller) == 0
    whole = (tmp_path / "whole" / name).read_text().splitlines()
    assert (tmp_path / "run" / name).read_text().splitlines()[: len(written)] == whole[: len(written)]
    texts = [
        {
            (row["prompt_id"], row.get("index")): row.get("text", row.get("completion"))
            for row in map(json.loads, lines)
        }
        for lines in ((tmp_path / "run" / name).read_text().splitlines(), whole)
    ]
    assert texts[0] == texts[1]


# ---------------------------------------------------------------- a checkpoint of another configuration


@pytest.mark.slow
def test_sft_refuses_the_checkpoint_of_another_model(tmp_path, snapshot_dir, base_model_dir, tokenizer):
    make_model(tokenizer, intermediate_size=96).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    other = {"wider": {"init_model": tmp_path / "base"}, "adapter": {"lora_rank": 2}, "own": {}}
    settings = {"snapshot": snapshot_dir, "init_model": base_model_dir, "max_steps": 3}
    for name, changes in other.items():
        (tmp_path / name).mkdir(exist_ok=True)
        run_dir.request_stop(tmp_path / name)
        assert run(sft, sft.SftConfig, tmp_path / name, **settings | changes) == 3
    for name, differing in (("wider", "mlp.down_proj"), ("adapter", "model.safetensors")):
        shutil.rmtree(tmp_path / "own" / "checkpoints")
        shutil.copytree(tmp_path / name / "checkpoints", tmp_path / "own" / "checkpoints")
        error = error_of(sft, sft.SftConfig, tmp_path / "own", **settings)
        assert "belongs to another configuration" in error and differing in error


def test_ppo_refuses_the_checkpoint_of_other_networks(tmp_path, ppo_arguments):
    other = ppo_arguments | {"run_dir": str(tmp_path / "other"), "shared_trunk": True}
    for arguments in (ppo_arguments, other):
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "ppo").mkdir(exist_ok=True)
        run_dir.request_stop(arguments["run_dir"])
        assert run_ppo(arguments) == 3
    shutil.rmtree(tmp_path / "ppo" / "checkpoints")
    shutil.copytree(tmp_path / "other" / "checkpoints", tmp_path / "ppo" / "checkpoints")
    assert run_ppo(ppo_arguments) == 2
    assert "belongs to another configuration" in run_dir.read_status(tmp_path / "ppo")["error"]
