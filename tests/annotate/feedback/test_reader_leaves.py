"""A browser that is closed in mid-suggestion: on the real web server the stream ends and its words are kept."""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.site import Site

pytestmark = pytest.mark.slow

SET_UP = """
from annotate.accounts.services import create_token, create_user
from annotate.campaigns.services import NewPrompt, add_member, create_campaign
from annotate.feedback.services import lease_next_assignment, queue_prompts
from annotate.runs.models import CampaignPolicy, PolicyVersion
import json
alice = create_user(username="alice", password="three blue doors")
campaign = create_campaign(name="letters", kind="demonstration")
add_member(campaign, alice)
queue_prompts(campaign, [NewPrompt([{"role": "user", "content": "Why?"}])])
policy = PolicyVersion.objects.create(name="endless", path="endless")
CampaignPolicy.objects.create(campaign=campaign, policy_version=policy)
lease = lease_next_assignment(campaign, alice).assignment
print(json.dumps({"token": create_token(alice)[1], "assignment": lease.id}))
"""
KEPT = """
from annotate.feedback.models import Suggestion
print(Suggestion.objects.get().text)
"""


def test_a_closed_browser_ends_the_stream_and_the_offered_words_are_kept(tmp_path):
    script = Path(__file__).with_name("model_server.py")
    model_server = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert model_server.stdout
    port = int(model_server.stdout.readline())
    site = Site(tmp_path, PARLEY_MODEL_SERVER_URL=f"http://127.0.0.1:{port}/v1")
    try:
        made = json.loads(site.python(SET_UP))
        site.start_web()
        address = f"{site.url}/api/assignments/{made['assignment']}/suggestions"
        body = {"turn": 1, "messages": [{"role": "user", "content": "Why?"}]}
        headers = {"Authorization": f"Token {made['token']}"}
        with httpx.stream("POST", address, json=body, headers=headers, timeout=20) as answer:
            assert answer.status_code == 200
            arrived = [line for line, _ in zip(answer.iter_lines(), range(60), strict=False)]
        seen = [json.loads(line[6:]) for line in arrived if line.startswith("data: ")]
        read = "".join(data.get("text", "") for data in seen)
        assert read.startswith("word0 word1 ")
        time.sleep(2)
        kept = site.python(KEPT)
        assert kept.startswith(read.strip())
        assert len(kept) < 3000  # the stream of 100,000 words ended soon after
        time.sleep(2)
        assert site.python(KEPT) == kept
    finally:
        site.stop()
        model_server.kill()
        model_server.wait()
