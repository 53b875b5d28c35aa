"""Every operation of the API's own schema, with values that do not belong there: refused in words, never a 500.

The addresses, parameters and fields are read from the schema, so that a new endpoint is swept from its first day.
tests/annotate/test_schema.py makes its requests by chance; tests/annotate/feedback/test_odd_bodies.py has sizes.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from annotate.feedback.models import Assignment
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ODD = [None, "x" * 3000, -1.5, 10**40, [None], {"a": [{"b": None}]}]
ODD_IN_ADDRESS = ["", "odd", "-1", "0", "1e9", "9" * 40, "%00", "%ff", "é", "null", "[]"]
# Fields that name a row, and which of `places` they name; None: left out.
KNOWN = {
    "campaign": "campaign_id",
    "campaigns": "campaign_id",
    "snapshot": "snapshot_id",
    "policy": "policy_version_id",
    "policy_version": "policy_version_id",
    "base_policy": "policy_version_id",
    "ref_policy": None,
    "reward_model": None,
    "suggestion": None,
    "reviewed_campaign": None,
    "ranking_campaign": None,
}
RAW = [
    b"", b"null", b"[]", b'"odd"', b"7", b"{", b'{"a": NaN}', b"\xff", b'{"name": "\\u0000"}', b"[" * 5000, b"1" * 5000,
    b'{"a":' * 5000, b'"\\ud800"', b'{"text": "\\ud800", "content": {"\\u0000": 1}, "revision": 0}',
]  # fmt: skip


class Api:
    """The schema, and answers that are looked at."""

    def __init__(self, client, places: dict[str, list[int]]) -> None:
        self.client, self.places = client, places
        self.schema = client.get("/api/schema/", headers={"Accept": "application/json"}).json()
        self.num_asked = 0

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, operations in self.schema["paths"].items():
            for method, operation in operations.items():
                yield method.upper(), path, operation

    def filled(self, path: str, which: int = 0) -> str:
        for name, ids in self.places.items():
            path = path.replace(f"{{{name}}}", str(ids[min(which, len(ids) - 1)]))
        assert "{" not in path, f"{path}: say in `places` what stands there"
        return path

    def send(self, method: str, address: str, body: bytes = b"", kind: str = "application/json"):
        with transaction.atomic():  # each request finds everything as it was
            answer = self.client.generic(method, address, body, content_type=kind)
            transaction.set_rollback(True)
        self.num_asked += 1
        where = (method, address, body[:200])
        assert answer.status_code < 500, (where, answer.status_code)
        if answer.status_code >= 400 and address.startswith("/api/"):
            refused = json.loads(answer.content)
            assert refused["detail"] and refused["errors"], (where, refused)
            assert all(set(error) == {"field", "reason", "code"} for error in refused["errors"]), where
        return answer

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return self.resolved(self.schema["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
        for choice in ("allOf", "oneOf", "anyOf"):
            if choice in schema:
                found = [self.resolved(one) for one in schema[choice]]
                fields = {name: field for one in found for name, field in one.get("properties", {}).items()}
                return {"type": "object", "properties": fields} if fields else found[0]
        return schema

    def good(self, schema: dict[str, Any], name: str = "") -> Any:
        """A value that the schema allows, and ids that exist."""
        if name in KNOWN:
            kind, found = KNOWN[name], self.places.get(KNOWN[name] or "", [None])[-1]
            return [found] if name == "campaigns" else found if kind else None
        schema = self.resolved(schema)
        kind = schema.get("type", "string")
        kind = kind[0] if isinstance(kind, list) else kind
        if "enum" in schema:
            return schema["enum"][0]
        if kind == "object":
            return {key: self.good(value, key) for key, value in schema.get("properties", {}).items()}
        if kind == "array":
            return [self.good(schema["items"])]
        if kind in ("integer", "number"):
            return min(schema.get("minimum", 1), schema.get("maximum", 1))
        if kind == "boolean":
            return False
        return {"uuid": "5f0b5a8e-8a3b-4b1e-9d6e-6a52b8b7a0c1", "email": "a@example.org"}.get(
            schema.get("format", ""), "en"
        )

    def better(self, operation: str, which: int) -> dict[str, Any]:
        """What no schema says of a good body."""
        if operation == "submit":
            assignment = Assignment.objects.get(pk=self.places["assignment_id"][which])
            asked = assignment.unit.prompt.messages
            answer = assignment.suggestions.values_list("pk", flat=True).first()
            said = {"content": "", "answers": [{"suggestion": answer, "text": "So."}], "chosen": answer}
            judged = {"completion": 1, "value": 7, "flags": []}
            return {
                "messages": [*asked, {"role": "assistant", "content": "So."}],
                "tiers": [[place] for place, _pk in enumerate(assignment.shown_order, start=1)],
                "ratings": [judged],
                "criteria": {},
                "own_answer": "",
                "verdict": "accepted" if which == 3 else "better",
                "reviewed_revision": 1,
                "comment": "",
                "content": None,
                "chosen": 1,
                "strength": 1,
                "turns": [said | {"strength": None, "edited": ""}],
            }
        return {
            # Chats have one answer or two; what is judged is two at least.
            "create_campaign": {"num_completions": 2},
            "update_campaign": {"num_completions": 2},
            "create_user": {"password": "three blue doors", "username": "new"},
            "update_user": {"password": "three blue doors", "is_active": True},
            "change_password": {"old_password": PASSWORD, "new_password": "three blue doors"},
            "add_member": {"username": "carol"},
            "give_consent": {"version": 1},
            "suggest": {"turn": 0, "messages": []},
            "create_schedule": {"name": "new"},
            "create_run": {"kind": "sft", "campaign": None},
        }.get(operation, {})

    def bodies(self, good: Any) -> Iterator[Any]:
        """The good body, and one for each field, also of fields, and each odd value in its place."""
        if isinstance(good, list):
            yield from ([body] for body in self.bodies(good[0]))
            return
        yield good
        for name, value in good.items():
            yield from (good | {name: odd} for odd in ODD)
            inner = value[0] if isinstance(value, list) and value else value
            if isinstance(inner, dict):
                for body in self.bodies(inner):
                    yield good | {name: [body] if isinstance(value, list) else body}


@pytest.fixture
def api(carol, places) -> Api:
    client = APIClient()
    client.force_authenticate(carol)
    return Api(client, places)


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
            good = api.good(content["application/json"]["schema"])
            if isinstance(good, dict):
                good |= api.better(operation["operationId"], which)
            for body in api.bodies(good):
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
