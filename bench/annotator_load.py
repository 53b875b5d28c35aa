"""32 annotators at once against a real web server: python bench/annotator_load.py

A closed loop without pauses: ask for the next ranking, submit it. Prints one JSON line: the load generator's report,
and what the database says afterwards about units that went to more people than their overlap asks (aim: none).
The load generator is a file beside the project; where it is absent this says so and ends.
"""

import asyncio
import importlib.util
import json
import sys
import tempfile
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.site import Site

LOAD = ROOT.parent / "shared" / "load" / "annotator_load.py"
ANNOTATORS, SECONDS, UNITS = 32, 20, 6_000

SET_UP = """
import json, sys
from annotate.accounts.models import User
from annotate.accounts.services import create_token
from annotate.campaigns.models import Completion, Membership
from annotate.campaigns.services import NewPrompt, add_prompts, create_campaign
from annotate.feedback.queue.units import queue_ranking_units
units, annotators = {units}, {annotators}
campaign = create_campaign(name="load", kind="ranking", num_completions=4)
prompts = add_prompts(campaign, [NewPrompt([{{"role": "user", "content": f"[{{i}}] " + "word " * 30}}])
                                 for i in range(units)]).created
rows = Completion.objects.bulk_create(
    [Completion(prompt=prompt, text=f"{{j}} " + "answer " * 100) for prompt in prompts for j in range(4)],
    batch_size=2000)
queue_ranking_units(campaign, [(prompt.id, [row.id for row in rows[4 * i : 4 * i + 4]])
                               for i, prompt in enumerate(prompts)])
people = User.objects.bulk_create(User(username=f"annotator{{i}}") for i in range(annotators))
Membership.objects.bulk_create(Membership(campaign=campaign, user=person) for person in people)
print(json.dumps({{"campaign": campaign.id, "tokens": [create_token(person)[1] for person in people]}}))
"""
TOLD_AFTERWARDS = """
import json
from django.db.models import Count, F, Q
from annotate.feedback.models import Assignment, Ranking, Unit
holding = Count("assignments", filter=Q(assignments__holds_slot=True))
given = Count("assignments")
units = Unit.objects.annotate(holding=holding, given=given)
print(json.dumps({
    "handouts_beyond_overlap": units.filter(given__gt=F("overlap")).count(),
    "units_with_wrong_slots": units.exclude(open_slots=F("overlap") - F("holding")).count(),
    "num_rankings": Ranking.objects.count(), "num_surplus": Ranking.objects.filter(is_surplus=True).count(),
    "num_submitted": Assignment.objects.filter(state="submitted").count()}))
"""


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("annotator_load_generator", LOAD)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up here
    spec.loader.exec_module(module)
    return module


def parley_adapter(load: ModuleType, url: str, campaign: int, tokens: list[str]) -> Any:
    class Parley(load.Adapter):
        name, base_url = "parley", url

        async def login(self, http: Any, index: int) -> dict[str, str]:
            return {"Authorization": f"Token {tokens[index]}"}

        async def _ask(self, http: Any, who: dict[str, str], path: str, body: dict[str, Any]) -> Any:
            async with http.post(self.base_url + path, json=body, headers=who) as answer:
                if answer.status >= 300:
                    raise load.Rejected(f"{answer.status}: {(await answer.text())[:80]}")
                return await answer.json()

        async def next(self, http: Any, who: dict[str, str]) -> Any:
            answer = await self._ask(http, who, f"/api/campaigns/{campaign}/assignments/next", {})
            assignment = answer["assignment"]
            return load.Item(id=assignment["prompt"]["id"], payload=assignment) if assignment else None

        async def submit(self, http: Any, who: dict[str, str], item: Any) -> None:
            ids = [completion["id"] for completion in item.payload["completions"]]
            ratings = [{"completion": id, "value": 1 + id % 7, "flags": []} for id in ids]
            body = {"submission_key": str(uuid.uuid4()), "tiers": [ids[:1], ids[1:3], ids[3:]]}
            body |= {"ratings": ratings, "seconds_spent": 1.0}
            await self._ask(http, who, f"/api/assignments/{item.payload['id']}/submit", body)

    return Parley()


def main() -> None:
    if not LOAD.exists():
        print(
            f"{LOAD.name}: the load generator is not there ({LOAD}); nothing was measured.", file=sys.stderr
        )
        print(json.dumps({"bench": "annotator_load", "measured": False}))
        return
    load = load_generator()
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as data:
        site = Site(Path(data))
        try:
            made = json.loads(site.python(SET_UP.format(units=UNITS, annotators=ANNOTATORS)))
            site.start_web(workers=2)
            adapter = parley_adapter(load, site.url, made["campaign"], made["tokens"])
            watch = {"web": [site.processes["web"].pid]}
            run = load.run_load(adapter, annotators=ANNOTATORS, seconds=SECONDS, watch=watch, warmup=1)
            report = asyncio.run(run)
            report |= json.loads(site.python(TOLD_AFTERWARDS))
        finally:
            site.stop()
    print(json.dumps({"bench": "annotator_load", "measured": True, **report}))
    if report["handouts_beyond_overlap"] or report["units_with_wrong_slots"] or report["errors"]:
        sys.exit("Units were handed out beyond their overlap, or requests failed; see the line above.")


if __name__ == "__main__":
    main()
