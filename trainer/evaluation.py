"""The figures of an evaluation, from its rows: pure functions, each tested by hand.

Intervals are 95 % percentile bootstrap intervals over prompts (Efron 1979): prompts are what was drawn, and what
one policy and the other write to one prompt goes together.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch

NUM_BOOTSTRAP = 2000
NUM_KL_BINS = 5
LEAST_IN_A_GROUP = 5  # prompts (or rankings) below which a group's figures say nothing


def win_share(score: float, ref_score: float) -> float:
    return 1.0 if score > ref_score else 0.5 if score == ref_score else 0.0


def bootstrap_interval(
    values: Sequence[float], seed: int, prompts: Sequence[Any] = (), num_draws: int = NUM_BOOTSTRAP
) -> tuple[float, float]:
    """95 % percentile interval of the mean, drawing prompts with replacement.

    `prompts` names that of each value, where one has several: they are drawn together, since what several people say
    of one prompt's completions is no independent draw. Without it each value is of its own.
    """
    places: dict[Any, int] = {}
    of = torch.tensor([places.setdefault(prompt, len(places)) for prompt in prompts or range(len(values))])
    counts = torch.bincount(of).double()
    sums = torch.bincount(of, weights=torch.tensor(values, dtype=torch.float64))
    generator = torch.Generator().manual_seed(seed)
    means = []
    for _ in range(0, num_draws, 100):
        drawn = torch.randint(len(counts), (100, len(counts)), generator=generator)
        means.append(sums[drawn].sum(1) / counts[drawn].sum(1))
    bounds = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = torch.quantile(torch.cat(means), bounds).tolist()
    return low, high


def with_interval(
    name: str, values: Sequence[float], seed: int, prompts: Sequence[Any] = ()
) -> dict[str, float]:
    """{name, name_low, name_high}"""
    low, high = bootstrap_interval(values, seed, prompts)
    return {name: sum(values) / len(values), f"{name}_low": low, f"{name}_high": high}


def summarize(rows: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """What a policy scores, alone and against its reference."""

    def mean(name: str) -> float:
        return sum(row[name] for row in rows) / len(rows)

    wins = [win_share(row["score"], row["ref_score"]) for row in rows]
    return {
        **with_interval("score", [row["score"] for row in rows], seed),
        "ref_score": mean("ref_score"),
        **with_interval("score_gain", [row["score"] - row["ref_score"] for row in rows], seed),
        **with_interval("win_rate", wins, seed),
        **with_interval("kl", [row["kl"] for row in rows], seed),
        "kl_k3": mean("kl_k3"),
        "length": mean("length"),
        "ref_length": mean("ref_length"),
        "eos_share": sum(row["finish_reason"] == "stop" for row in rows) / len(rows),
        "ref_eos_share": sum(row["ref_finish_reason"] == "stop" for row in rows) / len(rows),
        "num_prompts": len(rows),
    }


def score_by_kl(rows: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Reward against KL inside one policy: prompts in up to five equal parts by the KL of their completion.

    Where the score falls in the last part, the reward model is being fooled there or has never seen such text
    (Gao et al. 2022).
    """
    ordered = sorted(rows, key=lambda row: row["kl"])
    num_bins = max(1, min(NUM_KL_BINS, len(rows) // LEAST_IN_A_GROUP))
    bounds = [at * len(rows) // num_bins for at in range(num_bins + 1)]
    return [
        {
            name: sum(row[name] for row in ordered[first:end]) / (end - first)
            for name in ("kl", "score", "ref_score")
        }
        | {"num_prompts": end - first}
        for first, end in pairwise(bounds)
    ]


# ---------------------------------------------------------------- diversity


def distinct_share(texts: Iterable[Sequence[int]], n: int, most: int) -> float:
    """Distinct n-grams among the first `most` of all completions (distinct-n, Li et al. 2016)."""
    grams = [tuple(text[at : at + n]) for text in texts for at in range(len(text) - n + 1)][:most]
    return len(set(grams)) / len(grams) if grams else 0.0


def diversity(own: Sequence[Sequence[int]], ref: Sequence[Sequence[int]]) -> dict[str, float]:
    """distinct-1 and -2 of both policies' tokens, over equally many n-grams: the share falls with their number."""
    found = {}
    for n in (1, 2):
        most = min(sum(max(0, len(text) - n + 1) for text in texts) for texts in (own, ref))
        found[f"distinct_{n}"] = distinct_share(own, n, most)
        found[f"ref_distinct_{n}"] = distinct_share(ref, n, most)
    return found


# ---------------------------------------------------------------- groups


def terciles(values: Sequence[float]) -> list[str]:
    """short, middle or long for each value; equal values are in one part."""
    ordered = sorted(values)
    first, second = (ordered[len(ordered) * at // 3] for at in (1, 2))
    return ["short" if value < first else "middle" if value < second else "long" for value in values]


def by_group(
    keys: Sequence[Any], summary: Callable[[list[int]], dict[str, float]]
) -> dict[str, dict[str, float]]:
    """summary(places) of each key that enough places have, the most frequent first."""
    counted = Counter(str(key) for key in keys)
    return {
        name: summary([at for at, key in enumerate(keys) if str(key) == name])
        for name, number in counted.most_common()
        if number >= LEAST_IN_A_GROUP
    }


def groups_of_prompts(rows: Sequence[dict[str, Any]], seed: int) -> dict[str, dict[str, Any]]:
    """Win rate and score by language, source and length of the prompt."""

    def summary(places: list[int]) -> dict[str, float]:
        chosen = [rows[at] for at in places]
        wins = [win_share(row["score"], row["ref_score"]) for row in chosen]
        score = sum(row["score"] for row in chosen) / len(chosen)
        return {"num_prompts": len(chosen), "score": score, **with_interval("win_rate", wins, seed)}

    lengths = terciles([row["prompt_length"] for row in rows])
    return {
        "language": by_group([row["language"] for row in rows], summary),
        "source": by_group([row["source"] for row in rows], summary),
        "prompt_length": by_group(lengths, summary),
    }


# ---------------------------------------------------------------- is the reward model right?


def ranked_pairs(tiers: Sequence[int]) -> list[tuple[int, int]]:
    """(better, worse) places by `tiers`, the tier of each completion; ties make no pair."""
    return [(a, b) for a, first in enumerate(tiers) for b, second in enumerate(tiers) if first < second]


def reward_accuracy(rankings: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """How often the reward model orders people's pairs as they did: over all, and by group.

    `rankings`: {prompt, language, source, tiers: [tier of each completion], scores, lengths}, each with a pair. A
    ranking counts once, whatever its number of pairs; equal scores count half.
    """
    shares = []
    prompts = [ranking["prompt"] for ranking in rankings]
    longer: dict[str, list[float]] = {"longer": [], "shorter": []}
    num_pairs = 0
    for ranking in rankings:
        scores, lengths = ranking["scores"], ranking["lengths"]
        own = []
        for better, worse in ranked_pairs(ranking["tiers"]):
            own.append(win_share(scores[better], scores[worse]))
            if lengths[better] != lengths[worse]:
                longer["longer" if lengths[better] > lengths[worse] else "shorter"].append(own[-1])
        shares.append(sum(own) / len(own))
        num_pairs += len(own)

    def summary(places: list[int]) -> dict[str, float]:
        return {
            "num_rankings": len(places),
            **with_interval("accuracy", [shares[at] for at in places], seed, [prompts[at] for at in places]),
        }

    return {
        **with_interval("reward_accuracy", shares, seed, prompts),
        "num_rankings": len(rankings),
        "num_pairs": num_pairs,
        "reward_accuracy_by": {
            "language": by_group([ranking["language"] for ranking in rankings], summary),
            "source": by_group([ranking["source"] for ranking in rankings], summary),
            # a reward model that knows length alone is right of one kind and wrong of the other
            "preferred_is": {
                name: {"num_pairs": len(own), "accuracy": sum(own) / len(own)}
                for name, own in longer.items()
                if len(own) >= LEAST_IN_A_GROUP
            },
        },
    }


def prompt_key(messages: Sequence[dict[str, Any]]) -> str:
    """What joins a ranking to its prompt's row: rankings name no prompt."""
    return json.dumps([[message["role"], message["content"]] for message in messages])
