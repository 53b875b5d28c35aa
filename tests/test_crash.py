"""Thirty kills at random moments, over every kind of process, while people work; then their ledger is held against the database.

Six people write, rank and compare, one loop after another; each remembers what the server said it had stored. Killed
with -9 are the web server whole and one of its processes, PostgreSQL's first process and one of its backends, Valkey,
the worker and beat; what does not come back by itself is started again, as an operator's supervisor does.

PARLEY_KILLS=300 kills more often; PARLEY_KILL_SEED=… at other moments. A failure tells its seed.
"""

import json
import os
import random
import signal
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress

import httpx
import psutil
import pytest

from annotate.operating import servers
from tests.site import Site

NUM_KILLS = int(os.environ.get("PARLEY_KILLS", "30"))
SEED = int(os.environ.get("PARLEY_KILL_SEED", "11"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300 + 10 * NUM_KILLS),
    pytest.mark.skipif(
        bool(os.environ.get("DATABASE_URL")), reason="one's own PostgreSQL is not ours to kill"
    ),
]
NUM_PEOPLE = 6
# Of thirty kills: the whole web server and PostgreSQL take seconds to come back, so they are killed less often.
SHARES = {"web": 3, "web_process": 5, "postgres": 3, "backend": 6, "valkey": 5, "worker": 4, "beat": 4}
KINDS = {"demonstration": 1, "ranking": 2, "comparison": 3}  # and how many people a unit goes to

ADA = """
import json
from annotate.accounts.services import create_token, create_user
ada = create_user(username="ada", password="a long enough phrase", roles=["annotator", "admin", "trainer"])
print(json.dumps({"token": create_token(ada)[1]}))
"""


MAKE = """
import json
from annotate.accounts.services import create_token, create_user
from annotate.campaigns.models import Completion
from annotate.campaigns.services import NewPrompt, add_member, add_prompts, create_campaign
from annotate.feedback.queue.units import queue_prompts, queue_ranking_units
people = [create_user(username=f"person{i}", password="a long enough phrase") for i in range(NUM_PEOPLE)]
made = {}
for kind, overlap in KINDS.items():
    num = 2 if kind == "comparison" else 3
    campaign = create_campaign(name=kind, kind=kind, overlap=overlap, lease_seconds=60,
                               **({} if kind == "demonstration" else {"num_completions": num}))
    for person in people:
        add_member(campaign, person)
    asked = [NewPrompt(messages=[{"role": "user", "content": f"Question {i}?"}]) for i in range(600)]
    if kind == "demonstration":
        queue_prompts(campaign, asked)
    else:
        prompts = add_prompts(campaign, asked).created
        rows = Completion.objects.bulk_create(
            Completion(prompt=prompt, text=f"Answer {n}", model_name="by hand") for prompt in prompts for n in range(num))
        queue_ranking_units(campaign, [
            (prompt.id, [row.id for row in rows[i * num:(i + 1) * num]]) for i, prompt in enumerate(prompts)])
    made[kind] = campaign.id
print(json.dumps({"campaigns": made, "tokens": [create_token(person)[1] for person in people]}))
"""

STORED = """
import json
from django.db.models import Count, F, Q
from annotate.feedback.models import Assignment, Demonstration, Draft, Ranking, Unit
def placed(ranking):
    places = {id: place for place, id in enumerate(ranking.assignment.shown_order, start=1)}
    return [sorted(places[id] for id in tier) for tier in ranking.tiers]
given = [[str(d.submission_key), d.assignment_id, d.messages[-1]["content"], 0] for d in Demonstration.objects.exclude(assignment=None)]
given += [[str(r.submission_key), r.assignment_id, placed(r), r.num_pairs]
          for r in Ranking.objects.exclude(assignment=None).select_related("assignment").annotate(num_pairs=Count("comparisons"))]
surplus = Demonstration.objects.filter(is_surplus=True).count() + Ranking.objects.filter(is_surplus=True).count()
units = Unit.objects.annotate(
    held=Count("assignments", filter=Q(assignments__holds_slot=True)),
    counted=Count("assignments", filter=Q(assignments__state="submitted", assignments__holds_slot=True)))
print(json.dumps({
    "given": given, "num_surplus": surplus,
    "drafts": dict(Draft.objects.values_list("assignment_id", "content")),
    "beyond_overlap": list(units.filter(Q(held__gt=F("overlap")) | Q(counted__gt=F("overlap"))).values_list("id", flat=True)),
    "slots_wrong": list(units.exclude(open_slots=F("overlap") - F("held")).values_list("id", "open_slots", "held")),
}))
"""


class Person(threading.Thread):
    """Leases, saves two drafts and submits, on and on; sends again what had no answer, with the same key."""

    def __init__(self, site: Site, campaigns: dict[str, int], token: str, chance: random.Random) -> None:
        super().__init__(daemon=True)
        headers = {"Authorization": f"Token {token}"}
        self.http = httpx.Client(base_url=site.url, headers=headers, timeout=10)
        self.campaigns, self.chance = campaigns, chance
        self.ending = threading.Event()
        self.drafted: dict[int, dict] = {}  # assignment -> the last content whose saving was confirmed
        self.submitted: dict[str, tuple[int, dict]] = {}  # key -> assignment, what was sent and confirmed
        self.refused: list[str] = []

    def run(self) -> None:
        while not self.ending.is_set():
            self.do_one_unit(self.chance.choice(list(self.campaigns)))

    def asked(self, method: str, address: str, body: dict | None = None) -> httpx.Response:
        """The answer, asked for until there is one: a server that is away, or says so, is not the last word."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with suppress(httpx.HTTPError):
                answer = self.http.request(method, address, json=body)
                if answer.status_code < 500:
                    return answer
            time.sleep(0.05)
        raise AssertionError(f"{method} {address}: no answer for two minutes")

    def do_one_unit(self, kind: str) -> None:
        found = self.asked("POST", f"/api/campaigns/{self.campaigns[kind]}/assignments/next").json()
        if (assignment := found["assignment"]) is None:
            return
        address = f"/api/assignments/{assignment['id']}"
        revision = (assignment["draft"] or {"revision": 0})["revision"]
        for _again in range(2):
            content = {"text": f"{assignment['id']} {uuid.uuid4()}"}
            saved = self.asked("PUT", f"{address}/draft", {"content": content, "revision": revision})
            if saved.status_code == 409:  # the save before a kill was stored and its answer lost
                stored = saved.json()
                revision = stored["revision"]
                saved = self.asked("PUT", f"{address}/draft", {"content": content, "revision": revision})
            if saved.status_code != 200:
                self.refused.append(f"draft: {saved.status_code} {saved.text[:300]}")
                return
            revision = saved.json()["revision"]
            self.drafted[assignment["id"]] = content
        key = str(uuid.uuid4())
        body = self.judged(kind, assignment) | {"submission_key": key, "seconds_spent": 1.5}
        sent = self.asked("POST", f"{address}/submit", body)
        if sent.status_code in (200, 201):
            self.submitted[key] = (assignment["id"], body)
        else:
            self.refused.append(f"submit: {sent.status_code} {sent.text[:300]}")

    def judged(self, kind: str, assignment: dict) -> dict:
        if kind == "demonstration":
            words = f"It is {uuid.uuid4()}."
            return {"messages": [*assignment["prompt"]["messages"], {"role": "assistant", "content": words}]}
        places = [completion["id"] for completion in assignment["completions"]]
        self.chance.shuffle(places)
        if kind == "comparison":
            return {"verdict": "better", "chosen": places[0], "strength": 2}
        return {"tiers": [places[:1], places[1:]]}


def expected(body: dict, num_shown: int) -> tuple[object, int]:
    """What the database must hold of a submission: its words or its tiers by place, and how many pairs."""
    if "messages" in body:
        return body["messages"][-1]["content"], 0
    if "chosen" in body:
        rest = [place for place in range(1, num_shown + 1) if place != body["chosen"]]
        return [[body["chosen"]], rest], len(rest)
    best, rest = body["tiers"]
    return [sorted(best), sorted(rest)], len(best) * len(rest)


class Killer:
    """Each kind of process, and what starts it again."""

    def __init__(self, site: Site, chance: random.Random) -> None:
        self.site, self.chance = site, chance
        self.done: Counter[str] = Counter()

    def kill(self, kind: str) -> None:
        getattr(self, kind)()
        self.done[kind] += 1

    def _end(self, process: psutil.Process) -> None:
        """Kill -9, and gone: what looks for it next must not find it still dying."""
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.02)

    def web(self) -> None:
        self.site.kill("web")
        self.site.start_web(workers=2)

    def web_process(self) -> None:
        main = psutil.Process(self.site.processes["web"].pid)
        if of_it := main.children():
            self._end(self.chance.choice(of_it))
        time.sleep(0.5)
        if not main.is_running() or main.status() == psutil.STATUS_ZOMBIE:
            self.site.kill("web")
            self.site.start_web(workers=2)

    def postgres(self) -> None:
        pid = int((self.site.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        self._end(psutil.Process(pid))
        servers.postgres_url(self.site.data)

    def backend(self) -> None:
        pid = int((self.site.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        serving = [child for child in psutil.Process(pid).children() if "parley" in " ".join(child.cmdline())]
        if serving:
            self._end(self.chance.choice(serving))

    def valkey(self) -> None:
        self._end(psutil.Process(int((self.site.data / "valkey.pid").read_text())))
        servers.redis_url(self.site.data)

    def worker(self) -> None:
        self.site.kill("worker")
        self.site.start_worker()

    def beat(self) -> None:
        self.site.kill("beat")
        self.site.start_beat()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("crash"), own_postgres=True)
    yield site
    site.stop()


def test_an_import_whose_worker_is_killed_is_finished_once(site):
    seeded = json.loads(site.python(ADA))
    site.start_web()
    rows = [{"prompt": f"Riddle {i}?", "chosen": f"Answer {i}.", "rejected": "No."} for i in range(6000)]
    lines = "\n".join(
        json.dumps(
            {
                "conversations": [{"from": "human", "value": row["prompt"]}],
                "chosen": {"from": "gpt", "value": row["chosen"]},
                "rejected": {"from": "gpt", "value": row["rejected"]},
            }
        )
        for row in rows
    )
    http = httpx.Client(base_url=site.url, headers={"Authorization": f"Token {seeded['token']}"}, timeout=60)
    body = {"name": "Riddles", "kind": "ranking", "language": "en", "overlap": 1, "num_completions": 2}
    campaign = http.post("/api/campaigns", json=body).raise_for_status().json()["id"]
    upload = {"file": ("riddles.jsonl", lines.encode())}
    queued = http.post(f"/api/campaigns/{campaign}/imports", files=upload).raise_for_status().json()

    def current() -> dict:
        return http.get(f"/api/imports/{queued['id']}").raise_for_status().json()

    site.start_beat()
    site.start_worker()
    site.wait_until(lambda: current()["state"] != "queued", 60, "the import was not begun")
    site.kill("worker")
    was = current()["state"]
    site.python(  # a heartbeat that stopped long ago, so that the test need not wait for it
        "from annotate.exchange.models import FeedbackImport as I\n"
        "from datetime import timedelta\nfrom django.db.models import F\n"
        "I.objects.filter(state='running').update(heartbeat_at=F('heartbeat_at') - timedelta(hours=1))"
    )
    site.start_worker()
    site.wait_until(lambda: current()["state"] == "succeeded", 120, f"the import did not go on (was {was})")
    stored = current()["report"]["stored"]
    assert (stored["prompts"], stored["rankings"], stored["comparisons"]) == (6000, 6000, 6000)
    assert http.get("/api/snapshots").status_code == 200
    for name in list(site.processes):
        site.kill(name)


def test_nothing_acknowledged_is_lost_and_no_unit_goes_too_far_whatever_is_killed(site):
    print(f"PARLEY_KILL_SEED={SEED} PARLEY_KILLS={NUM_KILLS}")
    chance = random.Random(SEED)
    made = json.loads(site.python(f"KINDS, NUM_PEOPLE = {KINDS}, {NUM_PEOPLE}\n{MAKE}"))
    site.start_web(workers=2)
    site.start_worker("web")
    site.start_beat()
    people = [
        Person(site, made["campaigns"], token, random.Random(f"{SEED} {token}")) for token in made["tokens"]
    ]
    for person in people:
        person.start()
    killer = Killer(site, chance)
    plan = [kind for kind, share in SHARES.items() for _again in range(share * NUM_KILLS // 30)]
    chance.shuffle(plan)
    for kind in plan:
        time.sleep(chance.random())
        killer.kill(kind)
    time.sleep(1)
    for person in people:
        person.ending.set()
    for person in people:
        person.join(130)
        assert not person.is_alive()
        assert not person.refused, (SEED, person.refused[:3])

    stored = json.loads(site.python(STORED))
    by_key = {key: (assignment, given, num_pairs) for key, assignment, given, num_pairs in stored["given"]}
    assert len(by_key) == len(stored["given"])
    submitted = {key: sent for person in people for key, sent in person.submitted.items()}
    assert len(submitted) > 3 * NUM_KILLS, "they did hardly anything"
    assert set(by_key) == set(submitted), SEED  # all were asked for until they were confirmed
    for key, (assignment, body) in submitted.items():
        num_shown = 2 if "chosen" in body else 3
        assert by_key[key] == (assignment, *expected(body, num_shown)), (SEED, key, body)
    handed_in = {assignment for assignment, _body in submitted.values()}
    for person in people:
        for assignment, content in person.drafted.items():
            kept = stored["drafts"].get(str(assignment))
            assert assignment in handed_in or kept == content, (SEED, assignment, content, kept)
    assert stored["beyond_overlap"] == [] and stored["slots_wrong"] == [], SEED
    assert killer.done.total() == len(plan)
    print(
        f"{len(submitted)} submissions, {stored['num_surplus']} of them surplus; killed: {dict(killer.done)}"
    )
