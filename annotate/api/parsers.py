"""The one way a JSON body is read: bounded in size and depth, and holding only text that PostgreSQL can keep."""

from collections.abc import Mapping
from typing import IO, Any

import orjson
from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

MOST_LEVELS = 100


class TooLarge(APIException):
    """413: the body is longer than this server reads at once."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


def _unfit(parsed: Any) -> str:
    """What is wrong with a value that is JSON; without recursion, for that is what deep nesting would break."""
    waiting = [(parsed, 1)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, dict):
            within = [*value, *value.values()]
        elif isinstance(value, list):
            within = value
        else:
            if isinstance(value, str) and "\x00" in value:
                return _("A text holds the character NUL (U+0000), which cannot be stored. Remove it.")
            continue
        if depth > MOST_LEVELS:
            return _("Lists and objects are nested more than %(most)d deep.") % {"most": MOST_LEVELS}
        waiting += [(one, depth + 1) for one in within]
    return ""


class JSONBodyParser(BaseParser):
    """REST framework's own parser reads past DATA_UPLOAD_MAX_MEMORY_SIZE and lets deep nesting end in a 500.

    orjson refuses bad UTF-8, lone surrogates, NaN and nesting beyond 1,024 levels by itself; what is less deep
    may still be too deep for code that walks it.
    """

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise TooLarge(
                _("The body is larger than %(size)d MB. Send it in smaller parts.") % {"size": limit // 2**20}
            )
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ParseError(_("The body is not valid JSON: %(reason)s") % {"reason": error}) from error
        may_be_deep = body.count(b"[") + body.count(b"{") > MOST_LEVELS
        if (may_be_deep or b"\\u0000" in body) and (reason := _unfit(parsed)):
            raise ParseError(reason)
        return parsed
