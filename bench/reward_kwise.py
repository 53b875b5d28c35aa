"""One epoch over the same rankings: each completion forwarded once, against expanded pairs. One JSON line.

    python bench/reward_kwise.py

The same model (a Llama of width 256, 2 layers), the same rankings, the same optimizer, the same number of
rankings in a step, interleaved in one process so that both see the same machine; the least of the
repetitions. Pairs cost K-1 times the tokens, so `ratio` (seconds by pairs through seconds K-wise) can at best
come near `token_ratio`. `loss_difference` is between the first steps' losses: it is the same objective.
"""

import json
import random
import time

import torch
from transformers import LlamaConfig, LlamaForSequenceClassification

from trainer.modeling import pad_right
from trainer.reward_data import EncodedRanking, TargetIndex, rows_inputs, target_tensors
from trainer.reward_loss import reward_loss

CASES = ((4, 8, 4), (9, 4, 2))  # completions in a ranking, rankings, rankings in a step
PROMPT_TOKENS, COMPLETION_TOKENS, VOCABULARY, REPETITIONS = 12, 24, 1024, 3


def make_model() -> LlamaForSequenceClassification:
    torch.manual_seed(0)
    return LlamaForSequenceClassification(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=256,
            intermediate_size=1024,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4,
            pad_token_id=0,
            num_labels=1,
        )
    )


def make_rankings(num_completions: int, num_rankings: int) -> list[EncodedRanking]:
    rng = random.Random(num_completions)

    def tokens(num: int) -> list[int]:
        return [rng.randrange(1, VOCABULARY) for _ in range(num)]

    rankings = []
    for _ in range(num_rankings):
        prompt = tokens(PROMPT_TOKENS)
        sequences = [prompt + tokens(COMPLETION_TOKENS) for _ in range(num_completions)]
        rankings.append(EncodedRanking(sequences, list(range(num_completions))))
    return rankings


def kwise_loss(model: LlamaForSequenceClassification, rankings: list[EncodedRanking]) -> torch.Tensor:
    inputs, targets = rows_inputs(rankings, pad_id=0), target_tensors(rankings, TargetIndex())
    inputs.pop("ends")
    tiers, ranking = targets["places"], targets["ranking"]
    return reward_loss(model(**inputs).logits[:, 0], tiers, ranking)


def pairs_loss(model: LlamaForSequenceClassification, rankings: list[EncodedRanking]) -> torch.Tensor:
    """As a pairwise trainer does: chosen sequences, then rejected ones, each pair its own row."""
    pairs = [
        (encoded.sequences[better], encoded.sequences[worse])
        for encoded in rankings
        for better in range(len(encoded.tiers))
        for worse in range(better + 1, len(encoded.tiers))
    ]
    inputs = pad_right([chosen for chosen, _ in pairs] + [rejected for _, rejected in pairs], pad_id=0)
    chosen, rejected = model(**inputs).logits[:, 0].chunk(2)
    return -torch.nn.functional.logsigmoid(chosen - rejected).mean()


def epoch(loss_of, rankings: list[EncodedRanking], batch_size: int) -> tuple[float, float]:
    """Seconds of one epoch with a fresh model, and the loss of its first step."""
    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    first_loss = None
    started = time.perf_counter()
    for start in range(0, len(rankings), batch_size):
        loss = loss_of(model, rankings[start : start + batch_size])
        first_loss = loss.item() if first_loss is None else first_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - started, first_loss


def measure(num_completions: int, num_rankings: int, batch_size: int) -> dict:
    rankings = make_rankings(num_completions, num_rankings)
    for loss_of in (kwise_loss, pairs_loss):
        epoch(loss_of, rankings[:batch_size], batch_size)  # warm up
    seconds = {"kwise": [], "pairs": []}
    losses = {}
    for _ in range(REPETITIONS):
        for name, loss_of in (("kwise", kwise_loss), ("pairs", pairs_loss)):
            taken, losses[name] = epoch(loss_of, rankings, batch_size)
            seconds[name].append(taken)
    kwise, pairs = (min(seconds[name]) for name in ("kwise", "pairs"))
    return {
        "num_completions": num_completions,
        "num_rankings": num_rankings,
        "kwise_seconds": round(kwise, 3),
        "pairs_seconds": round(pairs, 3),
        "ratio": round(pairs / kwise, 2),
        "token_ratio": num_completions - 1,
        "loss_difference": abs(losses["kwise"] - losses["pairs"]),
    }


def main() -> None:
    cases = [measure(*case) for case in CASES]
    total = {name: round(sum(case[name] for case in cases), 3) for name in ("kwise_seconds", "pairs_seconds")}
    ratio = round(total["pairs_seconds"] / total["kwise_seconds"], 2)
    print(json.dumps({"name": "reward_kwise", **total, "ratio": ratio, "cases": cases}))


if __name__ == "__main__":
    main()
