"""A policy against its reference on held-out prompts: score, win rate, KL, length, diversity; with intervals.

    python -m trainer.evaluate --snapshot DIR --model DIR --ref-model DIR --reward-model DIR --run-dir DIR

On each validation prompt both policies write one completion, from the same random numbers (less noise in the
difference), and the reward model scores both. The win rate is the share of prompts where the policy's
completion scores higher, a tie counting half, with a 95 % bootstrap interval over prompts. KL is that of a
whole sequence, estimated on the policy's own sampled tokens at the sampling temperature: k1 (the mean
log-ratio, unbiased) and k3 (never negative, less noisy) (Schulman 2020); at temperature 0 or a top_p below 1 the
completions are no draws of the policy, and both are k3. A reward model judges its own pupil
here, so it is itself held against the validation rankings, and a language model may be asked for a second
opinion (--judge-server). People's rankings of the new completions are the test that counts.

The reward model judges the text that a person would read, as in its training: an answer cut off at
max_new_tokens is judged as if it ended there, and eos_share tells how many were not cut off.

samples.jsonl has one row a prompt: {prompt_id, prompt, language, source, prompt_length, completion, score,
ref_completion, ref_score, kl, kl_k3, length, ref_length, finish_reason, ref_finish_reason}, and the judge's where
one is asked. A run that was killed goes on after the rows it wrote. The figures are in evaluation.py, the judge in
judge.py; every one with its source and test: docs/trainer.md.
"""

from __future__ import annotations

import logging
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.files import append_jsonl, rewrite_jsonl, why_unreadable
from trainer.jobs import Outcome, input_entry, option, run_job
from trainer.run_dir import RunDir, RunError, RunStopped
from trainer.snapshot import Snapshot, open_snapshot

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from trainer.model_server import ModelServer

log = logging.getLogger("trainer")


@dataclass(kw_only=True)
class EvaluateConfig:
    """Compare a policy with its reference on a snapshot's validation prompts."""

    snapshot: str = option("Snapshot directory with validation prompts.")
    model: str = option("The policy: a directory, a finished run, or a hub id.")
    ref_model: str = option("The reference policy (the SFT model, mostly).")
    reward_model: str = option("Finished reward run, or its model directory.")
    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    num_prompts: int = option("Validation prompts to take, chosen by the seed; 0: all.", 256, at_least=0)
    temperature: float = option("Sampling temperature of both; 0 takes the likeliest tokens.", 1.0)
    top_p: float = option("Sample from the likeliest tokens of this mass.", 1.0)
    max_new_tokens: int = option("Longest completion in tokens.", 256, at_least=1)
    batch_size: int = option("Prompts that are sampled and scored together.", 32, at_least=1)
    num_rankings: int = option(
        "Validation rankings that the reward model is held against; 0: none.", 256, at_least=0
    )
    judge_server: str = option("OpenAI-compatible address of a language model that judges too.", "")
    judge_name: str = option("Which of that server's models.", "")
    judge_orders: int = option("2: each pair in both orders; 1: in one, drawn by the seed.", 2, one_of=(1, 2))
    judge_guidelines: str = option(
        "Text file with what the judge is to go by; empty: helpful, true, harmless.", ""
    )
    judge_max_new_tokens: int = option("Longest of the judge's answers, in tokens.", 512, at_least=1)
    concurrency: int = option("Requests that the judge gets at a time.", 8, at_least=1)
    seed: int = option(
        "Seed of the choice of prompts, of sampling, of sides and of the bootstrap.",
        0,
        at_least=0,
        at_most=0xFFFF_FFFF,
    )


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

    from trainer.batches import cost_of_pass, cut_by_length, pad_right
    from trainer.rl_math import token_logprobs

    rows = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    logprobs: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    with torch.inference_mode():
        for batch in cut_by_length([len(row) for row in rows], max_tokens, cost_of_pass(model.device)):
            inputs = pad_right([rows[i] for i in batch], pad_id, model.device)
            logits = model(**inputs, use_cache=False).logits
            own = token_logprobs(logits[:, :-1], inputs["input_ids"][:, 1:], temperature).cpu()
            for place, i in enumerate(batch):
                logprobs[i] = own[place, len(prompts[i]) - 1 : len(rows[i]) - 1]
    return logprobs


class Contest:
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
        self.ref_policy.meter = self.policy.meter  # one utilisation, of both
        device = self.policy.model.device
        self.reward_model, self.reward_tokenizer = load_reward_model(
            config.reward_model, inference_dtype(device)
        )
        self.reward_model.to(device)

    def fits(self, messages: list[dict[str, str]]) -> bool:
        from trainer.modeling import TemplateRefused

        try:
            return None not in (self.policy.prompt_of(messages), self.ref_policy.prompt_of(messages))
        except TemplateRefused:
            return False

    def scores(self, prompts: Sequence[list[dict[str, str]]], texts: Sequence[str]) -> list[float]:
        from trainer.modeling import score

        conversations = [
            [*messages, {"role": "assistant", "content": text}]
            for messages, text in zip(prompts, texts, strict=True)
        ]
        return score(self.reward_model, self.reward_tokenizer, conversations).tolist()

    def rows(self, prompts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        from trainer.generation import completion_text, seed_of
        from trainer.modeling import encode_prompt
        from trainer.rl_math import kl_estimate

        tokenizer = self.policy.tokenizer
        messages = [row["prompt"] for row in prompts]
        encoded = [encode_prompt(tokenizer, one) for one in messages]
        seeds = [seed_of(self.config.seed, row["id"]) for row in prompts]
        own, ref = self.policy.generated(encoded, seeds), self.ref_policy.generated(encoded, seeds)
        texts = [completion_text(tokenizer, one) for one in own]
        ref_texts = [completion_text(tokenizer, one) for one in ref]
        scores, ref_scores = self.scores(messages, texts), self.scores(messages, ref_texts)
        temperature, pad_id = self.config.temperature or 1.0, tokenizer.pad_token_id
        tokens = [one.token_ids for one in own]
        logprobs = completion_logprobs(self.policy.model, encoded, tokens, temperature, pad_id)
        ref_logprobs = completion_logprobs(self.ref_policy.model, encoded, tokens, temperature, pad_id)
        # of completions that are no draws of the policy itself k1 estimates nothing and may fall below 0
        is_drawn = self.config.temperature > 0 and self.config.top_p == 1
        estimator = "k1" if is_drawn else "k3"
        return [
            {
                "prompt_id": row["id"],
                "prompt": row["prompt"],
                "language": row["language"],
                "source": row["source"],
                "prompt_length": len(encoded[i]),
                "completion": texts[i],
                "score": scores[i],
                "ref_completion": ref_texts[i],
                "ref_score": ref_scores[i],
                "kl": float(kl_estimate(logprobs[i], ref_logprobs[i], estimator).sum()),
                "kl_k3": float(kl_estimate(logprobs[i], ref_logprobs[i], "k3").sum()),
                "length": len(own[i].token_ids),
                "ref_length": len(ref[i].token_ids),
                "finish_reason": own[i].finish_reason,
                "ref_finish_reason": ref[i].finish_reason,
            }
            for i, row in enumerate(prompts)
        ]

    def judged_rankings(self, snapshot: Snapshot) -> tuple[list[dict[str, Any]], int]:
        """Validation rankings with the scores of their completions, as evaluation.reward_accuracy reads them, and how
        many more there are of which nothing can be said: without a pair, refused by the template, or too long.

        As in training an empty completion leaves its ranking.
        """
        from trainer.evaluation import prompt_key
        from trainer.modeling import TemplateRefused, TooLong
        from trainer.reward_data import places_of

        about = {prompt_key(row["prompt"]): row for row in snapshot.rows("prompts")}
        rankings, num_left_out = [], 0
        for row in snapshot.rows("rankings", "validation"):
            texts = {completion["id"]: completion["text"] for completion in row["completions"]}
            places = places_of(row["id"], row["tiers"], texts)
            ranked = [(tier, texts[one]) for one, tier in places.items() if texts[one].strip()]
            if row["all_bad"] or len({tier for tier, _ in ranked}) < 2:
                num_left_out += 1
            else:
                rankings.append((row["prompt"], ranked))
        if len(rankings) > self.config.num_rankings:
            rankings = random.Random(self.config.seed).sample(rankings, self.config.num_rankings)
        found = []
        for prompt, ranked in rankings:
            try:
                scores = self.scores([prompt] * len(ranked), [text for _, text in ranked])
            except (TemplateRefused, TooLong):
                num_left_out += 1
                continue
            key = prompt_key(prompt)
            row = about.get(key, {})
            found.append(
                {
                    "prompt": key,
                    "language": row.get("language", ""),
                    "source": row.get("source", ""),
                    "tiers": [tier for tier, _ in ranked],
                    "scores": scores,
                    "lengths": [len(text) for _, text in ranked],
                }
            )
        return found, num_left_out


def second_opinion(config: EvaluateConfig) -> tuple[ModelServer, str] | None:
    """The judge's server and what it goes by; None where nobody is to be asked."""
    if not config.judge_server:
        return None
    from trainer.judge import GUIDELINES
    from trainer.model_server import ModelServer

    guidelines = GUIDELINES
    if config.judge_guidelines:
        try:
            guidelines = Path(config.judge_guidelines).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(
                f"{config.judge_guidelines} cannot be read ({why_unreadable(error)}); give a text file."
            ) from None
    return ModelServer(config.judge_server, config.judge_name, config.concurrency), guidelines


def with_judgements(
    config: EvaluateConfig, asked: tuple[ModelServer, str] | None, rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    from trainer.judge import Pair, judge_pairs

    if asked is None:
        return rows
    server, guidelines = asked
    pairs = [Pair(row["prompt_id"], row["prompt"], row["completion"], row["ref_completion"]) for row in rows]
    judged = judge_pairs(
        server, pairs, guidelines, config.judge_orders, config.seed, config.judge_max_new_tokens
    )
    return [row | own for row, own in zip(rows, judged, strict=True)]


def figures(
    config: EvaluateConfig, contest: Contest, snapshot: Snapshot, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    """Everything in the manifest, over all rows."""
    from trainer.evaluation import diversity, groups_of_prompts, reward_accuracy, score_by_kl, summarize
    from trainer.judge import judge_figures

    tokenize = contest.policy.tokenizer
    own, ref = (
        [tokenize(row[name], add_special_tokens=False)["input_ids"] for row in rows]
        for name in ("completion", "ref_completion")
    )
    found = summarize(rows, config.seed) | diversity(own, ref)
    if config.judge_server:
        found |= judge_figures(rows, config.seed)
    if config.num_rankings:
        rankings, num_left_out = contest.judged_rankings(snapshot)
        found["num_rankings_left_out"] = num_left_out
        found |= reward_accuracy(rankings, config.seed) if rankings else {}
    found |= {"score_by_kl": score_by_kl(rows), "win_rate_by": groups_of_prompts(rows, config.seed)}
    return found | contest.policy.meter.total()


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
    from trainer.evaluation import win_share

    # 1. prompts and models
    prompts = held_out_prompts(config)
    asked = second_opinion(config)
    contest = Contest(config)
    fitting = [row for row in prompts if contest.fits(row["prompt"])]
    if not fitting:
        raise RunError(
            "No validation prompt fits the model's context beside max_new_tokens; lower max_new_tokens."
        )

    # 2. sample, score and judge what an earlier process has not
    samples_path = run.path / "samples.jsonl"
    rows = rewrite_jsonl(samples_path, lambda row: True)
    done = {str(row["prompt_id"]) for row in rows}
    run.resume_from(len(rows))
    run.progress(len(rows), len(fitting))
    log.info("Evaluating %d validation prompts; %d are already there", len(fitting), len(done))
    for start in range(0, len(fitting), config.batch_size):  # of a run that was killed the same batches
        todo = [row for row in fitting[start : start + config.batch_size] if str(row["id"]) not in done]
        if not todo:
            continue
        new = with_judgements(config, asked, contest.rows(todo))
        rows += new
        share = sum(win_share(row["score"], row["ref_score"]) for row in rows) / len(rows)
        score = sum(row["score"] for row in rows) / len(rows)
        run.progress(len(rows), len(fitting), win_rate=share, score=score, **contest.policy.meter.row())
        append_jsonl(samples_path, new, sync=True)  # last, so what it says is done has its metrics too
        if run.stop_requested() and len(rows) < len(fitting):
            raise RunStopped

    # 3. the figures, over all rows
    metrics = figures(config, contest, open_snapshot(config.snapshot, verify=False), rows)
    metrics["num_left_out"] = len(prompts) - len(fitting)
    names = ("snapshot", "model", "ref_model", "reward_model")
    inputs: dict[str, Any] = {name: input_entry(getattr(config, name)) for name in names}
    if asked is not None:
        inputs["judge"] = asked[0].entry()
    return metrics, inputs


def main() -> None:
    sys.exit(run_job("evaluate", EvaluateConfig, train, one_process=True))


if __name__ == "__main__":
    main()
