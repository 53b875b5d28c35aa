"""The ASGI application: what may take long is waited for here, and Django's views run in threads, as under WSGI.

A thread is held only while a view works. Before it, the whole body is read without one, bounded in size and time;
after it, the answer is sent without one, however slowly its reader takes it. A view that answers with an
asynchronous stream (a suggestion) is done when the stream begins. Django's own ASGI handler reads bodies likewise,
but gives each request a thread and a database connection of its own.
"""

import asyncio
import multiprocessing
import os
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any

import django
from asgiref.sync import sync_to_async

from annotate.operating.starting import end_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")
django.setup()

from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.db import close_old_connections
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import translation
from django.utils.translation import gettext as _

from annotate.api.errors import outage, refusal

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

ANYBODY_BYTES = 64 * 2**10  # so much is read from whoever sends it: more than any sign-in
SIGNED_IN_BYTES = (
    10 * 2**20
)  # a little above DATA_UPLOAD_MAX_MEMORY_SIZE, which refuses with a better sentence
AROUND_A_FILE_BYTES = 2**20  # the other fields of a form
IN_MEMORY_BYTES = 2**18
# A body may begin slowly, and then has to come at this rate: on a bad line a large draft still arrives.
BODY_GRACE_SECONDS, BODY_BYTES_PER_SECOND = 30.0, 4096
PIECE_BYTES = 2**16
IMPORTS = re.compile(r"/api/campaigns/\d+/imports")

threads = ThreadPoolExecutor(settings.WEB_THREADS, thread_name_prefix="view")
handler = BaseHandler()
handler.load_middleware()
if parent := multiprocessing.parent_process():
    end_with_parent(parent.pid or 0)  # a worker whose granian was killed would go on serving the old code


class Refused(Exception):
    """The request is answered before any view has seen its body."""

    def __init__(self, answer: HttpResponseBase) -> None:
        self.answer = answer


class ReaderLeft(Exception):
    """Nobody waits for the answer any more."""


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    with suppress(ReaderLeft):
        try:
            body, size = await _read_body(scope, receive)
        except Refused as refused:
            return await _send_whole(refused.answer, send)
        answer, content = await _in_thread(_answer, scope, body, size)
        if isinstance(answer, StreamingHttpResponse) and answer.is_async:
            await _send_stream(answer, receive, send)
        else:
            await _send_whole(answer, send, content)


def _in_thread(work: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
    return asyncio.get_running_loop().run_in_executor(threads, work, *arguments)


# ---------------------------------------------------------------- the body, before a thread is taken


async def _read_body(scope: Scope, receive: Receive) -> tuple[IO[bytes], int]:
    """All of it, in a file without a name once it is large, and its size."""
    headers = dict(scope["headers"])
    announced = int(headers.get(b"content-length", b"0"))
    if not announced and b"transfer-encoding" not in headers:
        return BytesIO(), 0
    is_import = scope["method"] == "POST" and bool(IMPORTS.fullmatch(scope["path"]))
    limit = settings.MAX_IMPORT_BYTES + AROUND_A_FILE_BYTES if is_import else SIGNED_IN_BYTES
    body, size, has_more, is_asked = _file(), 0, True, False
    began = time.monotonic()
    while True:
        if max(size, announced) > ANYBODY_BYTES and not is_asked:
            await _ask_first(scope, is_import)
            is_asked = True
        if max(size, announced) > limit:
            raise _refused(scope, 413, "too_large", partial(_too_large, limit))
        if not has_more:
            body.seek(0)
            return body, size
        left = began + BODY_GRACE_SECONDS + size / BODY_BYTES_PER_SECOND - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), left)
        except TimeoutError:
            raise _refused(scope, 408, "too_slow", _too_slow) from None
        if message["type"] != "http.request":
            raise ReaderLeft
        piece, has_more = message.get("body", b""), message.get("more_body", False)
        size += len(piece)
        try:
            await _write(body, piece, size)
        except OSError as error:
            raise _refused(scope, 503, "unavailable", partial(outage, error)) from error


async def _write(body: IO[bytes], piece: bytes, size: int) -> None:
    if size > IN_MEMORY_BYTES:  # a slow disk must not hold up everybody
        await asyncio.to_thread(body.write, piece)
    else:
        body.write(piece)


async def _ask_first(scope: Scope, is_import: bool) -> None:
    """Refuse a large body of somebody who may not send one: what Django says to its headers alone, is said at once.

    An import without a file is 400 where it could have been one; anything else needs somebody signed in.
    """
    headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"transfer-encoding")]
    asked = {**scope, "headers": headers}
    if not is_import:
        asked |= {"method": "GET", "path": "/api/me", "query_string": b""}
    answer, _content = await _in_thread(_answer, asked, BytesIO(), 0)
    if answer.status_code != (400 if is_import else 200):
        raise Refused(answer)


def _refused(scope: Scope, status: int, code: str, say: Callable[[], str]) -> Refused:
    """In the language of who asks, as far as the headers tell it."""
    with translation.override(translation.get_language_from_request(ASGIRequest(scope, BytesIO()))):
        return Refused(refusal(status, say(), code))


def _too_large(limit: int) -> str:
    return _("The body is larger than %(size)d MB. Send it in smaller parts.") % {"size": limit >> 20}


def _too_slow() -> str:
    return _("The rest of the request did not come. Send it again.")


def _file() -> IO[bytes]:
    """In memory while it is small, then a file without a name beside those that it may become."""
    return SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(settings.FILE_UPLOAD_TEMP_DIR))


# ---------------------------------------------------------------- in a thread


def _answer(scope: Scope, body: IO[bytes], size: int) -> tuple[HttpResponseBase, IO[bytes]]:
    """Django's answer, and its content where it is no asynchronous stream."""
    signals.request_started.send(sender=BaseHandler, scope=scope)
    try:
        request = ASGIRequest(scope, body)
    except UnicodeDecodeError:
        answer: HttpResponseBase = HttpResponse(status=400)
    else:
        request.META["CONTENT_LENGTH"] = str(size)  # a body that came in chunks has no such header
        answer = handler.get_response(request)
    if isinstance(answer, StreamingHttpResponse) and answer.is_async:
        return answer, BytesIO()  # it is closed when it has been sent
    try:
        if isinstance(answer, HttpResponse):
            return answer, BytesIO(answer.content)
        # An export or a static file: made at once, so that neither a thread nor a query waits for its reader.
        content = _file()
        for part in answer:  # type: ignore[attr-defined]
            content.write(part)
        answer.headers.setdefault("Content-Length", str(content.tell()))
        content.seek(0)
        return answer, content
    finally:
        answer.close()


# ---------------------------------------------------------------- the answer, after the thread is free


async def _send_start(answer: HttpResponseBase, send: Send) -> None:
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in answer.items()]
    headers += [(b"set-cookie", one.output(header="").strip().encode()) for one in answer.cookies.values()]
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})


async def _send_whole(answer: HttpResponseBase, send: Send, content: IO[bytes] | None = None) -> None:
    content = content or BytesIO(getattr(answer, "content", b""))
    await _send_start(answer, send)
    piece, has_more = content.read(PIECE_BYTES), True
    while has_more:
        following = content.read(PIECE_BYTES)
        has_more = bool(following)
        await send({"type": "http.response.body", "body": piece, "more_body": has_more})
        piece = following


async def _send_stream(answer: StreamingHttpResponse, receive: Receive, send: Send) -> None:
    """Until it ends or its reader leaves: then it is broken off where it is, and closes what it holds."""

    await sync_to_async(close_old_connections)()  # the streams' one thread begins no request that would do it

    async def pass_on() -> None:
        async with aclosing(answer._iterator) as parts:  # type: ignore[attr-defined]
            await _send_start(answer, send)
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body"})

    passing, leaving = asyncio.ensure_future(pass_on()), asyncio.ensure_future(receive())
    try:
        await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        passing.cancel()
        await asyncio.wait({passing})
        await sync_to_async(answer.close)()
    if not passing.cancelled():
        passing.result()
