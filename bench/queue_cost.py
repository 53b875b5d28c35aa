"""What leasing and submitting cost with 1,000 and with 100,000 open units: python bench/queue_cost.py

Prints one JSON line: median seconds at the level of services, their ratio (aim: below 1.3), and the number of
queries. Both queues live in databases of their own, made on the configured server and dropped at the end, and
are measured in turns, so that a busy machine disturbs both alike.
"""

import json
import os
import statistics
import sys
import time
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "annotate.settings")

import django

django.setup()

from django.db import connection
from django.test.utils import CaptureQueriesContext

from annotate.accounts.models import User
from annotate.accounts.services import annotator_of, create_user
from annotate.campaigns.models import Campaign
from annotate.campaigns.services import NewPrompt, add_member, add_prompts, create_campaign
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.demonstration import submit_demonstration
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.queue.units import NewUnit, queue_units

SIZES = (1_000, 100_000)
ROUNDS, LOOPS, WARM_UP = 6, 40, 5


def make_database(size: int) -> str:
    """A migrated database with one campaign of `size` open units; returns its name."""
    name = f"parley_bench_{os.getpid()}_{size}"
    connection.creation.connection.settings_dict["TEST"]["NAME"] = name
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    user = create_user(username="bench", password="x", check_password=False)
    campaign = create_campaign(name="bench", kind="demonstration")
    add_member(campaign, user)
    (prompt,) = add_prompts(campaign, [NewPrompt([{"role": "user", "content": "Why?"}])]).created
    begun = time.perf_counter()
    queue_units(campaign, (NewUnit(prompt.id) for _ in range(size)))
    print(f"{size} units queued in {time.perf_counter() - begun:.1f} s", file=sys.stderr)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return name


def use(name: str) -> None:
    connection.close()
    connection.settings_dict["NAME"] = name


def loop(user: User, campaign: Campaign) -> tuple[float, float]:
    """One lease and its submission; the seconds of each."""
    begun = time.perf_counter()
    assignment = lease_next_assignment(campaign, user).assignment
    leased = time.perf_counter()
    assert assignment is not None
    messages = [*assignment.unit.prompt.messages, {"role": "assistant", "content": "Because."}]
    ready = time.perf_counter()
    submit_demonstration(assignment.id, annotator_of(user), HandedIn(uuid.uuid4()), messages=messages)
    return leased - begun, time.perf_counter() - ready


def count_queries(user: User, campaign: Campaign) -> dict[str, int]:
    def statements(queries: CaptureQueriesContext) -> int:
        return sum(query["sql"] not in ("BEGIN", "COMMIT") for query in queries.captured_queries)

    with CaptureQueriesContext(connection) as leasing:
        assignment = lease_next_assignment(campaign, user).assignment
    assert assignment is not None
    messages = [*assignment.unit.prompt.messages, {"role": "assistant", "content": "Because."}]
    annotator = annotator_of(user)
    with CaptureQueriesContext(connection) as submitting:
        submit_demonstration(assignment.id, annotator, HandedIn(uuid.uuid4()), messages=messages)
    return {"lease": statements(leasing), "submit": statements(submitting)}


def main() -> None:
    own_name = connection.settings_dict["NAME"]
    names: dict[int, str] = {}
    seconds: dict[int, list[tuple[float, float]]] = {size: [] for size in SIZES}
    queries: dict[int, dict[str, int]] = {}
    try:
        for size in SIZES:
            names[size] = make_database(size)
        for _ in range(ROUNDS):
            for size in SIZES:
                use(names[size])
                user, campaign = User.objects.get(), Campaign.objects.get()
                measured = [loop(user, campaign) for _ in range(WARM_UP + LOOPS)]
                seconds[size] += measured[WARM_UP:]
                queries[size] = count_queries(user, campaign)
    finally:
        for name in names.values():
            use(name)
            connection.creation.destroy_test_db(own_name, verbosity=0)
    print(json.dumps(report(seconds, queries)))


def report(
    seconds: dict[int, list[tuple[float, float]]], queries: dict[int, dict[str, int]]
) -> dict[str, Any]:
    shown: dict[str, Any] = {"bench": "queue_cost", "units": list(SIZES), "num_measured": ROUNDS * LOOPS}
    small, large = SIZES
    for i, what in enumerate(("lease", "submit")):
        medians = {size: statistics.median(pair[i] for pair in seconds[size]) for size in SIZES}
        shown[f"{what}_seconds"] = [round(medians[size], 6) for size in SIZES]
        shown[f"{what}_ratio"] = round(medians[large] / medians[small], 3)
        shown[f"{what}_queries"] = [queries[size][what] for size in SIZES]
    return shown


if __name__ == "__main__":
    main()
