"""The web process under slow bodies, endless streams and large uploads: a thread is held only while a view works."""

import json
import math
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress

import httpx
import pytest

from tests.site import ROOT, Site

pytestmark = pytest.mark.slow

SET_UP = """
from annotate.accounts.services import create_token, create_user
from annotate.campaigns.services import NewPrompt, add_member, create_campaign
from annotate.feedback.queue.leases import lease_next_assignment
from annotate.feedback.queue.units import queue_prompts
from annotate.campaigns.models import CampaignPolicy
from annotate.runs.models import PolicyVersion
import json
made = {}
for model in ("endless", "hangs"):
    campaign = create_campaign(name=model, kind="demonstration")
    policy = PolicyVersion.objects.create(name=model, path=model)
    CampaignPolicy.objects.create(campaign=campaign, policy_version=policy)
    queue_prompts(campaign, [NewPrompt([{"role": "user", "content": f"Why {i}?"}]) for i in range(9)])
    for i in range(9):
        writer = create_user(username=f"{model}{i}", password="three blue doors")
        add_member(campaign, writer)
        assignment = lease_next_assignment(campaign, writer).assignment
        made[f"{model}{i}"] = {"token": create_token(writer)[1], "assignment": assignment.id,
                                "messages": assignment.unit.prompt.messages}
admin = create_user(username="carol", password="three blue doors", roles=["admin"])
made["carol"] = {"token": create_token(admin)[1], "campaign": campaign.id}
print(json.dumps(made))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    script = ROOT / "tests" / "annotate" / "feedback" / "model_server.py"
    server = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    site = Site(tmp_path_factory.mktemp("web"), PARLEY_MODEL_SERVER_URL=url)
    site.made = json.loads(site.python(SET_UP))
    site.start_web()
    yield site
    site.stop()
    server.kill()
    server.wait()


def headers(site: Site, name: str) -> dict[str, str]:
    return {"Authorization": f"Token {site.made[name]['token']}"}


def post(site: Site, path: str, content: str, name: str = "", length: int | None = None) -> socket.socket:
    """A request as it goes over the line; of `length` bytes announced only `content` is sent."""
    who = f"Authorization: Token {site.made[name]['token']}\r\n" if name else ""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{who}"
    connection = socket.create_connection(("127.0.0.1", site.port), timeout=20)
    connection.sendall(f"{head}Content-Length: {length or len(content)}\r\n\r\n{content}".encode())
    return connection


def ask_for_suggestion(site: Site, name: str) -> socket.socket:
    body = {"turn": 1, "messages": site.made[name]["messages"]}
    path = f"/api/assignments/{site.made[name]['assignment']}/suggestions"
    return post(site, path, json.dumps(body), name)


def read_on(connection: socket.socket) -> None:
    with suppress(OSError):
        while connection.recv(65536):
            pass


def test_a_draft_is_saved_quickly_while_bodies_streams_and_the_model_server_hang(site):
    """Shown by 3 of the issue; docs/benchmarks.md has the figures of a longer look."""
    with ExitStack() as open_connections:
        slow = [post(site, "/api/session", '{"user', length=1000) for _ in range(50)]
        streams = [ask_for_suggestion(site, f"endless{i}") for i in range(8)]
        hanging = [ask_for_suggestion(site, f"hangs{i}") for i in range(8)]
        for connection in [*slow, *streams, *hanging]:
            open_connections.enter_context(connection)
        for connection in streams:
            assert connection.recv(20).startswith(b"HTTP/1.1 200")
            threading.Thread(target=read_on, args=[connection], daemon=True).start()
        assert all(connection.recv(20).startswith(b"HTTP/1.1 200") for connection in hanging)
        mine, seconds, revision = site.made["endless8"]["assignment"], [], 0
        with httpx.Client(base_url=site.url, headers=headers(site, "endless8"), timeout=10) as http:
            for i in range(60):
                began = time.perf_counter()
                draft = {"content": {"text": f"word {i}"}, "revision": revision}
                saved = http.put(f"/api/assignments/{mine}/draft", json=draft).raise_for_status()
                seconds.append(time.perf_counter() - began)
                revision = saved.json()["revision"]
                assert http.get("/healthz", timeout=2).status_code == 200
        assert sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1] < 0.2, seconds
        assert streams[0].fileno() > 0 and hanging[0].fileno() > 0


KEPT = """
from annotate.feedback.models import Suggestion
print(Suggestion.objects.filter(assignment={}).latest("id").text)
"""


def test_a_closed_browser_ends_the_stream_and_the_offered_words_are_kept(site):
    mine = site.made["endless8"]
    kept = KEPT.format(mine["assignment"])
    body = {"turn": 1, "messages": mine["messages"]}
    address = f"{site.url}/api/assignments/{mine['assignment']}/suggestions"
    with httpx.stream("POST", address, json=body, headers=headers(site, "endless8"), timeout=20) as answer:
        assert answer.status_code == 200
        arrived = [line for line, _ in zip(answer.iter_lines(), range(60), strict=False)]
    seen = [json.loads(line[6:]) for line in arrived if line.startswith("data: ")]
    read = "".join(data.get("text", "") for data in seen)
    assert read.startswith("word0 word1 ")
    time.sleep(1)
    stored = site.python(kept)
    assert stored.startswith(read.strip())
    assert len(stored) < 3000  # the stream of 100,000 words ended soon after
    assert site.python(kept) == stored


def told(connection: socket.socket) -> tuple[int, dict]:
    """The status and the JSON of an answer that comes though the body never did."""
    with connection:
        received = b""
        while b"\r\n\r\n" not in received or not received.endswith(b"}"):
            received += connection.recv(65536)
    head, content = received.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), json.loads(content)


@pytest.mark.parametrize(
    ("path", "name", "size", "status"),
    [
        ("/admin/login/", "", 200_000_000, 401),
        ("/api/nothing", "", 100_000, 401),
        ("/api/campaigns/{campaign}/imports", "", 200_000_000, 401),
        ("/api/campaigns/{campaign}/imports", "hangs8", 200_000_000, 403),
        ("/api/campaigns/999999/imports", "carol", 200_000_000, 404),
        ("/api/campaigns/{campaign}/imports", "carol", 2**40, 413),
        ("/api/me", "hangs8", 11_000_000, 413),
    ],
)
def test_a_body_that_may_not_be_sent_is_refused_by_its_headers(site, path, name, size, status):
    path = path.format(**site.made["carol"])
    answered, content = told(post(site, path, "", name, length=size))
    assert answered == status
    assert content["detail"] and content["errors"]


def test_a_file_for_import_is_read_from_who_may_import(site):
    address = f"{site.url}/api/campaigns/{site.made['carol']['campaign']}/imports"
    lines = b'{"prompt": "Who fishes here, and for whom?"}\n' * 5000
    answer = httpx.post(
        address, files={"file": ("a.jsonl", lines)}, headers=headers(site, "carol"), timeout=30
    )
    assert answer.status_code == 202, answer.text
    assert list((site.data / "incoming").iterdir()) == []


def test_a_body_in_pieces_without_a_length_is_read_whole(site):
    body = json.dumps({"username": "carol", "password": "three blue doors"}).encode()
    pieces = (body[i : i + 7] for i in range(0, len(body), 7))
    said = {"Content-Type": "application/json"}
    assert httpx.post(f"{site.url}/api/session", content=pieces, headers=said).status_code == 200
    endless = (b" " * 65536 for _ in range(1000))
    refused = httpx.post(
        f"{site.url}/api/me", content=endless, headers=said | headers(site, "carol"), timeout=30
    )
    assert refused.status_code == 413
