"""K completions for each prompt: the next candidates that people rank.

    python -m trainer.sample --model DIR --snapshot DIR --split train --run-dir DIR --policy-version v2
    python -m trainer.sample --model DIR --prompts FILE.jsonl --run-dir DIR --num-completions 9

Writes completions.jsonl: {prompt_id, index, text, seed, finish_reason ("stop" or "length"), num_tokens,
policy_version, sampling: {temperature, top_p, max_new_tokens}}. Prompts of similar length and their K
completions share batches. Each completion has its own seed (see trainer.generation), made from --seed, the
prompt's id, the index and the attempt.

Among the K of a prompt, a text that is already there, or is empty, is sampled again with the next attempt's
seed, at most --max-resamples times; what remains is kept and counted. A prompt that leaves no room for
max_new_tokens in the model's context is skipped and counted: a shortened one would show people another
question than the model saw. All completions of a prompt are written at once, so a run that was killed goes on
with the next prompts.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.files import append_jsonl, describe_file, rewrite_jsonl
from trainer.jobs import Outcome, input_entry, option, run_job
from trainer.run_dir import RunDir, RunError, RunStopped
from trainer.snapshot import SPLITS, open_snapshot

log = logging.getLogger("trainer")


@dataclass(kw_only=True)
class SampleConfig:
    """Sample K completions for each prompt."""

    model: str = option("The policy: a directory, a finished run, or a hub id.")
    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    prompts: str = option("JSON lines of {id, prompt: [{role, content}]}; or give a snapshot.", "")
    snapshot: str = option("Snapshot directory whose prompts are taken when --prompts is not given.", "")
    split: str = option("Which of the snapshot's prompts: train or validation; empty: both.", "")
    num_completions: int = option("Completions for each prompt (K).", 4)
    num_prompts: int = option("Take only so many prompts, from the beginning; 0: all.", 0)
    temperature: float = option("Above 1 more various, below 1 more likely; 0 takes the likeliest.", 1.0)
    top_p: float = option("Sample from the likeliest tokens of this mass.", 1.0)
    max_new_tokens: int = option("Longest completion in tokens.", 256)
    batch_size: int = option("Completions that are generated together.", 64)
    max_resamples: int = option("How often a repeated or empty completion is tried again.", 3)
    policy_version: str = option("Name of the policy version, recorded with every completion.", "")
    seed: int = option("Every completion's own seed follows from this one.", 0)


@dataclass(frozen=True)
class Prompt:
    id: Any
    messages: list[dict[str, str]]


def read_prompts(path: Path) -> list[Prompt]:
    prompts: dict[str, Prompt] = {}
    try:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    prompt = Prompt(
                        row["prompt_id"] if "prompt_id" in row else row["id"],
                        [{"role": m["role"], "content": m["content"]} for m in row["prompt"]],
                    )
                except (ValueError, KeyError, TypeError):
                    raise RunError(
                        f"Line {number} of {path} is not {{id, prompt: [{{role, content}}]}}; correct it."
                    ) from None
                if prompts.setdefault(str(prompt.id), prompt) is not prompt:
                    raise RunError(
                        f"Line {number} of {path} repeats the id {prompt.id}; give each prompt its own."
                    )
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read ({error}); give JSON lines in UTF-8.") from None
    return list(prompts.values())


def gather_prompts(config: SampleConfig) -> tuple[list[Prompt], dict[str, Any]]:
    """The prompts, and how the manifest names where they came from."""
    if bool(config.prompts) == bool(config.snapshot):
        raise RunError("Give either --prompts FILE.jsonl or --snapshot DIR.")
    if config.prompts:
        path = Path(config.prompts)
        prompts = read_prompts(path)
        source = {"prompts": {"path": str(path), **describe_file(path)}}
    else:
        if config.split and config.split not in SPLITS:
            raise RunError(f"--split must be train or validation, not {config.split}.")
        rows = open_snapshot(config.snapshot).rows("prompts", config.split or None)
        prompts = [Prompt(row["id"], row["prompt"]) for row in rows]
        source = {"snapshot": input_entry(config.snapshot)}
    if not prompts:
        raise RunError(
            f"{config.prompts or config.snapshot} holds no prompt to sample for; add prompts and retry."
        )
    return prompts[: config.num_prompts or None], source


# ---------------------------------------------------------------- sampling


@dataclass
class Candidate:
    text: str
    seed: int
    finish_reason: str
    num_tokens: int


def sample_group(
    generate_batch: Callable[[list[list[int]], list[int]], list[Candidate]],
    prompts: list[tuple[Any, list[int]]],
    num_completions: int,
    seed: int,
    max_resamples: int,
) -> list[list[Candidate]]:
    """K candidates for each (id, prompt tokens), sampled again where one repeats another of its prompt."""
    from trainer.generation import seed_of

    kept: list[list[Candidate | None]] = [[None] * num_completions for _ in prompts]
    pending = [(at, index) for at in range(len(prompts)) for index in range(num_completions)]
    for attempt in range(max_resamples + 1):
        seeds = [seed_of(seed, prompts[at][0], index, attempt) for at, index in pending]
        made = generate_batch([prompts[at][1] for at, _ in pending], seeds)
        repeated = []
        for (at, index), candidate in zip(pending, made, strict=True):
            others = {other.text for place, other in enumerate(kept[at]) if other and place != index}
            if not candidate.text or candidate.text in others:
                repeated.append((at, index))
            kept[at][index] = candidate
        pending = repeated
        if not pending:
            break
    return [[candidate for candidate in group if candidate] for group in kept]


def num_repeated(texts: list[str]) -> int:
    return len(texts) - len(set(texts))


class Sampler:
    """A loaded policy that turns prompt tokens and seeds into candidates, batch_size at a time."""

    def __init__(self, model: Any, tokenizer: Any, sampling: Any, batch_size: int) -> None:
        from trainer.modeling import context_length, stop_token_ids

        self.model, self.tokenizer, self.sampling, self.batch_size = model, tokenizer, sampling, batch_size
        self.stop_ids = stop_token_ids(tokenizer, model)
        self.longest_prompt = context_length(model) - sampling.max_new_tokens

    def generated(self, prompts: list[list[int]], seeds: list[int]) -> list[Any]:
        from trainer.generation import generate

        made = []
        for start in range(0, len(prompts), self.batch_size):
            rows = slice(start, start + self.batch_size)
            pad_id = self.tokenizer.pad_token_id
            made += generate(self.model, prompts[rows], seeds[rows], self.sampling, self.stop_ids, pad_id)
        return made

    def candidates(self, prompts: list[list[int]], seeds: list[int]) -> list[Candidate]:
        from trainer.generation import completion_text

        return [
            Candidate(completion_text(self.tokenizer, one), seed, one.finish_reason, len(one.token_ids))
            for one, seed in zip(self.generated(prompts, seeds), seeds, strict=True)
        ]


def load_policy(name: str, sampling: Any, batch_size: int) -> Sampler:
    from trainer.modeling import inference_dtype, load_causal_lm, load_tokenizer, pick_device

    device = pick_device()
    tokenizer = load_tokenizer(name)
    model = load_causal_lm(name, tokenizer, inference_dtype(device))
    model.to(device)  # type: ignore[arg-type]  # the library's stub for a decorated method
    return Sampler(model.eval(), tokenizer, sampling, batch_size)


# ---------------------------------------------------------------- the job


def kept_prompt_ids(run: RunDir, num_completions: int) -> set[str]:
    """Prompts whose K completions are all written; the rows of a prompt torn by a kill are cut."""
    complete: dict[str, int] = {}
    rewrite_jsonl(
        run.completions_path,
        lambda row: complete.update({str(row["prompt_id"]): row["index"] + 1}) or True,
    )
    done = {prompt_id for prompt_id, count in complete.items() if count == num_completions}
    if len(done) < len(complete):
        rewrite_jsonl(run.completions_path, lambda row: str(row["prompt_id"]) in done)
    return done


def train(config: SampleConfig, run: RunDir) -> Outcome:
    from trainer.generation import Sampling
    from trainer.modeling import TemplateRefused, encode_prompt

    # 1. prompts and policy
    if config.num_completions < 1 or config.batch_size < 1:
        raise RunError("num_completions and batch_size must be 1 or more.")
    sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens)
    prompts, source = gather_prompts(config)
    sampler = load_policy(config.model, sampling, config.batch_size)
    max_resamples = config.max_resamples if config.temperature > 0 else 0
    counts = {"num_prompts": 0, "num_left_out_long": 0, "num_left_out_template": 0}
    encoded: list[tuple[Any, list[int]]] = []
    for prompt in prompts:
        try:
            ids = encode_prompt(sampler.tokenizer, prompt.messages)
        except TemplateRefused:
            counts["num_left_out_template"] += 1
            continue
        if len(ids) > sampler.longest_prompt:
            counts["num_left_out_long"] += 1
            continue
        encoded.append((prompt.id, ids))
    if not encoded:
        raise RunError(
            f"No prompt fits the model's context beside max_new_tokens ({counts}); lower max_new_tokens."
        )
    messages_of = {prompt.id: prompt.messages for prompt in prompts}

    # 2. what an earlier process already wrote
    done = kept_prompt_ids(run, config.num_completions)
    todo = sorted((one for one in encoded if str(one[0]) not in done), key=lambda one: -len(one[1]))
    num_done, started, num_tokens = len(done), time.monotonic(), 0
    run.resume_from(num_done)
    log.info("Sampling %d prompts x %d; %d are already there", len(todo), config.num_completions, num_done)

    # 3. batches of similar length
    group_size = max(1, config.batch_size // config.num_completions)
    for start in range(0, len(todo), group_size):
        group = todo[start : start + group_size]
        sampled = sample_group(sampler.candidates, group, config.num_completions, config.seed, max_resamples)
        rows = [
            {"prompt_id": prompt_id, "index": index, **asdict(candidate)}
            | {"policy_version": config.policy_version or None, "sampling": asdict(sampling)}
            for (prompt_id, _), candidates in zip(group, sampled, strict=True)
            for index, candidate in enumerate(candidates)
        ]
        append_jsonl(run.completions_path, rows, sync=True)
        num_done += len(group)
        num_tokens += sum(row["num_tokens"] for row in rows)
        speed = round(num_tokens / (time.monotonic() - started), 1)
        run.progress(num_done, len(encoded), tokens_per_second=speed, num_completions=len(rows))
        shown = rows[0]
        run.sample({"step": num_done, "prompt": messages_of[shown["prompt_id"]], "completion": shown["text"]})
        if run.stop_requested() and num_done < len(encoded):
            raise RunStopped

    # 4. totals over the whole file
    texts: dict[str, list[str]] = {}
    totals = {"num_completions": 0, "num_tokens": 0, "num_empty": 0, "num_stopped": 0}
    for row in rewrite_jsonl(run.completions_path, lambda row: True):
        texts.setdefault(str(row["prompt_id"]), []).append(row["text"])
        totals["num_completions"] += 1
        totals["num_tokens"] += row["num_tokens"]
        totals["num_empty"] += not row["text"]
        totals["num_stopped"] += row["finish_reason"] == "stop"
    counts["num_prompts"] = len(texts)
    eos_share = totals.pop("num_stopped") / totals["num_completions"]
    num_duplicates = sum(map(num_repeated, texts.values()))
    metrics = counts | totals | {"num_duplicates": num_duplicates, "eos_share": eos_share}
    return metrics, source | {"model": input_entry(config.model)}


def main() -> None:
    sys.exit(run_job("sample", SampleConfig, train, one_process=True))


if __name__ == "__main__":
    main()
