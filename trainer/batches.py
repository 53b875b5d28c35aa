"""How sequences become tensors: sorted by length and cut into passes at the least cost, padded on the right.

SFT, PPO and all scoring cut their passes here; reward training, whose elements may be trees, cuts its own
(reward_data.py). A loss is normalised over all passes of its step, so how a step is cut changes only its speed, and
its sums in the last rounding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# What a pass through a model costs before its first token, in tokens: the interpreter on a CPU, the
# launching of kernels on a GPU. It only decides how finely work is cut, never what it gives.
PASS_TOKENS = {"cpu": 100, "cuda": 2048}


def cost_of_pass(device: torch.device) -> int:
    """What a pass costs on this device, in tokens."""
    return PASS_TOKENS["cpu" if device.type == "cpu" else "cuda"]


def cut_by_length(lengths: Sequence[int], max_tokens: int, pass_tokens: int) -> list[list[int]]:
    """Places of `lengths` in parts whose cost, rows x longest row + pass_tokens each, is least all together.

    Longest first; a part has at most max_tokens with its padding (0: no limit), unless it is a single row.
    """
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    best = [0.0] + [math.inf] * len(order)  # of the first so many
    cut_at = [0] * (len(order) + 1)
    for first in range(len(order)):
        longest = lengths[order[first]]
        for end in range(first + 1, len(order) + 1):
            cost = (end - first) * longest
            if max_tokens and cost > max_tokens and end > first + 1:
                break
            if best[first] + cost + pass_tokens < best[end]:
                best[end], cut_at[end] = best[first] + cost + pass_tokens, first
    parts = []
    end = len(order)
    while end:
        parts.append(order[cut_at[end] : end])
        end = cut_at[end]
    return parts[::-1]


def pad_right(
    rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """{input_ids, attention_mask}, each (rows, longest row)."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[pad_id] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


def pad_targets(
    pad_id: int, device: torch.device, sequences: list[list[int]], are_targets: list[list[int]]
) -> tuple[Tensor, Tensor, Tensor]:
    """(sequences padded on the right (B, S), flat positions that predict the targets (N,), those tokens (N,)).

    What is real follows from lengths, never from comparing with the padding token. A sequence's first token
    is no target: nothing predicts it.
    """
    width = max(len(sequence) for sequence in sequences)
    ids = torch.tensor([row + [pad_id] * (width - len(row)) for row in sequences])
    is_target = torch.tensor([row + [0] * (width - len(row)) for row in are_targets])
    rows, columns = is_target.nonzero(as_tuple=True)
    return ids.to(device), (rows * width + columns - 1).to(device), ids[rows, columns].to(device)
