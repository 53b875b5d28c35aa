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


def test_the_peak_is_that_of_its_minute(monkeypatch):
    cpu, dtype = torch.device("cpu"), torch.float32
    monkeypatch.setattr(flops, "_peaks", {})
    random_state = torch.get_rng_state()
    peak = flops.peak_flops(cpu, dtype)
    assert 1e8 < peak < 1e15
    assert torch.equal(torch.get_rng_state(), random_state)  # it falls into trainings with dropout
    monkeypatch.setattr(flops, "_measure_peak", lambda *_: 7.0)
    assert flops.peak_flops(cpu, dtype) == peak  # the minute is not over
    clock = flops.time.monotonic() + flops.PEAK_SECONDS
    monkeypatch.setattr(flops.time, "monotonic", lambda: clock)
    assert flops.peak_flops(cpu, dtype) == 7.0


def test_utilisation_is_told_by_row_and_over_all_and_short_jobs_have_none(monkeypatch):
    peaks = iter([100.0, 100.0, 50.0])
    monkeypatch.setattr(flops, "peak_flops", lambda *_: next(peaks))
    meter = flops.Meter(torch.device("cpu"), torch.float32)
    meter.add(400.0, 9.9)
    assert meter.row() == meter.total() == {}  # nothing was measured
    meter.add(100.0, 0.1)
    assert meter.row() == {"mfu": pytest.approx(500 / 1000)}
    assert meter.row() == {}  # nothing was done since
    meter.add(300.0, 5.0)
    assert meter.row("/update") == {"mfu/update": pytest.approx(300 / 500)}
    meter.add(100.0, 10.0)
    # the machine became slower: 1500 FLOPs were possible, then 500 more
    assert meter.total() == {"mfu": pytest.approx(900 / 2000), "peak_flops": pytest.approx(2000 / 25)}
