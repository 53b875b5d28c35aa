"""Rollouts: prompts, the completions that the policy writes for them, and what all models say of those.

Used by ppo.py alone. Every random choice follows from the seed and its place (which episode, which pass over
the prompts), so a resumed run needs no random states, and another number of processes samples the same.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from trainer import rl_math
from trainer.batches import cost_of_pass, cut_by_length, pad_targets
from trainer.generation import Generated, Sampling, completion_text, generate, seed_of
from trainer.modeling import (
    TemplateRefused,
    encode_prompt,
    normalized,
    score,
    scores_along,
)
from trainer.ppo_models import Models, predict
from trainer.run_dir import RunError
from trainer.sharding import whole
from trainer.snapshot import open_snapshot

if TYPE_CHECKING:
    from trainer.ppo import PPOConfig

log = logging.getLogger("trainer")
Row = TypeVar("Row")


@dataclass
class Prompt:
    """A prompt of the snapshot and its tokens."""

    id: str
    messages: list[dict[str, str]]
    ids: list[int]


@dataclass
class Rollouts:
    """One process's episodes of a batch: B of them, T the longest completion; rows are right-padded."""

    PER_EPISODE: ClassVar[tuple[str, ...]] = ("has_eos", "raw_scores", "scores")
    PER_TOKEN: ClassVar[tuple[str, ...]] = (
        "mask",
        "logprobs",
        "values",
        "entropies",
        "ref_logprobs",
        "written_logprobs",
        "opinions",
    )

    prompts: list[Prompt]
    completions: list[list[int]]  # with their end token, where they came to one
    texts: list[str]
    has_eos: Tensor  # (B,) bool
    raw_scores: Tensor  # (B,) as the reward model normalises them, or as the function gives them
    scores: (
        Tensor  # (B,) normalised again if asked, clipped, with the missing-EOS rule: what the policy is paid
    )
    mask: Tensor  # (B, T) bool: a real token
    logprobs: Tensor  # (B, T) under the policy that wrote them
    values: Tensor  # (B, T)
    entropies: Tensor  # (B, T)
    ref_logprobs: Tensor  # (B, T)
    written_logprobs: Tensor  # (B, T) as vLLM says where it wrote them, else `logprobs`
    opinions: (
        Tensor  # (B, T) what the reward model makes of the text before the token; 0 where it cannot tell
    )

    @property
    def prompt_ids(self) -> list[list[int]]:
        """Tokens of each row's prompt."""
        return [prompt.ids for prompt in self.prompts]


# ---------------------------------------------------------------- prompts


def load_prompts(
    config: PPOConfig, tokenizer: PreTrainedTokenizerBase, longest: int, split: str = "train"
) -> list[Prompt]:
    """The split's prompts; those that leave no room for a completion are left out and counted."""
    prompts, num_left_out = [], 0
    for row in open_snapshot(config.snapshot).rows("prompts", split):
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
    if not prompts and split == "train":
        raise RunError(
            f"The snapshot {config.snapshot} has no train prompts to roll out; "
            "make one of campaigns with prompts, or lower --max-new-tokens if all are too long."
        )
    return prompts


def episodes_of_batch(config: PPOConfig, batch: int, rank: int, num_processes: int) -> list[int]:
    """Numbers of this process's episodes in a batch, neighbours; they count through the whole run."""
    share = config.batch_size // num_processes
    first = batch * config.batch_size + rank * share
    return list(range(first, first + share))


def in_shuffled_passes(rows: list[Row], numbers: list[int], seed: int, name: str) -> list[Row]:
    """The rows at some places of an endless sequence: each pass takes every row once, in an order of its own."""
    orders: dict[int, list[int]] = {}
    chosen = []
    for number in numbers:
        epoch, place = divmod(number, len(rows))
        if epoch not in orders:
            generator = torch.Generator().manual_seed(seed_of(seed, name, epoch))
            orders[epoch] = torch.randperm(len(rows), generator=generator).tolist()
        chosen.append(rows[orders[epoch][place]])
    return chosen


# ---------------------------------------------------------------- rolling out


@torch.no_grad()
def roll_out(
    config: PPOConfig,
    models: Models,
    accelerator: Accelerator,
    prompts: list[Prompt],
    seeds: list[int],
    temperature: float | None = None,
) -> Rollouts:
    """One completion for each prompt, its score, and what policy, value and reference say of its tokens.

    Log-probabilities come from one more batched forward, not from sampling: no logits of all steps are kept
    alive, the values come in the same pass, and it is the very computation that the update repeats.
    `temperature` is that of the sampling alone, where it is not the configuration's.
    """
    learner = accelerator.unwrap_model(models.learner).eval()
    with accelerator.autocast():
        generated = write_completions(
            config,
            models,
            learner.policy,
            prompts,
            seeds,
            config.temperature if temperature is None else temperature,
        )
        completions = [each.token_ids for each in generated]
        texts = [completion_text(models.tokenizer, each) for each in generated]
        with whole(models.reward_model):
            raw_scores, opinions = score_completions(config, models, prompts, completions, texts)
        per_token = judge_tokens(config, models, accelerator, [prompt.ids for prompt in prompts], completions)
    per_token["opinions"] = torch.zeros_like(per_token["values"])
    if opinions is not None:
        per_token["opinions"].copy_(pad_sequence(opinions, batch_first=True))
    if temperature in (None, config.temperature):
        per_token["written_logprobs"] = written_logprobs(generated, per_token)
    else:  # of another distribution
        per_token["written_logprobs"] = per_token["logprobs"]
    has_eos = torch.tensor([each.finish_reason == "stop" for each in generated], device=accelerator.device)
    return Rollouts(
        prompts=prompts,
        completions=completions,
        texts=texts,
        has_eos=has_eos,
        raw_scores=raw_scores,
        scores=paid_scores(config, models, raw_scores, has_eos),
        **per_token,
    )


def write_completions(
    config: PPOConfig,
    models: Models,
    policy: Any,
    prompts: list[Prompt],
    seeds: list[int],
    temperature: float,
) -> list[Generated]:
    """One completion for each prompt and seed, `rollout_batch_size` of them at a time or as many as vLLM likes."""
    sampling = Sampling(temperature=temperature, max_new_tokens=config.max_new_tokens)
    if models.vllm is not None:
        with whole(policy):
            models.vllm.load(policy)
        generated = models.vllm.generate([prompt.ids for prompt in prompts], seeds, sampling)
        models.vllm.sleep()
        return generated
    size = config.rollout_batch_size or len(prompts)
    generated = []
    with whole(policy):
        for at in range(0, len(prompts), size):
            ids = [prompt.ids for prompt in prompts[at : at + size]]
            generated += generate(
                policy, ids, seeds[at : at + size], sampling, models.stop_ids, models.tokenizer.pad_token_id
            )
    return generated


def written_logprobs(generated: list[Generated], per_token: dict[str, Tensor]) -> Tensor:
    """(B, T) what the program that wrote the tokens says of them; the policy's own where it says nothing."""
    if generated[0].logprobs is None:
        return per_token["logprobs"]
    written = torch.zeros_like(per_token["logprobs"])
    told = [logprob for each in generated for logprob in each.logprobs or []]
    written[per_token["mask"]] = torch.tensor(told, device=written.device)
    return written


def judge_tokens(
    config: PPOConfig,
    models: Models,
    accelerator: Accelerator,
    prompt_ids: list[list[int]],
    completions: list[list[int]],
) -> dict[str, Tensor]:
    """mask, logprobs, values, entropies and ref_logprobs of all tokens, each (B, T), 0 on padding."""
    learner = accelerator.unwrap_model(models.learner)
    lengths = torch.tensor([len(row) for row in completions], device=accelerator.device)
    mask = torch.arange(int(lengths.max()), device=accelerator.device) < lengths[:, None]
    names = ("logprobs", "values", "entropies", "ref_logprobs")
    kept = {name: torch.zeros(mask.shape, device=accelerator.device) for name in names}

    def of_learner(*inputs: Tensor) -> tuple[Tensor, ...]:
        return learner(*inputs, config.temperature)

    def of_reference(input_ids: Tensor, where: Tensor, tokens: Tensor) -> tuple[Tensor, ...]:
        logits, _ = predict(models.ref_policy, input_ids, where)
        return (rl_math.token_logprobs(logits, tokens, config.temperature),)

    # one after the other, so that cut weights are never whole in both
    for judge, judged, networks in (
        (of_learner, names[:3], (learner.policy, learner.value_trunk, learner.value_head)),
        (of_reference, names[3:], (models.ref_policy,)),
    ):
        with whole(*networks):
            for group, *inputs in token_passes(config, models, accelerator, prompt_ids, completions):
                rows, columns = mask[group].nonzero(as_tuple=True)
                for name, values in zip(judged, judge(*inputs), strict=True):
                    kept[name][torch.tensor(group, device=rows.device)[rows], columns] = values.float()
    return kept | {"mask": mask}


def token_passes(
    config: PPOConfig,
    models: Models,
    accelerator: Accelerator,
    prompt_ids: list[list[int]],
    completions: list[list[int]],
) -> Iterator[tuple[list[int], Tensor, Tensor, Tensor]]:
    """(row numbers, and pad_rows of them) for micro-batches that together hold all rows."""
    for group in micro_batches(config, accelerator.device, prompt_ids, completions):
        yield group, *pad_rows(models, accelerator.device, prompt_ids, completions, group)


def micro_batches(
    config: PPOConfig, device: torch.device, prompt_ids: list[list[int]], completions: list[list[int]]
) -> list[list[int]]:
    """Row numbers in groups of similar length, each within the budget of tokens: little of it is padding."""
    lengths = [len(prompt) + len(row) for prompt, row in zip(prompt_ids, completions, strict=True)]
    return cut_by_length(lengths, config.micro_batch_tokens, cost_of_pass(device))


def pad_rows(
    models: Models,
    device: torch.device,
    prompt_ids: list[list[int]],
    completions: list[list[int]],
    rows: list[int],
) -> tuple[Tensor, Tensor, Tensor]:
    """pad_targets of some rows: prompt and completion, whose tokens are the targets, row after row."""
    return pad_targets(
        models.tokenizer.pad_token_id,
        device,
        [prompt_ids[i] + completions[i] for i in rows],
        [[0] * len(prompt_ids[i]) + [1] * len(completions[i]) for i in rows],
    )


# ---------------------------------------------------------------- scores


def score_completions(
    config: PPOConfig,
    models: Models,
    prompts: list[Prompt],
    completions: list[list[int]],
    texts: list[str],
) -> tuple[Tensor, list[Tensor] | None]:
    """Scores (B,): of the function, of the tokens, or of the text where the reward model has other tokens.

    And where it reads the policy's own tokens its opinions, a row for each completion: what it would score if the
    text ended before each of the tokens. They come in the same pass.
    """
    device = models.ref_policy.device
    if models.score_function is not None:
        given = models.score_function([prompt.messages for prompt in prompts], texts, completions)
        return torch.as_tensor(given, dtype=torch.float32, device=device), None
    assert models.reward_model is not None
    if not models.same_tokens:
        scores = score_texts(
            models.reward_model, models.reward_tokenizer, prompts, texts, config.micro_batch_tokens
        )
        return scores.to(device), None
    sequences = [prompt.ids + row for prompt, row in zip(prompts, completions, strict=True)]
    pad_id = models.reward_tokenizer.pad_token_id
    rows = [
        normalized(models.reward_model, row[len(prompt.ids) - 1 :])
        for row, prompt in zip(
            scores_along(models.reward_model, sequences, pad_id, config.micro_batch_tokens),
            prompts,
            strict=True,
        )
    ]
    return torch.stack([row[-1] for row in rows]).to(device), [row[:-1].to(device) for row in rows]


def score_texts(
    reward_model: PreTrainedModel,
    reward_tokenizer: PreTrainedTokenizerBase,
    prompts: list[Prompt],
    texts: list[str],
    max_tokens: int,
) -> Tensor:
    """Scores (B,) of completions as text, by a reward model that reads other tokens than the policy."""
    conversations = [
        [*prompt.messages, {"role": "assistant", "content": text}]
        for prompt, text in zip(prompts, texts, strict=True)
    ]
    return score(reward_model, reward_tokenizer, conversations, max_tokens)


def paid_scores(config: PPOConfig, models: Models, raw_scores: Tensor, has_eos: Tensor) -> Tensor:
    """Scores normalised on the reference's completions, clipped, with the rule for those that never ended."""
    scores = (raw_scores - models.score_mean) / models.score_std
    if config.score_clip:
        scores = scores.clamp(-config.score_clip, config.score_clip)
    return rl_math.missing_eos_scores(scores, has_eos, config.missing_eos_penalty, config.missing_eos_score)


@torch.no_grad()
def normalize_scores(
    config: PPOConfig, models: Models, accelerator: Accelerator, prompts: list[Prompt]
) -> None:
    """Measures mean and spread of the scores of `normalize_scores` completions of the reference policy.

    Ziegler et al. 2019, section 2: scores then begin with mean 0 and variance 1 whatever the reward
    model's own scale, so that kl_coef means the same in every run. Whitening is another thing: it follows
    each batch, this is measured once and stays.
    """
    numbers = list(range(accelerator.process_index, config.normalize_scores, accelerator.num_processes))
    chosen = in_shuffled_passes(prompts, numbers, config.seed, "normalize")
    seeds = [seed_of(config.seed, "normalize", number) for number in numbers]
    scores = torch.zeros(0)
    with accelerator.autocast(), whole(models.ref_policy, models.reward_model):
        if chosen:
            generated = write_completions(
                config, models, models.ref_policy, chosen, seeds, config.temperature
            )
            texts = [completion_text(models.tokenizer, each) for each in generated]
            tokens = [each.token_ids for each in generated]
            scores, _ = score_completions(config, models, chosen, tokens, texts)
    sums = rl_math.masked_sums(scores, torch.ones_like(scores)).to(accelerator.device)
    mean, variance = rl_math.mean_and_variance(accelerator.reduce(sums, reduction="sum"))
    if not variance > 1e-12:
        raise RunError(
            "All completions of the reference policy have the same score, so there is no scale to bring to 1; "
            "look at the reward model, or set --normalize-scores 0."
        )
    models.score_mean, models.score_std = float(mean), float(variance.sqrt())
    log.info("Scores of the reference: mean %.3f, deviation %.3f", models.score_mean, models.score_std)
