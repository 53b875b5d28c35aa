"""A tiny language model, a tiny snapshot and ways to run a job, for the trainer's tests.

The world: a prompt names three of ten words, the right answer is its first word. Rankings prefer answers that
say that word more often. Everything is made from seeds; nothing is downloaded.
"""

import gc
import os
import random
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from tests.warm import warm_jobs
from trainer.snapshot import SnapshotWriter

REPOSITORY = Path(__file__).resolve().parents[2]
WORDS = ("red", "blue", "green", "sun", "moon", "star", "cat", "dog", "bird", "fish")
NUM_PROMPTS = 60

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}"
    "{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_tokenizer(**changes):
    """Byte-level BPE over the ten words, with a padding token of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    texts = [" ".join(random.Random(seed).sample(WORDS, 5)) for seed in range(100)]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=320, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        ),
    )
    arguments = {"pad_token": "<|pad|>", "chat_template": CHAT_TEMPLATE} | changes
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<|begin|>", eos_token="<|end|>", **arguments
    )


def make_model(tokenizer, seed=0, **changes):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    sizes = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
    } | changes
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **sizes,
        )
    )


def prompt_row(number: int, text: str, split: str) -> dict:
    prompt = [{"role": "user", "content": text}]
    return {"id": f"p{number}", "prompt": prompt, "language": "en", "split": split, "source": "test"}


def demonstration_row(number: int, prompt: list, answer: str, split: str, **changes) -> dict:
    return {
        "id": f"d{number}",
        "messages": [*prompt, {"role": "assistant", "content": answer}],
        "annotator": "alice",
        "campaign": "words",
        "language": "en",
        "split": split,
        "source": "test",
        "weight": 1.0,
    } | changes


def ranking_row(number: int, prompt: list, tiers: list[list[str]], split: str, **changes) -> dict:
    """`tiers` holds texts, best first; ids are made here."""
    completions, tier_ids = [], []
    for members in tiers:
        tier_ids.append([])
        for text in members:
            completion_id = f"c{number}-{len(completions)}"
            tier_ids[-1].append(completion_id)
            completions.append(
                {"id": completion_id, "text": text, "policy_version": None, "sampling": None, "author": "bob"}
            )
    return {
        "id": f"r{number}",
        "prompt": prompt,
        "completions": completions,
        "tiers": tier_ids,
        "shown_order": [completion["id"] for completion in completions],
        "all_bad": False,
        "ratings": [],
        "annotator": "alice",
        "campaign": "words",
        "split": split,
        "created_at": "2026-11-01T00:00:00Z",
        "seconds_spent": 12.5,
    } | changes


def write_snapshot(path: Path, num_prompts: int = NUM_PROMPTS, validation_every: int = 5) -> Path:
    rng = random.Random(0)
    with SnapshotWriter(path) as writer:
        for number in range(num_prompts):
            text = " ".join(rng.sample(WORDS, 3))
            first = text.split()[0]
            split = "validation" if validation_every and number % validation_every == 0 else "train"
            row = prompt_row(number, text, split)
            writer.write("prompts", row)
            writer.write("demonstrations", demonstration_row(number, row["prompt"], first, split))
            answers = [" ".join([first] * times + rng.sample(WORDS, 1)) for times in range(4)]
            tiers = [[answers[3]], [answers[2], answers[1]], [answers[0]]]  # a tie in the middle
            writer.write("rankings", ranking_row(number, row["prompt"], tiers, split))
        writer.close(split_seed=0, campaigns=["words"])
    return path


def command_line(arguments: dict) -> list[str]:
    return [part for name, value in arguments.items() for part in (f"--{name}", str(value))]


def run_in_process(module, config_type: type, **arguments) -> int:
    """The job as its command line runs it, without a new process; gives the exit code."""
    from trainer.jobs import run_job

    kind = module.__name__.removeprefix("trainer.")
    one_process = kind in ("sample", "evaluate")
    try:
        return run_job(kind, config_type, module.train, command_line(arguments), one_process=one_process)
    finally:
        spare_the_libraries()


@cache
def spare_the_libraries() -> None:
    """A job collects garbage at its end, and most of a second of that is the libraries' own objects: once is enough."""
    gc.collect()
    gc.freeze()


def start_process(kind: str, **arguments) -> subprocess.Popen:
    """`python -m trainer.<kind>` in a process of its own, forked from one that has torch."""
    return subprocess.Popen(
        [*warm_jobs().prefix, f"trainer.{kind}", *command_line(arguments)],
        cwd=REPOSITORY,
        env=warm_jobs().env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_two_processes(module: str, *arguments: str) -> None:
    """`python -m module` as torchrun starts it on two CPUs; fails with what it said if it fails."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    finished = subprocess.run(
        [*launcher, "-m", module, *arguments],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]


def kill_when(process: subprocess.Popen, is_time, seconds: float = 120.0) -> None:
    """kill -9 as soon as `is_time()`; fails when the process ends before."""
    deadline = time.monotonic() + seconds
    while not is_time():
        assert process.poll() is None, f"ended before it could be killed:\n{process.communicate()[0]}"
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
