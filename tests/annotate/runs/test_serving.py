"""Which policy is served, what may not be served, and what the model server's row says."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from annotate.operating.processes import free_port
from annotate.runs import serving, tasks
from annotate.runs.jobs import launchers
from annotate.runs.loop.promoting import promote_policy
from annotate.runs.models import ModelServer
from annotate.runs.policies.registry import register_policy
from annotate.runs.serving import places_to_ask
from tests.annotate.runs.moves import make_policy
from trainer.model_files import directory_sha256
from trainer.serve import link_with_sampling


@pytest.fixture(autouse=True)
def no_server_left_behind(settings, db):
    settings.MODEL_SERVER_URL = ""
    settings.MODEL_SERVER_PORT = free_port(18377)
    yield
    serving.stop_model_server()


def test_nothing_is_served_until_a_policy_is_promoted(tom_client, base):
    tasks.tend_model_server()
    assert tom_client.get("/api/model-server").json() == {
        "state": "off",
        "policy_version": None,
        "loading": None,
        "detail": "",
    }


def test_the_newest_promoted_policy_is_wanted_and_writing_goes_first(base, new_campaign):
    judging, other, writing = (new_campaign(kind) for kind in ("ranking", "ranking", "demonstration"))
    for_judging, for_writing, newest = make_policy(), make_policy(), make_policy()
    promote_policy(policy=for_judging, campaigns=[judging])
    assert serving.wanted_policy() == for_judging
    promote_policy(policy=for_writing, campaigns=[writing, other])
    promote_policy(policy=newest, campaigns=[judging])
    assert serving.wanted_policy() == for_writing
    writing.status = "closed"
    writing.save()  # the policy is still in use in another campaign, where nobody writes
    assert serving.wanted_policy() == newest


def test_a_changed_model_is_not_served(base, new_campaign, model_dir, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in model_dir.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    policy = register_policy(name="copy", path=str(copy))
    promote_policy(policy=policy, campaigns=[new_campaign("ranking")])
    with open(copy / "model.safetensors", "ab") as weights:
        weights.write(b"more")
    server = tend_until(lambda server: server.state == ModelServer.State.UNREACHABLE)
    assert "not the ones that were registered" in server.detail
    assert not launchers.is_alive(server.launch)


def test_a_hub_id_has_no_hash_and_is_not_served(new_campaign, db):
    promote_policy(
        policy=register_policy(name="q", path="Qwen/Qwen3-0.6B"), campaigns=[new_campaign("ranking")]
    )
    tasks.tend_model_server()
    assert "no hash here" in serving.current_state().detail


def test_a_model_is_served_through_links_that_sample_and_stays_as_it_is(model_dir, tmp_path):
    before = {path.name: path.read_bytes() for path in model_dir.iterdir()}
    links = tmp_path / "links"
    links.mkdir()
    (links / "model.safetensors").symlink_to("/data/before/it/was/restored/here")
    link_with_sampling(model_dir, links)
    assert json.loads((links / "generation_config.json").read_text())["do_sample"] is True
    assert (links / "model.safetensors").resolve() == (model_dir / "model.safetensors").resolve()
    assert {path.name: path.read_bytes() for path in model_dir.iterdir()} == before


@pytest.mark.slow
def test_a_server_never_outlives_what_tends_it(model_dir, tmp_path):
    tended, port = tmp_path / "tended", str(free_port(18390))
    program = [sys.executable, "-m", "trainer.serve", str(model_dir), "--sha256", directory_sha256(model_dir)]
    places = ["--links", str(tmp_path / "links"), "--tended", str(tended), "--port", port]
    tended.touch()
    with subprocess.Popen(
        [*program, *places, "--patience", "2"], stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert server.poll() is None, server.stderr.read()
                tended.touch()
                time.sleep(0.2)
            assert server.wait(20) == 1
            assert "Nobody has tended" in server.stderr.read()
        finally:
            server.kill()  # where it did outlive them


def test_each_look_touches_the_file_that_the_servers_watch(base, model_dir):
    tended = serving._tended_file()
    tended.touch()
    os.utime(tended, (0, 0))
    tasks.tend_model_server()
    assert time.time() - tended.stat().st_mtime < 60
    line = serving._command(ModelServer(url="http://x:1/v1", model_name="/links"), model_dir, base)
    assert line[line.index("--tended") + 1] == str(tended)


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=1).is_success
    except httpx.HTTPError:
        return False


def test_a_server_that_no_worker_tends_is_called_unreachable(tom_client, base):
    old = (timezone.now() - timedelta(minutes=5)).isoformat()
    ModelServer.objects.create(state="ready", policy_version=base, url="http://x/v1", tended_at=old)
    shown = tom_client.get("/api/model-server").json()
    assert shown["state"] == "unreachable"
    assert "No worker" in shown["detail"]


class OneModel(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"data": [{"id": "/models/base"}]}).encode()
        self.send_response(200 if self.path == "/v1/models" else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def test_a_server_given_by_url_is_matched_with_the_policy_it_names(base, settings):
    given = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OneModel)
    threading.Thread(target=given.serve_forever, daemon=True).start()
    settings.MODEL_SERVER_URL = f"http://127.0.0.1:{given.server_port}/v1"
    tasks.tend_model_server()
    assert (serving.current_state().state, serving.current_state().policy_version) == ("ready", base)
    given.shutdown()
    given.server_close()
    tasks.tend_model_server()
    assert (serving.current_state().state, serving.current_state().policy_version) == ("unreachable", None)


def tend_until(is_there, seconds: float = 120):
    deadline = time.monotonic() + seconds
    while not is_there(serving.current_state()):
        state = serving.current_state()
        assert time.monotonic() < deadline, (state.state, state.detail, serving.all_servers())
        tasks.tend_model_server()
        time.sleep(0.5)
    return serving.current_state()


def test_where_the_memory_does_not_hold_two_the_old_one_makes_room_when_the_new_one_has_tried(
    base, new_campaign, tmp_path
):
    new = make_policy()
    promote_policy(policy=new, campaigns=[new_campaign("chat")])
    process = launchers.start_process(["sleep", "600"], tmp_path / "output", dict(os.environ))
    now = timezone.now()
    old = ModelServer.objects.create(
        url="http://127.0.0.1:9/v1", policy_version=base, state="ready", launch=process, started_at=now
    )
    tried = {"url": "http://127.0.0.1:9/v2", "policy_version": new, "state": "unreachable", "started_at": now}
    tried |= {"num_failures": 1, "launch": {"host": socket.gethostname()}}
    failed = ModelServer.objects.create(**tried, detail="The model server ended: No module named x")
    tasks.tend_model_server()
    assert launchers.is_alive(old.launch)
    ModelServer.objects.filter(pk=failed.pk).update(detail="The model server ended: CUDA out of memory.")
    tasks.tend_model_server()
    old.refresh_from_db()
    assert old.state == ModelServer.State.STOPPING
    tend_until(lambda _: not launchers.is_alive(old.launch))


def answer_of(server: ModelServer, seed: int = 1) -> str:
    asked = {"model": server.model_name, "max_tokens": 12, "seed": seed}
    asked["messages"] = [{"role": "user", "content": "red sun cat"}]
    answer = httpx.post(f"{server.url}/chat/completions", json=asked, timeout=60)
    return answer.json()["choices"][0]["message"]["content"]


@pytest.mark.slow
def test_a_promoted_model_is_really_served_until_the_next_is_ready_and_stopped_in_the_end(
    model_dir, new_campaign, tmp_path
):
    old = register_policy(name="old", path=str(model_dir))
    shutil.copytree(model_dir, tmp_path / "new")
    new = register_policy(name="new", path=str(tmp_path / "new"))
    campaign = new_campaign("demonstration")
    promote_policy(policy=old, campaigns=[campaign])
    server = tend_until(lambda server: server.state == "ready")
    assert len({answer_of(server, seed) for seed in range(4)}) > 1, "it must sample"
    tasks.tend_model_server()
    assert serving.current_state().launch == server.launch, "a server that is well is left alone"

    promote_policy(policy=new, campaigns=[campaign])
    tasks.tend_model_server()
    assert (serving.current_state().policy_version, serving.policy_being_loaded()) == (old, new)
    assert answer_of(server)
    places = places_to_ask(campaign, [new])
    assert [(place.policy_version, place.url == server.url) for place in places] == [
        (old, True),
        (new, False),
    ]
    newer = tend_until(lambda server: server.policy_version == new)
    assert answer_of(newer)
    tend_until(lambda _: not launchers.is_alive(server.launch))
    tasks.tend_model_server()
    assert [row.policy_version for row in serving.all_servers()] == [new]

    campaign.policies.all().delete()
    tend_until(lambda server: server.state == "off")
    tend_until(lambda _: not launchers.is_alive(newer.launch))
