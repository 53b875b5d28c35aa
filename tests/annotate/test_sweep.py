"""Every operation of the API's own schema, with values that do not belong there: refused in words, never a 500.

The addresses, parameters and fields are read from the schema, so that a new endpoint is swept from its first day.
tests/annotate/feedback/test_odd_bodies.py has the odd texts and bytes.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient

from annotate.accounts.services import annotator_of, create_token
from annotate.campaigns.services import add_member, create_campaign, prompt_key, write_terms
from annotate.feedback.models import Assignment, Suggestion
from annotate.feedback.remarks import make_remark
from annotate.feedback.services import lease_next_assignment, queue_all_reviews
from annotate.runs.models import CampaignPolicy, PolicyVersion, Round, Schedule
from annotate.runs.services import queue_run
from annotate.snapshots.models import FeedbackImport, Snapshot
from tests.annotate.moves import leased, submit
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
RAW = [b"", b"null", b"[]", b'"odd"', b"7", b"{", b'{"a": NaN}', b"\xff", b'{"name": "\\u0000"}', b"[" * 5000]


@pytest.fixture
def places(
    alice, alice_client, carol, writing, ranking, comparing, chatting, settings, tmp_path
) -> dict[str, list[int]]:
    """Ids that exist, by the names that addresses give them; carol may do everything and has work."""
    settings.RUNS_DIR, settings.UPLOADS_DIR = tmp_path / "runs", tmp_path / "uploads"
    settings.SNAPSHOTS_DIR = tmp_path / "snapshots"
    carol.is_annotator = carol.is_trainer = True
    carol.save()
    annotator_of(carol)
    campaigns = [writing(3), ranking(3), comparing(3)]
    assert submit(alice_client, leased(alice_client, campaigns[0])).status_code == 201
    campaigns.append(create_campaign(name="of it", kind="review", reviewed_campaign=campaigns[0]))
    queue_all_reviews()
    campaigns.append(chatting(3))
    for campaign in campaigns:
        add_member(campaign, carol)
    base = PolicyVersion.objects.create(name="base", path="/models/base")
    settings.MODEL_SERVER_URL = "http://127.0.0.1:1/v1"  # nobody is there
    CampaignPolicy.objects.create(campaign=campaigns[0], policy_version=base)
    snapshot = Snapshot.objects.create(name="s", path="/s", state="ready", manifest_sha256="1" * 64)
    assignments = [lease_next_assignment(campaign, carol).assignment for campaign in campaigns]
    asked = prompt_key(assignments[4].unit.prompt.messages)
    Suggestion.objects.create(
        assignment=assignments[4], turn=1, seed=1, text="So.", is_complete=True, pair=1, asked=asked
    )
    CampaignPolicy.objects.create(campaign=campaigns[4], policy_version=base)
    write_terms(campaigns[0], "Be fair.", by=carol)
    return {
        "campaign_id": [campaign.pk for campaign in campaigns],
        "assignment_id": [assignment.pk for assignment in assignments],
        "remark_id": [make_remark(assignments[0], "comment", "Is this a question?").pk],
        "user_id": [alice.pk],
        "token_id": [create_token(carol)[0].token_key],
        "policy_version_id": [base.pk],
        "run_id": [queue_run(kind="sft", policy=base, snapshot=snapshot).pk],
        "round_id": [Round.objects.create(name="r", base_policy=base).pk],
        "schedule_id": [Schedule.objects.create(name="s", base_policy=base, every_hours=1).pk],
        "snapshot_id": [snapshot.pk],
        "import_id": [FeedbackImport.objects.create(campaign=campaigns[0], file_name="f", path="/f").pk],
    }


class Api:
    """The schema, and answers that are looked at."""

    def __init__(self, client, places: dict[str, list[int]]) -> None:
        self.client, self.places = client, places
        self.schema = client.get("/api/schema/?format=json").json()
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
