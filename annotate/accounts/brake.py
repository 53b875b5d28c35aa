"""The brake on guessing passwords: one for every door, counted in Redis for all processes.

Counted are wrong tries for a name from one place, and for all names from one address. A place is the device that has
signed in to this name before, or else the address: whoever guesses elsewhere brakes nobody but themselves. A try counts
before it is looked at, so that many at once are no way around, and no more once it has proved right.
"""

import ipaddress
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from annotate.accounts.models import User

log = logging.getLogger(__name__)
WINDOW_SECONDS = 600
NAMES_OF_AN_ADDRESS = 10  # a class behind one address may all mistype
DEVICE, DEVICE_DAYS = "parley_device", 365
# Hashing takes a processor for half a second: the rest of the site keeps most of them, and of a process's threads.
MOST_HASHING = max(1, (os.cpu_count() or 1) // 4)
MOST_IN_LINE = max(2, settings.WEB_THREADS // 4)
_hashing = threading.BoundedSemaphore(MOST_HASHING)
_in_line = threading.BoundedSemaphore(MOST_IN_LINE)


class TooManyTries(APIException):
    """429, with Retry-After."""

    status_code = 429
    default_code = "too_many_tries"

    def __init__(self, wait: float) -> None:
        minutes = max(1, round(wait / 60))
        super().__init__(
            _("Too many wrong passwords from here. Try again in %(minutes)d min.") % {"minutes": minutes}
        )
        self.wait = wait


class Busy(APIException):
    """503, with Retry-After: the pages ask again by themselves."""

    status_code = 503
    default_code = "busy"
    wait = 1

    def __init__(self) -> None:
        super().__init__(_("Many people sign in just now. Try again in a moment."))


def address_of(request: Request) -> str:
    """Where a request comes from, past our own proxies; of IPv6 the network, of which anybody has 2**64 addresses."""
    given = BaseThrottle().get_ident(request) or ""
    try:
        address = ipaddress.ip_address(given)
    except ValueError:
        return given
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else given


def _device_of(request: Request, name: str) -> str:
    """The mark of a device that has signed in to this name, else empty."""
    try:
        known = signing.loads(request.COOKIES.get(DEVICE, ""), salt=DEVICE, max_age=DEVICE_DAYS * 86_400)
    except signing.BadSignature:
        return ""
    return known["mark"] if known["name"] == name else ""


def remember_device(answer: Response, user: User) -> None:
    mark = signing.dumps({"name": user.username, "mark": secrets.token_hex(8)}, salt=DEVICE)
    answer.set_cookie(
        DEVICE, mark, max_age=DEVICE_DAYS * 86_400, secure=settings.HTTPS, httponly=True, samesite="Lax"
    )


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _in_line.acquire(blocking=False):
        raise Busy
    try:
        with _hashing:
            yield
    finally:
        _in_line.release()


def checked(request: Request, username: str, prove: Callable[[], User | None]) -> User | None:
    """The login that `prove` finds with a password; None, and counted, when the password is wrong."""
    name, address, now = User.normalize_username(username), address_of(request), time.time()
    limits = {
        f"{name} {address}": settings.SIGN_IN_TRIES,
        address: settings.SIGN_IN_TRIES * NAMES_OF_AN_ADDRESS,
    }
    if device := _device_of(request, name):
        limits = {f"{name} {device}": settings.SIGN_IN_TRIES}
    window = int(now // WINDOW_SECONDS)
    counted = {f"tries:{window}:{sha256(what.encode()).hexdigest()}": most for what, most in limits.items()}
    for key, most in counted.items():
        cache.add(key, 0, WINDOW_SECONDS)
        if cache.incr(key) > most:
            log.warning("sign-in of %s from %s was put off: too many wrong tries", name, address)
            raise TooManyTries((window + 1) * WINDOW_SECONDS - now)
    proved = None
    try:
        with _one_of_few():
            proved = prove()
    except APIException:  # refused before the password was looked at
        _take_back(counted)
        raise
    if proved:
        _take_back(counted)
    else:
        log.warning("wrong password for %s from %s", name, address)
    return proved


def _take_back(counted: dict[str, int]) -> None:
    for key in counted:
        with suppress(ValueError):  # the window is over
            cache.decr(key)
