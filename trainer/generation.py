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
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from trainer.modeling import accepts
from trainer.run_dir import RunError

# Tokens from which a prompt is read once for all its completions (measured, bench/sampling.py)
SHARE_PREFILL_FROM = 16
ROOM = 64  # tokens by which a cache grows at a time


@dataclass(frozen=True)
class Sampling:
    """temperature 0 takes the likeliest token; top_p below 1 samples from the likeliest of that mass.

    A completion ends at a stop token, and at any of the strings in `stop`, which are left out of its text.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.temperature < 0 or not 0 < self.top_p <= 1 or self.max_new_tokens < 1:
            raise RunError(
                "temperature must be 0 or more, top_p above 0 and at most 1, max_new_tokens 1 or more; "
                f"got {asdict(self)}."
            )
        if not all(self.stop):
            raise RunError("A stop string is empty; every text contains it. Leave it out.")

    def recorded(self) -> dict[str, Any]:
        """As it stands beside every completion; `stop` only where there is one."""
        return {name: value for name, value in asdict(self).items() if name != "stop" or value}


@dataclass
class Generated:
    """One completion: its tokens with the stop token, if it came to one."""

    token_ids: list[int]
    finish_reason: str  # "stop" or "length"
    is_cut: bool = False  # it came to a stop string, which its text leaves out
    logprobs: list[float] | None = None  # of each token; only vLLM tells them


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


class RoomyLayer(DynamicLayer):
    """Keys and values (rows, heads, tokens, width) in a buffer with room for the tokens to come.

    The library's own layer copies all it holds for every token, which for long prompts costs more than the model.
    """

    buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        held = self.get_seq_length()
        end = held + key_states.shape[2]
        if self.buffers is None or end > self.buffers[0].shape[2]:
            rows, heads, _, width = key_states.shape
            keys = key_states.new_empty(rows, heads, end + ROOM, width)
            values = value_states.new_empty(rows, heads, end + ROOM, value_states.shape[3])
            if self.keys is not None and self.values is not None and held:
                keys[:, :, :held], values[:, :, :held] = self.keys, self.values
            self.buffers = keys, values
        for buffer, new in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, held:end] = new
        self.keys, self.values = (buffer[:, :, :end] for buffer in self.buffers)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        super().batch_select_indices(indices)
        self.buffers = None


def new_cache(model: PreTrainedModel) -> DynamicCache:
    """An empty cache; layers that forget (a sliding window, a recurrent state) stay the library's."""
    cache = DynamicCache(config=model.config)
    cache.layers = [RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


@torch.inference_mode()
def generate(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    seeds: Sequence[int],
    sampling: Sampling,
    stop_ids: Sequence[int],
    pad_id: int,
    tokenizer: Any = None,
    share_prefill_from: int = SHARE_PREFILL_FROM,
) -> list[Generated]:
    """One completion for each prompt and seed, all in one batch; prompts of similar length waste least.

    A prompt that stands in the batch several times is read once, if the batch is `share_prefill_from` tokens
    wide, and its keys and values are copied for its completions; below that, copying costs more than reading.
    The tokenizer is needed for stop strings alone.
    """
    if not accepts(model, "past_key_values"):
        raise RunError(
            f"{type(model).__name__} keeps no key-value cache and cannot be sampled from here; "
            "use an attention model such as Llama, Qwen, Mistral, Gemma or GPT."
        )
    device, width = model.device, max(len(prompt) for prompt in prompts)
    places: dict[tuple[int, ...], int] = {}
    spread = torch.tensor(
        [places.setdefault(tuple(prompt), len(places)) for prompt in prompts], device=device
    )
    is_shared = len(places) < len(prompts) and width >= share_prefill_from
    read = list(places) if is_shared else prompts
    # left padding: every row's next token stands in the last column
    tokens = torch.tensor([[pad_id] * (width - len(p)) + list(p) for p in read], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in read], device=device)
    uniforms = torch.stack(
        [torch.rand(sampling.max_new_tokens, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    ).to(device)
    stops = torch.tensor(list(stop_ids), device=device)
    ends_text = text_ending(tokenizer, sampling.stop) if sampling.stop else None
    optional: dict[str, Any] = {"logits_to_keep": 1} if accepts(model, "logits_to_keep") else {}
    cache = new_cache(model)
    alive = torch.arange(len(prompts), device=device)  # the prompt of each row still in the batch
    finished = torch.zeros(len(prompts), dtype=torch.bool, device=device)  # of each row still in the batch
    made = [Generated([], "length") for _ in prompts]

    for step in range(sampling.max_new_tokens):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        if accepts(model, "position_ids"):
            optional["position_ids"] = positions
        output = model(
            input_ids=tokens, attention_mask=mask, past_key_values=cache, use_cache=True, **optional
        )
        logits = output.logits[:, -1]
        if step == 0 and logits.isnan().any():
            raise RunError(
                "The policy's probabilities are no numbers: its weights are damaged or its training diverged; "
                "choose another model."
            )
        if step == 0 and is_shared:
            cache.batch_select_indices(spread)
            logits, mask = logits[spread], mask[spread]
        chosen = choose_tokens(logits, uniforms[alive, step], sampling)
        is_stop = torch.isin(chosen, stops)
        ended = []
        for row, token, over, stop in zip(
            alive.tolist(), chosen.tolist(), finished.tolist(), is_stop.tolist(), strict=True
        ):
            if not over:
                made[row].token_ids.append(token)
                if stop:
                    made[row].finish_reason = "stop"
                elif ends_text and ends_text(made[row].token_ids):
                    made[row].finish_reason, made[row].is_cut, stop = "stop", True, True
            ended.append(over or stop)
        finished = torch.tensor(ended, device=device)
        num_alive = len(ended) - sum(ended)
        if num_alive == 0:
            break
        if num_alive <= len(ended) // 2:
            kept = (~finished).nonzero()[:, 0]
            cache.batch_select_indices(kept)
            alive, mask, chosen, finished = alive[kept], mask[kept], chosen[kept], finished[kept]
        tokens = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    return made


def text_ending(tokenizer: Any, strings: Sequence[str]) -> Callable[[list[int]], bool]:
    """Whether tokens just came to one of the strings; a token may hold several letters, or part of one."""
    window = max(len(string.encode()) for string in strings) + 8

    def ends(token_ids: list[int]) -> bool:
        text = tokenizer.decode(token_ids[-window:], skip_special_tokens=True)
        return any(string in text for string in strings)

    return ends


def completion_text(tokenizer: Any, generated: Generated, stop: Sequence[str] = ()) -> str:
    """The words before the stop token, or before the first of the stop strings."""
    ids = generated.token_ids
    if generated.finish_reason == "stop" and not generated.is_cut:
        ids = ids[:-1]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    if generated.is_cut:
        text = text[: min((at for string in stop if (at := text.find(string)) >= 0), default=len(text))]
    return text.strip()
