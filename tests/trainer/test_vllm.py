"""vLLM in the job's own process: against a stand-in of vLLM's names, and against vLLM itself where it is installed."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from tests.trainer.tiny import (
    make_model,
    make_tokenizer,
    run_in_process,
    start_process,
)
from tests.trainer.tiny_ppo import loaded, metrics_of, reward_model_that_likes_a_word, run_ppo
from trainer import ppo_update, run_dir, sample
from trainer.modeling import load_causal_lm, load_tokenizer
from trainer.rollouts import Rollouts
from trainer.vllm_generation import VllmWriter, check_vllm, weights_of

GAPS = ("rollout/logprob_gap", "rollout/logprob_gap_max")
SHARES_CLIPPED = ("policy/clipfrac", "val/clipfrac")


@pytest.fixture
def vllm(monkeypatch):
    """The stand-in, as if it were installed."""
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    monkeypatch.setenv("VLLM_LOGGING_LEVEL", "ERROR")
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "vllm_stand_in"))
    monkeypatch.setitem(sys.modules, "vllm", None)  # put back afterwards as it was
    monkeypatch.setitem(sys.modules, "vllm.platforms", None)
    del sys.modules["vllm"], sys.modules["vllm.platforms"]
    return importlib.import_module("vllm")


def rows_of(path):
    with open(path / "completions.jsonl", encoding="utf-8") as lines:  # a text may hold other line ends
        return [json.loads(line) for line in lines]


# ---------------------------------------------------------------- what is refused


def test_without_vllm_a_job_is_refused_before_anything_is_loaded(
    monkeypatch, tmp_path, ppo_arguments, caplog
):
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setitem(sys.modules, "vllm.platforms", None)
    there_is_none = str(tmp_path / "none")
    assert run_ppo(ppo_arguments, vllm=True, init_model=there_is_none) == 2
    assert "vLLM cannot be imported here" in run_dir.read_status(ppo_arguments["run_dir"])["error"]
    arguments = {"model": there_is_none, "prompts": str(tmp_path / "p.jsonl"), "run_dir": str(tmp_path / "s")}
    assert run_in_process(sample, sample.SampleConfig, **arguments, vllm=True) == 2
    assert "vLLM cannot be imported here" in run_dir.read_status(tmp_path / "s")["error"]


def test_what_vllm_cannot_do_is_refused(vllm, monkeypatch):
    from vllm.platforms import current_platform

    check_vllm([0.0, 0.01, 1.0, 2.0], 0.5)
    for temperatures, share, reason in (
        ([1.0, 2.1], 0.5, "2.1"),
        ([0.005], 0.5, "0.005"),
        ([1.0], 1.0, "--vllm-memory"),
    ):
        with pytest.raises(run_dir.RunError, match=reason):
            check_vllm(temperatures, share)
    monkeypatch.setattr(current_platform, "device_type", "")
    with pytest.raises(run_dir.RunError, match="finds no GPU"):
        check_vllm([1.0], 0.5)


def test_vllm_that_does_not_start_says_why(vllm, tokenizer):
    with pytest.raises(run_dir.RunError, match="does not start: User-specified max_model_len is greater"):
        VllmWriter(make_model(tokenizer), tokenizer, [2], 10_000, 0.5, torch.float32)
    with pytest.raises(run_dir.RunError, match="keeps old weights"):
        VllmWriter(make_model(tokenizer, tie_word_embeddings=True), tokenizer, [2], 100, 0.5, torch.float32)


# ---------------------------------------------------------------- sampling


def test_sampling_with_vllm_keeps_seeds_limits_and_stops(vllm, tmp_path, snapshot_dir, sft_run):
    arguments = {
        "model": sft_run,
        "snapshot": snapshot_dir,
        "split": "validation",
        "max_new_tokens": 10,
        "stop": "r",
    }
    found = []
    for name in ("without", "with"):
        own = {"run_dir": tmp_path / name, "vllm": name == "with"}
        assert run_in_process(sample, sample.SampleConfig, **arguments | own) == 0
        found.append(rows_of(tmp_path / name))
    assert found[0] == found[1] and len(found[0]) == 12 * 4
    (llm,) = vllm.started[-1:]
    assert llm.settings["backend"] == "uni" and llm.settings["memory"] == 0.85


# ---------------------------------------------------------------- PPO


def test_ppo_with_vllm_learns_what_it_learns_without(vllm, ppo_arguments, tmp_path):
    """Every batch by the weights that the one before left, also for held-out prompts and the reference's scores."""
    found = []
    for name in ("without", "with"):
        own = ppo_arguments | {"run_dir": str(tmp_path / name), "vllm": name == "with"}
        assert run_ppo(own, eval_every=2, num_eval_prompts=4, normalize_scores=8, importance_cap=2.0) == 0
        found.append(metrics_of(own))
    without, with_vllm = found
    gaps = [[row.pop(name) for name in GAPS] for row in with_vllm if GAPS[0] in row]
    assert len(gaps) >= 4 and 0 <= max(max(gap) for gap in gaps) < 1e-4
    for row, other in zip(with_vllm, without, strict=True):
        # What stands at the clip's edge falls on either side by rounding: one token in a hundred may.
        shares = [{name: of.pop(name) for name in SHARES_CLIPPED if name in of} for of in (row, other)]
        assert shares[0] == pytest.approx(shares[1], abs=0.02)
    assert with_vllm == [pytest.approx(row, abs=1e-4, rel=1e-3) for row in without]
    assert vllm.started[-1].asleep == vllm.TAGS  # its memory is the update's


def test_where_vllm_is_the_one_that_forgot_the_gap_is_seen(vllm, ppo_arguments, monkeypatch):
    """The weights of the first batch are kept for the second, as a vLLM would that was not told of the new ones."""
    load, known = VllmWriter.load, []

    def load_the_first(self, policy):
        known.append({name: weight.clone() for name, weight in policy.state_dict().items()})
        now = {name: weight.clone() for name, weight in known[-1].items()}
        policy.load_state_dict(known[0])
        load(self, policy)
        policy.load_state_dict(now)

    monkeypatch.setattr(VllmWriter, "load", load_the_first)
    assert run_ppo(ppo_arguments, vllm=True, num_episodes=32, learning_rate=1e-2) == 0
    first, second = (row for row in metrics_of(ppo_arguments) if GAPS[0] in row)
    assert first[GAPS[1]] < 1e-4
    assert 0.01 < second[GAPS[0]] < second[GAPS[1]]


def test_every_process_has_a_vllm_of_its_own(vllm, tokenizer):
    VllmWriter(make_model(tokenizer), tokenizer, [2], 100, 0.5, torch.bfloat16, num_processes=2)
    assert vllm.started[-1].settings == {
        "backend": "external_launcher", "memory": 0.5, "dtype": "bfloat16", "length": 100
    }  # fmt: skip


def test_the_gap_is_that_of_real_tokens_by_hand(ppo_arguments):
    _, accelerator, _ = loaded(ppo_arguments)
    mask = torch.tensor([[True, True], [True, False]])
    values = {name: torch.zeros(2, 2) for name in Rollouts.PER_TOKEN} | {"mask": mask}
    values["logprobs"] = torch.tensor([[-1.0, -2.0], [-3.0, 0.0]])
    values["written_logprobs"] = torch.tensor([[-1.5, -2.0], [-2.0, 9.0]])
    nothing = {name: torch.zeros(2) for name in Rollouts.PER_EPISODE}
    rolled = Rollouts(prompts=[], completions=[], texts=[], **nothing, **values)
    assert ppo_update.gap_to_vllm(accelerator, rolled) == {GAPS[0]: pytest.approx(0.5), GAPS[1]: 1.0}


# ---------------------------------------------------------------- weights

FAMILIES = {
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2},
    "gpt_neox": {},
    "gemma2": {"num_key_value_heads": 1, "head_dim": 8},
    "qwen2": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "mixtral": {"num_key_value_heads": 1, "num_local_experts": 2},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_are_handed_over_by_the_names_of_a_checkpoint(family, tmp_path):
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    changes = FAMILIES[family] if family == "gpt2" else sizes | FAMILIES[family]
    config = AutoConfig.for_model(
        family, vocab_size=40, bos_token_id=1, eos_token_id=2, pad_token_id=0, **changes
    )
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path)
    saved, handed = load_file(tmp_path / "model.safetensors"), dict(weights_of(model))
    assert saved.keys() == handed.keys()
    for name, weight in saved.items():
        torch.testing.assert_close(handed[name], weight, rtol=0, atol=0)


def test_an_adapter_is_handed_over_added_to_its_base_which_stays_as_it_was(ppo_arguments):
    _, _, models = loaded(ppo_arguments, lora_rank=4)
    policy = models.learner.policy
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                weight.normal_()
    before = {name: weight.clone() for name, weight in policy.named_parameters()}
    handed = dict(weights_of(policy))
    assert all(torch.equal(weight, before[name]) for name, weight in policy.named_parameters())
    plain = load_causal_lm(ppo_arguments["init_model"], load_tokenizer(ppo_arguments["init_model"]))
    assert handed.keys() == dict(plain.named_parameters()).keys()
    assert not torch.equal(
        handed["model.layers.0.mlp.up_proj.weight"], plain.model.layers[0].mlp.up_proj.weight
    )
    plain.load_state_dict(handed, strict=False)
    ids = torch.tensor([[1, 5, 9, 30]])
    with torch.no_grad():
        torch.testing.assert_close(plain(ids).logits, policy(ids).logits, atol=1e-4, rtol=1e-4)


# ---------------------------------------------------------------- vLLM itself


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_vllm_itself_writes_by_the_present_weights(tmp_path, snapshot_dir):
    """In processes of their own: what vLLM says of its tokens is what the policy says, before and after learning."""
    tokenizer = make_tokenizer()
    base = tmp_path / "base"
    make_model(tokenizer, hidden_size=64).save_pretrained(base)
    tokenizer.save_pretrained(base)
    likes = reward_model_that_likes_a_word(tmp_path / "likes", tokenizer)
    common = {"snapshot": snapshot_dir, "max_new_tokens": 12, "vllm": True, "vllm_memory": 0.2}
    for lora_rank in (0, 4):
        own = {
            "init_model": base,
            "reward_model": likes,
            "run_dir": tmp_path / f"ppo{lora_rank}",
            "eval_every": 0,
        }
        own |= {
            "num_episodes": 64,
            "batch_size": 16,
            "learning_rate": 1e-3,
            "lora_rank": lora_rank,
            "temperature": 0.8,
        }
        output, _ = (process := start_process("ppo", **common | own)).communicate()
        assert process.returncode == 0, output
        gaps = [row[GAPS[1]] for row in run_dir.read_metrics(own["run_dir"]) if GAPS[1] in row]
        assert len(gaps) == 4 and max(gaps) < (0.5 if torch.cuda.is_available() else 1e-3)
    found = []
    for name in ("first", "again"):
        own = {
            "model": base,
            "split": "validation",
            "run_dir": tmp_path / name,
            "stop": "e",
            "num_completions": 2,
        }
        output, _ = (process := start_process("sample", **common | own)).communicate()
        assert process.returncode == 0, output
        found.append(rows_of(tmp_path / name))
    assert found[0] == found[1]
    assert not any("e" in row["text"] for row in found[0])
    assert {row["finish_reason"] for row in found[0]} == {"stop", "length"}
