"""One form for every error of the API."""

import errno
import logging
from typing import Any

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from django.http import Http404, JsonResponse
from django.utils.translation import gettext as _
from psycopg.errors import (
    DeadlockDetected,
    DiskFull,
    LockNotAvailable,
    QueryCanceled,
    SerializationFailure,
    UndefinedColumn,
    UndefinedTable,
)
from redis.exceptions import RedisError
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as rest_exception_handler
from rest_framework.views import set_rollback

log = logging.getLogger(__name__)
REFUSED_BY_DISK = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
}


class Conflict(APIException):
    """409: what was asked does not fit what is stored now; `detail` says what to do, `extra` what is stored."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"

    def __init__(self, detail: str, code: str | None = None, extra: dict[str, Any] | None = None) -> None:
        super().__init__(detail, code)
        self.extra = extra or {}


class TooMany(APIException):
    """429: not so much at once."""

    status_code = status.HTTP_429_TOO_MANY_REQUESTS
    default_code = "too_many"


class Unavailable(APIException):
    """503: something this needs is not there just now."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"


def _flatten(detail: Any, path: str = "") -> list[dict[str, str]]:
    """[{field, reason, code}] from REST framework's nested refusals; a place in a list is written [i]."""
    if isinstance(detail, dict):
        places = {key: f"[{key}]" if isinstance(key, int) else f".{key}" if path else key for key in detail}
        return [error for key, value in detail.items() for error in _flatten(value, f"{path}{places[key]}")]
    if isinstance(detail, list):
        nested = any(isinstance(entry, dict | list) for entry in detail)
        return [
            error
            for i, entry in enumerate(detail)
            for error in _flatten(entry, f"{path}[{i}]" if nested else path)
        ]
    field = path.removesuffix("non_field_errors").removesuffix(".")
    return [
        {
            "field": "" if field == "detail" else field,
            "reason": str(detail),
            "code": getattr(detail, "code", "error"),
        }
    ]


def sentence(detail: Any) -> str:
    """The first refusal in words, with its field."""
    first = next(iter(_flatten(detail)), {"field": "", "reason": ""})
    return f"{first['field']}: {first['reason']}" if first["field"] else first["reason"]


def refusal(status: int, reason: str, code: str) -> JsonResponse:
    """A refusal in the API's one form, where no view of REST framework has been reached."""
    error = {"field": "", "reason": reason, "code": code}
    return JsonResponse({"detail": reason, "errors": [error]}, status=status)


def outage(error: BaseException) -> str:
    """What is out of reach, full or not set up, and what to do; empty for an error of another kind."""
    cause = error.__cause__
    if isinstance(error, OperationalError | InterfaceError):
        if isinstance(cause, DeadlockDetected | LockNotAvailable | SerializationFailure | QueryCanceled):
            return _("Too much was changed at once just now, and this was not stored. Try again in a moment.")
        if isinstance(cause, DiskFull):
            return _("The disk of the database is full, so nothing was stored. Free some space there first.")
        return _("The database cannot be reached. Nothing was stored; try again in a moment.")
    if isinstance(error, ProgrammingError) and isinstance(cause, UndefinedTable | UndefinedColumn):
        return _(
            "The database is not as this version needs it. Run `python manage.py migrate`, then try again."
        )
    if isinstance(error, RedisError):
        return _("The broker (Redis) cannot be reached. Try again in a moment.")
    if isinstance(error, OSError) and error.errno in REFUSED_BY_DISK:
        return _(
            "The disk refused: %(reason)s. Free some space or check the data directory, then try again."
        ) % {"reason": error.strerror or error}
    return ""


def cause(error: Exception) -> str:
    """Why work behind the pages ended, in a sentence."""
    stopped = _("It stopped with an error (%(reason)s); the server's log has the details.")
    return outage(error) or stopped % {"reason": error}


def exception_handler(exception: Exception, context: dict[str, Any]) -> Response | None:
    """Every refusal is {"detail": sentence, "errors": [{"field", "reason", "code"}]}."""
    if out := outage(exception):
        log.error("%s: %s", type(exception).__name__, str(exception).strip().split("\n")[0])
        exception = Unavailable(out)
    elif isinstance(exception, DataError):  # a serializer should have refused it
        log.exception("database refused")
        exception = ValidationError(_("A value is out of range, or holds characters that cannot be stored."))
    elif isinstance(exception, IntegrityError):  # perhaps a rule that nothing should ever try to break
        log.exception("database refused")
        exception = Conflict(_("This does not fit what is already stored. Reload the page and try again."))
    elif isinstance(exception, DatabaseError):
        log.exception("database refused")
        exception = Conflict(_("The database refused this. Check the values and try again."))
    elif isinstance(exception, Http404):  # Django's own sentence names tables
        exception = NotFound(_("There is nothing here, or nothing that is open to you."))
    answer = rest_exception_handler(exception, context)
    if answer is None:
        return None
    set_rollback()
    refused = answer.data
    answer.data = {"detail": sentence(refused) or str(exception), "errors": _flatten(refused)}
    answer.data |= getattr(exception, "extra", {})
    return answer
