"""K completions for each prompt: the next candidates that people rank.

    python -m trainer.sample --model DIR --snapshot DIR --split train --run-dir DIR --policy-version v2
    python -m trainer.sample --model DIR --prompts FILE.jsonl --run-dir DIR --num-completions 9
    python -m trainer.sample --server URL --model-name NAME --prompts FILE.jsonl --run-dir DIR
    python -m trainer.sample … --best-of 16 --reward-model DIR

Writes completions.jsonl: {prompt_id, index, text, seed, finish_reason ("stop" or "length"), num_tokens,
policy_version, sampling: {temperature, top_p, max_new_tokens, and stop where given}}. Prompts of similar length
and their K completions share batches. Each completion has its own seed (see trainer.generation), made from --seed, the
prompt's id, the index and the attempt.

Among the K of a prompt, a text that is already there, or is empty, is sampled again with the next attempt's
seed, at most --max-resamples times; what remains is kept and counted. A prompt that leaves no room for
max_new_tokens in the model's context is skipped and counted: a shortened one would show people another
question than the model saw. All completions of a prompt are written at once, so a run that was killed goes on
with the next prompts.

Best of N (Stiennon et al. 2020, section 4.3; Nakano et al. 2021): of N candidates for each completion the one
that the reward model scores highest is kept; its row has {score, best_of, scores} with the scores of all N.
The N are drawn as they come; where the best repeats another completion of its prompt, N more are drawn.
A server is asked once for each completion, and refused when it does not sample (see trainer.model_server).
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.files import append_jsonl, describe_file, rewrite_jsonl, why_unreadable
from trainer.jobs import Outcome, input_entry, option, run_job
from trainer.run_dir import RunDir, RunError, RunStopped
from trainer.snapshot import SPLITS, open_snapshot

if TYPE_CHECKING:
    from trainer.vllm_generation import VllmWriter

log = logging.getLogger("trainer")
PROBE_PROMPTS, PROBE_SEEDS, PROBE_TOKENS = 3, 4, 32  # short answers that tell whether a server samples


@dataclass(kw_only=True)
class SampleConfig:
    """Sample K completions for each prompt."""

    run_dir: str = option("Directory of this run; the same command on it again continues the run.")
    model: str = option("The policy: a directory, a finished run, or a hub id.", "")
    server: str = option("Or the address of an OpenAI-compatible server: http://host:port/v1.", "")
    model_name: str = option("Which of the server's models.", "")
    concurrency: int = option("Requests that the server gets at a time.", 8, at_least=1)
    prompts: str = option("JSON lines of {id, prompt: [{role, content}]}; or give a snapshot.", "")
    snapshot: str = option("Snapshot directory whose prompts are taken when --prompts is not given.", "")
    split: str = option("Which of the snapshot's prompts: train or validation; empty: both.", "")
    num_completions: int = option("Completions for each prompt (K).", 4, at_least=1)
    num_prompts: int = option("Take only so many prompts, from the beginning; 0: all.", 0, at_least=0)
    temperature: float = option("Above 1 more various, below 1 more likely; 0 takes the likeliest.", 1.0)
    top_p: float = option("Sample from the likeliest tokens of this mass.", 1.0)
    max_new_tokens: int = option("Longest completion in tokens.", 256, at_least=1)
    stop: str = option('Text that ends a completion and is left out of it; several as JSON: ["a", "b"].', "")
    best_of: int = option(
        "Candidates for each completion, of which the best by score is kept.", 1, at_least=1
    )
    reward_model: str = option("Finished reward run that scores the candidates of best_of.", "")
    batch_size: int = option("Completions that are generated together.", 64, at_least=1)
    vllm: bool = option("vLLM, in this process, writes the completions; it needs a GPU.", False)
    vllm_memory: float = option("Share of the GPU's memory that vLLM takes.", 0.85)
    max_resamples: int = option("How often a repeated or empty completion is tried again.", 3, at_least=0)
    policy_version: str = option("Name of the policy version, recorded with every completion.", "")
    seed: int = option(
        "Every completion's own seed follows from this one.", 0, at_least=0, at_most=0xFFFF_FFFF
    )


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
                        f"Line {number} of {path} repeats the id of an earlier prompt; give each its own."
                    )
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(
            f"{path} cannot be read ({why_unreadable(error)}); give JSON lines in UTF-8."
        ) from None
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
    num_tokens: int | None  # None where a server does not say


def sample_group(
    generate_batch: Callable[[list[Any], list[int]], list[Candidate | None]],
    prompts: list[tuple[Any, Any]],
    num_completions: int,
    seed: int,
    max_resamples: int,
) -> list[list[Candidate]]:
    """K candidates for each (id, prompt), sampled again where one repeats another of its prompt.

    A prompt that the policy refuses (a candidate is None) has none.
    """
    from trainer.generation import seed_of

    kept: list[list[Candidate | None]] = [[None] * num_completions for _ in prompts]
    refused: set[int] = set()
    pending = [(at, index) for at in range(len(prompts)) for index in range(num_completions)]
    for attempt in range(max_resamples + 1):
        seeds = [seed_of(seed, prompts[at][0], index, attempt) for at, index in pending]
        made = generate_batch([prompts[at][1] for at, _ in pending], seeds)
        repeated = []
        for (at, index), candidate in zip(pending, made, strict=True):
            if candidate is None:
                refused.add(at)
                continue
            others = {other.text for place, other in enumerate(kept[at]) if other and place != index}
            if not candidate.text or candidate.text in others:
                repeated.append((at, index))
            kept[at][index] = candidate
        pending = [(at, index) for at, index in repeated if at not in refused]
        if not pending:
            break
    return [
        [] if at in refused else [candidate for candidate in group if candidate]
        for at, group in enumerate(kept)
    ]


def num_repeated(texts: list[str]) -> int:
    return len(texts) - len(set(texts))


class Sampler:
    """A loaded policy that turns prompt tokens and seeds into candidates, batch_size at a time."""

    def __init__(
        self, model: Any, tokenizer: Any, sampling: Any, batch_size: int, device: Any = None
    ) -> None:
        """`device`: where the work will be done, if that is not where the model is."""
        from trainer.flops import Meter
        from trainer.modeling import context_length, stop_token_ids

        self.model, self.tokenizer, self.sampling, self.batch_size = model, tokenizer, sampling, batch_size
        self.stop_ids = stop_token_ids(tokenizer, model)
        self.longest_prompt = context_length(model) - sampling.max_new_tokens
        self.meter = Meter(device or model.device, model.dtype)  # of all that was generated
        self.vllm: VllmWriter | None = None

    def start_vllm(self, longest: int, memory_share: float) -> None:
        """Lets vLLM write the completions from here on, of prompts of at most so many tokens."""
        from trainer.vllm_generation import VllmWriter

        longest += self.sampling.max_new_tokens
        self.vllm = VllmWriter(
            self.model, self.tokenizer, self.stop_ids, longest, memory_share, self.model.dtype
        )
        self.vllm.load(self.model)

    def written(self, prompts: list[list[int]], seeds: list[int]) -> list[Any]:
        from trainer.generation import generate

        if self.vllm is not None:
            return self.vllm.generate(prompts, seeds, self.sampling)
        pad_id = self.tokenizer.pad_token_id
        return generate(self.model, prompts, seeds, self.sampling, self.stop_ids, pad_id, self.tokenizer)

    def generated(self, prompts: list[list[int]], seeds: list[int]) -> list[Any]:
        from trainer.flops import forward_flops

        made, began = [], time.monotonic()
        for start in range(0, len(prompts), self.batch_size):
            rows = slice(start, start + self.batch_size)
            made += self.written(prompts[rows], seeds[rows])
        seconds = time.monotonic() - began
        read = sum(
            map(len, {tuple(prompt) for prompt in prompts})
        )  # each prompt once, as it would have to be
        written = sum(len(one.token_ids) for one in made)
        num_tokens = read + written
        self.meter.add(forward_flops(self.model, num_tokens, num_tokens / max(1, len(made))), seconds)
        return made

    def prompt_of(self, messages: list[dict[str, str]]) -> list[int] | None:
        """Its tokens, or None where they leave no room for an answer; raises TemplateRefused."""
        from trainer.modeling import encode_prompt

        ids = encode_prompt(self.tokenizer, messages)
        return ids if len(ids) <= self.longest_prompt else None

    def candidates(self, prompts: list[list[int]], seeds: list[int]) -> list[Candidate | None]:
        from trainer.generation import completion_text

        return [
            Candidate(
                completion_text(self.tokenizer, one, self.sampling.stop),
                seed,
                one.finish_reason,
                len(one.token_ids),
            )
            for one, seed in zip(self.generated(prompts, seeds), seeds, strict=True)
        ]


def load_policy(name: str, sampling: Any, batch_size: int, with_vllm: bool = False) -> Sampler:
    """On the device; where vLLM is to have the device's memory, in the machine's."""
    from trainer.modeling import inference_dtype, load_causal_lm, load_tokenizer, pick_device

    device = pick_device()
    tokenizer = load_tokenizer(name)
    model = load_causal_lm(name, tokenizer, inference_dtype(device))
    if not with_vllm:
        model.to(device)  # type: ignore[arg-type]  # the library's stub for a decorated method
    return Sampler(model.eval(), tokenizer, sampling, batch_size, device)


class ServerSampler:
    """A server that turns messages and seeds into candidates, one request each."""

    def __init__(self, config: SampleConfig, sampling: Any) -> None:
        from trainer.model_server import ModelServer

        self.server = ModelServer(config.server, config.model_name, config.concurrency)
        self.sampling = sampling

    def prompt_of(self, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        return messages  # whether it fits is for the server to say

    def candidates(self, prompts: list[Any], seeds: list[int]) -> list[Candidate | None]:
        from trainer.model_server import MAX_SEED, Request

        own = [seed % MAX_SEED for seed in seeds]
        requests = [
            Request(messages, seed, **asdict(self.sampling))
            for messages, seed in zip(prompts, own, strict=True)
        ]
        return [
            Candidate(answer.text, seed, answer.finish_reason, answer.num_tokens) if answer else None
            for answer, seed in zip(self.server.answers(requests), own, strict=True)
        ]

    def check(self, prompts: list[tuple[Any, Any]]) -> None:
        """Refuses a server that is greedy, by a few short answers to the first prompts."""
        from trainer.model_server import Request, refuse_greedy

        if self.sampling.temperature > 0:
            settings = asdict(self.sampling)
            settings["max_new_tokens"] = min(PROBE_TOKENS, settings["max_new_tokens"])
            refuse_greedy(
                self.server,
                [
                    Request(messages, seed, **settings)
                    for _, messages in prompts[:PROBE_PROMPTS]
                    for seed in range(PROBE_SEEDS)
                ],
            )


@dataclass
class Best(Candidate):
    """The best of N by score, with the scores of all."""

    score: float
    best_of: int
    scores: list[float]


class Chooser:
    """A policy of which a reward model chooses among N candidates (Stiennon et al. 2020, section 4.3)."""

    def __init__(self, policy: Any, name: str, best_of: int) -> None:
        from trainer.modeling import inference_dtype, load_reward_model, pick_device

        device = pick_device()
        self.policy, self.best_of = policy, best_of
        self.model, self.tokenizer = load_reward_model(name, inference_dtype(device))
        self.model.to(device)  # type: ignore[arg-type]  # the library's stub for a decorated method

    def candidates(self, prompts: list[Any], seeds: list[int]) -> list[Candidate | None]:
        """For each (messages, prompt as the policy reads it) and seed the best of N candidates, the first of equals.

        The N are drawn as they come, repeated ones too: else they would be no N draws of the policy.
        """
        from trainer.generation import seed_of
        from trainer.modeling import score

        size = self.best_of
        made = self.policy.candidates(
            [read for _, read in prompts for _ in range(size)],
            [seed_of(seed, "candidate", at) for seed in seeds for at in range(size)],
        )
        found: list[Candidate | None] = [None] * len(prompts)
        groups = [
            (at, own)
            for at in range(len(prompts))
            # a server that refused gave fewer
            if len(own := [one for one in made[at * size : (at + 1) * size] if one]) == size
        ]
        conversations = [
            [*prompts[at][0], {"role": "assistant", "content": one.text}] for at, own in groups for one in own
        ]
        by_group = score(self.model, self.tokenizer, conversations).view(len(groups), size).tolist()
        for (at, own), scores in zip(groups, by_group, strict=True):
            best = own[scores.index(max(scores))]
            found[at] = Best(**asdict(best), score=max(scores), best_of=size, scores=scores)
        return found


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


def groups_to_sample(
    config: SampleConfig, encoded: list[tuple[Any, Any]], done: set[str]
) -> list[list[tuple[Any, Any]]]:
    """What is left of each group of prompts of similar length; a run that was killed has the same groups."""
    size = max(1, config.batch_size // (config.num_completions * config.best_of))
    ordered = sorted(encoded, key=lambda one: -len(one[1]))
    left = [
        [one for one in ordered[start : start + size] if str(one[0]) not in done]
        for start in range(0, len(ordered), size)
    ]
    return [group for group in left if group]


def check_config(config: SampleConfig) -> None:
    if bool(config.model) == bool(config.server):
        raise RunError("Give either --model DIR or --server URL with --model-name NAME.")
    if (config.best_of > 1) != bool(config.reward_model):
        raise RunError("--best-of N needs --reward-model DIR, which chooses, and the other way round.")
    if config.best_of > 1 and config.temperature == 0:
        raise RunError("best_of chooses among different candidates; give a temperature above 0.")
    if config.vllm:
        from trainer.vllm_generation import check_vllm

        if config.server:
            raise RunError("--vllm True writes with --model DIR; a --server writes by itself.")
        check_vllm([config.temperature], config.vllm_memory)


def read_stop(text: str) -> tuple[str, ...]:
    """One stop string, or a JSON list of them."""
    if not text.startswith("["):
        return (text,) if text else ()
    try:
        strings = json.loads(text)
    except ValueError as error:
        raise RunError(f"--stop {text} is no JSON list of strings ({error}).") from None
    if not all(isinstance(string, str) for string in strings):
        raise RunError(f"--stop {text} is no JSON list of strings.")
    return tuple(strings)


def fitting_prompts(
    policy: Sampler | ServerSampler, prompts: list[Prompt], counts: dict[str, int]
) -> list[tuple[Any, Any]]:
    """(id, prompt as the policy reads it) of those that it can answer; the others are counted."""
    from trainer.modeling import TemplateRefused

    fitting = []
    for prompt in prompts:
        try:
            read = policy.prompt_of(prompt.messages)
        except TemplateRefused:
            counts["num_left_out_template"] += 1
            continue
        if read is None:
            counts["num_left_out_long"] += 1
        else:
            fitting.append((prompt.id, read))
    if not fitting:
        raise RunError("No prompt fits the model's context beside max_new_tokens; lower max_new_tokens.")
    return fitting


def sampled_rows(
    config: SampleConfig,
    policy: Sampler | ServerSampler,
    chooser: Chooser | None,
    group: list[tuple[Any, Any]],
    messages_of: dict[Any, list[dict[str, str]]],
) -> list[list[dict[str, Any]]]:
    """The rows of completions.jsonl for each prompt of the group; none for one that a server refuses."""
    max_resamples = config.max_resamples if config.temperature > 0 else 0
    shared = {
        "policy_version": config.policy_version or None,
        "sampling": policy.sampling.recorded(),
    }
    if chooser is not None:
        group = [(prompt_id, (messages_of[prompt_id], read)) for prompt_id, read in group]
    sampled = sample_group(
        (chooser or policy).candidates, group, config.num_completions, config.seed, max_resamples
    )
    return [
        [
            {"prompt_id": prompt_id, "index": index} | asdict(candidate) | shared
            for index, candidate in enumerate(candidates)
        ]
        for (prompt_id, _), candidates in zip(group, sampled, strict=True)
    ]


def totals(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Over the whole of completions.jsonl."""
    texts: dict[str, list[str]] = {}
    for row in rows:
        texts.setdefault(str(row["prompt_id"]), []).append(row["text"])
    metrics: dict[str, float] = {
        "num_prompts": len(texts),
        "num_completions": len(rows),
        "num_tokens": sum(row["num_tokens"] or 0 for row in rows),
        "num_empty": sum(not row["text"] for row in rows),
        "num_duplicates": sum(map(num_repeated, texts.values())),
        "eos_share": sum(row["finish_reason"] == "stop" for row in rows) / len(rows),
    }
    if "scores" in rows[0]:
        of_all = [score for row in rows for score in row["scores"]]
        num = rows[0]["best_of"]
        metrics |= {
            "score": sum(row["score"] for row in rows) / len(rows),
            "score_of_all": sum(of_all) / len(of_all),
            # how far the best of N can be from the policy (Stiennon et al. 2020, appendix G.3)
            "best_of_kl": math.log(num) - (num - 1) / num,
        }
    return metrics


def train(config: SampleConfig, run: RunDir) -> Outcome:
    from trainer.generation import Sampling

    # 1. prompts, policy and, where one chooses, reward model
    check_config(config)
    sampling = Sampling(config.temperature, config.top_p, config.max_new_tokens, read_stop(config.stop))
    prompts, source = gather_prompts(config)
    policy = (
        ServerSampler(config, sampling)
        if config.server
        else load_policy(config.model, sampling, config.batch_size, config.vllm)
    )
    chooser = Chooser(policy, config.reward_model, config.best_of) if config.reward_model else None
    counts = {"num_left_out_long": 0, "num_left_out_template": 0, "num_left_out_refused": 0}
    encoded = fitting_prompts(policy, prompts, counts)
    messages_of = {prompt.id: prompt.messages for prompt in prompts}
    if config.vllm and isinstance(policy, Sampler):
        policy.start_vllm(max(len(read) for _, read in encoded), config.vllm_memory)

    # 2. what an earlier process already wrote
    done = kept_prompt_ids(run, config.num_completions)
    groups = groups_to_sample(config, encoded, done)
    num_done, started, num_tokens = len(done), time.monotonic(), 0
    run.resume_from(num_done)
    run.progress(num_done, len(encoded))
    log.info("Sampling %d prompts x %d; %d are already there", len(encoded), config.num_completions, num_done)
    if isinstance(policy, ServerSampler) and groups:
        policy.check([one for group in groups for one in group])

    # 3. batches of similar length; completions are written last, so what they say is done has its metrics too
    for group in groups:
        sampled = sampled_rows(config, policy, chooser, group, messages_of)
        counts["num_left_out_refused"] += sum(not rows for rows in sampled)
        rows = [row for rows in sampled for row in rows]
        num_done += len(group)
        num_tokens += sum(row["num_tokens"] or 0 for row in rows)
        speed = round(num_tokens / (time.monotonic() - started), 1)
        measured = policy.meter.row() if isinstance(policy, Sampler) else {}
        run.progress(num_done, len(encoded), tokens_per_second=speed, **measured)
        for shown in rows[:1]:
            prompt = messages_of[shown["prompt_id"]]
            run.sample({"step": num_done, "prompt": prompt, "completion": shown["text"]})
        append_jsonl(run.completions_path, rows, sync=True)
        if run.stop_requested() and num_done < len(encoded):
            raise RunStopped

    # 4. totals over the whole file
    written = rewrite_jsonl(run.completions_path, lambda row: True)
    if not written:
        raise RunError(f"{config.server} refuses every prompt (log.txt says why); correct them and retry.")
    metrics = counts | totals(written)
    if isinstance(policy, ServerSampler):
        source["server"] = policy.server.entry()
    else:
        source["model"] = input_entry(config.model)
        metrics |= policy.meter.total()
    if config.reward_model:
        source["reward_model"] = input_entry(config.reward_model)
    return metrics, source


def main() -> None:
    sys.exit(run_job("sample", SampleConfig, train, one_process=True))


if __name__ == "__main__":
    main()
