"""The whole API as its schema tells it: every operation, with addresses and bodies that are good."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.db import transaction
from rest_framework.test import APIClient

from annotate.feedback.models import Assignment
from tests.conftest import PASSWORD

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


@cache
def read_schema() -> dict[str, Any]:
    return APIClient().get("/api/schema/", headers={"Accept": "application/json"}).json()


class Api:
    """The schema, and answers that are looked at."""

    def __init__(self, client, places: dict[str, list[int]]) -> None:
        self.client, self.places = client, places
        self.schema = read_schema()
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

    def good_body(self, operation: dict[str, Any], which: int = 0) -> Any:
        """A body that the operation takes; None where it takes no JSON."""
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            return None
        good = self.good(content["application/json"]["schema"])
        return good | self.better(operation["operationId"], which) if isinstance(good, dict) else good

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
            "create_token": {"days": 30},
            "update_user": {"password": "three blue doors", "is_active": True},
            "change_password": {"old_password": PASSWORD, "new_password": "three blue doors"},
            "add_member": {"username": "carol"},
            "give_consent": {"version": 1},
            "suggest": {"turn": 0, "messages": []},
            "create_schedule": {"name": "new"},
            "create_run": {"kind": "sft", "campaign": None},
        }.get(operation, {})
