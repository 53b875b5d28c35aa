"""K = 8 completions for each of 64 prompts, against the library's generate; long prompts, read once or K times.

    python bench/sampling.py

One JSON line for each:

    sampling               tokens a second of trainer.generation, 64 completions in a batch, and of one `generate`
                           call for each prompt with num_return_sequences=8; `ratio` (asked: at least 1.8)
    sampling_long_prompts  prompts of 512 tokens read once for their 8 completions, and read once for each of them
                           (the same code, the same tokens come out); `ratio` (asked: at least 3)

A Llama of width 256 with 4 layers and random weights; one token in 24 ends a completion, so lengths vary as they
do (mean 24, at most 48). Interleaved repetitions in one process, medians.
"""

import json
import random
import statistics
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from trainer.generation import Sampling, generate, seed_of

VOCABULARY, WIDTH, LAYERS, K, BATCH, REPETITIONS = 2048, 256, 4, 8, 64, 3
STOPS = list(range(1, 1 + VOCABULARY // 24))


def make_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=1024,
            pad_token_id=0,
        )
    ).eval()


def make_prompts(num: int, shortest: int, longest: int) -> list[list[int]]:
    rng = random.Random(0)
    return [
        [rng.randrange(len(STOPS) + 1, VOCABULARY) for _ in range(rng.randint(shortest, longest))]
        for _ in range(num)
    ]


def ours(model, prompts: list[list[int]], max_new_tokens: int, **how) -> list[list[int]]:
    rows = [(prompt, seed_of(at, k)) for at, prompt in enumerate(prompts) for k in range(K)]
    rows.sort(key=lambda row: -len(row[0]))
    made = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        made += generate(
            model,
            [p for p, _ in batch],
            [s for _, s in batch],
            Sampling(1.0, 1.0, max_new_tokens),
            STOPS,
            0,
            **how,
        )
    return [one.token_ids for one in made]


@torch.inference_mode()
def library(model, prompts: list[list[int]], max_new_tokens: int) -> list[list[int]]:
    made = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            top_k=0,
            num_return_sequences=K,
            max_new_tokens=max_new_tokens,
            eos_token_id=STOPS,
            pad_token_id=0,
        )
        made += [[token for token in row if token] for row in output[:, len(prompt) :].tolist()]
    return made


def measure(name: str, ways: dict, work: tuple, asked: float) -> dict:
    """Medians of interleaved repetitions; the ratio is of the first way's tokens a second to the second's."""
    model, prompts, max_new_tokens = work
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    made = {}
    for run in ways.values():
        run(model, prompts[:2], 2)  # warm up
    for _ in range(REPETITIONS):
        for way, run in ways.items():
            began = time.perf_counter()
            made[way] = run(model, prompts, max_new_tokens)
            speeds[way].append(sum(map(len, made[way])) / (time.perf_counter() - began))
    medians = {way: statistics.median(found) for way, found in speeds.items()}
    first, second = medians.values()
    return {
        "name": name,
        "ratio": round(first / second, 2),
        "asked": asked,
        **{f"tokens_per_second_{way}": round(speed, 1) for way, speed in medians.items()},
        "ratios": [round(a / b, 2) for a, b in zip(*speeds.values(), strict=True)],
        "num_prompts": len(prompts),
        "k": K,
        "prompt_tokens": max(map(len, prompts)),
        "same_tokens": len({str(tokens) for tokens in made.values()}) == 1,
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    model = make_model()
    short = {"ours": ours, "generate_per_prompt": library}
    print(json.dumps(measure("sampling", short, (model, make_prompts(64, 8, 32), 48), 1.8)), flush=True)
    long = {
        "shared_prefill": ours,
        "own_prefill": lambda *work: ours(*work, share_prefill_from=10**9),
    }
    print(
        json.dumps(measure("sampling_long_prompts", long, (model, make_prompts(8, 512, 512), 32), 3.0)),
        flush=True,
    )


if __name__ == "__main__":
    main()
