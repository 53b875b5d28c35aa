"""Model FLOPs utilisation: what a job computed, against the fastest matrix product of the same machine.

FLOPs of a token, forward: 2 N + 2 L d S; with the backward pass three times that (Chowdhery et al. 2022, PaLM,
appendix B, with causal attention counted once: half of theirs). N is the number of weights that a token is
multiplied with (the output layer counted once, an embedding that is only looked up not at all), L the layers,
d their width, S the length of the sequence. Recomputed activations do not count: they are not the model's.
"""

from __future__ import annotations

import time
from typing import Any

import torch

NUM_PRODUCTS = 10
LEAST_SECONDS = 10.0  # of a job before its utilisation is worth a tenth of a second of measuring
PEAK_SECONDS = 60.0  # a peak is that of its minute: a busy machine has another one later


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


_peaks: dict[tuple[torch.device, torch.dtype], tuple[float, float]] = {}  # when measured, what


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """FLOPs a second of the best of ten large matrix products, measured in the last minute or now."""
    measured_at, peak = _peaks.get((device, dtype), (float("-inf"), 0.0))
    if time.monotonic() - measured_at >= PEAK_SECONDS:
        peak = _measure_peak(device, dtype)
        _peaks[device, dtype] = time.monotonic(), peak
    return peak


@torch.no_grad()
def _measure_peak(device: torch.device, dtype: torch.dtype) -> float:
    size = 8192 if device.type == "cuda" else 1024
    own = torch.Generator(device).manual_seed(0)  # when this is measured must not change a training's noise
    a, b = (torch.randn(size, size, generator=own, device=device).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(NUM_PRODUCTS + 1):  # the first one warms up
        began = time.perf_counter()
        product = a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    del product
    return 2 * size**3 / best


class Meter:
    """FLOPs that one process computed, held against what its device could have computed in the same seconds.

    Nothing is measured before LEAST_SECONDS of work: a short job should not wait for its own measuring.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.flops = self.seconds = 0.0  # since the last row
        self.all_flops = self.all_seconds = self.all_possible = 0.0  # of the rows before

    def add(self, flops: float, seconds: float) -> None:
        self.flops += flops
        self.seconds += seconds

    def row(self, suffix: str = "") -> dict[str, float]:
        """{mfu} since the row before; to be written beside the other metrics of a step."""
        if self.all_seconds + self.seconds < LEAST_SECONDS or not self.seconds:
            return {}
        possible = self.seconds * peak_flops(self.device, self.dtype)
        found = {f"mfu{suffix}": self.flops / possible}
        self.all_flops += self.flops
        self.all_seconds += self.seconds
        self.all_possible += possible
        self.flops = self.seconds = 0.0
        return found

    def total(self, suffix: str = "") -> dict[str, float]:
        """{mfu, peak_flops} of all that was added; the peak is the mean of those of its minutes."""
        self.row()
        if not self.all_possible:
            return {}
        return {
            f"mfu{suffix}": self.all_flops / self.all_possible,
            "peak_flops": self.all_possible / self.all_seconds,
        }
