"""What a run or a registration may read and write, whatever a person asks for."""

import os

import pytest

from annotate.runs.jobs import launchers
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.jobs.settings import FILES, settings_of
from annotate.runs.models import Run
from trainer.run_dir import RunError

pytestmark = pytest.mark.django_db
# Settings of a job that are any text, and name neither a file nor an address.
WORDS = {"dataset_weights", "lora_target", "criteria", "split", "stop"}


@pytest.mark.parametrize("kind", Run.Kind.values)
def test_every_setting_that_is_a_text_is_known_to_name_no_file_or_is_held_to_its_place(kind):
    texts = {name for name, one in settings_of(kind).items() if one.type == "str" and not one.one_of}
    assert texts <= WORDS | FILES


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../secret_key", "{data}/secret_key", "link", "/dev/zero", "pipe"]
)
def test_a_setting_that_names_another_file_is_refused(path, tom_client, base, snapshot, tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (tmp_path / "secret_key").write_text("SECRET")
    (inputs / "link").symlink_to(tmp_path / "secret_key")
    os.mkfifo(inputs / "pipe")
    config = {"annotator_weights": path.format(data=tmp_path)}
    body = {"kind": "reward", "policy": base.pk, "snapshot": snapshot.pk, "config": config}
    answer = tom_client.post("/api/runs", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "config.annotator_weights"
    assert "inputs" in answer.json()["detail"]
    assert "SECRET" not in answer.content.decode()


def test_weights_in_the_folder_of_inputs_are_given_to_the_job(base, snapshot, tmp_path):
    run = queue_run(kind="reward", policy=base, snapshot=snapshot, config={"annotator_weights": "care.json"})
    assert launchers.job_options(run)["annotator_weights"] == str(tmp_path / "inputs" / "care.json")


def test_the_reference_of_a_reward_model_is_a_finished_run_by_name(tom_client, base, snapshot, new_campaign):
    body = {"kind": "reward", "policy": base.pk, "snapshot": snapshot.pk}
    refused = tom_client.post("/api/runs", body | {"config": {"reference_run": "/root"}}, format="json")
    assert refused.status_code == 400
    sampled = Run.objects.create(
        name="sample-7", kind="sample", state="succeeded", policy=base, run_dir="/x/sample-7"
    )
    made = tom_client.post("/api/runs", body | {"config": {"reference_run": "sample-7"}}, format="json")
    run = Run.objects.get(pk=made.json()["id"])
    assert launchers.job_options(run)["reference_run"] == sampled.run_dir


def test_neither_a_campaign_nor_a_setting_can_change_what_a_job_is_given(base, new_campaign):
    odd = {"model": None, "server": "http://elsewhere/v1", "run_dir": "/tmp/x", "prompts": "/etc/passwd"}
    campaign = new_campaign("ranking", sampling={"temperature": 0.5, "top_p": "--server=x", **odd})
    run = queue_run(kind="sample", policy=base, campaign=campaign)
    for name in ("prompts", "run_dir", "server"):
        run.config = {name: "/etc/passwd"}
        with pytest.raises(RunError, match=name):
            launchers.job_options(run)
    run.config = {"num_completions": 2}
    options = launchers.job_options(run)
    assert options.pop("temperature") == 0.5
    assert options == {
        "num_completions": 2, "seed": run.pk, "run_dir": run.run_dir, "model": base.path, "prompts": f"{run.run_dir}/prompts.jsonl", "policy_version": base.name,
    }  # fmt: skip


def test_a_job_is_given_no_secret_of_the_worker(monkeypatch):
    for name in (
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "DB_PASSWORD",
        "PARLEY_SECRET_KEY",
    ):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("HF_TOKEN", "for the hub")
    given = launchers.job_environment()
    assert "secret" not in given.values()
    assert given["HF_TOKEN"] == "for the hub"


def register(client, path):
    return client.post("/api/policy-versions", {"name": "p", "path": str(path)}, format="json")


def test_a_path_elsewhere_is_refused_alike_whether_it_is_there_or_not(tom_client, tmp_path, settings):
    settings.MODEL_DIRS = [tmp_path / "models"]
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "out").symlink_to("/etc")
    there = [
        "/etc",
        "/root",
        "/proc/1/root",
        "/dev/zero",
        f"{tmp_path}/models/../..",
        f"{tmp_path}/models/out",
    ]
    answers = [register(tom_client, path) for path in [*there, "/is/not/there", "~root", "./annotate"]]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.content for answer in answers}) == 1


def test_a_model_with_a_device_in_it_is_refused_and_not_read(tom_client, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").symlink_to("/dev/zero")
    assert "no ordinary file" in register(tom_client, model).json()["detail"]


def test_a_directory_that_the_operator_opened_and_a_hub_id_are_registered(tom_client, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    assert register(tom_client, model).json()["path"] == str(model)
    hub = tom_client.post("/api/policy-versions", {"name": "q", "path": "Qwen/Qwen3-0.6B"}, format="json")
    assert hub.status_code == 201
