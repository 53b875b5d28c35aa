"""The trainings on a GPU: utilisation, where PPO's time goes, and the ratios against TRL. One JSON line each.

    python bench/gpu.py [--size 0.5|1.5] [--vllm] [--skip-trl]
    python bench/gpu.py --tiny                               every line of it on a CPU, in some minutes

A Llama of so many billion parameters made from its configuration, in bf16 by autocast, on texts of random words.
The jobs run as their command lines do, each in a process of its own, and what is reported is what they say of
themselves: model FLOPs by the formula of trainer.flops through the best matrix product of the same minute, beside
what was asked. Then the benchmarks against TRL, at that size:

    gpu sft             128 demonstrations in a step, log-normal, median 80 words, at most 512
    gpu reward          rankings of K=4 and of K=9, prompts of 200 words and completions of 100, each prompt once
    gpu ppo             64 episodes of 128 tokens; mfu of the update, and its seconds beside those of the rollout, with
                        a separate critic and on a shared trunk, and with --vllm also with vLLM as the writer
    sft, reward_kwise, ppo    bench/sft.py, bench/reward_kwise.py and bench/ppo.py, at the same width and depth

Its figures have never been had: no GPU could be had where it was written, and --tiny alone has run.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
#        width, layers: 12 width^2 weights a layer, and 32,768 words
SIZES = {"0.5": (1280, 24), "1.5": (2048, 28), "tiny": (128, 2)}
ASKED = {"sft": 0.45, "reward": 0.45, "ppo": 0.40}
WORDS, CONTEXT = 32768, 1024


def make_model(path: Path, width: int, layers: int, num_words: int) -> int:
    """Writes it with its tokenizer; gives the number of its parameters."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from trainer.modeling import save_model

    words = ["<pad>", "<end>", "<user>", "<assistant>", "<unk>"]
    words += [f"w{i}" for i in range(num_words - len(words))]
    model = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        eos_token="<end>",
        chat_template="{% for m in messages %}{{ '<' + m['role'] + '> ' + m['content'] + ' ' }}"
        "{% if m['role'] == 'assistant' %}{{ '<end> ' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<assistant> ' }}{% endif %}",
    )
    torch.manual_seed(0)
    policy = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=num_words,
            hidden_size=width,
            intermediate_size=8 * width // 3 // 64 * 64,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            num_key_value_heads=width // 64,
            max_position_embeddings=CONTEXT,
            pad_token_id=0,
            eos_token_id=1,
            bos_token_id=None,
        )
    )
    save_model(path, policy, tokenizer)
    return policy.num_parameters()


def make_snapshot(path: Path, num_words: int, num_rows: int, num_completions: int) -> None:
    """Demonstrations, rankings of K completions, and prompts, of random words."""
    from trainer.snapshot import SnapshotWriter

    rng = random.Random(num_completions)
    about = {"annotator": "a", "campaign": "c", "language": "en", "split": "train", "source": "bench"}

    def text(length: int) -> str:
        return " ".join(f"w{rng.randrange(num_words - 5)}" for _ in range(length))

    with SnapshotWriter(path) as writer:
        for number in range(num_rows):
            prompt = [{"role": "user", "content": text(200)}]
            writer.write("prompts", about | {"id": f"p{number}", "prompt": prompt})
            length = min(500, max(16, round(rng.lognormvariate(0, 0.8) * 80)))
            messages = [{"role": "user", "content": text(length // 3)}]
            messages.append({"role": "assistant", "content": text(length - length // 3)})
            writer.write("demonstrations", about | {"id": f"d{number}", "messages": messages, "weight": 1.0})
            completions = [
                {"id": f"c{number}-{i}", "text": text(100), "policy_version": None, "sampling": None}
                for i in range(num_completions)
            ]
            row = {"id": f"r{number}", "prompt": prompt, "tiers": [[each["id"]] for each in completions]}
            row |= {"shown_order": row["tiers"], "all_bad": False, "ratings": [], "seconds_spent": 1.0}
            row["completions"] = [each | {"author": "a"} for each in completions]
            writer.write("rankings", about | row | {"created_at": "2026-11-01T00:00:00Z"})
        writer.close()


def run(kind: str, folder: Path, options: dict) -> tuple[dict, list[dict]]:
    """The job by its command line; what its manifest says, and its metrics by row."""
    from trainer.run_dir import read_manifest, read_metrics

    arguments = [f"--{name}={value}" for name, value in ({"run_dir": folder} | options).items()]
    finished = subprocess.run(
        [sys.executable, "-m", f"trainer.{kind}", *arguments],
        cwd=ROOT,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if finished.returncode:
        sys.exit(f"{kind} failed:\n{(finished.stdout + finished.stderr)[-3000:]}")
    return read_manifest(folder)["metrics"], read_metrics(folder)


def say(name: str, asked: float, metrics: dict, **more) -> None:
    """`mfu` is missing of jobs under ten seconds."""
    parts = {part: round(value, 3) for part, value in metrics.items() if part.startswith("mfu")}
    peak = metrics.get("peak_flops")
    line = {"name": f"gpu {name}", "asked": asked, **parts, **more}
    print(json.dumps(line | {"peak_gflops": round(peak / 1e9) if peak else None}), flush=True)


def measure_jobs(folder: Path, size: str, with_vllm: bool) -> None:
    width, layers = SIZES[size]
    is_tiny = size == "tiny"
    num_words, steps = (1024, 2) if is_tiny else (WORDS, 40)
    precision = "no" if is_tiny else "bf16"
    about = {"parameters": make_model(folder / "base", width, layers, num_words), "precision": precision}
    base = {"init_model": folder / "base", "precision": precision}

    make_snapshot(folder / "k4", num_words, 32 if is_tiny else 5120, 4)
    per_step = 8 if is_tiny else 128
    own = {"per_device_batch_size": per_step, "max_steps": steps, "logging_steps": 5, "save_steps": 10**6}
    metrics, _ = run("sft", folder / "sft", base | own | {"snapshot": folder / "k4"})
    say("sft", ASKED["sft"], metrics, tokens_per_second=metrics["tokens_per_second"], **about)

    for num_completions, per_step in ((4, 32), (9, 16)):
        snapshot = folder / f"k{num_completions}"
        if num_completions != 4:
            make_snapshot(snapshot, num_words, 32 if is_tiny else per_step * steps, num_completions)
        own = {"per_device_batch_size": 4 if is_tiny else per_step, "max_steps": steps, "logging_steps": 5}
        own |= {"snapshot": snapshot, "save_steps": 10**6, "eval_steps": 10**6}
        own["init_model"] = folder / "base"  # in bf16 wherever that is
        metrics, _ = run("reward", folder / f"reward{num_completions}", own)
        say("reward", ASKED["reward"], metrics, num_completions=num_completions, **about)

    batch, length = (8, 8) if is_tiny else (64, 128)
    forms = [("separate critic", {}), ("shared trunk", {"shared_trunk": True})]
    if with_vllm:
        forms += [(f"{name}, vLLM", changes | {"vllm": True}) for name, changes in forms]
    for name, changes in forms:
        own = {"snapshot": folder / "k4", "reward_model": folder / "reward4", "batch_size": batch}
        own |= {
            "num_episodes": 10 * batch,
            "max_new_tokens": length,
            "eval_every": 0,
            "checkpoint_every": 10**6,
        }
        metrics, rows = run("ppo", folder / name.replace(" ", "-"), base | own | changes)
        later = rows[1:-1]  # the first batch warms up, the last row is of the end
        seconds = {
            part: statistics.median(row[f"seconds/{part}"] for row in later) for part in ("rollout", "update")
        }
        gap = {"logprob_gap": later[-1]["rollout/logprob_gap"]} if "rollout/logprob_gap" in later[-1] else {}
        share = round(seconds["rollout"] / sum(seconds.values()), 3)
        say(f"ppo, {name}", ASKED["ppo"], metrics, seconds=seconds, rollout_share=share, **gap, **about)


def measure_against_trl(size: str) -> None:
    """The benchmarks that are there, at this size; they print their own lines."""
    width, layers = SIZES[size]
    own = {"BENCH_WIDTH": str(width), "BENCH_LAYERS": str(layers)}
    few = ["--repetitions", "1"] if size == "tiny" else []
    for name, options in (
        ("sft", few),
        ("reward_kwise", few),
        ("ppo", [*few, *(["--batches", "2"] if few else [])]),
    ):
        precision = "no" if size == "tiny" else "bf16"
        command = [sys.executable, ROOT / "bench" / f"{name}.py", "--precision", precision, *options]
        subprocess.run(command, cwd=ROOT, env=os.environ | own, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=("0.5", "1.5"), default="0.5", help="billions of parameters")
    parser.add_argument("--vllm", action="store_true", help="PPO with vLLM as well")
    parser.add_argument("--skip-trl", action="store_true", help="measure ours alone")
    parser.add_argument("--tiny", action="store_true", help="on a CPU, to see that every line works")
    options = parser.parse_args()
    import torch

    if not options.tiny and not torch.cuda.is_available():
        print(
            "bench/gpu.py: no GPU was found, so nothing is measured; --tiny runs it small on the CPU.",
            file=sys.stderr,
        )
        return
    size = "tiny" if options.tiny else options.size
    with tempfile.TemporaryDirectory() as folder:
        measure_jobs(Path(folder), size, options.vllm)
    if not options.skip_trl:
        measure_against_trl(size)


if __name__ == "__main__":
    main()
