"""Several completions of one prompt in an order: Parley's own k-wise export, a list with `ranks`, Nectar.

In our own form `tiers`, `shown_order` and `criteria` hold ids of the completions; ties, strength, marks of surplus or
returned work and every rating come back as they went out.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats import hh
from annotate.exchange.formats.records import (
    CompletionRow,
    Feedback,
    RankingRow,
    RatingRow,
    Record,
    Unusable,
    identity,
    kind,
    number,
    optional_text,
    rest,
    take,
    take_filled,
    take_list,
    take_text,
    text,
)
from annotate.exchange.formats.turns import Turns, as_turns

ORDERS = ("tiers", "shown_order", "criteria")
MARKS = ("is_surplus", "review_state", "strength", "middle_unordered", "seconds_spent")
REVIEW_STATES = ("", "accepted", "corrected", "returned")
READ = (
    *("id", "prompt", "completions", "ratings", "all_bad", "annotator", "language", "margin"),
    *ORDERS,
    *MARKS,
)


def parse(record: Record) -> Iterator[Feedback]:
    value = record.value
    prompt = as_turns(take_list(value, "prompt"))
    author = optional_text(value, "annotator")
    place: dict[Any, int] = {}
    completions: list[CompletionRow] = []
    for given in take_list(value, "completions"):
        place[take(given, "id")] = len(completions)
        completions.append(completion(given))
    if len(place) < len(completions):
        raise Unusable(_("Two of its completions have the same id."))
    tiers = placed(take_list(value, "tiers"), place)
    ranking_id = identity(
        prompt, author, tiers, [row.external_id for row in completions], given=value.get("id")
    )
    yield Feedback(
        line=record.line,
        messages=prompt,
        language=optional_text(value, "language", 16),
        completions=completions,
        rankings=[
            RankingRow(
                tiers,
                ranking_id,
                author,
                all_bad=value.get("all_bad") is True,
                shown_order=[place[name] for name in value.get("shown_order") or []],
                criteria={
                    name: placed(order, place) for name, order in (value.get("criteria") or {}).items()
                },
                about=marks(value),
                ratings=[
                    (place[take(given, "completion")], rating(given, author, ranking_id))
                    for given in value.get("ratings") or []
                ],
                metadata=rest(value, *READ)
                | ({"margin": number(value, "margin")} if value.get("margin") is not None else {}),
            )
        ],
    )


def completion(given: Any) -> CompletionRow:
    said, model_name = take_text(given, "text"), optional_text(given, "policy_version")
    sampling = given.get("sampling")
    return CompletionRow(
        said,
        identity(said, model_name, given=given.get("id")),
        author=optional_text(given, "author"),
        model_name=model_name,
        sampling=sampling if isinstance(sampling, dict) else None,
    )


def placed(tiers: Any, place: dict[Any, int]) -> list[list[int]]:
    """Tiers of ids as tiers of positions; no completion stands twice."""
    found = [[place[name] for name in tier] for tier in tiers]
    ranked = [position for tier in found for position in tier]
    if len(set(ranked)) < len(ranked):
        raise Unusable(_("A completion stands twice in one order."))
    return found


def marks(value: dict[str, Any]) -> dict[str, Any]:
    found = {name: value[name] for name in MARKS if value.get(name) is not None}
    for name in {"strength", "seconds_spent"} & found.keys():
        number(found, name)
    truths = (value.get(name) for name in ("is_surplus", "all_bad", "middle_unordered"))
    if found.get("review_state", "") not in REVIEW_STATES or any(
        one not in (None, True, False) for one in truths
    ):
        raise Unusable(_("Its marks of surplus or reviewed work are none that Parley writes."))
    return found


def rating(given: Any, author: str, ranking_id: str) -> RatingRow:
    return RatingRow(
        take_filled(given, "criterion"),
        None if given.get("value") is None else number(given, "value"),
        identity(ranking_id, given.get("completion")),
        number(given, "scale_min"),
        number(given, "scale_max"),
        author,
        flags=[text(flag, "flags") for flag in given.get("flags") or []],
    )


# ---------------------------------------------------------------- orders by number


def parse_ranks(record: Record) -> Iterator[Feedback]:
    """{prompt, completions: [text], ranks: [number]}, 1 being the best and equal ones a tie."""
    value = record.value
    prompt = value.get("prompt")
    asked = as_turns(prompt) if isinstance(prompt, list) else hh.asked(take_filled(value, "prompt"))
    said = [text(one, "completions") for one in take_list(value, "completions")]
    yield by_rank(record, asked, said, take_list(value, "ranks"), [""] * len(said))


def parse_nectar(record: Record) -> Iterator[Feedback]:
    """Nectar: {prompt: "Human: … Assistant:", answers: [{answer, model, rank}]}."""
    value = record.value
    given = take_list(value, "answers")
    said = [take_text(one, "answer") for one in given]
    models = [optional_text(one, "model") for one in given]
    asked = hh.asked(take_filled(value, "prompt"))
    yield by_rank(record, asked, said, [take(one, "rank") for one in given], models)


def by_rank(
    record: Record, asked: Turns, said: list[str], ranks: list[Any], models: Sequence[str]
) -> Feedback:
    if len(ranks) != len(said) or len(said) < 2:
        raise Unusable(
            _("It has %(said)s completions and %(ranks)s ranks.") % {"said": len(said), "ranks": len(ranks)}
        )
    tiers: dict[float, list[int]] = defaultdict(list)
    for position, rank in enumerate(ranks):
        if isinstance(rank, bool) or not isinstance(rank, int | float):
            raise Unusable(_("A rank is %(kind)s, not a number.") % {"kind": kind(rank)})
        tiers[rank].append(position)
    return Feedback(
        line=record.line,
        messages=asked,
        completions=[
            CompletionRow(one, identity(one, model, position), model_name=model)
            for position, (one, model) in enumerate(zip(said, models, strict=True))
        ],
        rankings=[
            RankingRow(
                [tiers[rank] for rank in sorted(tiers)],
                identity(asked, said, ranks, given=record.value.get("id")),
            )
        ],
    )
