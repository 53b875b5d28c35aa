"""Kill -9 of the web process and of a worker in mid-work: no word is lost, nothing is done twice."""

import random
import threading
import time
import uuid

import httpx
import pytest

from tests.site import Site

pytestmark = [pytest.mark.slow]

SEED = """
import json
from annotate.accounts.services import create_token, create_user
from annotate.campaigns.services import NewPrompt, add_member, create_campaign
from annotate.feedback.services import queue_prompts
ada = create_user(username="ada", password="a long enough phrase", roles=["annotator", "admin", "trainer"])
campaign = create_campaign(name="Letters", kind="demonstration", created_by=ada)
add_member(campaign, ada)
queue_prompts(campaign, (NewPrompt(messages=[{"role": "user", "content": f"Question {i}?"}]) for i in range(400)))
print(json.dumps({"token": create_token(ada)[1], "campaign": campaign.id}))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("crash"))
    yield site
    site.stop()


@pytest.fixture(scope="module")
def seeded(site):
    import json

    return json.loads(site.python(SEED))


class Writer(threading.Thread):
    """Leases, saves drafts and submits without a pause; remembers what the server said it had stored."""

    def __init__(self, site: Site, seeded: dict):
        super().__init__(daemon=True)
        headers = {"Authorization": f"Token {seeded['token']}"}
        self.http = httpx.Client(base_url=site.url, headers=headers, timeout=10)
        self.campaign = seeded["campaign"]
        self.ending = threading.Event()
        self.drafted: dict[int, str] = {}  # assignment -> the last words whose saving was confirmed
        self.submitted: dict[str, dict] = {}  # key -> what was sent and confirmed
        self.unconfirmed: dict[int, dict] = {}  # assignment -> what was sent without an answer

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                self.do_one_unit()
            except httpx.HTTPStatusError as error:
                assert error.response.status_code >= 500, error.response.text
            except httpx.HTTPError:
                time.sleep(0.05)

    def do_one_unit(self) -> None:
        answer = self.http.post(f"/api/campaigns/{self.campaign}/assignments/next").raise_for_status()
        assignment = answer.json()["assignment"]
        if assignment["id"] in self.unconfirmed:  # the same key again, as the browser does
            return self.send(assignment["id"])
        revision = (assignment["draft"] or {"revision": 0})["revision"]
        words = "an answer"
        for _ in range(3):
            words += f" and {uuid.uuid4()}"
            draft = {"content": {"text": words}, "revision": revision}
            saved = self.http.put(f"/api/assignments/{assignment['id']}/draft", json=draft).raise_for_status()
            revision = saved.json()["revision"]
            self.drafted[assignment["id"]] = words
        messages = [*assignment["prompt"]["messages"], {"role": "assistant", "content": words}]
        body = {"submission_key": str(uuid.uuid4()), "messages": messages}
        self.unconfirmed[assignment["id"]] = body
        self.send(assignment["id"])

    def send(self, assignment: int) -> None:
        body = self.unconfirmed[assignment]
        self.http.post(f"/api/assignments/{assignment}/submit", json=body).raise_for_status()
        self.submitted[body["submission_key"]] = self.unconfirmed.pop(assignment)


STORED = """
import json
from annotate.feedback.models import Demonstration, Draft
demonstrations = Demonstration.objects.values_list("submission_key", "messages")
drafts = Draft.objects.values_list("assignment_id", "content")
print(json.dumps({"demonstrations": [[str(k), m] for k, m in demonstrations], "drafts": list(drafts)}))
"""


def test_a_killed_web_process_loses_no_word_and_stores_nothing_twice(site, seeded):
    import json

    site.start_web()
    writer = Writer(site, seeded)
    writer.start()
    moments = random.Random(7)
    for _ in range(3):
        time.sleep(0.4 + moments.random())
        site.kill("web")
        site.start_web()
    time.sleep(0.5)
    writer.ending.set()
    writer.join(15)
    assert len(writer.submitted) > 3, "the writer did hardly anything"
    # What had no answer is sent again with the same key, as the browser does.
    for assignment in list(writer.unconfirmed):
        writer.send(assignment)
    assert not writer.unconfirmed
    stored = json.loads(site.python(STORED))
    demonstrations = dict(stored["demonstrations"])
    assert len(stored["demonstrations"]) == len(demonstrations) == len(writer.submitted)
    for key, body in writer.submitted.items():
        assert demonstrations[key] == body["messages"]
    drafts = dict(stored["drafts"])
    submitted_words = {messages[-1]["content"] for messages in demonstrations.values()}
    for assignment, words in writer.drafted.items():
        kept = drafts.get(assignment, {}).get("text", "")
        assert words in submitted_words or kept.startswith(words), f"the draft of {assignment} lost words"
    site.kill("web")


def test_an_import_whose_worker_is_killed_is_finished_once(site, seeded):
    import json

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
        "from annotate.snapshots.models import FeedbackImport as I\n"
        "from datetime import timedelta\nfrom django.db.models import F\n"
        "I.objects.filter(state='running').update(heartbeat_at=F('heartbeat_at') - timedelta(hours=1))"
    )
    site.start_worker()
    site.wait_until(lambda: current()["state"] == "succeeded", 120, f"the import did not go on (was {was})")
    stored = current()["report"]["stored"]
    assert (stored["prompts"], stored["rankings"], stored["comparisons"]) == (6000, 6000, 6000)
    assert http.get("/api/snapshots").status_code == 200
