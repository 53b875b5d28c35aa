"""Trainers alone see runs, rounds, policies and the model server."""

import pytest

from annotate.runs.models import Round, Schedule
from annotate.runs.services import queue_run
from tests.conftest import signed_in

LISTS = ["runs", "rounds", "policy-versions", "reward-models", "schedules", "model-server"]


@pytest.fixture
def addresses(base, snapshot, new_campaign) -> list[tuple[str, str]]:
    run = queue_run(kind="sft", policy=base, snapshot=snapshot)
    made = Round.objects.create(name="r", base_policy=base)
    schedule = Schedule.objects.create(name="nightly", base_policy=base, every_hours=24)
    return [
        *[("get", f"/api/{name}") for name in LISTS],
        *[("post", f"/api/{name}") for name in LISTS[:3] + ["schedules"]],
        ("get", f"/api/runs/{run.pk}"),
        *[("get", f"/api/runs/{run.pk}/{part}") for part in ("metrics", "log", "samples")],
        *[("post", f"/api/runs/{run.pk}/{verb}") for verb in ("cancel", "resume")],
        ("get", f"/api/rounds/{made.pk}"),
        ("post", f"/api/rounds/{made.pk}/cancel"),
        ("get", f"/api/policy-versions/{base.pk}"),
        ("post", f"/api/policy-versions/{base.pk}/promote"),
        ("patch", f"/api/schedules/{schedule.pk}"),
        ("delete", f"/api/schedules/{schedule.pk}"),
    ]


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_annotators_and_admins_are_refused_everywhere(who, addresses, request):
    client = signed_in(request.getfixturevalue(who))
    for verb, address in addresses:
        answer = getattr(client, verb)(address, {}, format="json")
        assert answer.status_code == 403, f"{verb} {address}: {answer.status_code}"


def test_strangers_are_asked_to_sign_in(client, addresses):
    for verb, address in addresses:
        answer = getattr(client, verb)(address, {}, content_type="application/json")
        assert answer.status_code == 401, f"{verb} {address}: {answer.status_code}"


def test_trainers_may_look_at_everything(tom_client, addresses):
    for verb, address in addresses:
        if verb == "get":
            assert tom_client.get(address).status_code == 200, address


def test_unknown_ids_are_not_found(tom_client, db):
    for address in [
        "runs/9",
        "runs/9/metrics",
        "runs/9/log",
        "runs/9/samples",
        "rounds/9",
        "policy-versions/9",
    ]:
        assert tom_client.get(f"/api/{address}").status_code == 404
    for address in ["runs/9/cancel", "rounds/9/cancel", "runs/9/resume"]:
        assert tom_client.post(f"/api/{address}").status_code == 404
