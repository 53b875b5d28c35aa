"""The loop in containers' form: web and workers as processes that know of each other what deploy/compose.yaml says.

Every name of a service there is a loopback address of its own here, so that nothing is found that listens for its
own machine only. A policy is promoted while somebody chats: no answer fails, the old policy answers until the new
one does.
"""

import json
import os
import re
import shutil
import threading

import httpx
import pytest
import yaml

from tests.site import ROOT, Site
from tests.trainer.tiny import make_model, make_tokenizer

pytestmark = [pytest.mark.slow]

COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
GIVEN = {"POSTGRES_PASSWORD": "p", "PARLEY_SECRET_KEY": "k" * 50, "PARLEY_DOMAIN": "annotate.example.org"}
# Those two are other people's containers; the test's own servers stand in their place.
OTHERS = ("DATABASE_URL", "REDIS_URL")
SEED = """
import json, os
from annotate.accounts.services import create_token, create_user
from annotate.campaigns.services import NewPrompt, add_member, create_campaign
from annotate.feedback.queue.units import queue_prompts
from annotate.runs.policies.registry import register_policy
from annotate.runs.loop.promoting import promote_policy
ada = create_user(username="ada", password="a long enough phrase", roles=["annotator", "admin", "trainer"])
sampling = {"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 8}
campaign = create_campaign(name="Talk", kind="chat", created_by=ada, num_completions=1, sampling=sampling)
add_member(campaign, ada)
queue_prompts(campaign, [NewPrompt(messages=[{"role": "user", "content": "red sun cat"}])])
old, new = (register_policy(name=name, path=os.environ["MODELS"] + "/" + name) for name in ("old", "new"))
promote_policy(policy=old, campaigns=[campaign])
print(json.dumps({"token": create_token(ada)[1], "campaign": campaign.id, "new": new.id}))
"""


def environment_of(service: str, addresses: dict[str, str]) -> dict[str, str]:
    """What compose gives a container, with addresses for the names of other containers."""

    def filled_in(found: re.Match) -> str:
        name, default = found["name"], found["default"]
        return GIVEN.get(name, default or "")

    given = {}
    for name, value in COMPOSE["services"][service]["environment"].items():
        value = re.sub(r"\$\{(?P<name>\w+)(:\?[^}]*|-(?P<default>[^}]*))?\}", filled_in, str(value))
        for host, address in addresses.items():
            value = re.sub(rf"(?<![\w.-]){host}(?![\w.-])", address, value)
        given[name] = value
    return {name: value for name, value in given.items() if name not in OTHERS}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("policies")
    tokenizer = make_tokenizer()
    make_model(tokenizer).save_pretrained(folder / "old")
    tokenizer.save_pretrained(folder / "old")
    shutil.copytree(folder / "old", folder / "new")
    return folder


@pytest.fixture
def addresses() -> dict[str, str]:
    """{service: a loopback address of its own}"""
    net = f"127.{os.getpid() % 250}.{os.getpid() // 250 % 250}"
    return {name: f"{net}.{number}" for number, name in enumerate(COMPOSE["services"], start=2)}


@pytest.fixture
def containers(tmp_path_factory, models, addresses):
    data = tmp_path_factory.mktemp("data")  # a short name: sockets lie below it
    site = Site(data, MODELS=str(models))
    for name in [name for name in site.env if name.startswith("PARLEY_") and name != "PARLEY_DATA"]:
        del site.env[name]
    site.env |= environment_of("web", addresses) | {"PARLEY_DATA": str(data)}
    try:
        yield site
    finally:
        site.stop()


class Chatter(threading.Thread):
    """Asks for an answer again and again, and keeps how each ended."""

    def __init__(self, http: httpx.Client, assignment: dict):
        super().__init__(daemon=True)
        self.http, self.assignment = http, assignment
        self.ended: list[str] = []
        self.is_over = threading.Event()

    def run(self) -> None:
        asked = {"turn": 1, "messages": self.assignment["prompt"]["messages"], "side": 0}
        while not self.is_over.is_set():
            body = asked | {"pair": len(self.ended) + 1}
            answer = self.http.post(f"/api/assignments/{self.assignment['id']}/suggestions", json=body)
            told = re.findall(r"^event: (\w+)\ndata: (.*)$", answer.text, re.MULTILINE)
            self.ended.append(told[-1][0] if answer.is_success else answer.text)
            self.is_over.wait(0.2)


def addresses_of_servers(site: Site) -> list[str]:
    """Where web asks for answers."""
    code = (
        "from annotate.runs.models import ModelServer\n"
        "import json; print(json.dumps([row.url for row in ModelServer.objects.all()]))"
    )
    return json.loads(site.python(code))


def names_of_answers(site: Site) -> list[str]:
    code = (
        "from annotate.feedback.models import Suggestion\n"
        "rows = Suggestion.objects.order_by('id').values_list('policy_version__name', flat=True)\n"
        "import json; print(json.dumps(list(rows)))"
    )
    return json.loads(site.python(code))


def test_a_promotion_reaches_the_chat_by_itself_and_no_answer_fails(containers, addresses):
    assert environment_of("web", {}) == environment_of("gpu-worker", {}) == environment_of("beat", {})
    seeded = json.loads(containers.python(SEED))
    containers.start_web()
    containers.start_worker("web", name="worker")
    containers.start_worker("train", name="gpu-worker")
    containers.start_beat()
    headers = {"Host": GIVEN["PARLEY_DOMAIN"], "X-Forwarded-Proto": "https"}  # as the proxy passes them on
    headers["Authorization"] = f"Token {seeded['token']}"
    http = httpx.Client(base_url=containers.url, headers=headers, timeout=60)

    def served() -> str:
        server = http.get("/api/model-server").json()
        return server["policy_version"]["name"] if server["state"] == "ready" else server["detail"]

    containers.wait_until(lambda: served() == "old", 120, "the promoted policy was not served")
    (asked_at,) = addresses_of_servers(containers)
    assert httpx.URL(asked_at).host == addresses["gpu-worker"], "its own machine is not web's"
    assignment = http.post(f"/api/campaigns/{seeded['campaign']}/assignments/next").json()["assignment"]
    chat = Chatter(http, assignment)
    chat.start()
    containers.wait_until(lambda: len(chat.ended) > 2, 60, "nobody answered")
    body = {"campaigns": [seeded["campaign"]], "sample": False}
    assert http.post(f"/api/policy-versions/{seeded['new']}/promote", json=body).is_success
    containers.wait_until(lambda: served() == "new", 120, "the next policy was not served")
    so_far = len(chat.ended)
    containers.wait_until(lambda: len(chat.ended) > so_far + 8, 60, "nobody answered")
    chat.is_over.set()
    chat.join(60)
    assert set(chat.ended) == {"end"}
    answered = names_of_answers(containers)
    assert answered == sorted(answered, reverse=True), "the old one, and from some answer on the new one"
    assert answered.count("old") > 2
    assert answered.count("new") > 2
