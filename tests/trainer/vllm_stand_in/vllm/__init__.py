"""A small vLLM for the tests: the calls that we make, by vLLM 0.31.0's names, and nothing that it would not take.

It samples with our own generation, so a job must do with it what it does without. Like the real one it starts
with weights that mean nothing, forgets them when it sleeps, and refuses to write before it is awake again.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from trainer.generation import Sampling, generate

TAGS = {"weights", "kv_cache"}
started: list["LLM"] = []


@dataclass
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    logprobs: int | None = None
    detokenize: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise ValueError(f"temperature must be in [0, 2], got {self.temperature}.")
        if self.stop and not self.detokenize:
            raise ValueError("stop strings are only supported when detokenize is True.")
        assert self.ignore_eos and self.stop_token_ids, "else the real one looks for end tokens of its own"


@dataclass
class Logprob:
    logprob: float


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    cumulative_logprob: float | None
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    prompt_token_ids: list[int]
    outputs: list[CompletionOutput] = field(default_factory=list)


class LLM:
    def __init__(
        self,
        model: str,
        *,
        dtype: str = "auto",
        gpu_memory_utilization: float = 0.92,
        load_format: str = "auto",
        max_model_len: int | None = None,
        enable_sleep_mode: bool = False,
        logprobs_mode: str = "raw_logprobs",
        generation_config: str = "auto",
        distributed_executor_backend: str | None = None,
    ) -> None:
        assert load_format == "dummy" and logprobs_mode == "processed_logprobs"
        if (
            max_model_len is not None
            and max_model_len > AutoConfig.from_pretrained(model).max_position_embeddings
        ):
            raise ValueError("User-specified max_model_len is greater than the derived max_model_len.\nMore.")
        self.settings = {"backend": distributed_executor_backend, "memory": gpu_memory_utilization}
        self.settings |= {"dtype": dtype, "length": max_model_len}
        self.asleep: set[str] = set()
        self.tokenizer = AutoTokenizer.from_pretrained(model)
        random_state = torch.get_rng_state()
        config = AutoConfig.from_pretrained(model)
        self.model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype)).eval()
        torch.set_rng_state(random_state)
        started.append(self)

    def sleep(self, level: int = 1, mode: str = "abort") -> None:
        assert level == 2
        self.asleep = set(TAGS)
        with torch.no_grad():
            for weight in self.model.parameters():
                weight.fill_(float("nan"))

    def wake_up(self, tags: list[str] | None = None) -> None:
        self.asleep -= set(tags or TAGS)

    def collective_rpc(
        self,
        method: str,
        timeout: float | None = None,
        args: tuple = (),
        kwargs: dict[str, Any] | None = None,
    ) -> list[Any]:
        return [getattr(self, f"_{method}")(*args, **(kwargs or {}))]

    def _reload_weights(self, weights_iterator: Any = None, weights_path: str | None = None) -> None:
        assert "weights" not in self.asleep, "no memory to put weights into"
        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, weight in weights_iterator:
                own[name].copy_(weight)

    def reset_prefix_cache(self, reset_running_requests: bool = False, reset_connector: bool = False) -> bool:
        return True

    def generate(
        self,
        prompts: list[dict[str, list[int]]],
        sampling_params: list[SamplingParams],
        *,
        use_tqdm: bool = True,
    ) -> list[RequestOutput]:
        assert not self.asleep and not torch.is_autocast_enabled("cpu")
        asked = [prompt["prompt_token_ids"] for prompt in prompts]
        first = sampling_params[0]
        sampling = Sampling(first.temperature, first.top_p, first.max_tokens, tuple(first.stop or ()))
        seeds = [one.seed for one in sampling_params]
        pad_id = self.tokenizer.pad_token_id
        made = generate(self.model, asked, seeds, sampling, first.stop_token_ids, pad_id, self.tokenizer)
        return [
            RequestOutput(prompt, [self._output(prompt, one, first)])
            for prompt, one in zip(asked, made, strict=True)
        ]

    @torch.no_grad()
    def _output(self, prompt: list[int], one: Any, parameters: SamplingParams) -> CompletionOutput:
        logits = self.model(torch.tensor([prompt + one.token_ids])).logits[0, len(prompt) - 1 : -1]
        logprobs = torch.log_softmax(logits.float() / (parameters.temperature or 1.0), dim=-1)
        told = [
            {token: Logprob(float(row[token]))} for token, row in zip(one.token_ids, logprobs, strict=True)
        ]
        stop_reason = None if one.finish_reason == "length" else one.token_ids[-1]
        if one.is_cut:
            stop_reason = parameters.stop[0]
        return CompletionOutput(0, "", tuple(one.token_ids), None, told, one.finish_reason, stop_reason)
