"""Agreement: how often two people who rank the same completions put a pair in the same order.

The share of pairs on which two labelers agree is what InstructGPT reports of its own (Ouyang et al. 2022, section
3.4: 72.6 % among those who trained the model, 77.3 % among the held-out) and Stiennon et al. (2020, section 4.1) of
theirs. It counts pairs that both have ordered: a tie says nothing about a pair, and a completion that one of them
left out has none.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Sum

from annotate.accounts.models import User
from annotate.campaigns.models import Campaign
from annotate.feedback.models import Assignment, Ranking, Unit, Verdict, that_counts
from annotate.quality.models import Agreement

MIN_PAIRS = 20  # with fewer, the share says more about chance than about a person
BATCH = 200
Tiers = Sequence[Sequence[int]]


def agreement_on_pairs(one: Tiers, other: Tiers) -> tuple[int, int]:
    """(pairs ordered the same way, pairs that both order) of two rankings in tiers of completion ids, best first."""
    here, there = _places(one), _places(other)
    signs = [
        (here[a] - here[b]) * (there[a] - there[b]) for a, b in combinations(here.keys() & there.keys(), 2)
    ]
    return sum(sign > 0 for sign in signs), sum(sign != 0 for sign in signs)


def _places(tiers: Tiers) -> dict[int, int]:
    return {completion: place for place, tier in enumerate(tiers) for completion in tier}


def count_agreement() -> int:
    """Count it for every complete unit in which something has come or changed; how many were counted."""
    num_counted = 0
    while True:
        counted = _count_batch()
        num_counted += counted
        if counted < BATCH:
            return num_counted


@transaction.atomic
def _count_batch() -> int:
    """Of units with as many submissions as their overlap asks; the others wait, marked, until they have them.

    Who submits to one of these units meanwhile marks it after this and is counted next time.
    """
    leased = Assignment.objects.filter(unit=OuterRef("pk"), state=Assignment.State.LEASED, holds_slot=True)
    complete = Unit.objects.filter(~Exists(leased), has_new_judgements=True, open_slots=0)
    locked = complete.select_for_update(no_key=True, skip_locked=True, of=("self",)).order_by("id")
    ids = list(locked.values_list("id", flat=True)[:BATCH])
    Unit.objects.filter(id__in=ids).update(has_new_judgements=False)
    # What a reviewer has rewritten is not its author's judgement any more.
    rankings = Ranking.objects.filter(that_counts(), assignment__unit__in=ids)
    of_unit: dict[int, list[Ranking]] = {id: [] for id in ids}
    for ranking in rankings.exclude(review_state=Verdict.CORRECTED).select_related("assignment"):
        of_unit[ranking.assignment.unit_id].append(ranking)  # type: ignore[union-attr]
    Agreement.objects.filter(assignment__unit__in=ids).delete()
    Agreement.objects.bulk_create(row for together in of_unit.values() for row in _agreements(together))
    return len(ids)


def _agreements(together: Sequence[Ranking]) -> list[Agreement]:
    """For each of the rankings of one unit, its pairs with all the others; none where it has no pair."""
    same, pairs = [0] * len(together), [0] * len(together)
    for i, j in combinations(range(len(together)), 2):
        num_same, num_pairs = agreement_on_pairs(together[i].tiers, together[j].tiers)
        for k in (i, j):
            same[k] += num_same
            pairs[k] += num_pairs
    return [
        Agreement(
            assignment=ranking.assignment, annotator_id=ranking.annotator_id, campaign_id=ranking.campaign_id,
            num_same=num_same, num_pairs=num_pairs,
        )
        for ranking, num_same, num_pairs in zip(together, same, pairs, strict=True)
        if num_pairs and ranking.annotator_id
    ]  # fmt: skip


def agreement_of(user: User) -> list[dict[str, Any]]:
    """For each of a person's campaigns in which several judge a unit: how often they agree with the others.

    `share` (from 0 to 1) is None while there are fewer than `MIN_PAIRS` pairs. Reads the person's own rows only.
    """
    own = Agreement.objects.filter(annotator__user=user).order_by().values("campaign")
    counted = {row["campaign"]: row for row in own.annotate(same=Sum("num_same"), pairs=Sum("num_pairs"))}
    judged = Campaign.objects.filter(memberships__user=user, kind__in=Campaign.JUDGING)
    shared = judged.filter(Q(overlap__gt=1) | Q(id__in=counted)).order_by("id").values_list("id", flat=True)
    rows = [(id, counted.get(id, {"same": 0, "pairs": 0})) for id in shared]
    return [
        {
            "campaign": id,
            "num_pairs": row["pairs"],
            "min_pairs": MIN_PAIRS,
            "share": row["same"] / row["pairs"] if row["pairs"] >= MIN_PAIRS else None,
        }
        for id, row in rows
    ]
