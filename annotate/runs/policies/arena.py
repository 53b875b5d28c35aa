"""Policy versions against each other, as people judged them in comparison campaigns."""

import math
from dataclasses import dataclass
from typing import Any

from django.db import connection

Z = 1.959964  # 95 %
# From the policy's own completions to what was said of them, so that other policies' rankings are not read.
AGAINST_OTHERS = """
    SELECT rival.id, rival.name,
      count(*) FILTER (WHERE choice.is_made AND given.tiers->0 @> to_jsonb(ours.id)),
      count(*) FILTER (WHERE choice.is_made AND given.tiers->0 @> to_jsonb(theirs.id)),
      count(*) FILTER (WHERE NOT choice.is_made)
    FROM campaigns_completion AS ours
    JOIN feedback_ranking AS given
      ON given.prompt_id = ours.prompt_id AND given.shown_order @> to_jsonb(ours.id)
    JOIN campaigns_campaign AS campaign ON campaign.id = given.campaign_id AND campaign.kind = 'comparison'
    CROSS JOIN LATERAL (SELECT jsonb_array_length(given.tiers) = 2) AS choice (is_made)
    JOIN campaigns_completion AS theirs
      ON theirs.id = (given.shown_order->>(given.shown_order->0 = to_jsonb(ours.id))::int)::bigint
    JOIN runs_policyversion AS rival ON rival.id = theirs.policy_version_id
    WHERE ours.policy_version_id = %(policy)s AND rival.id <> %(policy)s
      AND NOT given.is_surplus AND given.review_state <> 'returned'
    GROUP BY rival.id, rival.name ORDER BY rival.id DESC
"""


@dataclass
class Against:
    """A policy's record against another: wins, losses, and ties (equally good, or both bad)."""

    rival: dict[str, Any]
    num_wins: int
    num_losses: int
    num_ties: int
    share: float
    share_low: float
    share_high: float


def against_others(policy_id: int) -> list[Against]:
    """One row for each policy that it met, the newest first; one query."""
    with connection.cursor() as cursor:
        cursor.execute(AGAINST_OTHERS, {"policy": policy_id})
        rows = cursor.fetchall()
    return [
        Against({"id": id, "name": name}, wins, losses, ties, *win_share(wins, losses, ties))
        for id, name, wins, losses, ties in rows
    ]


def win_share(wins: int, losses: int, ties: int) -> tuple[float, float, float]:
    """(share, low, high): wins and half the ties, of all; with Wilson's 95 % interval (Wilson 1927).

    The interval takes each judgement as won or lost, so that with ties it is wider than need be, never narrower.
    """
    num = wins + losses + ties
    share = (wins + ties / 2) / num
    middle = (share + Z * Z / (2 * num)) / (1 + Z * Z / num)
    half = Z / (1 + Z * Z / num) * math.sqrt(share * (1 - share) / num + Z * Z / (4 * num * num))
    return share, max(0.0, middle - half), min(1.0, middle + half)
