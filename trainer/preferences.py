"""Rankings as DPO and KTO read them: pairs of completions, or completions that are each desirable or not.

Tokens are those of every other job (trainer.modeling.encode_messages): a completion begins where the assistant's
turn does and ends with its end token. Left out and counted: completions that are empty, or whose conversation is
longer than max_length (nothing is cut: the end of a text is a part of what people judged), rankings that the chat
template refuses, and rankings from which nothing follows.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from trainer.modeling import TemplateRefused, encode_messages
from trainer.reward_data import places_of, ratings_of

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger("trainer")
COUNTS = ("num_rankings", "num_left_out_all_bad", "num_left_out_template") + (
    "num_empty_completions",
    "num_long_completions",
)


def encode_completion(
    tokenizer: PreTrainedTokenizerBase, prompt: list[dict[str, str]], text: str
) -> tuple[list[int], list[int]]:
    """(the prompt's tokens, the completion's with its end token)."""
    ids, is_assistant = encode_messages(tokenizer, [*prompt, {"role": "assistant", "content": text}])
    start = len(ids)
    while start and is_assistant[start - 1]:
        start -= 1
    return ids[:start], ids[start:]


def encode_completions(
    tokenizer: PreTrainedTokenizerBase,
    row: dict[str, Any],
    wanted: Iterable[Any],
    max_length: int,
    counts: dict[str, int],
) -> tuple[list[int], dict[Any, list[int]]]:
    """(the prompt's tokens, {completion: its tokens}) of the wanted completions that can be used."""
    texts = {completion["id"]: completion["text"] for completion in row["completions"]}
    prompt_ids: list[int] = []
    encoded = {}
    for member in wanted:
        if not texts[member].strip():
            counts["num_empty_completions"] += 1
            continue
        prompt_ids, ids = encode_completion(tokenizer, row["prompt"], texts[member])
        if len(prompt_ids) + len(ids) > max_length:
            counts["num_long_completions"] += 1
            continue
        encoded[member] = ids
    return prompt_ids, encoded


def preference_pairs(
    tokenizer: PreTrainedTokenizerBase,
    rows: Iterable[dict[str, Any]],
    max_length: int,
    most_pairs: int = 0,
    seed: int = 0,
) -> tuple[Dataset, dict[str, int]]:
    """prompt_ids, chosen_ids and rejected_ids of every pair of tiers, and what happened to the rankings.

    Each completion of a tier against each of the tiers below; a tie makes no pair, an unranked completion takes no
    part, a ranking marked all bad says nothing of its order. `most_pairs` above 0: of a ranking with more, so many
    are drawn, by the seed and its id.
    """
    from datasets import Dataset

    counts = dict.fromkeys((*COUNTS, "num_left_out_no_pair", "num_pairs", "num_left_out_pairs"), 0)
    columns: dict[str, list[list[int]]] = {"prompt_ids": [], "chosen_ids": [], "rejected_ids": []}
    for row in rows:
        if row["all_bad"]:
            counts["num_left_out_all_bad"] += 1
            continue
        texts = {completion["id"]: completion["text"] for completion in row["completions"]}
        places = places_of(row["id"], row["tiers"], texts)
        try:
            prompt_ids, encoded = encode_completions(tokenizer, row, places, max_length, counts)
        except TemplateRefused:
            counts["num_left_out_template"] += 1
            continue
        pairs = [(a, b) for a in encoded for b in encoded if places[a] < places[b]]
        if not pairs:
            counts["num_left_out_no_pair"] += 1
            continue
        if 0 < most_pairs < len(pairs):
            counts["num_left_out_pairs"] += len(pairs) - most_pairs
            pairs = random.Random(f"{seed} {row['id']}").sample(pairs, most_pairs)
        counts["num_rankings"] += 1
        counts["num_pairs"] += len(pairs)
        for chosen, rejected in pairs:
            columns["prompt_ids"].append(prompt_ids)
            columns["chosen_ids"].append(encoded[chosen])
            columns["rejected_ids"].append(encoded[rejected])
    return Dataset.from_dict(columns), counts


def desirable(row: dict[str, Any], labels: str) -> dict[Any, bool]:
    """{completion: whether it is desirable}; a completion of which nothing follows is not in it.

    What people said outright comes first: a flag, or a ranking marked all bad, makes undesirable, a thumb (a rating
    of 0 or 1 on the scale 0 to 1) makes what it says. Else `labels` decides. "tiers": the best of two or more tiers
    is desirable, the worst is not, the tiers between stay out. "ratings": the mean rating of the criterion
    `overall`, above the middle of its scale desirable, below it not.
    """
    texts = {completion["id"]: completion["text"] for completion in row["completions"]}
    found: dict[Any, bool] = {}
    if labels == "ratings":
        overall = ratings_of(row).get("overall", {})
        found = {member: value > 0.5 for member, value in overall.items() if value != 0.5}
    else:
        places = places_of(row["id"], row["tiers"], texts)
        worst = max(places.values(), default=0)
        found = {member: at == 0 for member, at in places.items() if worst and at in (0, worst)}
    for rating in row["ratings"]:
        if (rating["scale_min"], rating["scale_max"]) == (0, 1) and rating["value"] in (0, 1):
            found[rating["completion"]] = bool(rating["value"])
    for rating in row["ratings"]:
        if rating["flags"]:
            found[rating["completion"]] = False
    if row["all_bad"]:
        found = dict.fromkeys(texts, False)
    return {member: label for member, label in found.items() if member in texts}


def labelled_completions(
    tokenizer: PreTrainedTokenizerBase, rows: Iterable[dict[str, Any]], max_length: int, labels: str
) -> tuple[Dataset, dict[str, int]]:
    """prompt_ids, completion_ids, KL_completion_ids and label (see `desirable`), and what happened to the rankings.

    KL_completion_ids, of another prompt (see `mismatched`) and cut where it is too long for this one: log-ratios of
    such pairs estimate KTO's reference point (4.1).
    """
    from datasets import Dataset

    counts = dict.fromkeys((*COUNTS, "num_left_out_no_label", "num_desirable", "num_undesirable"), 0)
    del counts["num_left_out_all_bad"]  # here it says something
    columns: dict[str, list[Any]] = {"prompt_ids": [], "completion_ids": [], "label": []}
    for row in rows:
        known = desirable(row, labels)
        try:
            prompt_ids, encoded = encode_completions(tokenizer, row, known, max_length, counts)
        except TemplateRefused:
            counts["num_left_out_template"] += 1
            continue
        counts["num_rankings" if encoded else "num_left_out_no_label"] += 1
        for member, ids in encoded.items():
            counts["num_desirable" if known[member] else "num_undesirable"] += 1
            columns["prompt_ids"].append(prompt_ids)
            columns["completion_ids"].append(ids)
            columns["label"].append(known[member])
    others = mismatched([tuple(prompt_ids) for prompt_ids in columns["prompt_ids"]])
    columns["KL_completion_ids"] = [
        columns["completion_ids"][other][: max_length - len(prompt_ids)]
        for prompt_ids, other in zip(columns["prompt_ids"], others, strict=True)
    ]
    return Dataset.from_dict(columns), counts


def mismatched(prompts: Sequence[tuple[int, ...]]) -> list[int]:
    """For each row another one whose prompt is not its own: the one half of all rows further on, in order of prompts.

    It does not depend on how rows are then shuffled, put into batches and dealt out to processes. Where one prompt has
    more than half of all rows, those take the others' in turn; where there is no other prompt, its own.
    """
    order = sorted(range(len(prompts)), key=lambda row: prompts[row])
    found = [0] * len(prompts)
    others: list[int] = []  # than those of the one prompt that can have more than half
    for place, row in enumerate(order):
        found[row] = order[(place + len(order) // 2) % len(order)]
        if prompts[found[row]] == prompts[row]:
            others = others or [other for other in order if prompts[other] != prompts[row]]
            found[row] = others[place % len(others)] if others else found[row]
    if order and prompts[order[0]] == prompts[order[-1]]:
        log.warning("There is one prompt alone: the reference point is estimated on its own completions")
    return found
