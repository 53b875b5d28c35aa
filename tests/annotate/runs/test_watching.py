"""A look at a running run: progress, its end, its loss. The directories are written as jobs write them."""

import json
import os
import threading
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from django.db import connection, transaction
from django.utils import timezone

from annotate.campaigns.services import add_prompts
from annotate.feedback.queue.units import update_campaign
from annotate.runs import tasks
from annotate.runs.jobs import advancing, launchers, sampling
from annotate.runs.jobs.queueing import cancel_run, queue_run, resume_run
from annotate.runs.models import Evaluation, PolicyVersion, RewardModel, Run
from tests.annotate.moves import prompts
from tests.annotate.runs.moves import (
    finished,
    job_of,
    make_policy,
    make_reward_model,
    running,
    write_model,
)
from tests.annotate.runs.test_promoting import elsewhere


@pytest.fixture
def run(base, snapshot) -> Run:
    return queue_run(kind="sft", policy=base, snapshot=snapshot)


def look(run: Run) -> Run:
    advancing.advance_runs()
    run.refresh_from_db()
    return run


def test_progress_reaches_the_row(run):
    job = job_of(running(run))
    job.progress(3, 10, loss=2.5)
    job.progress(4, 10, loss=2.25, accuracy=0.5)
    look(run)
    job.close()
    assert (run.state, run.step, run.total_steps) == (Run.State.RUNNING, 4, 10)
    assert run.metrics == {"loss": 2.25, "accuracy": 0.5}
    assert abs((timezone.now() - run.heartbeat_at).total_seconds()) < 5


def test_a_finished_sft_run_registers_a_policy_with_its_parent(run, base):
    finished(run, loss=0.5)
    assert look(run).state == Run.State.SUCCEEDED
    policy = run.policy_version
    assert (policy.parent, policy.metrics) == (base, {"loss": 0.5})
    assert policy.path == f"{run.run_dir}/model"
    assert policy.model_sha256 == run.manifest_sha256 != ""


def test_a_message_delivered_twice_registers_once(run):
    finished(run)
    for _ in range(3):
        tasks.advance_runs()
        tasks.advance_rounds()
    assert PolicyVersion.objects.filter(run=run).count() == 1
    assert Run.objects.get(pk=run.pk).num_attempts == 1


def test_a_finished_reward_run_registers_a_reward_model(base, snapshot):
    run = finished(queue_run(kind="reward", policy=base, snapshot=snapshot), accuracy=0.7)
    look(run)
    made = RewardModel.objects.get(run=run)
    assert (made.parent, made.metrics) == (base, {"accuracy": 0.7})


@pytest.mark.parametrize(("low", "passed"), [(0.51, True), (0.5, False), (0.2, False), (None, False)])
def test_an_evaluation_passes_when_the_lower_end_exceeds_the_threshold(base, snapshot, low, passed):
    run = queue_run(
        kind="evaluate",
        policy=make_policy(),
        ref_policy=base,
        snapshot=snapshot,
        reward_model=make_reward_model(base, snapshot),
        config={"threshold": 0.5},
    )
    finished(run, win_rate=0.6, win_rate_low=low)
    look(run)
    evaluation = Evaluation.objects.get(run=run)
    assert (evaluation.passed, evaluation.threshold, evaluation.reference) == (passed, 0.5, base)


def test_a_model_file_changed_after_the_run_is_refused_by_name(run):
    finished(run)
    Path(run.run_dir, "model", "model.safetensors").write_bytes(b"other weights")
    look(run)
    assert run.state == Run.State.FAILED
    assert "model.safetensors was changed after the run" in run.error
    assert not PolicyVersion.objects.filter(run=run).exists()


def test_a_model_that_is_not_safetensors_is_never_registered(run):
    job = job_of(running(run))
    job.model_dir.mkdir()
    (job.model_dir / "pytorch_model.bin").write_bytes(b"pickle")
    job.finish({})
    look(run)
    assert run.state == Run.State.FAILED
    assert "holds no safetensors file" in run.error


def test_the_sentence_of_a_failed_job_is_the_sentence_of_the_run(run):
    job_of(running(run)).fail("The disk is full; free some space.")
    look(run)
    assert (run.state, run.error) == (Run.State.FAILED, "The disk is full; free some space.")
    assert run.finished_at is not None


def test_a_silent_run_elsewhere_is_queued_again_after_the_limit(run, settings):
    running(run, seconds_ago=59)
    assert look(run).state == Run.State.RUNNING
    running(run, seconds_ago=61)
    settings.MAX_RUNNING_JOBS = 0
    look(run)
    assert run.state == Run.State.QUEUED
    assert "ended before it began" in run.error


def test_a_run_whose_process_here_is_gone_is_queued_again_at_once(run, settings):
    settings.MAX_RUNNING_JOBS = 0
    job = job_of(
        running(run, host=advancing.launchers.socket.gethostname(), pid=2**22 - 1, pid_created_at=1.0)
    )
    job.progress(7, 10, loss=1.0)
    job.close()
    look(run)
    assert run.state == Run.State.QUEUED
    assert "at step 7" in run.error


def test_a_process_that_got_the_same_number_is_not_taken_for_the_job():
    here = launchers.socket.gethostname()
    created = psutil.Process(os.getpid()).create_time()
    assert launchers.is_alive({"host": here, "pid": os.getpid(), "pid_created_at": created}) is True
    assert launchers.is_alive({"host": here, "pid": os.getpid(), "pid_created_at": created - 100}) is False
    assert launchers.is_alive({"host": "elsewhere", "pid": os.getpid(), "pid_created_at": created}) is None


def test_a_run_lost_too_often_stays_lost_and_says_so(run):
    job = job_of(running(run, seconds_ago=100))
    job.progress(5, 10)
    job.close()
    long_ago = (timezone.now() - timedelta(seconds=90)).isoformat()
    status = json.loads(Path(run.run_dir, "status.json").read_text()) | {"heartbeat_at": long_ago}
    Path(run.run_dir, "status.json").write_text(json.dumps(status))
    Run.objects.filter(pk=run.pk).update(num_attempts=3)
    look(run)
    assert run.state == Run.State.LOST
    assert "tried 3 times" in run.error


def test_what_an_earlier_attempt_wrote_does_not_end_the_next_one(run):
    job_of(running(run)).fail("The disk is full.")
    look(run)
    resume_run(run)
    run.refresh_from_db()
    assert (run.state, run.num_attempts, run.error) == (Run.State.QUEUED, 0, "")
    running(run)
    assert look(run).state == Run.State.RUNNING


def test_a_queued_run_is_cancelled_at_once(run):
    assert cancel_run(run).state == Run.State.CANCELLED


def test_a_running_run_is_asked_to_stop_and_then_is_cancelled(run):
    job = job_of(running(run))
    cancel_run(run)
    assert job.stop_requested()
    assert look(run).state == Run.State.RUNNING
    job.cancelled()
    assert look(run).state == Run.State.CANCELLED


def test_a_cancelled_run_whose_process_is_gone_is_not_queued_again(run):
    running(run, seconds_ago=100)
    cancel_run(run)
    assert look(run).state == Run.State.CANCELLED


def test_a_job_stopped_by_its_machine_goes_on(run, settings):
    settings.MAX_RUNNING_JOBS = 0
    job = job_of(running(run))
    job.cancelled()  # SIGTERM from a scheduler; nobody here asked for it
    assert look(run).state == Run.State.QUEUED
    assert run.num_attempts == 0, "that attempt does not count"


def test_one_unreadable_run_does_not_keep_the_others_waiting(base, snapshot, settings):
    settings.MAX_RUNNING_JOBS = 2
    broken = running(queue_run(kind="sft", policy=base, snapshot=snapshot))
    Path(broken.run_dir, "status.json").write_text("{")
    whole = finished(queue_run(kind="sft", policy=base, snapshot=snapshot))
    advancing.advance_runs()
    whole.refresh_from_db()
    assert whole.state == Run.State.SUCCEEDED


def test_sampled_completions_wait_ahead_of_older_units(base, ranking, settings):
    campaign = ranking(2)
    prompts = list(campaign.prompts.order_by("pk"))
    run = running(queue_run(kind="sample", policy=base, campaign=campaign))
    job = job_of(run)
    rows = [
        {
            "prompt_id": prompt.pk,
            "index": index,
            "text": text,
            "seed": 40 + index,
            "sampling": {"temperature": 1.0},
        }
        for prompt, texts in zip(
            prompts, (["one", "two", "one", "nul\0", "w" * 200_001], ["same", "same"]), strict=True
        )
        for index, text in enumerate(texts)
    ]
    job.completions_path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    job.finish({"num_completions": 7})
    look(run)
    assert run.state == Run.State.SUCCEEDED, run.error
    unit = campaign.units.order_by("priority", "position").first()
    assert unit.prompt == prompts[0]
    made = list(unit.completions.order_by("pk"))
    assert sorted(completion.text for completion in made) == ["nul\ufffd", "one", "two"]
    assert {completion.policy_version for completion in made} == {base}
    assert all(completion.seed >= 40 and completion.sampling == {"temperature": 1.0} for completion in made)
    assert campaign.units.count() == 3
    assert run.metrics["num_queued_units"] == 1
    assert run.metrics["num_prompts_left_out"] == 1


def test_a_result_the_database_refuses_ends_the_run_with_a_sentence(run, base):
    make_policy(name=run.name)
    make_policy(name=Path(run.run_dir).name)
    finished(run)
    look(run)
    assert run.state == Run.State.FAILED
    assert "refused" in run.error


def test_a_job_that_never_wrote_a_word_is_explained_by_what_it_printed(run):
    running(run, seconds_ago=100)
    Path(run.run_dir, launchers.CONSOLE).write_text(
        "usage: …\nsft.py: error: unrecognized arguments: --speed 9\n"
    )
    Run.objects.filter(pk=run.pk).update(num_attempts=3)
    look(run)
    assert "unrecognized arguments: --speed 9" in run.error


def test_a_job_knows_no_secret_of_the_web_side(monkeypatch):
    monkeypatch.setenv("PARLEY_SECRET_KEY", "hidden")
    monkeypatch.setenv("DATABASE_URL", "postgres://user:hidden@host/db")
    monkeypatch.setenv("HF_HOME", "/cache")
    environment = launchers.job_environment()
    assert "hidden" not in " ".join(environment.values())
    assert environment["HF_HOME"] == "/cache"


def test_the_command_line_names_inputs_and_settings(base, snapshot, settings):
    run = queue_run(
        kind="sft",
        policy=base,
        snapshot=snapshot,
        config={"learning_rate": 0.001, "gradient_checkpointing": True},
    )
    line = launchers.command(run)
    assert line[1:3] == ["-m", "trainer.sft"]
    assert line[line.index("--init-model") + 1] == base.path
    assert line[line.index("--snapshot") + 1] == snapshot.path
    assert line[line.index("--learning-rate") + 1] == "0.001"
    settings.LAUNCH_PREFIX = "accelerate launch --num_processes 4 --module"
    assert launchers.command(run)[:5] == ["accelerate", "launch", "--num_processes", "4", "--module"]
    assert launchers.command(run)[5] == "trainer.sft"


def test_a_model_is_written_under_the_run_directory(run):
    job = job_of(running(run))
    write_model(job)
    job.finish({})
    look(run)
    assert Path(run.policy_version.path).parent == Path(run.run_dir)


@pytest.mark.django_db(transaction=True)
def test_a_cancellation_does_not_wait_for_a_result_to_be_verified(base, snapshot):
    run = running(queue_run(kind="sft", policy=base, snapshot=snapshot))
    job = job_of(run)
    write_model(job)
    with open(job.model_dir / "large.safetensors", "wb") as file:
        file.truncate(400_000_000)  # nothing but a hole: it takes a while to be hashed, and no disk
    job.finish({})
    looks = [threading.Thread(target=lambda: (advancing.advance_runs(), connection.close())) for _ in "12"]
    for look in looks:
        look.start()  # two at once: one of them verifies
    while not is_somebodys_turn(run.pk):
        assert any(look.is_alive() for look in looks)
    cancel_run(run)
    assert is_somebodys_turn(run.pk), "it is still being verified"
    for look in looks:
        look.join()
    run.refresh_from_db()
    assert (run.state, run.cancel_requested) == ("succeeded", True)
    assert PolicyVersion.objects.filter(run=run).count() == 1


def is_somebodys_turn(pk: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", [pk])
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_change_of_the_campaign_does_not_wait_for_completions_to_be_stored(base, new_campaign, monkeypatch):
    monkeypatch.setattr(sampling, "CHUNK", 1)
    campaign, names = new_campaign("ranking"), []
    asked = add_prompts(campaign, prompts(3)).created
    run = queue_run(kind="sample", policy=base, campaign=campaign)

    def groups():
        for prompt in asked:
            name = f"named before prompt {prompt.pk}"
            elsewhere(lambda name=name: names.append(update_campaign(campaign, {"name": name}).name)).join()
            yield prompt.pk, [{"prompt_id": prompt.pk, "index": i, "text": f"Answer {i}."} for i in (0, 1)]

    with transaction.atomic():
        sampling.store_completions(run, groups())
    assert len(names) == 3
    assert run.metrics["num_queued_units"] == 3
