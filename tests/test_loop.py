"""The whole loop with real processes: web, a Celery worker, beat, and training jobs of a tiny model.

Demonstrations -> SFT -> candidates -> rankings -> reward model -> PPO -> evaluation -> gate -> next candidates.
"""

import json
import shlex
import time
from pathlib import Path

import httpx
import pytest

from tests.site import Site
from tests.trainer.tiny import make_model, make_tokenizer
from tests.warm import warm_jobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEED = """
import json, random
from annotate.accounts.services import create_token, create_user
from annotate.campaigns.services import NewPrompt, add_member, create_campaign
from annotate.feedback.models import Demonstration
from annotate.feedback.queue.units import queue_prompts
from tests.trainer.tiny import WORDS
rng = random.Random(0)
questions = [" ".join(rng.sample(WORDS, 3)) for _ in range(24)]
options = {"validation_fraction": 0.3, "split_seed": 3}
writing = create_campaign(name="Words", kind="demonstration", **options)
judging = create_campaign(name="Judged words", kind="ranking", num_completions=3,
                          sampling={"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 8}, **options)
Demonstration.objects.bulk_create(
    Demonstration(campaign=writing, messages=[
        {"role": "user", "content": question}, {"role": "assistant", "content": question.split()[0]}])
    for question in questions
)
queue_prompts(judging, (NewPrompt(messages=[{"role": "user", "content": question}]) for question in questions))
tom = create_user(username="tom", password="a long enough phrase", roles=["trainer"])
alice = create_user(username="alice", password="a long enough phrase", roles=["annotator"])
add_member(judging, alice)
print(json.dumps({"tom": create_token(tom)[1], "alice": create_token(alice)[1],
                  "writing": writing.pk, "judging": judging.pk}))
"""
SMALL = {
    "sft": {"max_steps": 12, "learning_rate": 0.005, "per_device_batch_size": 8},
    "sample": {"num_prompts": 12},
    "reward": {"max_steps": 3, "learning_rate": 0.001},
    "ppo": {
        "num_episodes": 16,
        "batch_size": 8,
        "max_new_tokens": 8,
        "learning_rate": 0.001,
        "shared_trunk": True,
    },
    "evaluate": {"max_new_tokens": 8, "num_prompts": 6},
    "gate": {"win_rate_low": -1},
}


@pytest.fixture(scope="module")
def base_model_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = make_tokenizer()
    make_model(tokenizer).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


class Loop:
    """A site at work, and the two people who work on it."""

    def __init__(self, site: Site, base_model_dir) -> None:
        self.site, self.base_model_dir = site, base_model_dir
        self.seeded = json.loads(site.python(SEED))

    def client(self, who: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.site.url, headers={"Authorization": f"Token {self.seeded[who]}"}, timeout=30
        )

    def ask(self, verb: str, address: str, body: dict | None = None, who: str = "tom") -> dict:
        with self.client(who) as client:
            answer = client.request(verb, f"/api/{address}", json=body)
            assert answer.status_code < 300, answer.text
            return answer.json()

    def wait_for_round(self, round_id: int, seconds: float = 400) -> dict:
        deadline = time.monotonic() + seconds
        while (shown := self.ask("GET", f"rounds/{round_id}"))["state"] == "running":
            assert time.monotonic() < deadline, (shown, self.site.log_tails())
            time.sleep(0.5)
        assert shown["state"] == "succeeded", (shown, self.site.log_tails())
        return shown

    def wait_for_run(self, kind: str, state: str, seconds: float = 120) -> dict:
        deadline = time.monotonic() + seconds
        while not (found := self.ask("GET", f"runs?kind={kind}&state={state}")["results"]):
            assert time.monotonic() < deadline, self.site.log_tails()
            time.sleep(0.1)
        return found[0]

    def rank_everything(self) -> int:
        """Alice ranks what waits: the longer text is better."""
        num_ranked = 0
        while True:
            given = self.ask("POST", f"campaigns/{self.seeded['judging']}/assignments/next", who="alice")
            assignment = given["assignment"]
            if assignment is None:
                return num_ranked
            best_first = sorted(assignment["completions"], key=lambda completion: -len(completion["text"]))
            key = f"00000000-0000-4000-8000-{assignment['id']:012}"
            body = {"submission_key": key, "tiers": [[one["id"]] for one in best_first], "all_bad": False}
            self.ask("POST", f"assignments/{assignment['id']}/submit", body | {"ratings": []}, who="alice")
            num_ranked += 1

    def waiting_policies(self) -> list[str]:
        """Names of the policies whose completions wait in the ranking queue, the next to be served first."""
        return json.loads(
            self.site.python(
                "import json\n"
                "from annotate.feedback.models import Unit\n"
                f"units = Unit.objects.filter(campaign={self.seeded['judging']}, open_slots__gt=0)\n"
                "print(json.dumps([unit.completions.first().policy_version.name"
                " for unit in units.order_by('priority', 'position')]))"
            )
        )

    def run_loop(self, tmp_path, config: dict) -> dict:
        (tmp_path / "config.json").write_text(json.dumps(config))
        done = self.site.manage(
            *["run_loop", "--campaign", "Words", "Judged words", "--base-model", str(self.base_model_dir)],
            *["--config", str(tmp_path / "config.json"), "--json"],
        )
        assert "A Celery worker answers" in done.stderr
        return json.loads(done.stdout)["rounds"][0]


@pytest.fixture(scope="module")
def loop(tmp_path_factory, base_model_dir):
    site = Site(
        tmp_path_factory.mktemp("loop"),
        PARLEY_MODEL_SERVER_URL="http://127.0.0.1:9/v1",
        PARLEY_MODEL_DIRS=str(base_model_dir.parent),
        PARLEY_LAUNCH_PREFIX=shlex.join(warm_jobs().prefix),
    )
    try:
        site.start()
        yield Loop(site, base_model_dir)
    finally:
        site.stop()


def test_feedback_becomes_a_better_policy_whose_completions_wait_for_the_next_person(loop, tmp_path):
    # Round 1, asked for over the API and driven by beat alone: demonstrations become an SFT policy.
    base = loop.ask("POST", "policy-versions", {"name": "tiny", "path": str(loop.base_model_dir)})
    campaigns = [loop.seeded["writing"], loop.seeded["judging"]]
    asked = {"campaigns": campaigns, "base_policy": base["id"], "config": SMALL}
    first_id = loop.ask("POST", "rounds", asked)["id"]
    # A worker that dies does not take the job along: the next one finds it and goes on watching.
    sft = loop.wait_for_run("sft", "running")
    loop.site.kill("worker")
    loop.site.start_worker()
    first = loop.wait_for_round(first_id)
    assert loop.ask("GET", f"runs/{sft['id']}")["num_attempts"] == 1
    assert {stage["stage"]: stage["state"] for stage in first["stages"]} == {
        "snapshot": "done", "sft": "done", "reward": "skipped", "ppo": "skipped", "evaluate": "skipped",
        "promote": "done", "sample": "done",
    }  # fmt: skip
    waiting = loop.waiting_policies()
    assert len(waiting) == 12
    assert set(waiting) == {first["outcome"].split()[0]}

    # A person ranks the candidates.
    assert loop.rank_everything() == 12
    assert loop.waiting_policies() == []

    # Round 2, by the command: everything is learned anew, and the result comes back to the people.
    second = loop.run_loop(tmp_path, SMALL)
    runs = {stage["stage"]: stage["run"] for stage in second["stages"]}
    assert all(runs[kind]["state"] == "succeeded" for kind in ("sft", "reward", "ppo", "evaluate", "sample"))
    assert second["promoted"] == runs["ppo"]["made"]
    assert second["promoted"] not in waiting, "another policy than the first round's"
    assert set(loop.waiting_policies()) == {second["promoted"]}
    assert second["pushed_back"][0]["num_units"] == len(loop.waiting_policies())
    assert second["evaluation"]["metrics"]["num_prompts"] > 0

    # Every figure that the console shows has a name in words; its interval's ends stand with it.
    locale = Path(__file__).parent.parent / "frontend" / "src" / "locales" / "en.json"
    metrics = [loop.ask("GET", f"runs/{run['id']}")["metrics"] for run in runs.values() if run]
    shown = {name for row in metrics for name, value in row.items() if type(value) in (int, float)}
    shown = {name.removesuffix("_low").removesuffix("_high") for name in shown}
    assert shown - set(json.loads(locale.read_text())["metric"]) == set()

    # Its ancestry is complete: PPO, SFT, base, each with its run, snapshot and settings.
    policies = loop.ask("GET", "policy-versions")["results"]
    promoted = next(policy for policy in policies if policy["name"] == second["promoted"])
    links = loop.ask("GET", f"policy-versions/{promoted['id']}")["ancestry"]
    assert [link["policy_version"]["name"] for link in links] == [
        runs["ppo"]["made"],
        runs["sft"]["made"],
        "tiny",
    ]
    assert links[0]["run"]["snapshot"]["counts"]["rankings"] == 12
    assert links[0]["reward_model"]["name"] == runs["reward"]["made"]
    assert links[1]["run"]["config"]["max_steps"] == 12
