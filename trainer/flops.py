"""Model FLOPs utilisation: what a job computed, against the fastest matrix product of the same machine.

FLOPs of a token, forward: 2 N + 2 L d S; with the backward pass three times that (Chowdhery et al. 2022, PaLM,
appendix B, with causal attention counted once: half of theirs). N is the number of weights that a token is
multiplied with (the output layer counted once, an embedding that is only looked up not at all), L the layers,
d their width, S the length of the sequence. Recomputed activations do not count: they are not the model's.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import torch

NUM_PRODUCTS = 10
LEAST_SECONDS = 10.0  # of a job before its utilisation is worth half a second of measuring


def num_multiplied(model: Any) -> int:
    """N: all parameters, without an input embedding that is not the output layer too."""
    embedding, output = model.get_input_embeddings(), model.get_output_embeddings()
    is_tied = output is not None and output.weight is embedding.weight
    looked_up = 0 if is_tied else embedding.weight.numel()
    return sum(parameter.numel() for parameter in model.parameters()) - looked_up


def forward_flops(model: Any, num_tokens: float, length: float) -> float:
    """Of a forward pass over `num_tokens` in sequences of `length` tokens."""
    config = model.config.get_text_config()
    attention = 2 * config.num_hidden_layers * config.hidden_size * length
    return num_tokens * (2 * num_multiplied(model) + attention)


@lru_cache
def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs a second of the best of ten large matrix products, measured once in a process."""
    size = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(NUM_PRODUCTS + 1):  # the first one warms up
        began = time.perf_counter()
        product = a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    del product
    return 2 * size**3 / best


def utilisation(
    flops: float, seconds: float, device: torch.device, dtype: torch.dtype, num_processes: int = 1
) -> dict[str, float]:
    """{mfu, peak_flops} of one device; nothing for a job too short to measure."""
    if seconds < LEAST_SECONDS:
        return {}
    peak = peak_flops(device, dtype)
    return {"mfu": flops / seconds / num_processes / peak, "peak_flops": peak}
