"""The few moves that most tests of annotators' work make."""

import re
import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import connection
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


def rows_touched(*tables: str) -> int:
    """Rows of these tables that this transaction has read so far, and look-ups in their indexes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0) + coalesce(idx_scan, 0))"
            " FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
            [list(tables)],
        )
        return int(cursor.fetchone()[0])


def columns_saved(queries: Iterable[dict], table: str) -> set[str]:
    """What the queries that were captured have written on rows of a table that were there."""
    saved = [query["sql"] for query in queries if query["sql"].startswith(f'UPDATE "{table}" SET ')]
    return {name for sql in saved for name in re.findall(r'"(\w+)" = ', sql.split(" WHERE ")[0])}
