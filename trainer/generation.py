"""Sampling from a policy in batches, each completion with its own seed.

The library's generate draws one stream of random numbers for a whole batch, so a completion could only be had
again with its whole batch. Here each completion's uniform numbers come from its own seed before the first
token, and token t is the one at which the cumulative probability passes number t. So a completion follows
from model, prompt, sampling parameters and seed, whatever stands beside it in the batch (up to rounding: a
batch of another shape may round a probability otherwise, and a number that falls on that very edge then picks
a neighbour).

Finished rows leave the batch when half of it has finished, so one long answer does not hold up the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

from trainer.modeling import accepts
from trainer.run_dir import RunError


@dataclass(frozen=True)
class Sampling:
    """temperature 0 takes the likeliest token; top_p below 1 samples from the likeliest of that mass."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.max_new_tokens < 1:
            raise RunError(
                "temperature must be 0 or more, top_p above 0 and at most 1, max_new_tokens 1 or more; "
                f"got {asdict(self)}."
            )


@dataclass
class Generated:
    """One completion: its tokens with the stop token, if it came to one."""

    token_ids: list[int]
    finish_reason: str  # "stop" or "length"


def seed_of(*parts: object) -> int:
    """A seed for one completion out of what names it; 48 bits, so that it survives any JSON reader."""
    text = "\n".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()[:6], "big")


def choose_tokens(logits: torch.Tensor, uniforms: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """(rows, vocabulary) logits, (rows,) numbers in [0, 1) -> (rows,) tokens, inverting the cumulative."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits.float() / sampling.temperature, dim=-1)
    order = None
    if sampling.top_p < 1:
        probabilities, order = probabilities.sort(dim=-1, descending=True)
        before = probabilities.cumsum(-1) - probabilities
        probabilities = probabilities.masked_fill(before >= sampling.top_p, 0.0)  # the first always stays
    cumulative = probabilities.cumsum(-1)
    target = uniforms[:, None] * cumulative[:, -1:]
    picked = torch.searchsorted(cumulative, target, right=True).clamp(max=logits.shape[-1] - 1)
    return (picked if order is None else order.gather(-1, picked))[:, 0]


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    sampling: Sampling,
    stop_ids: Sequence[int],
    pad_id: int,
) -> list[Generated]:
    """One completion for each prompt and seed, all in one batch; prompts of similar length waste least."""
    if not accepts(model, "past_key_values"):
        raise RunError(
            f"{type(model).__name__} keeps no key-value cache and cannot be sampled from here; "
            "use an attention model such as Llama, Qwen, Mistral, Gemma or GPT."
        )
    device, width = model.device, max(len(prompt) for prompt in prompts)
    # left padding: every row's next token stands in the last column
    tokens = torch.tensor(
        [[pad_id] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=device
    )
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=device)
    uniforms = torch.stack(
        [torch.rand(sampling.max_new_tokens, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    ).to(device)
    stops = torch.tensor(list(stop_ids), device=device)
    optional: dict[str, Any] = {"logits_to_keep": 1} if accepts(model, "logits_to_keep") else {}
    cache = DynamicCache(config=model.config)
    alive = torch.arange(len(prompts), device=device)  # the prompt of each row still in the batch
    finished = torch.zeros(len(prompts), dtype=torch.bool, device=device)  # of each row still in the batch
    produced: list[list[int]] = [[] for _ in prompts]
    reasons = ["length"] * len(prompts)

    for step in range(sampling.max_new_tokens):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        if accepts(model, "position_ids"):
            optional["position_ids"] = positions
        output = model(
            input_ids=tokens, attention_mask=mask, past_key_values=cache, use_cache=True, **optional
        )
        chosen = choose_tokens(output.logits[:, -1], uniforms[alive, step], sampling)
        is_stop = torch.isin(chosen, stops)
        for row, token, over, stop in zip(
            alive.tolist(), chosen.tolist(), finished.tolist(), is_stop.tolist(), strict=True
        ):
            if not over:
                produced[row].append(token)
                if stop:
                    reasons[row] = "stop"
        finished = finished | is_stop
        num_alive = int((~finished).sum())
        if num_alive == 0:
            break
        if num_alive <= len(finished) // 2:
            kept = (~finished).nonzero()[:, 0]
            cache.batch_select_indices(kept)
            alive, mask, chosen, finished = alive[kept], mask[kept], chosen[kept], finished[kept]
        tokens = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return [Generated(ids, reason) for ids, reason in zip(produced, reasons, strict=True)]


def completion_text(tokenizer: Any, generated: Generated) -> str:
    """The words without the stop token."""
    ids = generated.token_ids[:-1] if generated.finish_reason == "stop" else generated.token_ids
    return tokenizer.decode(ids, skip_special_tokens=True).strip()
