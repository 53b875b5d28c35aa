"""One record's bytes as a value that a database can keep, or why it is none."""

import json
import math
from typing import Any

from django.utils.translation import gettext as _

from annotate.exchange.formats.records import Record, Rejected, Unusable, first_repeated


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = first_repeated(name for name, _value in pairs)
        raise Unusable(
            _('The field "%(name)s" stands twice in one object, so it is not clear which one counts.')
            % {"name": twice}
        )
    return found


def _finite(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise Unusable(_("The number %(number)s is too large.") % {"number": literal[:20]})
    return number


def _no_number(literal: str) -> float:
    raise Unusable(_("%(number)s is not a number that JSON knows.") % {"number": literal})


def parsed(line: int, raw: bytes) -> Record | Rejected:
    try:
        decoded = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejected(
            line,
            _(
                "It is not UTF-8 text (byte %(byte)s at position %(position)s). Save the file as UTF-8 and import it again."
            )
            % {"byte": f"{raw[error.start]:#04x}", "position": error.start + 1},
        )
    try:
        value = json.loads(decoded, object_pairs_hook=_once, parse_float=_finite, parse_constant=_no_number)
    except Unusable as error:
        return Rejected(line, str(error))
    except json.JSONDecodeError as error:
        return Rejected(
            line,
            _("It is not JSON: %(reason)s at character %(position)s.")
            % {"reason": error.msg, "position": error.pos + 1},
        )
    except RecursionError:
        return Rejected(line, _("It is nested too deeply to be read."))
    except ValueError:
        return Rejected(line, _("It holds a number of more digits than can be read."))
    reason = unstorable(value) if rb"\u" in raw else ""
    return Rejected(line, reason) if reason else Record(line, value, size=len(raw))


def unstorable(value: Any) -> str:
    """Why no database keeps this text: a NUL character, or half of a character pair."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting += found.keys()
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, str):
            if "\0" in found:
                return _("It holds a NUL character (\\u0000), which the database cannot keep.")
            try:
                found.encode("utf-8")
            except UnicodeEncodeError:
                return _("It holds half of a character (a lone surrogate), which is not text.")
    return ""
