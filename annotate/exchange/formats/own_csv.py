"""Parley's own CSV export, read back: rows of one demonstration, ranking or rating put together.

A ranking has a row for each completion and criterion, and they stand together. What was asked is in `messages`.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.kwise import marks
from annotate.exchange.formats.records import (
    CompletionRow,
    DemonstrationRow,
    Feedback,
    RankingRow,
    RatingRow,
    Record,
    Rejected,
    Unusable,
    guarded,
    identity,
    number,
    optional_text,
    take_filled,
    take_list,
)
from annotate.exchange.formats.turns import Turns, as_turns, opening

# Of one ranking.
MAX_ROWS = 5000
MAX_BYTES = 64 << 20


def read(found: Iterator[Record | Rejected]) -> Iterator[Feedback | Rejected]:
    """Neighbouring rows of one thing are one; each row counts as a record."""

    def thing(row: Record | Rejected) -> Any:
        if isinstance(row, Rejected):
            return row.line
        return [row.value.get(name) for name in ("kind", "id")] if isinstance(row.value, dict) else row.value

    for _thing, rows in groupby(found, thing):
        group: list[Record] = []
        size = 0
        for row in rows:
            if isinstance(row, Rejected):
                yield row
            elif len(group) == MAX_ROWS or size > MAX_BYTES:
                yield Rejected(
                    row.line, _("More than %(limit)s rows are about one thing.") % {"limit": MAX_ROWS}
                )
            else:
                group.append(row)
                size += row.size
        if group:
            yield from of_one(group)


def of_one(group: list[Record]) -> Iterator[Feedback | Rejected]:
    rows = [row.value for row in group]
    try:
        feedback = guarded(lambda first: feedback_of(first.line, rows))(group[0])
    except Unusable as reason:
        yield from (Rejected(row.line, str(reason)) for row in group)
        return
    feedback.num_records = len(group)
    feedback.size = sum(row.size for row in group)
    yield feedback


def feedback_of(line: int, rows: list[dict[str, Any]]) -> Feedback:
    first = rows[0]
    what = take_filled(first, "kind")
    messages = as_turns(take_list(first, "messages"))
    author, language = optional_text(first, "annotator"), optional_text(first, "language", 16)
    if what == "demonstration":
        row = DemonstrationRow(
            messages, identity(messages, author, given=first["id"]), author, about=marks(first)
        )
        row.weight = number(first, "weight") if "weight" in first else 1.0
        return Feedback(line, opening(messages), language, demonstrations=[row])
    completions = completions_of(rows)
    found = Feedback(line, messages, language, completions=list(completions.values()))
    if what == "rating":
        for rated in rows:
            completions[rated["completion"]].ratings += rating_of(rated, author, messages)
    elif what == "ranking":
        found.rankings = [ranking_of(rows, list(completions), messages, author)]
    else:
        raise Unusable(_('The kind "%(kind)s" is none that Parley writes.') % {"kind": what[:30]})
    return found


def completions_of(rows: list[dict[str, Any]]) -> dict[str, CompletionRow]:
    """By their ids, in the order of the rows."""
    found: dict[str, CompletionRow] = {}
    for row in rows:
        said, model_name = row.get("text", ""), row.get("policy_version", "")
        name = take_filled(row, "completion")
        found.setdefault(
            name, CompletionRow(said, identity(said, model_name, given=name), model_name=model_name)
        )
    return found


def ranking_of(rows: list[dict[str, Any]], names: list[str], messages: Turns, author: str) -> RankingRow:
    first = rows[0]
    if len(names) != number(first, "num_completions"):
        raise Unusable(
            _("Of %(count)s completions %(found)s are there: rows are missing.")
            % {"count": first["num_completions"], "found": len(names)}
        )
    tiers: dict[float, list[int]] = {}
    for name, row in {row["completion"]: row for row in rows}.items():
        if "place" in row:
            tiers.setdefault(number(row, "place"), []).append(names.index(name))
    return RankingRow(
        [tiers[place] for place in sorted(tiers)],
        identity(messages, author, names, given=first["id"]),
        author,
        all_bad=first.get("all_bad") is True,
        about=marks(first),
        metadata={"margin": number(first, "margin")} if "margin" in first else {},
        ratings=[
            (names.index(row["completion"]), rating)
            for row in rows
            for rating in rating_of(row, author, messages)
        ],
    )


def rating_of(row: dict[str, Any], author: str, messages: Turns) -> list[RatingRow]:
    if not row.get("criterion"):
        return []
    return [
        RatingRow(
            row["criterion"],
            number(row, "rating") if "rating" in row else None,
            identity(messages, author, row["completion"], given=row["id"]),
            number(row, "scale_min"),
            number(row, "scale_max"),
            author,
            flags=row["flags"].split() if row.get("flags") else [],
        )
    ]
