"""What every format is turned into before it is stored, and the small rules that all formats share."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.utils.translation import gettext as _

Found = TypeVar("Found")
MAX_ID = 200  # characters of an id that the database keeps
MAX_TURNS = 200  # messages in one thread


class Unusable(Exception):
    """A record that cannot be taken in; the text is the reason, for a reader who is no programmer."""


@dataclass(slots=True)
class Record:
    """One record of a file: `line` is where it begins (in a nested document: the number of the entry)."""

    line: int
    value: Any
    header: dict[str, Any] = field(default_factory=dict)
    size: int = 0  # bytes in the file


@dataclass(slots=True)
class Rejected:
    line: int
    reason: str


@dataclass(slots=True)
class RatingRow:
    """`author` is the rater's id in the source; `external_id` makes the rating unique in it."""

    criterion: str
    value: float | None  # None where only flags were raised
    external_id: str
    scale_min: float = 0.0
    scale_max: float = 1.0
    author: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CompletionRow:
    text: str
    external_id: str
    author: str = ""
    model_name: str = ""
    sampling: dict[str, Any] | None = None
    seed: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    ratings: list[RatingRow] = field(default_factory=list)


@dataclass(slots=True)
class RankingRow:
    """`tiers` holds positions in the completions of its Feedback, best first; one tier is a tie.

    So do `criteria`, further orders by name, and `shown_order`. `about` holds columns as the database has them
    (is_surplus, review_state, …). A `margin` in the metadata is that of its pairs.
    """

    tiers: list[list[int]]
    external_id: str
    author: str = ""
    all_bad: bool = False
    shown_order: list[int] = field(default_factory=list)
    criteria: dict[str, list[list[int]]] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    ratings: list[tuple[int, RatingRow]] = field(
        default_factory=list
    )  # (position, rating) by the same person
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class DemonstrationRow:
    messages: list[dict[str, str]]
    external_id: str
    author: str = ""
    weight: float = 1.0
    about: dict[str, Any] = field(default_factory=dict)  # as a RankingRow's
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Feedback:
    """One prompt and what was given for it. `num_records` of the file are in it, beginning at `line`."""

    line: int
    messages: list[dict[str, str]]
    language: str = ""
    external_id: str = ""
    author: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    completions: list[CompletionRow] = field(default_factory=list)
    rankings: list[RankingRow] = field(default_factory=list)
    demonstrations: list[DemonstrationRow] = field(default_factory=list)
    num_records: int = 1
    wants_work: bool = True  # people may be asked to answer or rank it
    size: int = 0


@dataclass(slots=True)
class MessageRow:
    """One message of a tree. `fields` is everything that came with it but text and replies."""

    line: int
    external_id: str
    parent: str
    role: str
    text: str
    fields: dict[str, Any]
    language: str = ""
    author: str = ""
    rank: int | None = None
    is_deleted: bool = False
    is_synthetic: bool = False


@dataclass(slots=True)
class TreeRow:
    """A message tree; parents stand before their replies. `form` tells how it is given back."""

    line: int
    external_id: str
    form: str  # "tree", "root" (a nested root without a tree around it), "flat" or "seed"
    messages: list[MessageRow]
    state: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    size: int = 0


def guarded(read: Callable[[Record], Found]) -> Callable[[Record], Found]:
    """Whatever a stranger's record holds, reading it ends in a record or in Unusable."""

    def reading(record: Record) -> Found:
        try:
            return read(record)
        except RecursionError:
            raise Unusable(_("It is nested too deeply to be read.")) from None
        except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise Unusable(
                _("Its fields do not have the form that was expected (%(reason)s).") % {"reason": error}
            ) from None

    return reading


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def identity(*content: Any, given: Any = None) -> str:
    """An id made from the content, so that the same record is known again under any file name.

    An id given by the file stands before it where there is one, for people who look for it.
    """
    canonical = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode()).hexdigest()[:32]
    return digest if given is None or given == "" else f"{str(given)[: MAX_ID - 33]}:{digest}"


def take(value: Any, name: str) -> Any:
    """A field that must be there."""
    if not isinstance(value, dict):
        raise Unusable(_("It is %(kind)s where an object with fields was expected.") % {"kind": kind(value)})
    if name not in value:
        raise Unusable(_('It has no field "%(name)s".') % {"name": name})
    if value[name] is None:
        raise Unusable(_('The field "%(name)s" is empty (null).') % {"name": name})
    return value[name]


def text(value: Any, name: str) -> str:
    """A field's text. JSON true, false and numbers stand for the word or figure they spell."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    raise Unusable(_('The field "%(name)s" is %(kind)s, not text.') % {"name": name, "kind": kind(value)})


def take_text(value: Any, name: str) -> str:
    return text(take(value, name), name)


def take_filled(value: Any, name: str) -> str:
    found = take_text(value, name)
    if not found.strip():
        raise Unusable(_('The field "%(name)s" is empty.') % {"name": name})
    return found


def number(value: Any, name: str) -> float:
    found = take(value, name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise Unusable(_('The field "%(name)s" is no number.') % {"name": name})
    return float(found)


def take_list(value: Any, name: str) -> list[Any]:
    found = take(value, name)
    if not isinstance(found, list):
        raise Unusable(
            _('The field "%(name)s" is %(kind)s, not a list.') % {"name": name, "kind": kind(found)}
        )
    return found


def optional_text(value: dict[str, Any], name: str, limit: int = MAX_ID) -> str:
    """A field's text or nothing; longer than the database keeps is refused, never cut."""
    found = value.get(name)
    if found is None:
        return ""
    found = text(found, name)
    if len(found) > limit:
        raise Unusable(
            _('The field "%(name)s" has %(count)s characters; at most %(limit)s can be kept.')
            % {"name": name, "count": len(found), "limit": limit}
        )
    return found


def rest(value: dict[str, Any], *used: str) -> dict[str, Any]:
    """The fields that have no column of their own: kept as they came."""
    return {name: found for name, found in value.items() if name not in used}


def first_repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def kind(value: Any) -> str:
    names = {
        type(None): _("empty (null)"),
        dict: _("an object"),
        list: _("a list"),
        str: _("text"),
        bool: _("true or false"),
    }
    return names.get(type(value)) or _("a number")
