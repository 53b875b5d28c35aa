"""PPO against TRL 1.12.0's PPOTrainer, the last release that has one. One JSON line for each of our two forms.

    python bench/ppo.py [--skip-trl] [--repetitions 3] [--batches 10] [--prompts 2048] [--precision no|bf16]

The same policy and reward model (Llamas of width 256, 4 layers, made and trained here on a small language of
random words), the same prompts, the same algorithm settings (those of `SETTINGS`), each measurement in a process of
its own, in turns, so that a busy machine disturbs all alike; another seed in each repetition. The first batch
of a process warms up and is not counted. TRL is installed from the registry into a scratch environment over
the packages of this one.

There are more prompts than a run needs, so that both take as many optimizer steps. In the last batch of a pass over
the prompts TRL takes more: there accelerate ends every accumulation at once, and each micro-batch becomes a step
(8 instead of 4). With `--prompts 472` that is the seventh batch.

What is reported:

    episodes_per_second   median over the repetitions, of a batch: rollout and update
    peak_mib              largest resident memory of the process; beyond_libraries_mib: above that once all
                          libraries were imported, which is what models and training took
    peak_gpu_mib          on a GPU, what torch had of its memory at most
    score, score_error    of the policy at the end by the reward model, eight completions to each held-out prompt:
                          mean over repetitions (of each: scores) and its standard error, which follows from how the
                          repetitions differ, so from what seeds do; score_before is the policy's before training
    kl, objective         what that cost: KL to the policy before, of a completion; and what both were told to
                          raise, the score less kl_coef KL and the penalty of completions that never end
    score_ahead, _error   ours minus TRL's, seed by seed, and the standard error of that mean; the same of objective
    num_steps             optimizer steps, the warming batch's too
    mfu, mfu_update       of ours, as the job says it (trainer.flops), with the batch that warms up
"""

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRATCH = Path(tempfile.gettempdir())
TRL_VERSION = "1.12.0"
VARIANTS = ("trl", "separate critic", "shared trunk")
ASKED = {"separate critic": 1.5, "shared trunk": 3.0}
ASKED_MEMORY = 0.6
SETTINGS = {  # by our names; what they are called in TRL is in run_trl
    "batch_size": 64,
    "num_ppo_epochs": 4,
    "num_mini_batches": 1,
    "max_new_tokens": 48,
    "learning_rate": 1e-4,
    "lr_end_share": 1.0,  # TRL's falls once a batch, ours at each step: in a run of ten batches 8 % less of it
    "temperature": 1.0,
    "kl_coef": 0.05,
    "gamma": 1.0,
    "lam": 0.95,
    "clip_range": 0.2,
    "value_clip_range": 0.2,
    "value_coef": 0.1,
    "missing_eos_penalty": 1.0,
    "max_grad_norm": 1e9,  # TRL's PPO never clips its gradients
}
WIDTH, LAYERS = (
    int(os.environ.get("BENCH_WIDTH", "256")),
    int(os.environ.get("BENCH_LAYERS", "4")),
)  # by gpu.py
VOCABULARY, NUM_TALK, NUM_LIKED = 1024, 64, 16
NUM_HELD_OUT = 128  # prompts
COMPLETIONS_OF_PROMPT = 8  # of each held-out prompt, where the trained policy is scored

# ---------------------------------------------------------------- the world


def world_of(num_prompts: int = 2048) -> Path:
    """The directory of the world with so many train prompts, made where it is not there yet."""
    path = SCRATCH / f"parley-bench-ppo-world-2-{WIDTH}x{LAYERS}-{num_prompts}"
    if not path.exists():
        make_world(path, num_prompts)
    return path


def make_world(path: Path, num_prompts: int) -> None:
    """A policy that has learned to talk, a reward model that has learned which words are liked, prompts."""
    import torch

    from trainer.modeling import save_model
    from trainer.snapshot import SnapshotWriter

    tokenizer = make_tokenizer()
    rng = random.Random(0)
    torch.manual_seed(0)
    print("making the policy and the reward model (once)", file=sys.stderr)
    policy, reward_model = make_model(tokenizer, False), make_model(tokenizer, True)
    words = [f"w{i}" for i in range(VOCABULARY - 5)]
    prompts = [" ".join(rng.choices(words, k=rng.randint(6, 14))) for _ in range(NUM_HELD_OUT + num_prompts)]
    teach_policy(policy, tokenizer, prompts, rng)
    teach_reward_model(reward_model, tokenizer, prompts, rng)
    temporary = path.with_suffix(".tmp")
    save_model(temporary / "policy", policy, tokenizer)
    save_model(temporary / "reward", reward_model, tokenizer, {"mean": 0.0, "std": 1.0})
    with SnapshotWriter(temporary / "snapshot") as writer:
        for number, text in enumerate(prompts):
            split = "validation" if number < NUM_HELD_OUT else "train"
            row = {"id": f"p{number}", "prompt": [{"role": "user", "content": text}], "language": "en"}
            writer.write("prompts", row | {"split": split, "source": "bench"})
        writer.close()
    temporary.rename(path)


def make_tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<end>", "<user>", "<assistant>", "<unk>"]
    words = special + [f"w{i}" for i in range(VOCABULARY - len(special))]
    model = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        pad_token="<pad>",
        eos_token="<end>",
        chat_template="{% for m in messages %}{{ '<' + m['role'] + '> ' + m['content'] + ' ' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<assistant> ' }}{% endif %}",
    )


def make_model(tokenizer, scores: bool):
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=max(4, WIDTH // 64),
        num_key_value_heads=max(4, WIDTH // 64),
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        tie_word_embeddings=True,
        num_labels=1,
    )
    return (LlamaForSequenceClassification if scores else LlamaForCausalLM)(config).to(device())


def device():
    """The GPU where there is one."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def utterance(rng: random.Random, first_word: int = 5) -> list[int]:
    """Talk words and the end token, 24 tokens on average, 48 at most."""
    length = min(47, 3 + int(rng.expovariate(1 / 22)))
    return [first_word + rng.randrange(NUM_TALK) for _ in range(length)] + [1]


def liked_share(completion: list[int]) -> float:
    return sum(5 <= token < 5 + NUM_LIKED for token in completion) / len(completion)


def teach_policy(model, tokenizer, prompts, rng, num_steps: int = 50) -> None:
    import torch

    from trainer.batches import pad_right
    from trainer.modeling import encode_prompt

    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    for _ in range(num_steps):
        rows = []
        for text in rng.choices(prompts, k=32):
            rows.append(encode_prompt(tokenizer, [{"role": "user", "content": text}]) + utterance(rng))
        inputs = pad_right(rows, 0, device())
        labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"the policy's loss at the end: {loss.item():.3f}", file=sys.stderr)


def teach_reward_model(model, tokenizer, prompts, rng, num_steps: int = 80) -> None:
    """Four times the share of liked words, of utterances in which that share varies from none to all."""
    import torch

    from trainer.batches import pad_right
    from trainer.modeling import encode_prompt

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    for _ in range(num_steps):
        rows, targets = [], []
        for text in rng.choices(prompts, k=32):
            completion, share = utterance(rng), rng.random()
            completion = [
                5 + rng.randrange(NUM_LIKED) if rng.random() < share else t for t in completion[:-1]
            ]
            rows.append(encode_prompt(tokenizer, [{"role": "user", "content": text}]) + [*completion, 1])
            targets.append(4 * liked_share(completion))
        scores = model(**pad_right(rows, 0, device())).logits[:, 0]
        loss = (scores - torch.tensor(targets, device=scores.device)).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(f"the reward model's squared error at the end: {loss.item():.3f}", file=sys.stderr)


# ---------------------------------------------------------------- one measurement, in a process of its own


def work(variant: str, world: Path, out: Path, seed: int, num_batches: int, precision: str) -> dict:
    """Trains for `num_batches` after one that warms up; what it took, with the policy written to `out`."""
    if variant == "trl":
        train = prepare_trl(world, out, seed, num_batches + 1)
    else:
        train = prepare_ours(variant, world, out, seed, num_batches + 1, precision)
    before = resident_mib()
    seconds, num_steps, parts = train()
    peak = resident_mib("VmHWM")
    taken = statistics.median(seconds[1:])
    measured = {
        "episodes_per_second": SETTINGS["batch_size"] / taken,
        "peak_mib": peak,
        "beyond_libraries_mib": peak - before,
        "num_steps": num_steps,
        **parts,
    }
    if device().type == "cuda":
        import torch

        measured["peak_gpu_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return measured


def resident_mib(which: str = "VmRSS") -> float:
    """Resident memory now, or at most (VmHWM); getrusage's would begin with the parent's at the start of this one."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kib,) = (line.split()[1] for line in lines if line.startswith(which + ":"))
    return int(kib) / 1024


def config_of_ours(variant: str, world: Path, out: Path, seed: int, num_batches: int, precision: str):
    from trainer import ppo

    return ppo.PPOConfig(
        snapshot=str(world / "snapshot"),
        init_model=str(world / "policy"),
        reward_model=str(world / "reward"),
        run_dir=str(out),
        num_episodes=num_batches * SETTINGS["batch_size"],
        shared_trunk=variant == "shared trunk",
        eval_every=0,
        checkpoint_every=10**6,
        precision=precision,
        seed=seed,
        **SETTINGS,
    )


def prepare_ours(variant: str, world: Path, out: Path, seed: int, num_batches: int, precision: str):
    from trainer import ppo, run_dir

    config = config_of_ours(variant, world, out, seed, num_batches, precision)

    def train():
        run = run_dir.start(out, "ppo", vars(config))
        metrics, inputs = ppo.train(config, run)
        run.finish(metrics, inputs)
        rows = run_dir.read_metrics(out)
        seconds = [row["seconds/rollout"] + row["seconds/update"] for row in rows]
        parts = {
            f"seconds_{part}": statistics.median(row[f"seconds/{part}"] for row in rows[1:])
            for part in ("rollout", "update")
        }
        told = {"mfu": "mfu", "mfu_update": "mfu/update"}  # by jobs of over ten seconds
        parts |= {name: metrics[own] for name, own in told.items() if own in metrics}
        return seconds, rows[-1]["step"], parts

    return train


def prepare_trl(world: Path, out: Path, seed: int, num_batches: int):
    import warnings

    warnings.filterwarnings("ignore")
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, TrainerCallback
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    from trainer.modeling import encode_prompt, load_tokenizer
    from trainer.snapshot import open_snapshot

    tokenizer = load_tokenizer(world / "policy")
    tokenizer.padding_side = "left"
    rows = open_snapshot(world / "snapshot").rows("prompts", "train")
    prompts = Dataset.from_list([{"input_ids": encode_prompt(tokenizer, row["prompt"])} for row in rows])
    config = PPOConfig(
        output_dir=str(out),
        total_episodes=num_batches * SETTINGS["batch_size"],
        per_device_train_batch_size=SETTINGS["batch_size"] // 2,
        gradient_accumulation_steps=2,
        num_ppo_epochs=SETTINGS["num_ppo_epochs"],
        num_mini_batches=SETTINGS["num_mini_batches"],
        response_length=SETTINGS["max_new_tokens"],
        stop_token="eos",
        learning_rate=SETTINGS["learning_rate"],
        lr_scheduler_type="constant",
        temperature=SETTINGS["temperature"],
        kl_coef=SETTINGS["kl_coef"],
        gamma=SETTINGS["gamma"],
        lam=SETTINGS["lam"],
        cliprange=SETTINGS["clip_range"],
        cliprange_value=SETTINGS["value_clip_range"],
        vf_coef=SETTINGS["value_coef"],
        missing_eos_penalty=SETTINGS["missing_eos_penalty"],
        adam_epsilon=1e-5,  # ours
        num_sample_generations=0,
        gradient_checkpointing=False,
        bf16=False,  # true changes nothing: its accelerator is built without it
        use_cpu=device().type == "cpu",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=seed,
    )

    class Clock(TrainerCallback):
        times: list[float] = []

        def on_train_begin(self, *args, **kwargs):
            self.times.append(time.monotonic())

        def on_step_end(self, *args, **kwargs):
            self.times.append(time.monotonic())

    steps: list[int] = []

    def train():
        def classifier():
            return AutoModelForSequenceClassification.from_pretrained(world / "reward")

        policy = AutoModelForCausalLM.from_pretrained(world / "policy")
        trainer = PPOTrainer(
            config,
            tokenizer,
            policy,
            AutoModelForCausalLM.from_pretrained(world / "policy"),
            classifier(),
            prompts,
            classifier(),
            callbacks=[Clock()],
        )
        trainer.optimizer.optimizer.register_step_post_hook(lambda *_: steps.append(1))
        trainer.train()
        policy.save_pretrained(out / "model")
        tokenizer.save_pretrained(out / "model")
        seconds = [after - before for before, after in itertools.pairwise(Clock.times)]
        return seconds, len(steps), {}

    return train


# ---------------------------------------------------------------- all of them, in turns


def trl_python() -> Path:
    """The scratch environment: TRL by itself, every other package as here."""
    folder = SCRATCH / f"parley-bench-trl-{TRL_VERSION}"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True)
        install = [python, "-m", "pip", "install", "-q", "--no-deps", f"trl=={TRL_VERSION}"]
        subprocess.run(install, check=True, stdout=sys.stderr)
        (folder / "ready").touch()
    # anew each time: an earlier benchmark may have been another clone's
    (packages,) = folder.glob("lib/python*/site-packages")
    here = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "parley.pth").write_text(here + "\n")
    return python


def measure(variant: str, world: Path, seed: int, options: argparse.Namespace) -> dict:
    """A measurement in a process of its own, and the score of the policy that it made."""
    python = trl_python() if variant == "trl" else Path(sys.executable)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        arguments = ["--work", variant, "--world", world, "--out", out, "--seed", seed]
        arguments += ["--batches", options.batches, "--precision", options.precision]
        finished = subprocess.run(
            [python, __file__, *map(str, arguments)],
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"},
            capture_output=True,
            text=True,
        )
        if finished.returncode:
            sys.exit(f"{variant} failed:\n{finished.stderr[-3000:]}")
        measured = json.loads(finished.stdout.splitlines()[-1])
        return measured | score_policy(out / "model", world)


def score_policy(model: Path, world: Path) -> dict:
    """On the held-out prompts, from the same random numbers whatever the policy: what the reward model says."""
    from trainer.evaluate import completion_logprobs
    from trainer.generation import Sampling, generate
    from trainer.modeling import (
        encode_prompt,
        load_causal_lm,
        load_reward_model,
        load_tokenizer,
        score_tokens,
    )
    from trainer.snapshot import open_snapshot

    tokenizer = load_tokenizer(model)
    pad_id = tokenizer.pad_token_id
    policy = load_causal_lm(model, tokenizer).to(device()).eval()
    before = load_causal_lm(world / "policy", tokenizer).to(device()).eval()
    reward_model, _ = load_reward_model(world / "reward")
    reward_model.to(device())
    rows = open_snapshot(world / "snapshot").rows("prompts", "validation")
    prompts = [encode_prompt(tokenizer, row["prompt"]) for row in rows] * COMPLETIONS_OF_PROMPT
    sampling = Sampling(max_new_tokens=SETTINGS["max_new_tokens"])
    made = generate(policy, prompts, range(len(prompts)), sampling, [1], pad_id)
    completions = [each.token_ids for each in made]
    sequences = [prompt + own for prompt, own in zip(prompts, completions, strict=True)]
    score = float(score_tokens(reward_model, sequences, pad_id).mean())
    own, ref = (completion_logprobs(each, prompts, completions, 1.0, pad_id) for each in (policy, before))
    kl = statistics.mean(float((a - b).sum()) for a, b in zip(own, ref, strict=True))
    ended = statistics.mean(each.finish_reason == "stop" for each in made)
    paid = score - SETTINGS["kl_coef"] * kl - SETTINGS["missing_eos_penalty"] * (1 - ended)
    length = statistics.mean(len(tokens) for tokens in completions)
    return {"score": score, "kl": kl, "objective": paid, "ended": ended, "length": length}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--skip-trl", action="store_true", help="measure ours alone")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--prompts", type=int, default=2048, help="train prompts")
    parser.add_argument("--precision", default="no", help="of ours; TRL's is float32 whatever it is told")
    parser.add_argument("--work", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        measured = work(
            options.work, options.world, options.out, options.seed, options.batches, options.precision
        )
        print(json.dumps(measured))
        return
    sys.path.insert(0, str(ROOT))
    world = world_of(options.prompts)
    variants = [variant for variant in VARIANTS if not (options.skip_trl and variant == "trl")]
    found: dict[str, list[dict]] = {variant: [] for variant in variants}
    for seed in range(options.repetitions):
        for variant in variants:
            found[variant].append(measure(variant, world, seed, options))
            print(variant, json.dumps(found[variant][-1]), f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    score_before = score_policy(world / "policy", world)["score"]
    for variant in variants:
        if variant != "trl":
            print(json.dumps(line_of(variant, found, options) | {"score_before": round(score_before, 3)}))


def medians(rows: list[dict]) -> dict:
    """Of what was measured, medians; of what the policy became, means, with the scores and their error."""
    of_policy = ("score", "kl", "objective", "ended", "length")
    middle = {
        name: (statistics.mean if name in of_policy else statistics.median)(row[name] for row in rows)
        for name in rows[0]
        if all(name in row for row in rows)  # utilisation is told by jobs of over ten seconds
    }
    scores = [row["score"] for row in rows]
    rounded = {name: round(value, 3) for name, value in middle.items()}
    return rounded | {"scores": [round(score, 3) for score in scores], "score_error": standard_error(scores)}


def standard_error(values: list[float]) -> float | None:
    """Of the mean of a few values; one alone has none."""
    return round(statistics.stdev(values) / len(values) ** 0.5, 3) if len(values) > 1 else None


def line_of(variant: str, found: dict[str, list[dict]], options: argparse.Namespace) -> dict:
    line = {"name": f"ppo, {variant}", "precision": options.precision, "repetitions": options.repetitions}
    ours = medians(found[variant])
    line |= ours | {"asked_ratio": ASKED[variant], "asked_memory": ASKED_MEMORY, "load": os.getloadavg()[0]}
    if "trl" in found:
        trl = medians(found["trl"])
        line["ratio"] = round(ours["episodes_per_second"] / trl["episodes_per_second"], 2)
        line["memory"] = round(ours["peak_mib"] / trl["peak_mib"], 2)
        if "peak_gpu_mib" in ours:
            line["gpu_memory"] = round(ours["peak_gpu_mib"] / trl["peak_gpu_mib"], 2)
        line["memory_beyond_libraries"] = round(ours["beyond_libraries_mib"] / trl["beyond_libraries_mib"], 2)
        for name in ("score", "objective"):
            ahead = [a[name] - b[name] for a, b in zip(found[variant], found["trl"], strict=True)]
            line[f"{name}_ahead"] = round(statistics.mean(ahead), 3)
            line[f"{name}_ahead_error"] = standard_error(ahead)
        line["trl"] = trl
    return line


if __name__ == "__main__":
    main()
