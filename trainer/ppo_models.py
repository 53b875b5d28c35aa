"""The networks of PPO: policy and value model, which learn, reference and reward model, which do not."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import rl_math
from trainer.modeling import accepts, load_causal_lm, load_reward_model, load_tokenizer, stop_token_ids
from trainer.run_dir import RunError

if TYPE_CHECKING:
    from trainer.ppo import PPOConfig

log = logging.getLogger("trainer")


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
        self, inputs: dict[str, Tensor], tokens: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-probabilities, values and entropies of the completion tokens, each (B, T) float32.

        `inputs` holds whole sequences (B, P + T), `tokens` the completions (B, T). The value at t is that of
        the state before token t, so it is read where the logits of token t are.
        """
        length = tokens.shape[1]
        shared = self.value_trunk is None
        keep = only_last_logits(self.policy, length + 1)
        output = self.policy(**inputs, **keep, output_hidden_states=shared, use_cache=False)
        logits = output.logits[:, -length - 1 : -1]
        trunk = output.hidden_states[-1] if shared else self.value_trunk(**inputs, use_cache=False)[0]
        values = self.value_head(trunk[:, -length - 1 : -1].to(self.value_head.weight.dtype)).squeeze(-1)
        # over the whole vocabulary, so only where the pass is a measurement and not a step
        entropies = None if torch.is_grad_enabled() else rl_math.token_entropy(logits, temperature)
        return rl_math.token_logprobs(logits, tokens, temperature), values.float(), entropies


def only_last_logits(policy: PreTrainedModel, number: int) -> dict[str, int]:
    """The argument that spares the vocabulary projection of the prompt, for models that have it."""
    return {"logits_to_keep": number} if accepts(policy, "logits_to_keep") else {}


@dataclass
class Models:
    """Everything that runs in PPO; only `learner` has gradients."""

    learner: Any  # PolicyAndValue, wrapped by accelerate
    ref_policy: PreTrainedModel
    reward_model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    reward_tokenizer: PreTrainedTokenizerBase
    same_tokens: bool  # the reward model reads the policy's tokens as they are
    stop_ids: list[int]
    optimizer: torch.optim.Optimizer
    kl_controller: rl_math.FixedKLController | rl_math.AdaptiveKLController


def load_models(config: PPOConfig, accelerator: Accelerator) -> Models:
    """Policy, reference, reward model, value model, optimizer; dropout off in all of them."""
    torch.manual_seed(config.seed)
    tokenizer = load_tokenizer(config.init_model)
    policy = load_causal_lm(config.init_model, tokenizer)
    ref_name = config.ref_model or config.init_model
    ref_policy = load_causal_lm(ref_name, tokenizer) if config.ref_model else copy.deepcopy(policy)
    if ref_policy.get_input_embeddings().num_embeddings != policy.get_input_embeddings().num_embeddings:
        raise RunError(f"{ref_name} and {config.init_model} have different vocabularies; the KL needs one.")
    reward_model, reward_tokenizer = load_reward_model(config.reward_model)
    same_tokens = (
        reward_tokenizer.get_vocab() == tokenizer.get_vocab()
        and reward_tokenizer.chat_template == tokenizer.chat_template
    )
    if not same_tokens:
        log.info("The reward model has another tokenizer or chat template: it reads completions as text")
    for frozen in (ref_policy, reward_model):
        frozen.to(accelerator.device).eval().requires_grad_(False)
    value_trunk, value_head = new_value_model(policy, reward_model, config.shared_trunk, same_tokens)
    learner = PolicyAndValue(policy, value_trunk, value_head)
    remove_dropout(learner, config.gradient_checkpointing)
    value_parameters = [p for name, p in learner.named_parameters() if not name.startswith("policy.")]
    optimizer = torch.optim.AdamW(
        [
            {"params": list(policy.parameters()), "peak_lr": config.learning_rate},
            {"params": value_parameters, "peak_lr": config.value_learning_rate or config.learning_rate},
        ],
        lr=config.learning_rate,
        eps=1e-5,
        weight_decay=0.0,
    )
    adaptive = rl_math.AdaptiveKLController(config.kl_coef, config.kl_target, config.kl_horizon)
    return Models(
        learner=accelerator.prepare(learner),
        ref_policy=ref_policy,
        reward_model=reward_model,
        tokenizer=tokenizer,
        reward_tokenizer=reward_tokenizer,
        same_tokens=same_tokens,
        stop_ids=stop_token_ids(tokenizer, policy),
        optimizer=optimizer,
        kl_controller=adaptive if config.kl_target else rl_math.FixedKLController(config.kl_coef),
    )


def new_value_model(
    policy: PreTrainedModel, reward_model: PreTrainedModel, shared_trunk: bool, same_tokens: bool
) -> tuple[nn.Module | None, nn.Linear]:
    """A trunk (None: the policy's) and a head.

    The reward model is a good first guess of what will be scored (InstructGPT, appendix C.4): trunk and head
    are copied from it, the head scaled to normalised scores. With a shared trunk, or where the reward model
    reads other tokens, the head starts at zero: no opinion yet.
    """
    hidden_size = policy.config.get_text_config().hidden_size
    if shared_trunk or not same_tokens:
        head = nn.Linear(hidden_size, 1)
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
        return (None if shared_trunk else copy.deepcopy(policy.base_model)), head
    trained: Any = reward_model.score
    mean: Any = reward_model.score_mean
    std: Any = reward_model.score_std
    head = nn.Linear(trained.in_features, 1)
    with torch.no_grad():
        bias = trained.bias if trained.bias is not None else torch.zeros(1)
        head.weight.copy_(trained.weight / std)
        head.bias.copy_((bias - mean) / std)
    return copy.deepcopy(reward_model.base_model).requires_grad_(True), head


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
