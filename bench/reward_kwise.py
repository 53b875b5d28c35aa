"""Reward training on rankings against TRL's RewardTrainer on the pairs they expand to. One JSON line a case.

    python bench/reward_kwise.py [--repetitions 5] [--precision no|bf16]

The same model (a Llama of width 256, 4 layers), the same rankings in the same steps, the same optimizer; TRL as
installed, without activation checkpointing and in the precision of ours. Each measurement is the steps of one epoch of a
fresh copy of the model; they take turns in one process, so that a busy machine disturbs all alike, and the medians
are compared. What is reported:

    rows, tree        TRL's seconds through ours: each completion once, and each prompt once as well. `auto` is
                      what --layout auto takes in this case; `asked` is what that should reach
    cpu_ratio         the same in seconds of the processor, which a busy machine disturbs least; with one thread
                      (OMP_NUM_THREADS=1), since waiting threads count as busy
    spread            slowest through fastest repetition: above 1.3, trust cpu_ratio alone
    loss_difference   largest difference of the logged losses of the steps: it is the same objective
    mfu               model FLOPs by the formula of trainer.flops, of the tokens that went forward, through the best
                      matrix product of the same minute
"""

import argparse
import copy
import json
import os
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models
from transformers import (
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
)
from trl import RewardConfig as PairsConfig
from trl import RewardTrainer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from trainer.flops import peak_flops
from trainer.reward import RewardConfig, make_trainer
from trainer.reward_data import (
    EncodedRanking,
    StepSampler,
    TargetIndex,
    TrunkShape,
    choose_layout,
    trained_flops,
)
from trainer.reward_model import RewardObjective, last_mlp_of, trunk_shape

#        K, tokens of the prompt, rankings in a step, steps, asked
CASES = ((4, 12, 8, 4, 4.0), (9, 12, 4, 3, 10.0), (9, 200, 2, 2, 20.0))
COMPLETION_TOKENS, VOCABULARY = 24, 1024
WIDTH, LAYERS = (
    int(os.environ.get("BENCH_WIDTH", "256")),
    int(os.environ.get("BENCH_LAYERS", "4")),
)  # by gpu.py
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
COMMON = {
    "num_train_epochs": 1,
    "learning_rate": 1e-4,
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
    "use_cpu": DEVICE.type == "cpu",
    "seed": 0,
}


def make_model() -> LlamaForSequenceClassification:
    torch.manual_seed(0)
    return LlamaForSequenceClassification(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=max(4, WIDTH // 64),
            num_key_value_heads=max(4, WIDTH // 64),
            max_position_embeddings=512,
            pad_token_id=0,
            num_labels=1,
        )
    )


def make_rankings(num_completions: int, prompt_tokens: int, num_rankings: int) -> list[EncodedRanking]:
    rng = random.Random(num_completions)

    def tokens(num: int) -> list[int]:
        return [rng.randrange(3, VOCABULARY) for _ in range(num)]

    rankings = []
    for _ in range(num_rankings):
        prompt = tokens(prompt_tokens)
        sequences = [prompt + tokens(COMPLETION_TOKENS) for _ in range(num_completions)]
        rankings.append(EncodedRanking(sequences, list(range(num_completions))))
    return rankings


# ---------------------------------------------------------------- the trainers


def pairs_trainer(
    model, rankings: list[EncodedRanking], per_step: int, folder: str, precision: str
) -> RewardTrainer:
    """TRL's, over all pairs of the rankings; a step holds the pairs of the rankings that ours has in it."""
    order = [
        at for step in StepSampler([e.tree_length for e in rankings], per_step, 1, 0, 1, 0) for at in step
    ]
    pairs = [
        {"chosen_ids": rankings[at].sequences[better], "rejected_ids": rankings[at].sequences[worse]}
        for at in order
        for better in range(len(rankings[at].tiers))
        for worse in range(better + 1, len(rankings[at].tiers))
    ]
    arguments = PairsConfig(
        folder,
        per_device_train_batch_size=len(pairs) * per_step // len(rankings),
        train_sampling_strategy="sequential",
        gradient_checkpointing=False,
        bf16=precision == "bf16",
        **COMMON,
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"<pad>": 0, "<end>": 1, "<unk>": 2}, unk_token="<unk>")),
        pad_token="<pad>",
        eos_token="<end>",
    )
    return RewardTrainer(model, arguments, train_dataset=Dataset.from_list(pairs), processing_class=tokenizer)


def rankings_trainer(
    model, rankings: list[EncodedRanking], per_step: int, folder: str, precision: str, layout: str
):
    """Ours, as `python -m trainer.reward` makes it."""
    config = RewardConfig(snapshot="", init_model="", run_dir=folder, layout=layout)
    for encoded in rankings:
        encoded.layout = layout
    arguments = TrainingArguments(
        folder,
        per_device_train_batch_size=per_step,
        remove_unused_columns=False,
        bf16=precision == "bf16",
        **COMMON,
    )
    last_mlp = last_mlp_of(model, rankings[0], pad_id=0)
    objective = RewardObjective(model, config, TargetIndex(), last_mlp)
    return make_trainer(objective, arguments, rankings, [], pad_id=0)


class Clock(TrainerCallback):
    """Of the steps with their batches and logs, without what train() sets up once."""

    def on_train_begin(self, *args, **kwargs):
        self.began = time.perf_counter(), time.process_time()

    def on_train_end(self, *args, **kwargs):
        self.seconds = time.perf_counter() - self.began[0]
        self.cpu_seconds = time.process_time() - self.began[1]


def timed(trainer) -> tuple[float, float, list[float]]:
    """Seconds of all steps, on the clock and of the processor, and the loss of each."""
    clock = Clock()
    trainer.add_callback(clock)
    trainer.remove_callback(PrinterCallback)  # standard output is for our lines
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    return clock.seconds, clock.cpu_seconds, losses


# ---------------------------------------------------------------- the physical limit


def computed_flops(rankings: list[EncodedRanking], layout: str, shape: TrunkShape, num_mlp: int) -> float:
    """Model FLOPs of an epoch; what ours leaves out of the last layer's MLP (num_mlp weights) is not counted."""
    total = 0.0
    for encoded in rankings:
        num = len(encoded.sequences)
        own = replace(encoded, layout="tree" if layout == "tree" else "rows")
        if layout == "pairs":
            total += (num - 1) * trained_flops(shape, own)
            continue
        tokens = own.tree_length if layout == "tree" else sum(map(len, own.sequences))
        total += trained_flops(shape, own) - 6.0 * num_mlp * (tokens - num)
    return total


# ---------------------------------------------------------------- a case


def measure(case: tuple, repetitions: int, precision: str) -> dict:
    num_completions, prompt_tokens, per_step, num_steps, asked = case
    rankings = make_rankings(num_completions, prompt_tokens, per_step * num_steps)
    model = make_model()
    shape = trunk_shape(model)
    num_mlp = sum(parameter.numel() for parameter in model.model.layers[-1].mlp.parameters())
    seconds: dict[str, list[float]] = {"pairs": [], "rows": [], "tree": []}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in seconds}
    losses, peak = {}, 0.0
    for repetition in range(repetitions + 1):  # the first warms up
        for name, taken in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                own = copy.deepcopy(model)
                if name == "pairs":
                    trainer = pairs_trainer(own, rankings, per_step, folder, precision)
                else:
                    trainer = rankings_trainer(own, rankings, per_step, folder, precision, name)
                needed, cpu_needed, losses[name] = timed(trainer)
            if repetition:
                taken.append(needed)
                cpu_seconds[name].append(cpu_needed)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        peak = max(peak, peak_flops(DEVICE, dtype))  # of the same minute
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    cpu = {name: statistics.median(taken) for name, taken in cpu_seconds.items()}
    return {
        "name": "reward_kwise",
        "num_completions": num_completions,
        "prompt_tokens": prompt_tokens,
        "asked": asked,
        "auto": choose_layout(rankings[0], shape),
        **{name: round(medians["pairs"] / medians[name], 2) for name in ("rows", "tree")},
        "cpu_ratio": {name: round(cpu["pairs"] / cpu[name], 2) for name in ("rows", "tree")},
        "seconds": {name: round(median, 3) for name, median in medians.items()},
        "spread": {name: round(max(taken) / min(taken), 2) for name, taken in seconds.items()},
        "loss_difference": max(
            abs(a - b)
            for name in ("rows", "tree")
            for a, b in zip(losses[name], losses["pairs"], strict=True)
        ),
        "mfu": {
            name: round(computed_flops(rankings, name, shape, num_mlp) / median / peak, 3)
            for name, median in medians.items()
        },
        "peak_gflops": round(peak / 1e9),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--precision", default="no", choices=("no", "bf16"))
    options = parser.parse_args()
    for case in CASES:
        print(json.dumps(measure(case, options.repetitions, options.precision)), flush=True)


if __name__ == "__main__":
    main()
