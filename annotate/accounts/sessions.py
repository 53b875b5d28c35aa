"""How long a browser stays signed in, and that no browser or proxy keeps what the API answered."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse

RENEWED_EVERY = 600  # seconds; not at each request, which would be a write each time


def begin_session(request: HttpRequest) -> None:
    """Beside Django's `login`: from now on this session ends when it is idle, and at its longest age."""
    request.session["began"] = request.session["seen"] = int(time.time())


def sessions(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable:
    """A session that is used goes on, from each renewal for SESSION_COOKIE_AGE, though not for ever."""

    def middleware(request: HttpRequest) -> HttpResponse:
        answer = get_response(request)
        if answer.status_code < 400 and request.session.accessed and "seen" in request.session:
            _renew(request.session)
        if request.path.startswith("/api/"):
            answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    return middleware


def _renew(session: SessionBase) -> None:
    now = int(time.time())
    if now - session["seen"] > RENEWED_EVERY:
        session["seen"] = now
        left = session["began"] + settings.SESSION_LONGEST_SECONDS - now
        session.set_expiry(max(1, min(settings.SESSION_COOKIE_AGE, left)))
