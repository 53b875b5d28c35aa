"""Rollouts: prompts, the completions that the policy writes for them, and what all models say of those.

Used by ppo.py alone. Every random choice follows from the seed and its place (which episode, which pass over
the prompts), so a resumed run needs no random states, and another number of processes samples the same.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from trainer import rl_math
from trainer.generation import Sampling, completion_text, generate, seed_of
from trainer.modeling import TemplateRefused, accepts, batches_by_length, encode_prompt, score, score_tokens
from trainer.ppo_models import Models, only_last_logits
from trainer.run_dir import RunError
from trainer.snapshot import open_snapshot

if TYPE_CHECKING:
    from trainer.ppo import PPOConfig

log = logging.getLogger("trainer")


@dataclass
class Prompt:
    """A train prompt of the snapshot and its tokens."""

    id: str
    messages: list[dict[str, str]]
    ids: list[int]


@dataclass
class Rollouts:
    """One process's episodes of a batch: B of them, T the longest completion; rows are right-padded."""

    prompts: list[Prompt]
    completions: list[list[int]]  # with their end token, where they came to one
    texts: list[str]
    has_eos: Tensor  # (B,) bool
    raw_scores: Tensor  # (B,) normalised scores of the reward model
    scores: Tensor  # (B,) the same, clipped and with the missing-EOS rule: what the policy is paid
    mask: Tensor  # (B, T) bool: a real token
    logprobs: Tensor  # (B, T) under the policy that wrote them
    values: Tensor  # (B, T)
    entropies: Tensor  # (B, T)
    ref_logprobs: Tensor  # (B, T)

    @property
    def prompt_ids(self) -> list[list[int]]:
        """Tokens of each row's prompt."""
        return [prompt.ids for prompt in self.prompts]


# ---------------------------------------------------------------- prompts


def load_prompts(config: PPOConfig, tokenizer: PreTrainedTokenizerBase, longest: int) -> list[Prompt]:
    """The train prompts; those that leave no room for a completion are left out and counted."""
    prompts, num_left_out = [], 0
    for row in open_snapshot(config.snapshot).rows("prompts", "train"):
        try:
            ids = encode_prompt(tokenizer, row["prompt"])
        except TemplateRefused:
            ids = []
        if 0 < len(ids) <= longest:
            prompts.append(Prompt(row["id"], row["prompt"], ids))
        else:
            num_left_out += 1
    if num_left_out:
        log.info("%d prompts are left out: over %d tokens or refused by the template", num_left_out, longest)
    if not prompts:
        raise RunError(
            f"The snapshot {config.snapshot} has no train prompts to roll out; "
            "make one of campaigns with prompts, or lower --max-new-tokens if all are too long."
        )
    return prompts


def episodes_of_batch(config: PPOConfig, batch: int, rank: int, num_processes: int) -> list[int]:
    """Numbers of this process's episodes in a batch; they count through the whole run."""
    return list(range(batch * config.batch_size + rank, (batch + 1) * config.batch_size, num_processes))


def prompts_of_episodes(prompts: list[Prompt], episodes: list[int], seed: int) -> list[Prompt]:
    """Each pass over the prompts takes every prompt once, in an order of its own."""
    orders: dict[int, list[int]] = {}
    chosen = []
    for episode in episodes:
        epoch, place = divmod(episode, len(prompts))
        if epoch not in orders:
            generator = torch.Generator().manual_seed(seed_of(seed, "prompts", epoch))
            orders[epoch] = torch.randperm(len(prompts), generator=generator).tolist()
        chosen.append(prompts[orders[epoch][place]])
    return chosen


# ---------------------------------------------------------------- rolling out


@torch.no_grad()
def roll_out(
    config: PPOConfig, models: Models, accelerator: Accelerator, prompts: list[Prompt], episodes: list[int]
) -> Rollouts:
    """One completion for each prompt, its score, and what policy, value and reference say of its tokens.

    Log-probabilities come from one more batched forward, not from sampling: no logits of all steps are kept
    alive, the values come in the same pass, and it is the very computation that the update repeats.
    """
    learner = accelerator.unwrap_model(models.learner).eval()
    prompt_ids = [prompt.ids for prompt in prompts]
    with accelerator.autocast():
        generated = generate(
            learner.policy,
            prompt_ids,
            [seed_of(config.seed, "completion", episode) for episode in episodes],
            Sampling(temperature=config.temperature, max_new_tokens=config.max_new_tokens),
            models.stop_ids,
            models.tokenizer.pad_token_id,
        )
        completions = [each.token_ids for each in generated]
        texts = [completion_text(models.tokenizer, each) for each in generated]
        raw_scores = score_completions(config, models, prompts, completions, texts).to(accelerator.device)
        per_token = judge_tokens(config, models, accelerator, prompt_ids, completions)
    has_eos = torch.tensor([each.finish_reason == "stop" for each in generated], device=accelerator.device)
    return Rollouts(
        prompts=prompts,
        completions=completions,
        texts=texts,
        has_eos=has_eos,
        raw_scores=raw_scores,
        scores=paid_scores(config, raw_scores, has_eos),
        **per_token,
    )


def judge_tokens(
    config: PPOConfig,
    models: Models,
    accelerator: Accelerator,
    prompt_ids: list[list[int]],
    completions: list[list[int]],
) -> dict[str, Tensor]:
    """mask, logprobs, values, entropies and ref_logprobs of all tokens, each (B, T), 0 on padding."""
    learner = accelerator.unwrap_model(models.learner)
    names = ("mask", "logprobs", "values", "entropies", "ref_logprobs")
    shape = (len(completions), max(map(len, completions)))
    kept = {name: torch.zeros(shape, device=accelerator.device) for name in names}
    for rows in micro_batches(config, prompt_ids, completions):
        inputs, tokens, mask = pad_sequences(models, accelerator.device, prompt_ids, completions, rows)
        length = tokens.shape[1]
        learned = learner(inputs, tokens, config.temperature)
        output = models.ref_policy(
            **inputs, **only_last_logits(models.ref_policy, length + 1), use_cache=False
        )
        ref_logprobs = rl_math.token_logprobs(output.logits[:, -length - 1 : -1], tokens, config.temperature)
        for name, values in zip(names, (mask, *learned, ref_logprobs), strict=True):
            kept[name][rows, :length] = values.float() * mask
    return kept | {"mask": kept["mask"].bool()}


def micro_batches(
    config: PPOConfig, prompt_ids: list[list[int]], completions: list[list[int]]
) -> list[list[int]]:
    """Row numbers in groups of similar length, each within the budget of tokens: little of it is padding."""
    lengths = [len(prompt) + len(row) for prompt, row in zip(prompt_ids, completions, strict=True)]
    return list(batches_by_length(lengths, config.micro_batch_tokens))


def pad_sequences(
    models: Models,
    device: torch.device,
    prompt_ids: list[list[int]],
    completions: list[list[int]],
    rows: list[int],
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """(model inputs (B, P + T), completion tokens (B, T), their mask (B, T)) of some rows.

    Prompts are padded on the left and completions on the right, so that completions begin in one column;
    positions count real tokens only. The mask comes from the lengths, never from comparing with the padding token.
    """
    pad_id = models.tokenizer.pad_token_id
    p, t = max(len(prompt_ids[i]) for i in rows), max(len(completions[i]) for i in rows)
    ids, masks = [], []
    for i in rows:
        before, after = p - len(prompt_ids[i]), t - len(completions[i])
        ids.append([pad_id] * before + prompt_ids[i] + completions[i] + [pad_id] * after)
        masks.append([0] * before + [1] * (p - before + t - after) + [0] * after)
    tokens, mask = torch.tensor(ids, device=device), torch.tensor(masks, device=device)
    inputs = {"input_ids": tokens, "attention_mask": mask}
    if accepts(models.ref_policy, "position_ids"):
        inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)
    return inputs, tokens[:, p:], mask[:, p:].bool()


# ---------------------------------------------------------------- scores


def score_completions(
    config: PPOConfig,
    models: Models,
    prompts: list[Prompt],
    completions: list[list[int]],
    texts: list[str],
) -> Tensor:
    """Normalised scores (B,): of the tokens, or of the text where the reward model has other tokens."""
    if models.same_tokens:
        sequences = [prompt.ids + row for prompt, row in zip(prompts, completions, strict=True)]
        pad_id = models.reward_tokenizer.pad_token_id
        return score_tokens(models.reward_model, sequences, pad_id, config.micro_batch_tokens)
    conversations = [
        [*prompt.messages, {"role": "assistant", "content": text}]
        for prompt, text in zip(prompts, texts, strict=True)
    ]
    return score(models.reward_model, models.reward_tokenizer, conversations, config.micro_batch_tokens)


def paid_scores(config: PPOConfig, scores: Tensor, has_eos: Tensor) -> Tensor:
    """Scores after clipping and the rule for completions that never ended."""
    if config.score_clip:
        scores = scores.clamp(-config.score_clip, config.score_clip)
    if config.missing_eos_score is not None:
        return rl_math.missing_eos_scores(scores, has_eos, fixed_score=config.missing_eos_score)
    return rl_math.missing_eos_scores(scores, has_eos, penalty=config.missing_eos_penalty)
