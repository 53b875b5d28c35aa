"""The few moves that most tests of annotators' work make."""

import uuid
from datetime import timedelta

from django.utils import timezone
from rest_framework.test import APIClient

from annotate.campaigns.models import Campaign
from annotate.campaigns.services import NewPrompt
from annotate.feedback.models import Assignment


def prompts(num: int, start: int = 0) -> list[NewPrompt]:
    return [NewPrompt([{"role": "user", "content": f"Question {i}?"}]) for i in range(start, start + num)]


def lease(client: APIClient, campaign: Campaign) -> dict:
    """The whole answer of `next`."""
    answer = client.post(f"/api/campaigns/{campaign.id}/assignments/next", {}, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def leased(client: APIClient, campaign: Campaign) -> dict:
    """The assignment that `next` gave."""
    answer = lease(client, campaign)
    assert answer["assignment"], answer
    return answer["assignment"]


def ids_shown(assignment: dict) -> list[int]:
    """The completions before this person, in the order shown; to them they are 1, 2 …"""
    return Assignment.objects.get(id=assignment["id"]).shown_order


def dialogue(assignment: dict, reply: str = "An answer.") -> list[dict]:
    return [*assignment["prompt"]["messages"], {"role": "assistant", "content": reply}]


def submit(client: APIClient, assignment: dict, *, key: str | None = None, **changes):
    body = {"submission_key": key or str(uuid.uuid4()), "seconds_spent": 12.5}
    if assignment["campaign"]["kind"] == "demonstration":
        body["messages"] = dialogue(assignment)
    else:
        body["tiers"] = [[completion["id"]] for completion in assignment["completions"]]
    return client.post(f"/api/assignments/{assignment['id']}/submit", body | changes, format="json")


def time_passes(assignment: dict, seconds: float = 10_000) -> None:
    """The lease of this assignment ended that long ago."""
    Assignment.objects.filter(id=assignment["id"]).update(
        lease_expires_at=timezone.now() - timedelta(seconds=seconds)
    )
