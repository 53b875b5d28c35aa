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


class TooLarge(APIException):
    """413: the body is longer than this server reads at once."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_holds_nul(item) for item in value)


class JSONBodyParser(BaseParser):
    """REST framework's own parser reads past DATA_UPLOAD_MAX_MEMORY_SIZE and lets deep nesting end in a 500.

    orjson refuses bad UTF-8, lone surrogates, NaN and nesting beyond 1,024 levels by itself.
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
        if b"\\u0000" in body and _holds_nul(parsed):
            raise ParseError(_("A text holds the character NUL (U+0000), which cannot be stored. Remove it."))
        return parsed
