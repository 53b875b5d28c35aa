"""Real training jobs in processes of their own: finished, killed and resumed, cancelled, refused."""

import os
import shlex
import signal

import pytest

from annotate.campaigns.models import Prompt
from annotate.runs import tasks
from annotate.runs.jobs import advancing, launchers
from annotate.runs.jobs.queueing import cancel_run, queue_run, resume_run
from annotate.runs.models import PolicyVersion, Run
from annotate.runs.policies.registry import register_policy
from tests.annotate.runs.moves import look_until, make_snapshot
from tests.warm import warm_jobs
from trainer.run_dir import read_metrics, read_status

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def tiny(model_dir, db) -> PolicyVersion:
    return register_policy(name="tiny", path=str(model_dir))


@pytest.fixture
def words(snapshot_dir, db):
    return make_snapshot(snapshot_dir)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def warm(settings):
    settings.LAUNCH_PREFIX = shlex.join(warm_jobs().prefix)


@pytest.fixture(autouse=True)
def no_job_left_behind(db):
    yield
    for run in Run.objects.exclude(launch={}):
        launchers.signal_job(run.launch, signal.SIGKILL)


def has_ended(run: Run) -> bool:
    return run.state not in (Run.State.QUEUED, Run.State.RUNNING)


def has_stepped(num: int):
    return lambda run: run.step >= num and run.state == Run.State.RUNNING


def test_sampled_completions_of_a_real_model_wait_to_be_ranked(warm, tiny, new_campaign):
    campaign = new_campaign("ranking", num_completions=3, sampling={"max_new_tokens": 8, "temperature": 1.0})
    Prompt.objects.bulk_create(
        Prompt(campaign=campaign, messages=[{"role": "user", "content": f"red sun {i}"}], key=str(i))
        for i in range(6)
    )
    run = look_until(
        queue_run(kind="sample", policy=tiny, campaign=campaign, config={"num_prompts": 4}), has_ended
    )
    assert run.state == Run.State.SUCCEEDED, run.error
    units = list(campaign.units.all())
    assert len(units) == run.metrics["num_queued_units"] == 4
    for unit in units:
        texts = [completion.text for completion in unit.completions.all()]
        assert len(set(texts)) == len(texts) == 3
    completion = units[0].completions.first()
    assert completion.policy_version == tiny
    assert completion.sampling["max_new_tokens"] == 8
    assert completion.seed is not None


def test_a_job_killed_in_mid_work_is_resumed_by_itself_and_finishes_once(tiny, words):
    config = {"max_steps": 150, "save_steps": 10, "logging_steps": 5, "per_device_batch_size": 4}
    run = look_until(queue_run(kind="sft", policy=tiny, snapshot=words, config=config), has_stepped(25))
    first_pid = run.launch["pid"]
    os.kill(first_pid, signal.SIGKILL)
    os.waitpid(first_pid, 0)
    run = look_until(run, lambda run: run.num_attempts == 2 and run.state == Run.State.RUNNING)
    assert run.launch["pid"] != first_pid
    run = look_until(run, has_ended)
    assert (run.state, run.num_attempts) == (Run.State.SUCCEEDED, 2), run.error
    assert PolicyVersion.objects.filter(run=run).count() == 1
    steps = [row["step"] for row in read_metrics(run.run_dir) if "loss" in row]
    assert steps == sorted(set(steps)), "no step is recorded twice"
    log = (advancing.Path(run.run_dir) / "log.txt").read_text()
    assert "checkpoint" in log


def test_a_running_job_is_cancelled_after_a_checkpoint_and_resumed(warm, tiny, words):
    config = {"max_steps": 150, "save_steps": 1000, "logging_steps": 5, "per_device_batch_size": 4}
    run = look_until(queue_run(kind="sft", policy=tiny, snapshot=words, config=config), has_stepped(10))
    cancel_run(run)
    run = look_until(run, has_ended)
    assert run.state == Run.State.CANCELLED
    stopped_at = read_status(run.run_dir)["step"]
    assert 0 < stopped_at < 150
    run = look_until(resume_run(run), has_ended)
    assert run.state == Run.State.SUCCEEDED, run.error
    assert run.step == 150


def test_a_setting_that_only_another_version_knew_ends_the_run_at_once_and_is_not_passed_over(tiny, words):
    run = queue_run(kind="sft", policy=tiny, snapshot=words)
    Run.objects.filter(pk=run.pk).update(config={"speed": 9})  # as from an older version, say
    run = look_until(run, has_ended)
    assert (run.state, run.num_attempts) == (Run.State.FAILED, 1)
    assert run.error == "This job does not know the setting speed."


def test_looks_of_two_workers_at_once_start_one_process(warm, tiny, words):
    run = queue_run(kind="sft", policy=tiny, snapshot=words, config={"max_steps": 2})
    for _ in range(3):
        tasks.advance_runs()
    run.refresh_from_db()
    pid = run.launch["pid"]
    tasks.advance_rounds()
    run.refresh_from_db()
    assert run.launch["pid"] == pid
    assert look_until(run, has_ended).num_attempts == 1
