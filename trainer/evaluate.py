"""A policy against its reference on held-out prompts: score, win rate, KL, length.

    python -m trainer.evaluate --snapshot DIR --model DIR --ref-model DIR --reward-model DIR --run-dir DIR

On each validation prompt both policies write one completion, from the same random numbers (less noise in the
difference), and the reward model scores both. The win rate is the share of prompts where the policy's
completion scores higher, a tie counting half, with a 95 % bootstrap interval over prompts. KL is that of a
whole sequence, estimated on the policy's own sampled tokens at the sampling temperature: k1 (the mean
log-ratio, unbiased) and k3 (never negative, less noisy) (Schulman 2020). A reward model judges its own pupil
here: people's rankings of the new completions are the test that counts.

The reward model judges the text that a person would read, as in its training: an answer cut off at
max_new_tokens is judged as if it ended there, and eos_share tells how many were not cut off.

samples.jsonl has one row a prompt: {prompt_id, prompt, completion, score, ref_completion, ref_score, kl,
kl_k3, length, ref_length, finish_reason, ref_finish_reason}. A run that was killed goes on after the rows it
wrote.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainer.files import append_jsonl, rewrite_jsonl
from trainer.jobs import Outcome, input_entry, option, run_job
from trainer.run_dir import RunDir, RunError, RunStopped
from trainer.snapshot import open_snapshot

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

log = logging.getLogger("trainer")
NUM_BOOTSTRAP = 2000


@dataclass(kw_only=True)
class EvaluateConfig:
    """Compare a policy with its reference on a snapshot's validation prompts."""

    snapshot: str = option("Snapshot directory with validation prompts.")
    model: str = option("The policy: a directory, a finished run, or a hub id.")
    ref_model: str = option("The reference policy (the SFT model, mostly).")
    reward_model: str = option("Finished reward run, or its model directory.")
    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    num_prompts: int = option("Validation prompts to take, chosen by the seed; 0: all.", 256)
    temperature: float = option("Sampling temperature of both; 0 takes the likeliest tokens.", 1.0)
    top_p: float = option("Sample from the likeliest tokens of this mass.", 1.0)
    max_new_tokens: int = option("Longest completion in tokens.", 256)
    batch_size: int = option("Prompts that are sampled and scored together.", 32)
    seed: int = option("Seed of the choice of prompts, of sampling and of the bootstrap.", 0)


def win_share(score: float, ref_score: float) -> float:
    return 1.0 if score > ref_score else 0.5 if score == ref_score else 0.0


def bootstrap_interval(
    values: Sequence[float], seed: int, num_draws: int = NUM_BOOTSTRAP
) -> tuple[float, float]:
    """95 % percentile interval of the mean, drawing prompts with replacement."""
    import torch

    observed = torch.tensor(values, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    means = torch.stack(
        [
            observed[torch.randint(len(observed), (len(observed),), generator=generator)].mean()
            for _ in range(num_draws)
        ]
    )
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def completion_logprobs(
    model: PreTrainedModel,
    prompts: Sequence[list[int]],
    completions: Sequence[list[int]],
    temperature: float,
    pad_id: int,
    max_tokens: int = 4096,
) -> list[torch.Tensor]:
    """Log-probability of each completion token after its prompt, (T,) for each row."""
    import torch

    from trainer.modeling import batches_by_length, pad_right
    from trainer.rl_math import token_logprobs

    rows = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    logprobs: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    with torch.inference_mode():
        for batch in batches_by_length([len(row) for row in rows], max_tokens):
            inputs = pad_right([rows[i] for i in batch], pad_id, model.device)
            logits = model(**inputs, use_cache=False).logits
            own = token_logprobs(logits[:, :-1], inputs["input_ids"][:, 1:], temperature).cpu()
            for place, i in enumerate(batch):
                logprobs[i] = own[place, len(prompts[i]) - 1 : len(rows[i]) - 1]
    return logprobs


class Judge:
    """Two policies and a reward model, loaded; `rows` gives the samples.jsonl rows of a batch of prompts."""

    def __init__(self, config: EvaluateConfig) -> None:
        from trainer.generation import Sampling
        from trainer.modeling import inference_dtype, load_reward_model
        from trainer.sample import load_policy

        sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens)
        self.config = config
        self.policy = load_policy(config.model, sampling, config.batch_size)
        self.ref_policy = load_policy(config.ref_model, sampling, config.batch_size)
        if self.policy.tokenizer.get_vocab() != self.ref_policy.tokenizer.get_vocab():
            raise RunError(
                f"{config.model} and {config.ref_model} have different tokenizers: no KL joins them; "
                "compare a policy with the model it was trained from."
            )
        device = self.policy.model.device
        self.reward_model, self.reward_tokenizer = load_reward_model(
            config.reward_model, inference_dtype(device)
        )
        self.reward_model.to(device)

    def scores(self, prompts: list[dict[str, Any]], texts: list[str]) -> list[float]:
        from trainer.modeling import score

        conversations = [
            [*row["prompt"], {"role": "assistant", "content": text}]
            for row, text in zip(prompts, texts, strict=True)
        ]
        return score(self.reward_model, self.reward_tokenizer, conversations).tolist()

    def rows(self, prompts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        from trainer.generation import completion_text, seed_of
        from trainer.modeling import encode_prompt
        from trainer.rl_math import kl_estimate

        tokenizer = self.policy.tokenizer
        encoded = [encode_prompt(tokenizer, row["prompt"]) for row in prompts]
        seeds = [seed_of(self.config.seed, row["id"]) for row in prompts]
        own, ref = self.policy.generated(encoded, seeds), self.ref_policy.generated(encoded, seeds)
        texts = [completion_text(tokenizer, one) for one in own]
        ref_texts = [completion_text(tokenizer, one) for one in ref]
        scores, ref_scores = self.scores(prompts, texts), self.scores(prompts, ref_texts)
        temperature, pad_id = self.config.temperature or 1.0, tokenizer.pad_token_id
        tokens = [one.token_ids for one in own]
        logprobs = completion_logprobs(self.policy.model, encoded, tokens, temperature, pad_id)
        ref_logprobs = completion_logprobs(self.ref_policy.model, encoded, tokens, temperature, pad_id)
        return [
            {
                "prompt_id": row["id"],
                "prompt": row["prompt"],
                "completion": texts[i],
                "score": scores[i],
                "ref_completion": ref_texts[i],
                "ref_score": ref_scores[i],
                "kl": float(kl_estimate(logprobs[i], ref_logprobs[i], "k1").sum()),
                "kl_k3": float(kl_estimate(logprobs[i], ref_logprobs[i], "k3").sum()),
                "length": len(own[i].token_ids),
                "ref_length": len(ref[i].token_ids),
                "finish_reason": own[i].finish_reason,
                "ref_finish_reason": ref[i].finish_reason,
            }
            for i, row in enumerate(prompts)
        ]


def summarize(rows: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    def mean(name: str) -> float:
        return sum(row[name] for row in rows) / len(rows)

    wins = [win_share(row["score"], row["ref_score"]) for row in rows]
    low, high = bootstrap_interval(wins, seed)
    return {
        "score": mean("score"),
        "ref_score": mean("ref_score"),
        "win_rate": sum(wins) / len(wins),
        "win_rate_low": low,
        "win_rate_high": high,
        "kl": mean("kl"),
        "kl_k3": mean("kl_k3"),
        "length": mean("length"),
        "ref_length": mean("ref_length"),
        "eos_share": sum(row["finish_reason"] == "stop" for row in rows) / len(rows),
        "ref_eos_share": sum(row["ref_finish_reason"] == "stop" for row in rows) / len(rows),
        "num_prompts": len(rows),
    }


def held_out_prompts(config: EvaluateConfig) -> list[dict[str, Any]]:
    """Validation prompts, the longest last; a subset chosen by the seed if there are more than asked for."""
    prompts = list(open_snapshot(config.snapshot).rows("prompts", "validation"))
    if not prompts:
        raise RunError(
            f"The snapshot {config.snapshot} has no validation prompts, so nothing can be measured; "
            "make a snapshot with a larger validation share or more prompts."
        )
    if config.num_prompts and len(prompts) > config.num_prompts:
        prompts = random.Random(config.seed).sample(prompts, config.num_prompts)
    return sorted(prompts, key=lambda row: sum(len(message["content"]) for message in row["prompt"]))


def train(config: EvaluateConfig, run: RunDir) -> Outcome:
    from trainer.modeling import TemplateRefused, encode_prompt

    # 1. prompts and models
    prompts = held_out_prompts(config)
    judge = Judge(config)
    fitting = []
    for row in prompts:
        try:
            num_tokens = len(encode_prompt(judge.policy.tokenizer, row["prompt"]))
        except TemplateRefused:
            continue
        if num_tokens <= min(judge.policy.longest_prompt, judge.ref_policy.longest_prompt):
            fitting.append(row)
    num_left_out = len(prompts) - len(fitting)
    if not fitting:
        raise RunError(
            "No validation prompt fits the model's context beside max_new_tokens; lower max_new_tokens."
        )

    # 2. sample and score what an earlier process has not
    samples_path = run.path / "samples.jsonl"
    rows = rewrite_jsonl(samples_path, lambda row: True)
    done = {str(row["prompt_id"]) for row in rows}
    todo = [row for row in fitting if str(row["id"]) not in done]
    log.info("Evaluating %d validation prompts; %d are already there", len(todo), len(done))
    for start in range(0, len(todo), config.batch_size):
        new = judge.rows(todo[start : start + config.batch_size])
        append_jsonl(samples_path, new, sync=True)
        rows += new
        share = sum(win_share(row["score"], row["ref_score"]) for row in rows) / len(rows)
        run.progress(
            len(rows), len(fitting), win_rate=share, score=sum(row["score"] for row in rows) / len(rows)
        )
        if run.stop_requested() and len(rows) < len(fitting):
            raise RunStopped

    # 3. the figures, over all rows
    metrics = summarize(rows, config.seed) | {"num_left_out": num_left_out}
    names = ("snapshot", "model", "ref_model", "reward_model")
    return metrics, {name: input_entry(getattr(config, name)) for name in names}


def main() -> None:
    sys.exit(run_job("evaluate", EvaluateConfig, train, one_process=True))


if __name__ == "__main__":
    main()
