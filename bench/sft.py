"""Supervised fine-tuning against TRL's SFTTrainer. One JSON line for each number of demonstrations in a step.

    python bench/sft.py [--repetitions 5] [--precision no|bf16]

The same model (a Llama of width 256, 4 layers), the same demonstrations in the same steps, the same optimizer and
precision, the loss on the same tokens. Lengths are spread as people's answers are: log-normal, median 80 tokens,
sigma 0.8, between 16 and 512; a third of each is prompt. Each measurement is the steps of one training of a fresh
copy of the model; they take turns in one process, so that a busy machine disturbs all alike, and the medians are
compared. What is reported:

    ratio              real tokens a second, padding not counted, ours through TRL's with its defaults, which
                       recompute activations (asked: at least 1.5 with the default of 8 in a step)
    ratio_alike        ours through TRL's without recomputing, as ours
    padding            share of the tokens that went forward
    spread             slowest through fastest repetition: above 1.3, trust cpu_ratio, of seconds of the processor
                       (with OMP_NUM_THREADS=1, since waiting threads count as busy)
    loss_difference    largest difference of the losses of the steps: it is the same objective
    mfu                model FLOPs by the formula of trainer.flops of the real tokens, through the best matrix
                       product of the same minute
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
from pathlib import Path

import torch
from datasets import Dataset
from tokenizers import Tokenizer, models
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
)
from transformers.utils import logging as transformers_logging
from trl import SFTConfig as TrlConfig
from trl import SFTTrainer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from trainer import run_dir
from trainer.batches import cost_of_pass, cut_by_length
from trainer.flops import forward_flops, peak_flops
from trainer.reward_data import StepSampler
from trainer.sft import SftConfig, make_trainer

#        demonstrations in a step, steps, asked
CASES = ((8, 12, 1.5), (32, 4, None))
MEDIAN, SIGMA, SHORTEST, LONGEST = 80, 0.8, 16, 512
VOCABULARY, SEED = 4096, 0
WIDTH, LAYERS = (
    int(os.environ.get("BENCH_WIDTH", "256")),
    int(os.environ.get("BENCH_LAYERS", "4")),
)  # by gpu.py
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LEARNING_RATE = 1e-3


def make_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=max(4, WIDTH // 64),
            num_key_value_heads=max(4, WIDTH // 64),
            max_position_embeddings=LONGEST,
            pad_token_id=0,
        )
    )


def make_tokenizer() -> PreTrainedTokenizerFast:
    words = models.WordLevel({"<pad>": 0, "<end>": 1, "<unk>": 2}, unk_token="<unk>")
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(words), pad_token="<pad>", eos_token="<end>", unk_token="<unk>"
    )


def make_demonstrations(num: int) -> Dataset:
    """Texts in which a token tells half of the time which one follows it, so that there is something to learn."""
    rng = random.Random(num)
    rows = []
    for _ in range(num):
        length = min(LONGEST, max(SHORTEST, round(rng.lognormvariate(0, SIGMA) * MEDIAN)))
        ids = [rng.randrange(3, VOCABULARY)]
        while len(ids) < length:
            follows = 3 + (7 * ids[-1]) % (VOCABULARY - 3)
            ids.append(follows if rng.random() < 0.5 else rng.randrange(3, VOCABULARY))
        labels = [-100] * (length // 3) + ids[length // 3 :]
        rows.append({"input_ids": ids, "labels": labels, "weight": 1.0})
    return Dataset.from_list(rows)


# ---------------------------------------------------------------- the trainers


def our_trainer(model, demonstrations: Dataset, per_step: int, folder: str, precision: str):
    """As `python -m trainer.sft` makes it."""
    config = SftConfig(
        snapshot="",
        init_model="",
        run_dir=folder,
        per_device_batch_size=per_step,
        num_epochs=1,
        learning_rate=LEARNING_RATE,
        lr_scheduler="constant",
        logging_steps=1,
        precision=precision,
        seed=SEED,
    )
    empty = demonstrations.select([])
    run = run_dir.RunDir(folder)
    return make_trainer(config, run, model, make_tokenizer(), demonstrations, empty)


def trl_trainer(model, demonstrations: Dataset, per_step: int, folder: str, precision: str, **changes):
    """TRL's, over the demonstrations in the order in which ours takes them."""
    lengths = [len(ids) for ids in demonstrations["input_ids"]]
    order = [at for step in StepSampler(lengths, per_step, 1, 0, 1, SEED, 1) for at in step]
    arguments = TrlConfig(
        folder,
        per_device_train_batch_size=per_step,
        num_train_epochs=1,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        train_sampling_strategy="sequential",
        bf16=precision == "bf16",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=DEVICE.type == "cpu",
        seed=SEED,
        dataset_kwargs={"skip_prepare_dataset": True},
        **changes,
    )
    rows = demonstrations.select(order).remove_columns("weight")
    return SFTTrainer(model, arguments, train_dataset=rows, processing_class=make_tokenizer())


class Clock(TrainerCallback):
    """From the first batch to the end of the last step."""

    def on_train_begin(self, *args, **kwargs):
        self.began = time.perf_counter(), time.process_time()

    def on_step_end(self, *args, **kwargs):
        self.seconds = time.perf_counter() - self.began[0]
        self.cpu_seconds = time.process_time() - self.began[1]


# ---------------------------------------------------------------- a case


def padding_of(demonstrations: Dataset, per_step: int, is_cut: bool) -> float:
    lengths = [len(ids) for ids in demonstrations["input_ids"]]
    forward = 0
    for step in StepSampler(lengths, per_step, 1, 0, 1, SEED, 1):
        own = [lengths[at] for at in step]
        parts = cut_by_length(own, 16384, cost_of_pass(DEVICE)) if is_cut else [range(len(own))]
        forward += sum(len(part) * max(own[at] for at in part) for part in parts)
    return 1 - sum(lengths) / forward


def measure(case: tuple, repetitions: int, precision: str) -> dict:
    per_step, num_steps, asked = case
    demonstrations = make_demonstrations(per_step * num_steps)
    lengths = [len(ids) for ids in demonstrations["input_ids"]]
    model = make_model()
    makers = {
        "ours": our_trainer,
        "trl": trl_trainer,
        "trl_alike": lambda *work: trl_trainer(*work, gradient_checkpointing=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in makers}
    losses: dict[str, list[float]] = {}
    peak = 0.0
    for repetition in range(repetitions + 1):  # the first warms up
        rows = demonstrations if repetition else demonstrations.select(range(2 * per_step))
        for name, make in makers.items():
            with tempfile.TemporaryDirectory() as folder:
                trainer = make(copy.deepcopy(model), rows, per_step, folder, precision)
                trainer.remove_callback(PrinterCallback)
                clock = Clock()
                trainer.add_callback(clock)
                trainer.train()
            losses[name] = [row["loss"] for row in trainer.state.log_history if "loss" in row]
            if repetition:
                seconds[name].append(clock.seconds)
                cpu_seconds[name].append(clock.cpu_seconds)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        peak = max(peak, peak_flops(DEVICE, dtype))  # of the same minute
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    cpu = {name: statistics.median(taken) for name, taken in cpu_seconds.items()}
    mean_length = sum(length**2 for length in lengths) / sum(lengths)  # that a token sees
    flops = 3 * forward_flops(model, sum(lengths), mean_length)
    return {
        "name": "sft",
        "demonstrations_in_a_step": per_step,
        "asked": asked,
        "ratio": round(medians["trl"] / medians["ours"], 2),
        "ratio_alike": round(medians["trl_alike"] / medians["ours"], 2),
        "cpu_ratio": {name: round(cpu[name] / cpu["ours"], 2) for name in ("trl", "trl_alike")},
        "tokens_per_second": {name: round(sum(lengths) / taken) for name, taken in medians.items()},
        "padding": {
            "ours": round(padding_of(demonstrations, per_step, is_cut=True), 3),
            "trl": round(padding_of(demonstrations, per_step, is_cut=False), 3),
        },
        "spread": {name: round(max(taken) / min(taken), 2) for name, taken in seconds.items()},
        "loss": {name: round(found[-1], 4) for name, found in losses.items()},
        "loss_difference": max(
            abs(a - b)
            for name in ("trl", "trl_alike")
            for a, b in zip(losses["ours"], losses[name], strict=True)
        ),
        "mfu": {name: round(flops / taken / peak, 3) for name, taken in medians.items()},
        "peak_gflops": round(peak / 1e9),
        "tokens": sum(lengths),
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
    transformers_logging.set_verbosity_error()
    for case in CASES:
        print(json.dumps(measure(case, options.repetitions, options.precision)), flush=True)


if __name__ == "__main__":
    main()
