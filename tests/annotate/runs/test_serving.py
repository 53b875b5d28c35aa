"""Which policy is served, what may not be served, and what the model server's row says."""

import http.server
import json
import threading
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.utils import timezone

from annotate.demo.processes import free_port
from annotate.runs import launchers, serving, tasks
from annotate.runs.models import ModelServer
from annotate.runs.registering import register_policy
from annotate.runs.services import promote_policy
from tests.annotate.runs.moves import make_policy


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
    tasks.tend_model_server()
    server = serving.current_state()
    assert server.state == ModelServer.State.UNREACHABLE
    assert "not the ones that were registered" in server.detail
    assert not launchers.is_alive(server.launch)


def test_a_hub_id_has_no_hash_and_is_not_served(new_campaign, db):
    promote_policy(
        policy=register_policy(name="q", path="Qwen/Qwen3-0.6B"), campaigns=[new_campaign("ranking")]
    )
    tasks.tend_model_server()
    assert "no hash here" in serving.current_state().detail


def test_a_model_that_does_not_sample_is_served_through_links_and_stays_as_it_is(model_dir, db):
    policy = register_policy(name="tiny", path=str(model_dir))
    before = {path.name: path.read_bytes() for path in model_dir.iterdir()}
    served = serving._sampling_directory(policy)
    assert served == policy.sampling_links == Path(policy.served_name)
    assert json.loads((served / "generation_config.json").read_text())["do_sample"] is True
    assert (served / "model.safetensors").resolve() == (model_dir / "model.safetensors").resolve()
    assert {path.name: path.read_bytes() for path in model_dir.iterdir()} == before


def test_a_server_that_no_worker_tends_is_called_unreachable(tom_client, base):
    old = (timezone.now() - timedelta(minutes=5)).isoformat()
    ModelServer.objects.create(state="ready", policy_version=base, launch={"tended_at": old})
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
    import time

    deadline = time.monotonic() + seconds
    while not is_there(serving.current_state()):
        assert time.monotonic() < deadline, (serving.current_state().detail, serving._last_words())
        tasks.tend_model_server()
        time.sleep(0.5)
    return serving.current_state()


@pytest.mark.slow
def test_a_promoted_model_is_really_served_found_again_and_stopped(model_dir, new_campaign):
    policy = register_policy(name="tiny", path=str(model_dir))
    campaign = new_campaign("demonstration")
    promote_policy(policy=policy, campaigns=[campaign])
    server = tend_until(lambda server: server.state == "ready")
    pid = server.launch["pid"]
    texts = {
        httpx.post(
            f"{serving.own_url()}/v1/chat/completions",
            json={
                "model": policy.served_name,
                "messages": [{"role": "user", "content": "red sun cat"}],
                "max_tokens": 12,
                "seed": seed,
            },
            timeout=60,
        ).json()["choices"][0]["message"]["content"]
        for seed in range(4)
    }
    assert len(texts) > 1, "it must sample"
    tasks.tend_model_server()
    assert serving.current_state().launch["pid"] == pid, "a server that is well is left alone"
    campaign.policies.all().delete()
    tasks.tend_model_server()
    assert serving.current_state().state == "off"
    assert not launchers.is_alive(server.launch)
