"""What stands before the views: a body that does not come, and one whose sender goes away."""

import asyncio
import json
import re
from collections.abc import Callable

import pytest

from annotate import asgi
from tests.site import ROOT


def answered(receive: Callable, **headers: str) -> tuple[int, dict]:
    """The status and the JSON of what the application sends; 0 for nothing."""
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/api/session", "query_string": b"",
        "headers": [(b"host", b"localhost"), *((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())],
    }  # fmt: skip
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(asgi.application(scope, receive, send))
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return (sent[0]["status"], json.loads(content)) if sent else (0, {})


def pieces(*texts: bytes, then: Callable) -> Callable:
    waiting = list(texts)

    async def receive() -> dict:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": True}
        return await then()

    return receive


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    monkeypatch.setattr(asgi, "BODY_GRACE_SECONDS", 0.2)


async def silence() -> dict:
    await asyncio.sleep(60)
    raise AssertionError("it waited on")


def test_a_body_whose_rest_does_not_come_is_answered_in_the_readers_language():
    status, content = answered(pieces(b'{"user', then=silence), content_length="1000", accept_language="fr")
    assert (status, content["errors"][0]["code"]) == (408, "too_slow")
    assert content["detail"].startswith("La fin de la requête")


def test_a_body_that_drips_is_not_waited_for_longer():
    async def drip() -> dict:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert answered(drip, content_length="1000")[0] == 408


def test_a_body_whose_sender_leaves_reaches_no_view():
    async def leave() -> dict:
        return {"type": "http.disconnect"}

    assert answered(pieces(b'{"user', then=leave), content_length="1000") == (0, {})


def test_the_proxy_lets_through_large_bodies_for_imports_alone():
    proxy = (ROOT / "deploy" / "Caddyfile").read_text()
    sizes = dict(re.findall(r"request_body @(\w+) \{\s*max_size (\w+)", proxy))
    assert re.search(r"@imports path (.*)", proxy)[1] == re.search(r"@others not path (.*)", proxy)[1]
    assert asgi.IMPORTS.fullmatch(re.search(r"@imports path (.*)", proxy)[1].replace("*", "1"))
    assert sizes == {"imports": "4GiB", "others": "10MiB"}  # binary, as the site counts
