"""Each job killed eleven times and continued, against the same job left alone. One JSON line a job.

    python bench/resume.py [--jobs sft reward dpo kto ppo rloo grpo sample evaluate] [--kills 10] [--seed 0]

A real process of the job on a tiny world (that of the tests) is sent SIGKILL at `--kills` random moments: a random
row of its metrics, plus a random part of the time that a row takes, so that some kills fall into the writing of a
checkpoint; and once more after its last row, before the run is finished. After each the same command is started
again. What is reported:

    killed_at        the rows of metrics that were there when the kill was sent
    resumed_from     the step from which each later process went on
    rows             of metrics.jsonl that are compared, all of them, and the figures of the manifest
    difference       the largest between any two figures of the broken and the unbroken run (asked: at most 1e-6);
                     what the clock says is left out
    same_files       whether completions.jsonl and samples.jsonl have the same rows, and the model the same weights

Processes are forked from one that has imported the libraries and computed nothing, which spares their start.
"""

import argparse
import json
import math
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import torch  # noqa: F401
import transformers  # noqa: F401
import trl  # noqa: F401
from safetensors.torch import load_file

from tests.trainer.tiny import command_line, make_model, make_tokenizer, write_snapshot
from tests.trainer.tiny_ppo import reward_model_that_likes_a_word
from trainer import dpo, evaluate, grpo, kto, ppo, reward, rloo, run_dir, sample, sft
from trainer.files import iterate_jsonl
from trainer.jobs import run_job

JOBS = {
    "sft": (sft, sft.SftConfig),
    "reward": (reward, reward.RewardConfig),
    "dpo": (dpo, dpo.DpoConfig),
    "kto": (kto, kto.KtoConfig),
    "ppo": (ppo, ppo.PPOConfig),
    "rloo": (rloo, rloo.RlooConfig),
    "grpo": (grpo, grpo.GrpoConfig),
    "sample": (sample, sample.SampleConfig),
    "evaluate": (evaluate, evaluate.EvaluateConfig),
}
CLOCK = {"time", "created_at", "eps", "seconds", "seconds/rollout", "seconds/update"}
CLOCK |= {"tokens_per_second", "mfu", "mfu/rollout", "mfu/update", "peak_flops"}
ASKED = 1e-6
forked = multiprocessing.get_context("fork")

# ---------------------------------------------------------------- the world


def make_world(path: Path) -> None:
    """A snapshot, a base with dropout in its attention, and a reward model that likes a word."""
    tokenizer = make_tokenizer()
    make_model(tokenizer, attention_dropout=0.1).save_pretrained(path / "base")
    tokenizer.save_pretrained(path / "base")
    write_snapshot(path / "snapshot", num_prompts=120, validation_every=2)
    reward_model_that_likes_a_word(path / "reward", tokenizer)


def arguments_of(kind: str, world: Path) -> dict[str, object]:
    """Options that bring in what a resumed run can forget: noise, dropout, schedules, learned weights, averages.

    A row of metrics is of two steps and a checkpoint of three, so that some fall between two rows.
    """
    trained = {"snapshot": world / "snapshot", "init_model": world / "base", "learning_rate": 3e-3}
    stepwise = {
        "max_steps": 60,
        "per_device_batch_size": 4,
        "logging_steps": 2,
        "save_steps": 3,
        "eval_steps": 10,
    }
    policies = {"reward_model": world / "reward", "max_new_tokens": 12}
    adapter = {"lora_rank": 4, "lora_dropout": 0.1}
    groups = {
        "num_episodes": 480,
        "batch_size": 8,
        "num_completions": 4,
        "gradient_accumulation_steps": 2,
        "logging_steps": 2,
        "save_steps": 3,
        "eval_steps": 10,
        "num_eval_prompts": 8,
    }
    return {
        "sft": trained | stepwise | {"neftune_alpha": 5.0, "warmup_steps": 5},
        "reward": trained | stepwise | {"ensemble_size": 3, "ties": "davidson", "learn_annotators": True},
        "dpo": trained | stepwise | {"warmup_steps": 5, "gradient_accumulation_steps": 2},
        "kto": trained | stepwise | adapter,
        "rloo": trained | policies | groups | {"normalize_advantages": True},
        "grpo": trained | policies | groups | adapter | {"learning_rate": 1e-2},
        "ppo": trained
        | policies
        | {
            "num_episodes": 400,
            "batch_size": 8,
            "num_ppo_epochs": 2,
            "num_mini_batches": 2,
            "checkpoint_every": 3,
            "learning_rate": 1e-3,
            "kl_target": 1.0,
            "kl_horizon": 100,
            "policy_loss": "kl_penalty",
            "normalize_scores": 16,
            "ptx_coef": 0.1,
            "eval_every": 5,
            "num_eval_prompts": 8,
            "keep": "ema",
        },
        "sample": policies
        | {
            "model": world / "base",
            "snapshot": world / "snapshot",
            "num_completions": 2,
            "best_of": 2,
            "batch_size": 8,
        },
        "evaluate": policies
        | {
            "snapshot": world / "snapshot",
            "model": world / "base",
            "ref_model": world / "reference",
            "batch_size": 1,
        },
    }[kind]


# ---------------------------------------------------------------- runs


def start(kind: str, arguments: dict[str, object]) -> multiprocessing.Process:
    """The job in a process of its own, as its command runs it."""
    process = forked.Process(target=work, args=(kind, command_line(arguments)))
    process.start()
    return process


def work(kind: str, arguments: list[str]) -> None:
    module, config_type = JOBS[kind]
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # log.txt has it too
    one_process = kind in ("sample", "evaluate")
    sys.exit(run_job(kind, config_type, module.train, arguments, one_process=one_process))


def finish(kind: str, arguments: dict[str, object]) -> None:
    process = start(kind, arguments)
    process.join()
    if process.exitcode != 0:
        raise SystemExit(f"{kind} ended with {process.exitcode}: {run_dir.read_status(arguments['run_dir'])}")


def num_rows(path: Path) -> int:
    return len(run_dir.read_metrics(path))


def kill_at(kind: str, arguments: dict[str, object], row: int, delay: float) -> int | None:
    """SIGKILL `delay` seconds after the metrics have `row` rows; how many they had, None where the job was done."""
    path = Path(str(arguments["run_dir"]))
    process = start(kind, arguments)
    while run_dir.read_status(path).get("pid") != process.pid and process.is_alive():
        time.sleep(0.002)  # until it works on the run, rows are those of the process before
    while num_rows(path) < row and process.is_alive():
        time.sleep(0.002)
    time.sleep(delay)
    if not process.is_alive():
        return None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return num_rows(path)


def newest_step(kind: str, path: Path) -> int:
    """Where the next process will go on: the newest checkpoint, or what is written of completions."""
    if kind == "sample":
        return len({row["prompt_id"] for row in iterate_jsonl(path / "completions.jsonl")})
    if kind == "evaluate":
        return len(run_dir.read_samples(path))
    steps = [
        int(folder.name.split("-")[1])
        for folder in (path / "checkpoints").glob("checkpoint-*")
        if (folder / run_dir.COMPLETE_MARK).exists()
    ]
    return max(steps, default=0)


# ---------------------------------------------------------------- comparing


def figures_of(value: object, name: str = "") -> dict[str, object]:
    """Every leaf of rows and manifests by its path, without what the clock says."""
    if isinstance(value, dict):
        parts = [(key, one) for key, one in value.items() if key not in CLOCK]
    elif isinstance(value, list):
        parts = list(enumerate(value))
    else:
        return {name: value}
    return {path: leaf for key, one in parts for path, leaf in figures_of(one, f"{name}/{key}").items()}


def difference(one: object, other: object) -> float:
    """The largest between two figures; infinite where something is missing or no number and different."""
    first, second = figures_of(one), figures_of(other)
    if first.keys() != second.keys():
        print(sorted(first.keys() ^ second.keys())[:10], file=sys.stderr)
        return math.inf
    largest = 0.0
    for name, value in first.items():
        is_number = isinstance(value, int | float) and isinstance(second[name], int | float)
        apart = abs(value - second[name]) if is_number else math.inf * (value != second[name] or 0)
        if value != second[name] and apart > ASKED:
            print(f"{name}: {value} and {second[name]}", file=sys.stderr)
        largest = max(largest, apart if value != second[name] else 0.0)
    return largest


def weights_differ(path: Path, other: Path) -> float:
    if not (path / "model").exists() and not (other / "model").exists():
        return 0.0
    one, two = (load_file(folder / "model" / "model.safetensors") for folder in (path, other))
    return max(float((one[name] - two[name]).abs().max()) for name in two)


def measure(kind: str, world: Path, num_kills: int, seed: int) -> dict[str, object]:
    whole, broken = world / f"{kind}-whole", world / f"{kind}-broken"
    arguments = arguments_of(kind, world)
    finish(kind, arguments | {"run_dir": whole})
    rows = num_rows(whole)
    first, last = (datetime.fromisoformat(run_dir.read_metrics(whole)[at]["time"]) for at in (0, -1))
    row_seconds = (last - first).total_seconds() / rows
    rng = random.Random(seed)
    targets = sorted(rng.sample(range(1, rows), num_kills))
    own = arguments | {"run_dir": broken}
    killed_at, resumed_from = [], []
    for target in [*targets, rows]:
        delay = rng.uniform(0, row_seconds) if target < rows else 0.0
        killed_at.append(kill_at(kind, own, target, delay))
        if run_dir.is_finished(broken):
            break  # the kill came too late
        resumed_from.append(newest_step(kind, broken))
    finish(kind, own)
    pairs = [
        (list(iterate_jsonl(folder / "metrics.jsonl")), run_dir.read_manifest(folder, verify=True)["metrics"])
        for folder in (whole, broken)
    ]
    texts = [
        [list(iterate_jsonl(folder / name)) for name in ("completions.jsonl", "samples.jsonl")]
        for folder in (whole, broken)
    ]
    found = difference(list(pairs[0]), list(pairs[1]))
    weights = weights_differ(whole, broken)
    return {
        "name": f"resume, {kind}",
        "kills": sum(at is not None for at in killed_at),
        "killed_at": killed_at,
        "resumed_from": resumed_from,
        "rows": len(pairs[0][0]),
        "difference": found,
        "weights_difference": weights,
        "same_files": difference(texts[0], texts[1]) <= ASKED,
        "asked": ASKED,
        "met": found <= ASKED and weights <= ASKED and sum(at is not None for at in killed_at) >= num_kills,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        process = forked.Process(target=make_world, args=(world,))
        process.start()
        process.join()
        reference = {"max_steps": 20, "run_dir": world / "reference"}
        finish("sft", arguments_of("sft", world) | reference)
        for kind in options.jobs:
            print(json.dumps(measure(kind, world, options.kills, options.seed)), flush=True)


if __name__ == "__main__":
    main()
