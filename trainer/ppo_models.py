"""The networks of PPO: policy and value model, which learn, reference and reward model, which do not.

With `lora_rank` the three that stem from the policy (policy, reference, value trunk) are three module trees over
one set of frozen weights: the policy and the value trunk each carry an adapter of their own, the reference
carries none. No adapter is ever switched on or off, so nothing can be left switched the wrong way.
"""

from __future__ import annotations

import copy
import itertools
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import rl_math
from trainer.last_mlp import find_last_mlp, only_at
from trainer.modeling import (
    Messages,
    load_causal_lm,
    load_reward_model,
    load_tokenizer,
    reads_tokens,
    stop_token_ids,
)
from trainer.run_dir import RunError
from trainer.sharding import shard
from trainer.vllm_generation import VllmWriter

if TYPE_CHECKING:
    from trainer.ppo import PPOConfig

log = logging.getLogger("trainer")

# (prompts, completions, tokens of the completions) -> a score for each: what may stand in for a reward model
ScoreFunction = Callable[[list[Messages], list[str], list[list[int]]], Sequence[float]]
ADAPTER = "adapter"  # the folder beside the merged model that holds the adapter alone


class PolicyAndValue(nn.Module):
    """The two networks that learn, as one module, so that several processes share their gradients in one go.

    The value head reads the hidden states of `value_trunk`, or of the policy itself where that is None.
    """

    def __init__(self, policy: PreTrainedModel, value_trunk: nn.Module | None, value_head: nn.Linear) -> None:
        super().__init__()
        self.policy = policy
        self.value_trunk: Any = value_trunk
        self.value_head = value_head

    def forward(
        self, input_ids: Tensor, where: Tensor, tokens: Tensor, temperature: float, with_values: bool = True
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Log-probabilities, values and entropies, (N,) float32 each, of N tokens, the completions' mostly.

        `input_ids` (B, S) holds whole sequences padded on the right, `where` (N,) the flat positions that
        predict `tokens` (N,). The value of a token is that of the state before it: of the same position.
        """
        logits, hidden = predict(self.policy, input_ids, where)
        # over the whole vocabulary, so only where the pass is a measurement and not a step
        entropies = None if torch.is_grad_enabled() else rl_math.token_entropy(logits, temperature)
        logprobs = rl_math.token_logprobs(logits, tokens, temperature)
        if not with_values:
            return logprobs, None, entropies
        if self.value_trunk is not None:
            with only_at(read_mlp(self.value_trunk), where):
                hidden = self.value_trunk(input_ids=input_ids, use_cache=False)[0].flatten(0, 1)[where]
        values = self.value_head(hidden.to(self.value_head.weight.dtype)).squeeze(-1)
        return logprobs, values.float(), entropies


def predict(policy: PreTrainedModel, input_ids: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """(logits (N, V), hidden states (N, d)) at the flat positions `where` (N,) of `input_ids` (B, S).

    The output layer is handed those rows alone, so no logits of prompts and padding are ever computed; what a
    family does to its logits afterwards (a soft cap, a scale) still happens. Sequences are padded on the
    right, where causal attention never looks back at it: no mask is needed, and positions count by themselves.
    """
    handed: list[Tensor] = []

    def gather(module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor]:
        handed.append(arguments[0].flatten(0, 1)[where])
        return (handed[0].unsqueeze(0),)

    output_layer: Any = policy.get_output_embeddings()
    hook = output_layer.register_forward_pre_hook(gather)
    try:
        with only_at(read_mlp(policy), where):
            logits = policy(input_ids=input_ids, use_cache=False).logits[0]
    finally:
        hook.remove()
    return logits, handed[0]


def narrow_last_mlp(model: Any) -> None:
    """From now on the last layer's MLP reads the asked positions alone, where that was seen to change nothing."""
    trunk = model.base_model  # of a trunk, itself
    ids = torch.arange(1, 9)[None] % trunk.get_input_embeddings().num_embeddings
    where = torch.tensor([2, 5, 6])

    def read(mlp: nn.Module | None) -> Tensor:
        with only_at(mlp, where):
            return trunk(input_ids=ids, use_cache=False)[0].flatten(0, 1)[where]

    model.last_mlp = (find_last_mlp(trunk, read),)  # in a tuple, so that it is no second part of the model


def read_mlp(model: Any) -> nn.Module | None:
    """The MLP that reads the asked positions alone."""
    return getattr(model, "last_mlp", (None,))[0]


@dataclass
class Models:
    """Everything that runs in PPO; only `learner` has gradients."""

    learner: Any  # PolicyAndValue, wrapped by accelerate
    ref_policy: PreTrainedModel
    reward_model: PreTrainedModel | None  # None where a function scores
    score_function: ScoreFunction | None
    tokenizer: PreTrainedTokenizerBase
    reward_tokenizer: PreTrainedTokenizerBase
    same_tokens: bool  # the reward model reads the policy's tokens as they are
    leans_on_opinions: bool  # values add to what the reward model makes of the text so far
    stop_ids: list[int]
    optimizer: torch.optim.Optimizer
    kl_controller: rl_math.FixedKLController | rl_math.AdaptiveKLController
    update_penalty: rl_math.UpdatePenalty
    adapter: Any  # the PeftModel around the policy; None where all weights learn
    score_mean: float = 0.0  # of the reference's completions, where the run measured them: see rollouts.py
    score_std: float = 1.0
    vllm: VllmWriter | None = None  # where it writes the completions


def load_models(
    config: PPOConfig, accelerator: Accelerator, score_function: ScoreFunction | None = None
) -> Models:
    """Policy, reference, reward model, value model, optimizer; dropout off in all of them."""
    torch.manual_seed(config.seed)
    tokenizer = load_tokenizer(config.init_model)
    policy = load_causal_lm(config.init_model, tokenizer)
    if config.lora_rank and accelerator.mixed_precision == "bf16":
        # none of the weights learns: nothing small is lost. Buffers stay: angles of positions need their digits
        for weight in policy.parameters():
            weight.data = weight.data.to(torch.bfloat16)
    reward_model, reward_tokenizer, same_tokens = None, tokenizer, False
    if score_function is None:
        reward_model, reward_tokenizer = load_reward_model(config.reward_model)
        same_tokens = reads_tokens(reward_tokenizer, tokenizer)
        if not same_tokens:
            log.info("The reward model has another tokenizer or chat template: it reads completions as text")
    ref_policy = load_reference(config, policy, tokenizer)
    leans = same_tokens and (config.shared_trunk or config.lora_rank > 0)
    value_trunk, value_head = new_value_model(
        config, policy, reward_model if same_tokens and not leans else None
    )
    adapter = None
    if config.lora_rank:
        adapter = add_adapter(config, policy)
        if value_trunk is not None:
            add_adapter(config, value_trunk)
    learner = PolicyAndValue(policy, value_trunk, value_head)
    remove_dropout(learner, config.gradient_checkpointing)
    for frozen in (ref_policy, reward_model):
        if frozen is not None:
            frozen.eval().requires_grad_(False)
    if not config.gradient_checkpointing:  # what is computed again is computed whole
        for network in (policy, ref_policy, value_trunk):
            if network is not None:
                narrow_last_mlp(network)
    return Models(
        learner=place(config, accelerator, learner, ref_policy, reward_model),
        ref_policy=ref_policy,
        reward_model=reward_model,
        score_function=score_function,
        tokenizer=tokenizer,
        reward_tokenizer=reward_tokenizer,
        same_tokens=same_tokens,
        leans_on_opinions=leans,
        stop_ids=stop_token_ids(tokenizer, policy),
        optimizer=new_optimizer(config, learner),
        kl_controller=(
            rl_math.AdaptiveKLController(config.kl_coef, config.kl_target, config.kl_horizon)
            if config.kl_target
            else rl_math.FixedKLController(config.kl_coef)
        ),
        update_penalty=rl_math.UpdatePenalty(config.penalty_coef, config.penalty_target),
        adapter=adapter,
    )


def place(
    config: PPOConfig,
    accelerator: Accelerator,
    learner: PolicyAndValue,
    ref_policy: PreTrainedModel,
    reward_model: PreTrainedModel | None,
) -> Any:
    """All networks onto the device: whole, or cut over the processes. Gives the learner, ready to learn.

    Policy, value trunk and head are cut each by itself, for the policy also writes without the others.
    """
    networks = [ref_policy, reward_model, learner.policy, learner.value_trunk, learner.value_head]
    is_cut = config.shard_weights and accelerator.num_processes > 1
    for network in networks:
        if network is not None and is_cut:
            shard(accelerator, network, set(getattr(network, "_no_split_modules", None) or ()))
        elif network is not None:
            network.to(accelerator.device)
    # cut weights share their gradients by themselves: nothing then wraps the learner but its precision
    return accelerator.prepare_model(learner, evaluation_mode=is_cut)


def new_optimizer(config: PPOConfig, learner: PolicyAndValue) -> torch.optim.Optimizer:
    """Adam with two groups: the policy's (with its trunk, where the values share it), and the value model's."""
    parameters = [(name, p) for name, p in learner.named_parameters() if p.requires_grad]
    of_policy = [p for name, p in parameters if name.startswith("policy.")]
    of_value = [p for name, p in parameters if not name.startswith("policy.")]
    value_rate = config.value_learning_rate or config.learning_rate
    return torch.optim.AdamW(
        [
            {"params": of_policy, "peak_lr": config.learning_rate},
            {"params": of_value, "peak_lr": value_rate},
        ],
        lr=config.learning_rate,
        eps=1e-5,
        weight_decay=0.0,
        fused=True,
    )


def load_reference(
    config: PPOConfig, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedModel:
    """The policy as it starts, or another one of the same vocabulary."""
    if not config.ref_model:
        return sharing_weights(policy) if config.lora_rank else copy.deepcopy(policy)
    ref_policy = load_causal_lm(config.ref_model, tokenizer)
    if ref_policy.get_input_embeddings().num_embeddings != policy.get_input_embeddings().num_embeddings:
        raise RunError(
            f"{config.ref_model} and {config.init_model} have different vocabularies; the KL needs one."
        )
    return ref_policy


def new_value_model(
    config: PPOConfig, policy: PreTrainedModel, reward_model: PreTrainedModel | None
) -> tuple[nn.Module | None, nn.Linear]:
    """A trunk (None: the policy's) and a head.

    A reward model is a good first guess of what will be scored (InstructGPT, appendix C.4): trunk and head are
    copied from it, the head scaled to normalised scores. None where it has other tokens, or where the trunk is the
    policy's, shared or with an adapter: the head then starts at zero, and what the values lean on instead is in
    `ppo_update.advantages_and_returns`.
    """
    if reward_model is None:
        head = nn.Linear(policy.config.get_text_config().hidden_size, 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        if config.shared_trunk:
            return None, head
        return (sharing_weights if config.lora_rank else copy.deepcopy)(policy.base_model), head
    trained: Any = reward_model.score
    mean: Any = reward_model.score_mean
    std: Any = reward_model.score_std
    head = nn.Linear(trained.in_features, 1)
    with torch.no_grad():
        bias = trained.bias if trained.bias is not None else torch.zeros(1)
        head.weight.copy_(trained.weight / std)
        head.bias.copy_((bias - mean) / std)
    return copy.deepcopy(reward_model.base_model).requires_grad_(True), head


def sharing_weights(model: Any) -> Any:
    """Modules of its own over the very same parameters and buffers."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def add_adapter(config: PPOConfig, model: Any) -> Any:
    """LoRA on the model's linear layers, in place; everything else is frozen. Gives peft's view of it."""
    from peft import LoraConfig, get_peft_model

    names = [name.strip() for name in config.lora_target.split(",")]
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        target_modules="all-linear" if names == ["all-linear"] else names,
    )
    try:
        with warnings.catch_warnings():  # peft asks transformers by a name that is to go
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            return get_peft_model(model, lora)
    except ValueError as error:
        raise RunError(f"--lora-target {config.lora_target}: {str(error).splitlines()[0]}") from None


def remove_dropout(learner: PolicyAndValue, gradient_checkpointing: bool) -> None:
    """The ratio compares two passes over the same tokens, which dropout would make two different networks.

    Evaluation mode would do, but activations are recomputed in training mode only: so every rate becomes 0.
    """
    for module in learner.modules():
        for name, rate in list(vars(module).items()):
            if "dropout" in name and isinstance(rate, float):
                setattr(module, name, 0.0)
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    learner.eval()
    if gradient_checkpointing:
        learner.policy.activation_checkpointing_enable()
        if learner.value_trunk is not None:
            learner.value_trunk.activation_checkpointing_enable()
