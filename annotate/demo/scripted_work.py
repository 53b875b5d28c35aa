"""The scripted annotator at work: a program that leases and submits rankings over the API, as a person's browser does.

Its login and its annotator say that it is scripted; snapshots and exports know it by its own pseudonym.
"""

import secrets
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

from annotate.accounts.models import Annotator, User
from annotate.accounts.services import annotator_of, create_token, create_user
from annotate.demo import scripted_annotator as preference

USERNAME = "scripted-annotator"


def scripted_login() -> User:
    user = User.objects.filter(username=USERNAME).first()
    if user is None:
        user = create_user(
            username=USERNAME,
            password=secrets.token_urlsafe(24),  # nobody signs in with it: it works with a token
            name="Scripted annotator (a program)",
            roles=["annotator"],
        )
    Annotator.objects.filter(pk=annotator_of(user).pk).update(is_scripted=True)
    return user


def rank_all(url: str, campaign_id: int, user: User, tell: Callable[[int], None]) -> int:
    """Lease, rank and submit until nothing is left; gives the number of rankings."""
    token, secret = create_token(user)
    num_ranked = 0
    headers = {"Authorization": f"Token {secret}"}
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as api:
            while assignment := _next(api, campaign_id):
                began = time.monotonic()
                ranking = ranking_of(assignment)
                ranking["seconds_spent"] = time.monotonic() - began
                api.post(f"/api/assignments/{assignment['id']}/submit", json=ranking).raise_for_status()
                num_ranked += 1
                if num_ranked % 25 == 0:
                    tell(num_ranked)
    finally:
        token.delete()
    return num_ranked


def _next(api: httpx.Client, campaign_id: int) -> dict[str, Any] | None:
    answer = api.post(f"/api/campaigns/{campaign_id}/assignments/next")
    answer.raise_for_status()
    return answer.json()["assignment"]


def ranking_of(assignment: dict[str, Any]) -> dict[str, Any]:
    """The body of a submission: tiers, ratings and flags by the stated preference (PREFERENCE.md)."""
    messages = assignment["prompt"]["messages"]
    texts = {str(completion["id"]): completion["text"] for completion in assignment["completions"]}
    tiers, all_bad = preference.rank(messages, texts)
    allowed = set(assignment["campaign"]["flags"])
    return {
        "submission_key": str(uuid.uuid4()),
        "tiers": [[int(key) for key in tier] for tier in tiers],
        "all_bad": all_bad,
        "ratings": [
            {
                "completion": int(key),
                "value": preference.rating(messages, text),
                "flags": [flag for flag in preference.flags(messages, text) if flag in allowed],
            }
            for key, text in texts.items()
        ],
    }
