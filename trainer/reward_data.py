"""Rankings as tokens: what can be learned from a snapshot's rows, and the batches that carry it.

Completions go forward in one of two layouts, equal in loss and gradient, once for all rankings of them:

    rows  prompt | c1      each completion is a row with its prompt before it
          prompt | c2
    tree  prompt | c1 | c2 the prompt once; positions restart after it, and a mask lets each completion see the
                           prompt and itself, so that it reads exactly what its row would
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import torch
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerBase

from trainer.batches import pad_right
from trainer.modeling import TemplateRefused, encode_messages
from trainer.run_dir import RunError

log = logging.getLogger("trainer")
Element = TypeVar("Element", bound="Completions")
STEPS_IN_A_POOL = 8  # steps whose rankings are sorted by length together

# ---------------------------------------------------------------- rows of a snapshot


@dataclass(frozen=True)
class Targets:
    """What beside the order of the tiers is learned; with none of it, a row without a pair teaches nothing."""

    ties: bool = False
    ratings: bool = False
    judgements: bool = False
    criteria: tuple[str, ...] = ()
    num_heads: int = 1  # of an ensemble
    seed: int = 0


@dataclass
class Completions:
    """Completions of one prompt as tokens, each with the prompt before it, and the layout in which they go forward."""

    sequences: list[list[int]]
    layout: str = field(default="rows", kw_only=True)

    @cached_property
    def num_shared(self) -> int:
        """Tokens with which all sequences begin, at least one short of each: the prompt of the tree."""
        first, last = min(self.sequences), max(self.sequences)  # what these two share, all between them share
        shared = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
        return min(shared, min(map(len, self.sequences)) - 1)

    @property
    def tree_length(self) -> int:
        return self.num_shared + sum(len(sequence) - self.num_shared for sequence in self.sequences)


@dataclass
class EncodedRanking(Completions):
    """K completions of one prompt, and what one annotator said of them.

    tiers (K): the place of each, 0 the best, equal in a tie, -1 for one that was not ranked; where one of two was
    chosen with a strength, the other's place is that strength. has_ties: false where those in one place were not
    compared.
    ratings: {criterion: (K) numbers from 0 to 1, or None}. judgements (K): 1 good, 0 bad, None unknown.
    criteria: {name: (K) tiers as above}. bootstrap: the weight of this ranking for each head of an ensemble.
    shown: the prompt and all completions that the annotator saw, as a number; None: nobody else saw the same.
    """

    tiers: list[int]
    annotator: str | None = None
    ratings: dict[str, list[float | None]] = field(default_factory=dict)
    judgements: list[int | None] = field(default_factory=list)
    criteria: dict[str, list[int]] = field(default_factory=dict)
    bootstrap: list[float] = field(default_factory=lambda: [1.0])
    shown: int | None = None
    has_ties: bool = True

    @property
    def num_pairs(self) -> int:
        return sum(0 <= a < b for a in self.tiers for b in self.tiers)

    @property
    def num_ties(self) -> int:
        ranked = [tier for tier in self.tiers if tier >= 0 and self.has_ties]
        return sum(a == b for at, a in enumerate(ranked) for b in ranked[:at])


@dataclass
class BatchElement(Completions):
    """Completions that one annotator or several were shown, each of them once, and the rankings of them.

    InstructGPT, section 3.5: all that was said of one prompt's completions is one element of a batch; else each goes
    forward several times in an epoch and is soon learned by heart.
    """

    rankings: list[EncodedRanking]


def batch_elements(rankings: Iterable[EncodedRanking]) -> list[BatchElement]:
    """The rankings, those of the same completions together, in the order in which each first comes."""
    together: dict[int, list[EncodedRanking]] = {}
    for at, ranking in enumerate(rankings):
        together.setdefault(-1 - at if ranking.shown is None else ranking.shown, []).append(ranking)
    return [
        BatchElement(
            list({tuple(ids): ids for own in group for ids in own.sequences}.values()),
            group,
            layout=group[0].layout,
        )
        for group in together.values()
    ]


def encode_ranking(
    tokenizer: PreTrainedTokenizerBase,
    row: dict[str, Any],
    max_length: int,
    targets: Targets,
    known: dict[int, list[int]],
) -> tuple[EncodedRanking, dict[str, int]]:
    """The ranking's tokens and targets, and how many completions were empty or too long.

    `known` keeps the tokens of conversations, which others may have ranked too.
    """
    prompt = tuple((message["role"], message["content"]) for message in row["prompt"])
    texts = {completion["id"]: completion["text"] for completion in row["completions"]}
    places = places_of(row["id"], row["tiers"], texts)
    if strength := row.get("strength"):  # a choice between two: as many tiers lie between as it is strong
        places = {member: place * strength for member, place in places.items()}
    if row["all_bad"]:
        places = dict.fromkeys(texts, -1)
    ratings = ratings_of(row) if targets.ratings or targets.criteria else {}
    judgements = _judgements(row, places) if targets.judgements else {}
    criteria = {name: _criterion_places(row, name, ratings, texts) for name in targets.criteria}
    wanted = [ratings[name] for name in ratings if targets.ratings] + [judgements, *criteria.values()]
    encoded = EncodedRanking([], [], row["annotator"], criteria={name: [] for name in criteria})
    encoded.has_ties = not row.get("middle_unordered", False)
    encoded.ratings = {name: [] for name in ratings if targets.ratings}
    encoded.shown = abs(hash((prompt, frozenset(texts.values()))))
    counts = {"num_empty_completions": 0, "num_long_completions": 0}
    for member in dict.fromkeys([*places, *texts]):
        if places.get(member, -1) < 0 and not any(member in known for known in wanted):
            continue  # nothing was said of it
        if not texts[member].strip():
            counts["num_empty_completions"] += 1
            continue
        conversation = hash((prompt, texts[member]))
        if conversation not in known:
            messages = [*row["prompt"], {"role": "assistant", "content": texts[member]}]
            known[conversation] = encode_messages(tokenizer, messages)[0]
        ids = known[conversation]
        if len(ids) > max_length:
            counts["num_long_completions"] += 1
            continue
        encoded.sequences.append(ids)
        encoded.tiers.append(places.get(member, -1))
        encoded.judgements.append(judgements.get(member))
        for name, values in encoded.ratings.items():
            values.append(ratings[name].get(member))
        for name, own in encoded.criteria.items():
            own.append(criteria[name].get(member, -1))
    if targets.num_heads > 1:
        # double or nothing (Owen and Eckles 2012): each head sees its own half of the rankings, twice
        rng = random.Random(f"{targets.seed} {row['id']}")
        encoded.bootstrap = [2.0 * rng.randrange(2) for _ in range(targets.num_heads)]
    return encoded, counts


def places_of(ranking_id: Any, tiers: list[list[Any]], texts: dict[Any, str]) -> dict[Any, int]:
    """{completion: tier}, counting filled tiers only, as the margin of a comparison does."""
    places = {member: at for at, tier in enumerate(filter(None, tiers)) for member in tier}
    if ghosts := [member for member in places if member not in texts]:
        raise RunError(
            f"Ranking {ranking_id} ranks {ghosts[0]}, which it does not hold; make the snapshot again."
        )
    return places


def ratings_of(row: dict[str, Any]) -> dict[str, dict[Any, float]]:
    """{criterion: {completion: mean rating, 0 to 1 on its scale}}; a thumb (0 or 1) is a judgement instead."""
    found: dict[str, dict[Any, list[float]]] = {}
    for rating in row["ratings"]:
        low, high = rating["scale_min"], rating["scale_max"]
        if rating["value"] is None or high <= low or (low, high) == (0, 1):
            continue
        own = found.setdefault(rating["criterion"], {})
        own.setdefault(rating["completion"], []).append((rating["value"] - low) / (high - low))
    return {
        name: {member: sum(values) / len(values) for member, values in own.items()}
        for name, own in found.items()
    }


def _judgements(row: dict[str, Any], places: dict[Any, int]) -> dict[Any, int]:
    """{completion: 1 good or 0 bad}.

    Bad: all of a ranking marked all bad, and what carries a flag. Good or bad: as a thumb (a rating of 0 or 1 on
    the scale 0 to 1) says. Good: the best tier of a ranking, where nothing says otherwise. Of the rest nothing
    is known.
    """
    judgements = {member: 1 for member, place in places.items() if place == 0}
    for rating in row["ratings"]:
        if (rating["scale_min"], rating["scale_max"]) == (0, 1) and rating["value"] in (0, 1):
            judgements[rating["completion"]] = int(rating["value"])
    for rating in row["ratings"]:
        if rating["flags"]:
            judgements[rating["completion"]] = 0
    if row["all_bad"]:
        judgements |= {completion["id"]: 0 for completion in row["completions"]}
    return judgements


def _criterion_places(
    row: dict[str, Any], name: str, ratings: dict[str, dict[Any, float]], texts: dict[Any, str]
) -> dict[Any, int]:
    """The tiers of one criterion: the row's own `criteria`, else those that its ratings imply."""
    if name in row.get("criteria", {}):
        return places_of(row["id"], row["criteria"][name], texts)
    rated = ratings.get(name, {})
    levels = sorted(set(rated.values()), reverse=True)
    return {member: levels.index(value) for member, value in rated.items()}


def encode_rankings(
    tokenizer: PreTrainedTokenizerBase,
    rows: Iterable[dict[str, Any]],
    max_length: int,
    targets: Targets = Targets(),
) -> tuple[list[EncodedRanking], dict[str, int]]:
    """The rankings that can be learned from, and what happened to the rows.

    Two rankings that order the same two completions of a prompt in opposite ways both stay, since people do
    disagree; such pairs are counted.
    """
    counts = dict.fromkeys(
        ("num_rankings", "num_pairs", "num_ties", "num_completions", "num_contradicting_pairs")
        + ("num_left_out_all_bad", "num_left_out_no_pair", "num_left_out_template")
        + ("num_empty_completions", "num_long_completions"),
        0,
    )
    rankings, orders = [], set()
    known: dict[int, list[int]] = {}
    for row in rows:
        if row["all_bad"] and not targets.judgements:
            counts["num_left_out_all_bad"] += 1
            continue
        try:
            encoded, dropped = encode_ranking(tokenizer, row, max_length, targets, known)
        except TemplateRefused:
            counts["num_left_out_template"] += 1
            continue
        for name, number in dropped.items():
            counts[name] += number
        if not teaches(encoded, targets):
            counts["num_left_out_no_pair"] += 1
            continue
        rankings.append(encoded)
        orders |= _orders(encoded)
        counts["num_rankings"] += 1
        counts["num_pairs"] += encoded.num_pairs
        counts["num_ties"] += encoded.num_ties
        counts["num_completions"] += len(encoded.sequences)
    counts["num_contradicting_pairs"] = sum(a <= b and (b, a) in orders for a, b in orders)
    return rankings, counts


def teaches(encoded: EncodedRanking, targets: Targets) -> bool:
    """Whether anything in the ranking makes a loss."""
    absolute = [*encoded.judgements, *(value for values in encoded.ratings.values() for value in values)]
    return bool(
        encoded.num_pairs
        or (targets.ties and encoded.num_ties)
        or any(value is not None for value in absolute)
        or any(len({tier for tier in tiers if tier >= 0}) > 1 for tiers in encoded.criteria.values())
    )


def _orders(encoded: EncodedRanking) -> set[tuple[int, int]]:
    """The pairs by the hashes of their tokens, so that another ranking of the same texts meets them."""
    known = [(hash(tuple(ids)), tier) for ids, tier in zip(encoded.sequences, encoded.tiers, strict=True)]
    return {(a, b) for a, tier_a in known for b, tier_b in known if 0 <= tier_a < tier_b}


# ---------------------------------------------------------------- layouts


def rows_inputs(elements: Sequence[Completions], pad_id: int) -> dict[str, torch.Tensor]:
    """input_ids and attention_mask (M, T), and `ends` (M, 2): row and column of each completion's last token."""
    sequences = [sequence for element in elements for sequence in element.sequences]
    inputs = pad_right(sequences, pad_id)
    inputs["ends"] = torch.tensor([[at, len(sequence) - 1] for at, sequence in enumerate(sequences)])
    return inputs


def tree_inputs(elements: Sequence[Completions], pad_id: int) -> dict[str, torch.Tensor]:
    """One row an element: input_ids and position_ids (R, T), attention_mask (R, 1, T, T) bool, ends (M, 2).

    A token sees those before it that belong to the prompt or to its own completion. Padding counts as one more
    completion, so that no row of the softmax is empty.
    """
    width = max(element.tree_length for element in elements)
    ids = torch.full((len(elements), width), pad_id)
    positions = torch.zeros(len(elements), width, dtype=torch.long)
    segments = torch.full((len(elements), width), -1)  # 0: prompt, 1..K: completions, -1: padding
    ends = []
    for row, element in enumerate(elements):
        shared = element.num_shared
        parts = [element.sequences[0][:shared], *(sequence[shared:] for sequence in element.sequences)]
        at = 0
        for segment, part in enumerate(parts):
            place = slice(at, at + len(part))
            ids[row, place] = torch.tensor(part, dtype=torch.long)
            first = shared if segment else 0
            positions[row, place] = torch.arange(first, first + len(part))
            segments[row, place] = segment
            at += len(part)
            if segment:
                ends.append([row, at - 1])
    visible = (segments[:, None, :] == 0) | (segments[:, None, :] == segments[:, :, None])
    mask = visible.tril()[:, None]  # (R, 1, T, T)
    return {
        "input_ids": ids,
        "position_ids": positions,
        "attention_mask": mask,
        "ends": torch.tensor(ends),
    }


LAYOUTS = {"rows": rows_inputs, "tree": tree_inputs}


class TrunkShape(NamedTuple):
    """What the cost of a row depends on: parameters that a token is multiplied with, layers, width."""

    num_parameters: int
    num_layers: int
    width: int


def row_cost(shape: TrunkShape, length: int) -> float:
    """FLOPs of a row forward and backward under a dense mask: 6 N T + 12 L d T^2."""
    return 6.0 * shape.num_parameters * length + 12.0 * shape.num_layers * shape.width * length**2


def choose_layout(element: Completions, shape: TrunkShape) -> str:
    """ "tree" where one row of P + KC tokens costs less than K rows of P + C, attention counted."""
    longest = max(map(len, element.sequences))
    rows = len(element.sequences) * row_cost(shape, longest)
    return "tree" if row_cost(shape, element.tree_length) < rows else "rows"


def trained_flops(shape: TrunkShape, element: Completions) -> float:
    """Model FLOPs of the element forward and backward, without padding: 6 N a token, 12 L d for each one it sees.

    The formula of trainer.flops, whose 6 L d S is the mean over a sequence in which token t sees t.
    """
    shared = element.num_shared if element.layout == "tree" else 0
    tokens, seen = shared, shared * (shared + 1) // 2
    for sequence in element.sequences:
        tokens += len(sequence) - shared
        seen += len(sequence) * (len(sequence) + 1) // 2 - shared * (shared + 1) // 2
    return 6.0 * shape.num_parameters * tokens + 12.0 * shape.num_layers * shape.width * seen


# ---------------------------------------------------------------- batches


def row_length(element: Completions) -> int:
    """Tokens in the longest row that the element needs in its layout."""
    return element.tree_length if element.layout == "tree" else max(map(len, element.sequences))


def micro_batches(elements: Sequence[Element], max_tokens: int) -> Iterator[list[Element]]:
    """Elements of one layout and similar lengths, at most max_tokens with padding, longest first.

    An element that alone is above max_tokens has a batch of its own; max_tokens 0 is no limit.
    """
    for layout in dict.fromkeys(element.layout for element in elements):
        own = [element for element in elements if element.layout == layout]
        batch: list[Element] = []
        num_rows = 0
        for element in sorted(own, key=row_length, reverse=True):
            rows = 1 if layout == "tree" else len(element.sequences)
            if batch and max_tokens and (num_rows + rows) * row_length(batch[0]) > max_tokens:
                yield batch
                batch, num_rows = [], 0
            batch.append(element)
            num_rows += rows
        yield batch


@dataclass
class TargetIndex:
    """Numbers for the names in the targets, and each annotator's weight."""

    annotators: dict[str | None, int] = field(default_factory=dict)
    weights: dict[str | None, float] = field(default_factory=dict)
    criteria: tuple[str, ...] = ()
    rated: tuple[str, ...] = ()  # criteria that come with ratings
    rating_levels: int = 7


def target_tensors(rankings: Sequence[EncodedRanking], index: TargetIndex) -> dict[str, torch.Tensor]:
    """What the losses need for the N completions of R rankings.

    places, can_tie, ranking, lengths (N,); weights (R, heads); annotator (R,); criteria (N, criteria) places;
    ratings (N, rated) from 0 to 1, NaN where there is none; judgements (N,), -1 where there is none.
    """
    completions = [(encoded, k) for encoded in rankings for k in range(len(encoded.sequences))]

    def rating(encoded: EncodedRanking, name: str, k: int) -> float:
        value = encoded.ratings[name][k] if name in encoded.ratings else None
        return math.nan if value is None else value

    def judgement(encoded: EncodedRanking, k: int) -> int:
        value = encoded.judgements[k] if encoded.judgements else None
        return -1 if value is None else value

    return {
        "places": torch.tensor([encoded.tiers[k] for encoded, k in completions]),
        "can_tie": torch.tensor([encoded.has_ties for encoded, _k in completions]),
        "ranking": torch.tensor([at for at, encoded in enumerate(rankings) for _ in encoded.sequences]),
        "lengths": torch.tensor([float(len(encoded.sequences[k])) for encoded, k in completions]),
        "weights": torch.tensor(
            [[own * index.weights.get(e.annotator, 1.0) for own in e.bootstrap] for e in rankings]
        ),
        "annotator": torch.tensor([index.annotators.get(encoded.annotator, 0) for encoded in rankings]),
        "criteria": torch.tensor([[e.criteria[name][k] for name in index.criteria] for e, k in completions]),
        "ratings": torch.tensor([[rating(e, name, k) for name in index.rated] for e, k in completions]),
        "judgements": torch.tensor([judgement(encoded, k) for encoded, k in completions]),
    }


def collate(
    elements: Sequence[BatchElement],
    pad_id: int,
    max_tokens: int = 0,
    index: TargetIndex = TargetIndex(),  # noqa: B008 - only read
    shape: TrunkShape | None = None,
) -> dict[str, Any]:
    """One process's share of a step: {micro_batches: [tensors of inputs and targets], num_rankings, flops}."""
    parts = []
    for batch in micro_batches(elements, max_tokens):
        rankings = [ranking for element in batch for ranking in element.rankings]
        parts.append(
            LAYOUTS[batch[0].layout](batch, pad_id)
            | target_tensors(rankings, index)
            | {"completion": which_completions(batch)}
        )
    return {
        "micro_batches": parts,
        "num_rankings": sum(len(element.rankings) for element in elements),
        "flops": sum(trained_flops(shape, element) for element in elements) if shape else 0.0,
    }


def which_completions(elements: Sequence[BatchElement]) -> torch.Tensor:
    """(N,): which of the M distinct completions each one of each ranking is; the order of `target_tensors`."""
    found, offset = [], 0
    for element in elements:
        place = {tuple(ids): offset + at for at, ids in enumerate(element.sequences)}
        found += [place[tuple(ids)] for ranking in element.rankings for ids in ranking.sequences]
        offset += len(element.sequences)
    return torch.tensor(found)


def steps_of_epoch(
    lengths: Sequence[int], num_steps: int, seed: int, epoch: int, steps_in_a_pool: int = STEPS_IN_A_POOL
) -> list[list[int]]:
    """Every index once, in `num_steps` steps whose sizes differ by one at most, drawn anew for each epoch.

    Shuffled, then sorted by length inside pools of so many steps, cut into steps, and the steps shuffled again.
    So a step holds similar lengths, which saves padding, while the order of lengths in time is random: going
    from long to short ruins convergence, since length goes with content.
    """
    rng = random.Random(f"{seed} {epoch}")
    order = list(range(len(lengths)))
    rng.shuffle(order)
    bounds = [at * len(order) // num_steps for at in range(num_steps + 1)]
    steps = []
    for first in range(0, num_steps, steps_in_a_pool):
        last = min(first + steps_in_a_pool, num_steps)
        pool = sorted(order[bounds[first] : bounds[last]], key=lambda index: lengths[index])
        offset = bounds[first]
        steps += [pool[bounds[at] - offset : bounds[at + 1] - offset] for at in range(first, last)]
    rng.shuffle(steps)
    return steps


class StepSampler:
    """This process's indices of every batch of an epoch, the same step whatever the number of processes.

    A step of per_share x shares elements (or a few more, so that none is left over) is dealt out round robin,
    longest first, to its shares = processes x accumulation; the loss is divided by the rankings of the whole
    step, so that one process and several take the same step.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        per_share: int,
        accumulation: int,
        rank: int,
        world: int,
        seed: int,
        steps_in_a_pool: int = STEPS_IN_A_POOL,
    ) -> None:
        if len(lengths) < world * accumulation:
            raise RunError(
                f"{len(lengths)} examples cannot be shared among {world} processes with {accumulation} forward "
                "passes a step; use fewer processes or a lower gradient_accumulation_steps."
            )
        self.lengths, self.seed, self.epoch = lengths, seed, 0
        self.num_shares = world * accumulation
        self.num_steps = max(1, len(lengths) // (per_share * self.num_shares))
        self.own = range(rank, self.num_shares, world)
        self.steps_in_a_pool = steps_in_a_pool

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.own) * self.num_steps

    def __iter__(self) -> Iterator[list[int]]:
        for step in steps_of_epoch(self.lengths, self.num_steps, self.seed, self.epoch, self.steps_in_a_pool):
            for share in self.own:
                yield step[::-1][share :: self.num_shares]


class EpochLoader(DataLoader):
    """transformers.Trainer tells the loader which epoch begins; its batch sampler has to know."""

    def set_epoch(self, epoch: int) -> None:
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
