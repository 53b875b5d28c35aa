"""Families of models, each made tiny from its configuration: fine-tuned for two steps, sampled from, resumed."""

import json

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
)

from tests.trainer.tiny import run_in_process
from trainer import run_dir, sample, sft
from trainer.generation import Sampling, generate

FAMILIES = {
    "llama": (LlamaConfig, {"num_key_value_heads": 1}),
    "qwen": (Qwen2Config, {"num_key_value_heads": 1, "tie_word_embeddings": True}),
    "gemma": (GemmaConfig, {"num_key_value_heads": 1, "head_dim": 16}),
    "gemma2": (Gemma2Config, {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 8}),
    "mistral": (MistralConfig, {"num_key_value_heads": 1, "sliding_window": 8}),
    "gpt2": (GPT2Config, {}),
    "gpt-neox": (GPTNeoXConfig, {}),
}


@pytest.fixture(params=FAMILIES)
def family_dir(request, tmp_path, tokenizer):
    config_type, changes = FAMILIES[request.param]
    torch.manual_seed(0)
    config = config_type(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **changes,
    )
    path = tmp_path / request.param
    AutoModelForCausalLM.from_config(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_every_family_is_fine_tuned_and_sampled_from(tmp_path, family_dir, snapshot_dir, tokenizer):
    arguments = {"snapshot": snapshot_dir, "init_model": family_dir, "run_dir": tmp_path / "sft"}
    arguments |= {"max_steps": 2, "learning_rate": 1e-2, "logging_steps": 1, "micro_batch_tokens": 40}
    assert run_in_process(sft, sft.SftConfig, **arguments) == 0
    losses = [row["loss"] for row in run_dir.read_metrics(tmp_path / "sft") if "loss" in row]
    assert losses[1] < losses[0]

    model = AutoModelForCausalLM.from_pretrained(family_dir).eval()
    trained = AutoModelForCausalLM.from_pretrained(tmp_path / "sft" / "model").eval()
    moved = [
        name
        for name, weight in trained.state_dict().items()
        if not torch.equal(weight, model.state_dict()[name])
    ]
    assert len(moved) > 10

    # a prompt read once, among prompts of other lengths: the same tokens as read for each completion
    prompts = [list(range(20, 32)), [40, 41], list(range(20, 32)), [40, 41], [50] * 7]
    made = [
        generate(
            trained,
            prompts,
            range(5),
            Sampling(1.5, 0.9, 12),
            [tokenizer.eos_token_id],
            tokenizer.pad_token_id,
            share_prefill_from=share_from,
        )
        for share_from in (1, 10**9)
    ]
    assert made[0] == made[1]

    settings = {"model": tmp_path / "sft", "snapshot": snapshot_dir, "split": "validation", "num_prompts": 2}
    settings |= {
        "run_dir": tmp_path / "sample",
        "num_completions": 2,
        "max_new_tokens": 4,
        "temperature": 2.0,
    }
    assert run_in_process(sample, sample.SampleConfig, **settings) == 0
    rows = [json.loads(line) for line in (tmp_path / "sample" / "completions.jsonl").read_text().splitlines()]
    assert len(rows) == 4
