"""Tables (CSV, TSV, CSV with semicolons) into records: the first row names the columns, every other is a record.

What a spreadsheet writes is read: quoted cells with line breaks, a byte order mark, empty rows. Every cell is text,
but for turns written as JSON and for the columns that hold a number or true and false.
"""

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.fields import FIELDS

DELIMITERS = "\t;,"
ALONE = "\x1f"  # of a single column: commas are its text
COLUMNS = {name for fields in FIELDS.values() for name in fields}
NUMBERS = {
    *("label", "weight", "margin", "score_chosen", "score_rejected", "chosen_score", "rejected_score"),
    *("annotator1", "annotator2", "annotator3", "place", "num_completions", "strength", "rating"),
    *("scale_min", "scale_max", "seconds_spent", "is_surplus", "all_bad", "middle_unordered"),
}
TURNS = {"messages", "conversations", "history", "prompt", "chosen", "rejected", "completion"}
TRUTH = {"true": True, "vrai": True, "false": False, "faux": False}
# What begins a formula, at the start of a cell and where a reader that splits at semicolons or line breaks sees one.
FORMULA = r"(^(?='*[\t\r\n])|(?:^|(?<=[;\r\n]))(?='*[ \t]*[=+\-@＝＋－＠]))"
GUARDED = re.compile(FORMULA.replace("(?=", "'(?="))
OPEN = re.compile(FORMULA)


def harmless(cell: Any) -> Any:
    """A spreadsheet must not take a person's or a model's text for a formula: an apostrophe stands before it.

    Excel reads a file with commas as one with semicolons where a comma is the decimal sign, and a quotation mark
    then guards no line break either.
    """
    return OPEN.sub("'", cell) if isinstance(cell, str) else cell


def as_it_was(cell: str) -> str:
    """A harmless cell without the apostrophes that made it so."""
    return GUARDED.sub("", cell)


def delimiter_of(first_line: str) -> str:
    """What stands between the columns, where one of them has a name that some form reads; else nothing."""
    for delimiter in DELIMITERS:
        names = column_names(next(csv.reader([first_line], delimiter=delimiter), []))
        if len(names) > 1 and COLUMNS & set(names):
            return delimiter
    return ALONE if first_line.strip().strip('"').casefold() in ("prompt", "text") else ""


def column_names(cells: list[str]) -> list[str]:
    return [name if (name := cell.strip()) in COLUMNS else name.casefold() for cell in cells]


def rows(lines: Iterator[str], delimiter: str) -> Iterator[list[str] | str]:
    """Cells of each row, or why it cannot be read."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield _("The row cannot be read: a quotation mark is missing or stands where none may.")


def record_of(names: list[str], cells: list[str], delimiter: str) -> dict[str, Any] | str:
    """The row's fields, or why it is none. An empty cell of a number is no field."""
    if len(cells) < len(names) or any(cells[len(names) :]):
        return _("The row has %(count)s cells, and the first row names %(names)s columns.") % {
            "count": len(cells),
            "names": len(names),
        }
    if {"kind", "completion", "num_pastes"} <= set(names):  # our own export
        cells = [as_it_was(cell) for cell in cells]
    else:
        cells = [cell.replace("\r\n", "\n") for cell in cells]
    found = {
        name or _("column %(number)s") % {"number": number}: value_of(name, cell, delimiter)
        for number, (name, cell) in enumerate(zip(names, cells, strict=False), start=1)
    }
    return {name: value for name, value in found.items() if value is not None}


def value_of(name: str, cell: str, delimiter: str) -> Any:
    if name in NUMBERS:
        spelled = cell.strip()
        if spelled.casefold() in TRUTH:
            return TRUTH[spelled.casefold()]
        try:
            return float(spelled.replace(",", ".")) if "." in spelled or "," in spelled else int(spelled)
        except ValueError:
            return cell if spelled else None
    if name in TURNS and cell.startswith("["):
        try:
            found = json.loads(cell)
        except ValueError:
            return cell
        if name == "history" or is_dialogue(found):
            return found
    return cell


def is_dialogue(found: Any) -> bool:
    return isinstance(found, list) and all(
        isinstance(said, dict) and ({"role", "content"} <= said.keys() or {"from", "value"} <= said.keys())
        for said in found
    )
