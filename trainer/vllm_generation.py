"""vLLM in this process writes a policy's completions: on a GPU several times as fast as transformers does.

vLLM keeps a copy of the weights in its own layout. So a policy is handed over (`load`) after each change, and
between two batches vLLM gives its memory back (`sleep`) to the update. Only tokens and their log-probabilities
come back; everything that is learned from is computed by the policy itself (rollouts.py).

Written against vLLM 0.31.0, its source read, and run with its CPU build: tokens, log-probabilities, new weights,
two processes. Never run by us on a GPU: sleeping really frees memory there alone.
"""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.core_model_loading import revert_weight_conversion

from trainer.generation import Generated, Sampling
from trainer.run_dir import RunError

LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.01, 2.0  # vLLM raises what is lower, and refuses what is higher
INSTALL = "pip install -e '.[trainer,vllm]' on a machine with a GPU does it; or leave --vllm out."


def check_vllm(temperatures: Sequence[float], memory_share: float) -> None:
    """Refuses a machine or settings that vLLM cannot work with; to be asked before anything is loaded."""
    # weights are handed over as tensors, so vLLM's own engine has to live in this process
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")  # it speaks ten times a batch
    try:
        from vllm.platforms import current_platform
    except (ImportError, OSError) as error:
        raise RunError(f"vLLM cannot be imported here ({error}); {INSTALL}") from None
    if not current_platform.device_type:
        raise RunError("vLLM finds no GPU here; choose a machine that has one, or leave --vllm out.")
    if not 0 < memory_share < 1:
        raise RunError(f"--vllm-memory is {memory_share}; give a share of the GPU's memory between 0 and 1.")
    for temperature in temperatures:
        if temperature and not LEAST_TEMPERATURE <= temperature <= MOST_TEMPERATURE:
            raise RunError(
                f"vLLM samples at temperatures of 0 and from {LEAST_TEMPERATURE} to {MOST_TEMPERATURE:g}, not "
                f"{temperature}; change it, or leave --vllm out."
            )


class VllmWriter:
    """vLLM with room for one policy; asleep, without weights, until `load`."""

    def __init__(
        self,
        policy: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        stop_ids: Sequence[int],
        max_length: int,
        memory_share: float,
        dtype: torch.dtype,
        num_processes: int = 1,
    ) -> None:
        """`max_length`: tokens of the longest prompt with its completion. Several processes start it together."""
        from vllm import LLM
        from vllm.platforms import current_platform

        self.stop_ids, self.device_type = list(stop_ids), current_platform.device_type
        config = copy.deepcopy(policy.config)
        config.architectures = config.architectures or [type(policy).__name__]
        is_tied = config.get_text_config().tie_word_embeddings
        if self.device_type == "cpu" and (is_tied or any("expert" in name for name, _ in weights_of(policy))):
            # 0.31.0 packs these for the CPU when it starts, and not all of them again; seen by their log-probabilities
            raise RunError(
                "vLLM on a CPU keeps old weights of models with tied embeddings or experts; use a GPU, or leave "
                "--vllm out."
            )
        with tempfile.TemporaryDirectory() as folder:
            # the policy as it is in memory, which may have learned a padding token since it was saved
            config.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            try:
                self.llm = LLM(
                    model=folder,
                    load_format="dummy",
                    dtype=str(dtype).removeprefix("torch."),
                    max_model_len=max_length,
                    gpu_memory_utilization=memory_share,
                    enable_sleep_mode=current_platform.is_sleep_mode_available(),
                    logprobs_mode="processed_logprobs",  # at the temperature, as the policy's own are
                    generation_config="vllm",  # what is not asked for here is not changed by a file
                    # under a launcher every process works alone, on the GPU of its rank
                    distributed_executor_backend="external_launcher" if num_processes > 1 else "uni",
                )
            except (ValueError, RuntimeError) as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise RunError(
                    f"vLLM does not start: {reason} Another --vllm-memory may help; or leave --vllm out."
                ) from error
        self.sleep()

    def load(self, policy: PreTrainedModel) -> None:
        """The policy's present weights, into the memory that `sleep` gave away."""
        if self.device_type == "cuda":
            torch.cuda.empty_cache()
        with torch.no_grad(), torch.autocast(self.device_type, enabled=False):
            self.llm.wake_up(tags=["weights"])
            self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights_of(policy)})
            self.llm.wake_up(tags=["kv_cache"])
        self.llm.reset_prefix_cache()

    def sleep(self) -> None:
        """Weights and cache leave the memory."""
        self.llm.sleep(level=2)

    def generate(
        self, prompts: Sequence[Sequence[int]], seeds: Sequence[int], sampling: Sampling
    ) -> list[Generated]:
        """What generation.generate gives, and the log-probability of each token; vLLM makes batches by itself.

        A completion follows from its seed as there, by other numbers: the same seed gives another text than
        transformers does, and the same text again from the same version on the same hardware.
        """
        from vllm import SamplingParams

        parameters = [
            SamplingParams(
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_new_tokens,
                seed=seed,
                stop=list(sampling.stop),
                stop_token_ids=self.stop_ids,
                ignore_eos=True,  # the stop tokens are ours alone
                detokenize=bool(sampling.stop),
                logprobs=0,  # of the token that was written
            )
            for seed in seeds
        ]
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        with torch.autocast(self.device_type, enabled=False):
            answers = self.llm.generate(asked, parameters, use_tqdm=False)
        return [generated(answer.outputs[0]) for answer in answers]


def generated(output: Any) -> Generated:
    """vLLM's CompletionOutput as one of ours."""
    if output.finish_reason not in ("stop", "length"):
        raise RunError(f"vLLM gave a completion up ({output.finish_reason}); its log says more. Try again.")
    token_ids = list(output.token_ids)
    logprobs = [of[token].logprob for of, token in zip(output.logprobs, token_ids, strict=True)]
    return Generated(token_ids, output.finish_reason, isinstance(output.stop_reason, str), logprobs)


def weights_of(policy: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Names and values of its weights as a checkpoint has them, one after the other.

    An adapter is added to a copy of the weight that it stands on, at full precision: other models may share
    that weight, and adding and taking away again would change it a little each time.
    """
    adapted = {
        f"{name}.base_layer.weight": module
        for name, module in policy.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    for name, weight in policy.named_parameters():
        if any(part.startswith("lora_") for part in name.split(".")):
            continue
        value = weight.detach()
        if name in adapted:
            layer: Any = adapted[name]
            deltas = [layer.get_delta_weight(adapter).float() for adapter in layer.active_adapters]
            value = (value.float() + torch.stack(deltas).sum(0)).to(value.dtype)
        yield from revert_weight_conversion(policy, {name.replace(".base_layer.", "."): value}).items()
