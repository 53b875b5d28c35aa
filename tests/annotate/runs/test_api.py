"""What trainers' pages ask for."""

from pathlib import Path

import pytest

from annotate.campaigns.services import add_prompts
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.jobs.settings import settings_of
from annotate.runs.models import PolicyVersion, Run, Schedule
from annotate.runs.policies.registry import ancestry_of
from tests.annotate.moves import prompts
from tests.annotate.runs.moves import finished, job_of, make_policy, make_reward_model, running, succeed


def post(client, address: str, body: dict | None = None):
    return client.post(f"/api/{address}", body or {}, format="json")


def test_a_run_is_queued_over_the_api(tom_client, base, snapshot):
    body = {"kind": "sft", "policy": base.pk, "snapshot": snapshot.pk, "config": {"max_steps": 5}}
    answer = post(tom_client, "runs", body)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["state"], shown["kind"], shown["triggered_by"]) == ("queued", "sft", "tom")
    assert shown["policy"] == {"id": base.pk, "name": "base"}
    assert shown["config"] == {"max_steps": 5}
    assert shown["output"] == {"policy_version": None, "reward_model": None}
    assert tom_client.get(f"/api/runs/{shown['id']}").json() == shown


def test_the_settings_of_a_run_come_in_the_order_of_its_job(tom_client, base, snapshot):
    config = {"seed": 1, "max_length": 64, "learning_rate": 1e-5, "max_steps": 5}
    run = queue_run(kind="sft", policy=base, snapshot=snapshot, config=config)
    Run.objects.update(config=config | {"zeal": 2, "ardour": 1})
    shown = list(tom_client.get(f"/api/runs/{run.pk}").json()["config"])
    known = [name for name in settings_of("sft") if name in config]
    assert shown == [*known, "ardour", "zeal"] and known != sorted(config, key=len)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "magic"}, "kind"),
        ({"policy": 10**12}, "policy"),
        ({"policy": None}, "policy"),
        ({"snapshot": None}, "snapshot"),
        ({"config": {"run_dir": "/etc"}}, "config.run_dir"),
        ({"config": []}, "config"),
        ({"config": {"learning_rat": 0.1}}, "config.learning_rat"),
        ({"config": {"learning_rate": "fast"}}, "config.learning_rate"),
    ],
)
def test_a_refused_run_names_the_field(tom_client, base, snapshot, changes, field):
    answer = post(tom_client, "runs", {"kind": "sft", "policy": base.pk, "snapshot": snapshot.pk} | changes)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == field
    assert not Run.objects.exists()


def test_runs_are_listed_by_kind_and_state(tom_client, base, snapshot):
    queue_run(kind="sft", policy=base, snapshot=snapshot)
    queue_run(kind="reward", policy=base, snapshot=snapshot)
    assert tom_client.get("/api/runs").json()["count"] == 2
    assert tom_client.get("/api/runs?kind=reward&state=queued").json()["count"] == 1
    assert tom_client.get("/api/runs?state=failed").json()["count"] == 0
    assert tom_client.get("/api/runs?kind=magic").status_code == 400


def test_the_lists_ask_a_constant_number_of_queries(
    tom_client, base, snapshot, django_assert_max_num_queries, new_campaign
):
    campaign = new_campaign("ranking")
    for _ in range(5):
        run = succeed(queue_run(kind="sft", policy=base, snapshot=snapshot))
        campaign.policies.create(policy_version=run.policy_version)
    with django_assert_max_num_queries(5):
        assert tom_client.get("/api/runs").json()["count"] == 5
    with django_assert_max_num_queries(9):
        assert tom_client.get("/api/policy-versions").json()["count"] == 6


def test_curves_log_and_samples_are_read_from_the_run_directory(tom_client, base, snapshot):
    run = running(queue_run(kind="sft", policy=base, snapshot=snapshot))
    job = job_of(run)
    for step in range(1, 6):
        job.progress(step, 5, loss=1 / step)
    job.sample({"step": 5, "completion": "<b>hello</b>"})
    Path(run.run_dir, "log.txt").write_text("".join(f"line {n}\n" for n in range(300)))
    job.close()
    rows = tom_client.get(f"/api/runs/{run.pk}/metrics?after_step=3").json()
    assert [(row["step"], row["loss"]) for row in rows] == [(4, 0.25), (5, 0.2)]
    assert tom_client.get(f"/api/runs/{run.pk}/log?tail=2").json() == {"text": "line 298\nline 299"}
    assert tom_client.get(f"/api/runs/{run.pk}/samples").json() == [{"step": 5, "completion": "<b>hello</b>"}]
    assert tom_client.get(f"/api/runs/{run.pk}/log?tail=0").status_code == 400


def test_a_run_that_has_not_begun_has_empty_curves(tom_client, base, snapshot):
    run = queue_run(kind="sft", policy=base, snapshot=snapshot)
    assert tom_client.get(f"/api/runs/{run.pk}/metrics").json() == []
    assert tom_client.get(f"/api/runs/{run.pk}/log").json() == {"text": ""}
    assert tom_client.get(f"/api/runs/{run.pk}/samples").json() == []


def test_a_long_curve_is_thinned_and_keeps_its_last_point(tom_client, base, snapshot):
    run = running(queue_run(kind="sft", policy=base, snapshot=snapshot))
    Path(run.run_dir, "metrics.jsonl").write_text(
        "".join(f'{{"step": {n}, "loss": 1}}\n' for n in range(1, 10_001))
    )
    rows = tom_client.get(f"/api/runs/{run.pk}/metrics").json()
    assert 300 < len(rows) <= 2001
    assert rows[-1]["step"] == 10_000


def test_cancel_and_resume_over_the_api(tom_client, base, snapshot):
    run = queue_run(kind="sft", policy=base, snapshot=snapshot)
    assert post(tom_client, f"runs/{run.pk}/resume").status_code == 409
    assert post(tom_client, f"runs/{run.pk}/cancel").json()["state"] == "cancelled"
    assert post(tom_client, f"runs/{run.pk}/cancel").status_code == 409
    assert post(tom_client, f"runs/{run.pk}/resume").json()["state"] == "queued"


def test_a_round_is_started_and_shown_with_its_stages(tom_client, base, new_campaign):
    campaign = new_campaign("ranking")
    answer = post(tom_client, "rounds", {"campaigns": [campaign.pk], "base_policy": base.pk})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["stage"], shown["state"]) == ("snapshot", "running")
    assert [stage["stage"] for stage in shown["stages"]] == [
        "snapshot", "sft", "reward", "ppo", "evaluate", "promote", "sample"
    ]  # fmt: skip
    assert shown["stages"][0] == {"stage": "snapshot", "state": "running", "run": None, "progress": None}
    assert shown["campaigns"] == [{"id": campaign.pk, "name": campaign.name}]
    assert post(tom_client, f"rounds/{shown['id']}/cancel").json()["state"] == "cancelled"
    assert post(tom_client, "rounds", {"campaigns": [], "base_policy": base.pk}).status_code == 400


def test_a_policy_shows_its_whole_ancestry(tom_client, base, snapshot):
    sft = succeed(queue_run(kind="sft", policy=base, snapshot=snapshot, config={"max_steps": 5}), loss=1.5)
    reward_model = make_reward_model(sft.policy_version, snapshot)
    ppo = succeed(
        queue_run(kind="ppo", policy=sft.policy_version, snapshot=snapshot, reward_model=reward_model),
        score=2.5,
    )
    shown = tom_client.get(f"/api/policy-versions/{ppo.policy_version.pk}").json()
    assert shown["kind_of_run"] == "ppo"
    links = shown["ancestry"]
    assert [link["policy_version"]["name"] for link in links] == [ppo.name, sft.name, "base"]
    assert links[0]["reward_model"] == {"id": reward_model.pk, "name": reward_model.name}
    assert links[0]["run"]["metrics"] == {"score": 2.5}
    assert links[1]["run"]["config"] == {"max_steps": 5}
    assert links[1]["run"]["snapshot"] == {"id": snapshot.pk, "name": snapshot.name, "counts": {}}
    assert links[2]["run"] is None


@pytest.fixture
def judged(base, snapshot):
    """A PPO policy with an evaluation whose interval begins at `low`."""

    def make(low: float) -> PolicyVersion:
        reward_model = make_reward_model(base, snapshot)
        ppo = succeed(queue_run(kind="ppo", policy=base, snapshot=snapshot, reward_model=reward_model))
        policy = ppo.policy_version
        evaluate = queue_run(
            kind="evaluate", policy=policy, ref_policy=base, snapshot=snapshot, reward_model=reward_model
        )
        succeed(evaluate, win_rate=0.6, win_rate_low=low)
        return policy

    return make


def test_promotion_below_the_gate_needs_an_override(tom_client, judged, new_campaign):
    policy, campaign = judged(0.4), new_campaign("ranking")
    body = {"campaigns": [campaign.pk], "sample": False}
    refused = post(tom_client, f"policy-versions/{policy.pk}/promote", body)
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["code"] == "gate"
    assert "0.400" in refused.json()["detail"]
    assert not campaign.policies.exists()
    answer = post(tom_client, f"policy-versions/{policy.pk}/promote", body | {"override": True})
    assert answer.status_code == 200
    assert answer.json()["is_promoted"]
    assert answer.json()["promoted_by"] == "tom"


@pytest.mark.parametrize("kind", Run.IMPROVES_POLICY)
def test_an_improved_policy_has_its_ancestry_and_is_not_promoted_before_it_was_evaluated(
    tom_client, base, snapshot, new_campaign, kind
):
    reward_model = make_reward_model(base, snapshot)
    run = succeed(queue_run(kind=kind, policy=base, snapshot=snapshot, reward_model=reward_model))
    shown = tom_client.get(f"/api/policy-versions/{run.policy_version.pk}").json()
    assert (shown["kind_of_run"], shown["parent"]["name"]) == (kind, "base")
    body = {"campaigns": [new_campaign("ranking").pk]}
    refused = post(tom_client, f"policy-versions/{run.policy_version.pk}/promote", body)
    assert refused.status_code == 409
    assert "has not been evaluated" in refused.json()["detail"]


def test_promotion_replaces_the_campaigns_policy_and_samples_the_next_candidates(
    tom_client, judged, new_campaign
):
    policy, judging, writing = judged(0.7), new_campaign("ranking"), new_campaign("demonstration")
    judging.policies.create(policy_version=make_policy())
    add_prompts(judging, prompts(2))
    answer = post(tom_client, f"policy-versions/{policy.pk}/promote", {"campaigns": [judging.pk, writing.pk]})
    assert answer.status_code == 200, answer.content
    for campaign in (judging, writing):
        assert [row.policy_version for row in campaign.policies.all()] == [policy]
    run = Run.objects.get(kind="sample")
    assert (run.campaign, run.policy, run.triggered_by.username) == (judging, policy, "tom")


def test_a_base_model_directory_is_registered_with_a_hash(tom_client, model_dir, db, settings):
    settings.MODEL_DIRS = [model_dir.parent]
    answer = post(tom_client, "policy-versions", {"name": "tiny", "path": str(model_dir)})
    assert answer.status_code == 201, answer.content
    assert answer.json()["kind_of_run"] == "base"
    assert len(PolicyVersion.objects.get(name="tiny").model_sha256) == 64
    again = post(tom_client, "policy-versions", {"name": "tiny", "path": str(model_dir)})
    assert again.status_code == 400
    assert again.json()["errors"][0]["field"] == "name"


def test_a_hub_id_is_registered_without_a_hash(tom_client, db):
    assert post(tom_client, "policy-versions", {"name": "q", "path": "Qwen/Qwen3-0.6B"}).status_code == 201
    assert PolicyVersion.objects.get(name="q").model_sha256 == ""


@pytest.mark.parametrize("path", ["~nobody-here/model", "x" * 999, "/proc/self/mem", "../.."])
def test_a_path_that_leads_nowhere_is_refused_in_words(tom_client, db, path):
    answer = post(tom_client, "policy-versions", {"name": "odd", "path": path})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "path"


@pytest.mark.parametrize(
    "manifest", ["{}", "[]", '{"format_version": 1}', '{"format_version": 1, "files": []}']
)
def test_a_manifest_that_no_run_wrote_is_refused_in_words(tom_client, db, tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    answer = post(tom_client, "policy-versions", {"name": "odd", "path": str(tmp_path)})
    assert answer.status_code == 400
    assert "manifest" in answer.json()["detail"]


def test_a_directory_with_pickled_weights_only_is_refused(tom_client, tmp_path, db):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    answer = post(tom_client, "policy-versions", {"name": "old", "path": str(tmp_path)})
    assert answer.status_code == 400
    assert "no .safetensors file" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/nowhere/at/all", "../..", "two words", "a/b/c"])
def test_a_path_that_leads_nowhere_is_refused(tom_client, db, path):
    assert post(tom_client, "policy-versions", {"name": "x", "path": path}).status_code == 400


def test_a_run_directory_changed_since_is_refused(tom_client, base, snapshot):
    run = finished(queue_run(kind="sft", policy=base, snapshot=snapshot))
    Path(run.run_dir, "model", "model.safetensors").write_bytes(b"other")
    answer = post(tom_client, "policy-versions", {"name": "x", "path": run.run_dir})
    assert answer.status_code == 400
    assert "was changed after the run" in answer.json()["detail"]


def test_schedules_are_made_changed_and_deleted(tom_client, base, new_campaign):
    body = {
        "name": "nightly",
        "campaigns": [new_campaign("ranking").pk],
        "base_policy": base.pk,
        "every_hours": 24,
    }
    made = post(tom_client, "schedules", body)
    assert made.status_code == 201, made.content
    assert post(tom_client, "schedules", body).status_code == 400
    address = f"/api/schedules/{made.json()['id']}"
    changed = tom_client.patch(address, {"is_enabled": False, "min_new_feedback": 50}, format="json")
    assert (changed.json()["is_enabled"], changed.json()["min_new_feedback"]) == (False, 50)
    neither = tom_client.patch(address, {"every_hours": None, "min_new_feedback": None}, format="json")
    assert neither.status_code == 400
    assert tom_client.delete(address).status_code == 204
    assert not Schedule.objects.exists()


def test_a_long_ancestry_costs_no_more_queries_than_a_short_one(base, snapshot, django_assert_num_queries):
    newest = base
    for _ in range(12):
        newest = make_policy(parent=newest, run=queue_run(kind="sft", policy=newest, snapshot=snapshot))
    newest = PolicyVersion.objects.get(pk=newest.pk)  # as a request finds it, without its parents
    with django_assert_num_queries(2):
        line = ancestry_of(newest)
        made_from = [link["run"] and link["run"].snapshot for link in line]
    assert [len(line), line[0]["policy_version"], line[-1]["policy_version"]] == [13, newest, base]
    assert made_from == [snapshot] * 12 + [None]
