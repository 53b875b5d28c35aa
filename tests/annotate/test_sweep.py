"""Every operation of the API's own schema, with values that do not belong there: refused in words, never a 500.

The addresses, parameters and fields are read from the schema, so that a new endpoint is swept from its first day.
tests/annotate/test_schema.py makes its requests by chance; tests/annotate/feedback/test_odd_bodies.py has sizes.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.annotate.whole_api import Api

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ODD = [None, "x" * 3000, -1.5, 10**40, [None], {"a": [{"b": None}]}]
ODD_IN_ADDRESS = ["", "odd", "-1", "0", "1e9", "9" * 40, "%00", "%ff", "é", "null", "[]"]
RAW = [
    b"", b"null", b"[]", b'"odd"', b"7", b"{", b'{"a": NaN}', b"\xff", b'{"name": "\\u0000"}', b"[" * 5000, b"1" * 5000,
    b'{"a":' * 5000, b'"\\ud800"', b'{"text": "\\ud800", "content": {"\\u0000": 1}, "revision": 0}',
]  # fmt: skip


@pytest.fixture
def api(carol, places) -> Api:
    client = APIClient()
    client.force_authenticate(carol)
    return Api(client, places)


def bodies(good: Any) -> Iterator[Any]:
    """The good body, and one for each field, also of fields, and each odd value in its place."""
    if isinstance(good, list):
        yield from ([body] for body in bodies(good[0]))
        return
    yield good
    for name, value in good.items():
        yield from (good | {name: odd} for odd in ODD)
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            for body in bodies(inner):
                yield good | {name: [body] if isinstance(value, list) else body}


def test_odd_ids_and_parameters(api):
    for method, path, operation in api.operations():
        named = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
        for odd in ODD_IN_ADDRESS:
            head, _, tail = path.partition("{")
            if tail and odd:
                api.send(method, api.filled(head + odd + tail.partition("}")[2]))
            for parameter in named:
                api.send(method, f"{api.filled(path)}?{parameter['name']}={odd}")
    assert api.num_asked > 300


def test_odd_bodies(api):
    refused_although_good = set()
    for method, path, operation in api.operations():
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content or path == "/api/session":
            continue
        for which in (0, 1, 2, 3, 4) if "assignment" in path else (0,):
            good = api.good_body(operation, which)
            for body in bodies(good):
                answer = api.send(method, api.filled(path, which), json.dumps(body).encode())
                if body == good and answer.status_code >= 300:
                    refused_although_good.add((operation["operationId"], which, answer.content))
    # Otherwise the odd values would be hidden behind another refusal; a ranking asks for no suggestions.
    assert {name for name, _which, _why in refused_although_good} <= {"suggest"}, refused_although_good
    assert api.num_asked > 700


def test_bytes_that_are_no_json(api):
    for method, path, _operation in api.operations():
        if method != "GET":
            for raw in RAW:
                api.send(method, api.filled(path), raw)
            for kind in ("text/plain", "multipart/form-data", "multipart/form-data; boundary=é", ""):
                api.send(method, api.filled(path), b"--x\r\n", kind)


def part(disposition: str, content: bytes, more: str = "") -> bytes:
    return f"--x\r\nContent-Disposition: {disposition}\r\n{more}\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "x" * 400, "a\\nb.json", "é\u202e.json", ".", "a/"])
def test_odd_uploads(api, name):
    address = api.filled("/api/campaigns/{campaign_id}/imports")
    pair = b'{"chosen": "a", "rejected": "b"}'
    file = f'form-data; name="file"; filename="{name}"'
    for parts in [
        part(file, pair),
        part(file, b"") + part('form-data; name="file"; filename="second"', pair),
        part(file, pair) + part('form-data; name="format"', "é".encode() * 50),
        part(file, pair) + part('form-data; name="format"', b"\xff\x00"),
        part(file, pair, "Content-Type: text/odd; charset=none\r\n"),
        part(file, pair, "Content-Transfer-Encoding: base64\r\n"),
        part('form-data; name="file"', pair),
        part("odd", pair),
        b"--x\r\n",
    ]:
        answer = api.send("POST", address, parts + b"--x--\r\n", "multipart/form-data; boundary=x")
        assert answer.status_code in (202, 400), (parts, answer.content)
        if answer.status_code == 202:
            kept = answer.json()["file_name"]
            assert "/" not in kept and 0 < len(kept) <= 255
