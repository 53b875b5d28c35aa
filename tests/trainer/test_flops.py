"""Model FLOPs by hand, and the machine's own peak."""

import pytest
import torch

from tests.trainer.tiny import make_model
from trainer import flops


@pytest.mark.parametrize("tied", [False, True])
def test_the_flops_of_a_small_model_by_hand(tokenizer, tied):
    """d 32, 2 layers, feed-forward 64: a token is multiplied with 2 (4 x 32^2 + 3 x 32 x 64) + 5 x 32 + 32 V weights."""
    model = make_model(tokenizer, tie_word_embeddings=tied)
    weights = 2 * (4 * 32 * 32 + 3 * 32 * 64) + 5 * 32 + 32 * len(tokenizer)
    assert flops.num_multiplied(model) == weights
    assert flops.forward_flops(model, num_tokens=10, length=20) == 10 * (2 * weights + 2 * 2 * 32 * 20)


def test_a_head_for_scores_does_not_make_the_embedding_count(tokenizer):
    from transformers import LlamaForSequenceClassification

    model = LlamaForSequenceClassification(make_model(tokenizer).config)
    num_scores = model.score.weight.numel()
    assert flops.num_multiplied(model) == 2 * (4 * 32 * 32 + 3 * 32 * 64) + 5 * 32 + num_scores


def test_the_share_of_the_peak_is_that_of_one_device_and_short_jobs_have_none():
    cpu, dtype = torch.device("cpu"), torch.float32
    peak = flops.peak_flops(cpu, dtype)
    assert 1e8 < peak < 1e15
    assert flops.peak_flops(cpu, dtype) == peak  # measured once
    found = flops.utilisation(3 * 20 * peak, 20.0, cpu, dtype, num_processes=6)
    assert found == {"mfu": pytest.approx(0.5), "peak_flops": peak}
    assert flops.utilisation(1.0, 9.9, cpu, dtype) == {}
