"""What may be queued, and how queued runs are claimed."""

import dataclasses
import importlib
import threading

import pytest
from django.db import IntegrityError, connection, transaction
from rest_framework.exceptions import ValidationError

from annotate.runs.jobs import advancing
from annotate.runs.jobs.launchers import job_options
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.jobs.settings import INPUTS, LIMITS, WEB_SETTINGS, Setting, settings_of
from annotate.runs.models import Round, Run
from annotate.snapshots.models import Snapshot
from tests.annotate.runs.moves import make_policy, make_reward_model


def fields_refused(**arguments) -> set[str]:
    with pytest.raises(ValidationError) as refusal:
        queue_run(**arguments)
    return set(refusal.value.detail)


def test_a_queued_run_has_a_name_and_a_directory_of_its_own(base, snapshot):
    first = queue_run(kind="sft", policy=base, snapshot=snapshot)
    second = queue_run(kind="sft", policy=base, snapshot=snapshot)
    assert first.state == Run.State.QUEUED
    assert first.name == f"sft-{first.pk}"
    assert first.run_dir != second.run_dir


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("sft", {"snapshot"}),
        ("reward", {"snapshot"}),
        ("ppo", {"snapshot", "reward_model"}),
        ("dpo", {"snapshot"}),
        ("kto", {"snapshot"}),
        ("rloo", {"snapshot", "reward_model"}),
        ("grpo", {"snapshot", "reward_model"}),
        ("evaluate", {"snapshot", "reward_model", "ref_policy"}),
        ("sample", {"campaign"}),
    ],
)
def test_a_run_without_its_inputs_is_refused(base, kind, missing):
    assert fields_refused(kind=kind, policy=base) == missing


@pytest.mark.parametrize("kind", Run.IMPROVES_POLICY)
def test_a_policy_is_held_near_itself_as_it_begins_unless_another_reference_is_named(base, snapshot, kind):
    reward_model = make_reward_model(base, snapshot)
    run = queue_run(kind=kind, policy=base, snapshot=snapshot, reward_model=reward_model)
    assert run.ref_policy == base
    expected = {"run_dir": run.run_dir, "snapshot": snapshot.path, "init_model": base.path}
    expected |= {"ref_model": base.path}
    if kind not in ("dpo", "kto"):
        expected |= {"reward_model": reward_model.path}
    assert job_options(run) == expected


def test_a_snapshot_that_is_not_ready_is_refused(base, snapshot):
    Snapshot.objects.filter(pk=snapshot.pk).update(state=Snapshot.State.WRITING)
    snapshot.refresh_from_db()
    assert fields_refused(kind="sft", policy=base, snapshot=snapshot) == {"snapshot"}


def test_completions_are_sampled_for_ranking_campaigns_only(base, new_campaign):
    writing = new_campaign("demonstration")
    assert fields_refused(kind="sample", policy=base, campaign=writing) == {"campaign"}


@pytest.mark.parametrize(
    "config",
    [
        {"run_dir": "/etc"},
        {"init_model": "/other"},
        {"Learning Rate": 1},
        {"learning_rate": {"a": 1}},
        {"lr_scheduler": "--config"},
        {"seed": [1, {"a": 2}]},
    ],
)
def test_settings_cannot_stand_for_inputs_or_smuggle_options(base, snapshot, config):
    refused = fields_refused(kind="sft", policy=base, snapshot=snapshot, config=config)
    assert refused == {f"config.{next(iter(config))}"}


@pytest.mark.parametrize("kind", Run.Kind.values)
def test_the_settings_read_from_a_jobs_source_are_those_of_its_command_line(kind):
    module = importlib.import_module(f"trainer.{kind}")
    [config_type] = [
        found
        for name, found in vars(module).items()
        if name.lower() == f"{kind}config" and dataclasses.is_dataclass(found)
    ]
    web_only = WEB_SETTINGS.get(kind, {})
    named = {
        field.name: Setting(
            str(field.type).removesuffix(" | None"),
            {limit: field.metadata[limit] for limit in LIMITS if field.metadata[limit] is not None},
            field.metadata["one_of"],
        )
        for field in dataclasses.fields(config_type)
        if field.name not in INPUTS
    }
    assert settings_of(kind) == named | web_only
    types = {setting.type for setting in settings_of(kind).values()}
    assert types <= {"int", "float", "bool", "str"}, "check_settings knows these"
    assert settings_of(kind)["seed"].limits == {"at_least": 0, "at_most": 2**32 - 1}


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"learning_rat": 0.1}, "Choose among: learning_rate"),
        ({"zzz": 1}, "learning_rate"),
        ({"max_steps": 1.5}, "whole number"),
        ({"max_steps": True}, "whole number"),
        ({"max_steps": "1e400"}, "whole number"),
        ({"learning_rate": float("inf")}, "a number"),
        ({"learning_rate": "fast"}, "a number"),
        ({"gradient_checkpointing": 2}, "true or false"),
        ({"per_device_batch_size": 0}, "Give 1 or more."),
        ({"max_steps": -2}, "Give 1 or more, or -1."),
        ({"num_epochs": 0}, "Give a number above 0."),
        ({"lora_dropout": 1.5}, "Give a number from 0 to 1."),
        ({"lr_scheduler": "foo"}, "Give one of linear, cosine, constant, constant_with_warmup."),
        ({"precision": "fp8"}, "Give one of auto, bf16, no."),
    ],
)
def test_a_setting_that_the_job_would_not_take_is_refused_with_what_it_takes(base, snapshot, setting, reason):
    with pytest.raises(ValidationError, match=reason):
        queue_run(kind="sft", policy=base, snapshot=snapshot, config=setting)
    good = {
        "max_steps": "5",
        "learning_rate": 1,
        "precision": "no",
        "gradient_checkpointing": True,
        "seed": None,
    }
    assert queue_run(kind="sft", policy=base, snapshot=snapshot, config=good).config == good


def test_only_as_many_runs_are_claimed_as_there_is_room_for(base, snapshot, settings):
    runs = [queue_run(kind="sft", policy=base, snapshot=snapshot) for _ in range(4)]
    settings.MAX_RUNNING_JOBS = 2
    assert advancing.claim_queued_runs() == [runs[0].pk, runs[1].pk]
    assert advancing.claim_queued_runs() == []
    Run.objects.filter(pk=runs[0].pk).update(state=Run.State.SUCCEEDED)
    assert advancing.claim_queued_runs() == [runs[2].pk]


@pytest.mark.django_db(transaction=True)
def test_two_workers_that_look_at_once_never_claim_one_run_twice(settings, tmp_path):
    settings.MAX_RUNNING_JOBS = 3
    policy = make_policy()
    snapshot = Snapshot.objects.create(name="s", path=str(tmp_path), state="ready", manifest_sha256="1")
    for _ in range(6):
        queue_run(kind="sft", policy=policy, snapshot=snapshot)
    claimed, together = [], threading.Barrier(4)

    def look() -> None:
        together.wait()
        claimed.extend(advancing.claim_queued_runs())
        connection.close()

    looks = [threading.Thread(target=look) for _ in range(4)]
    for thread in looks:
        thread.start()
    for thread in looks:
        thread.join()
    claimed += advancing.claim_queued_runs()
    assert len(claimed) == len(set(claimed)) == 3
    assert Run.objects.filter(state=Run.State.RUNNING, num_attempts=1).count() == 3


def test_the_database_refuses_a_second_run_for_one_stage_of_a_round(base, snapshot):
    made = Round.objects.create(name="r", base_policy=base)
    queue_run(kind="sft", policy=base, snapshot=snapshot, round=made)
    with pytest.raises(IntegrityError), transaction.atomic():
        queue_run(kind="sft", policy=base, snapshot=snapshot, round=made)
