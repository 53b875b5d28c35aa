"""Seeing a round through from a command: drive it, tell how it goes, and say in the end what came of it."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.utils import timezone
from kombu.exceptions import OperationalError

from annotate.api.errors import Conflict
from annotate.campaigns.models import CampaignPolicy
from annotate.celery import app
from annotate.runs.jobs import advancing
from annotate.runs.loop import rounds
from annotate.runs.loop.rounds import describe_stages
from annotate.runs.models import PolicyVersion, Round, Run
from annotate.runs.policies.registry import register_policy
from annotate.runs.sentences import told

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
ASK_SECONDS = 1.0
TELL_SECONDS = 5.0
QUEUE = "train"
SHOWN_METRICS = 5
# What a person looks for first; a JSON column does not keep the order in which a job named its numbers.
TELLING = [
    "score",
    "kl",
    "win_rate",
    "win_rate_low",
    "accuracy",
    "eval_accuracy",
    "loss",
    "train_loss",
    "eval_loss",
]

Tell = Callable[[str], None]


def worker_answers() -> bool:
    """Whether a Celery worker of the training queue is there to be asked."""
    try:
        queues = app.control.inspect(timeout=2.0).active_queues() or {}
    except (OSError, OperationalError):
        return False
    return any(queue["name"] == QUEUE for answered in queues.values() for queue in answered)


def base_policy_for(model: str) -> PolicyVersion:
    """The registered base policy of this directory or hub id, registered now if it is new."""
    stem = model.rstrip("/").rsplit("/", 1)[-1]
    taken = set(PolicyVersion.objects.filter(name__startswith=stem).values_list("name", flat=True))
    name = next(n for n in (stem, *(f"{stem}-{i}" for i in range(2, len(taken) + 3))) if n not in taken)
    made = register_policy(name=name, path=model)
    same = (
        PolicyVersion.objects.filter(path=made.path, model_sha256=made.model_sha256)
        .exclude(pk=made.pk)
        .first()
    )
    if same is None:
        return made
    made.delete()
    return same


def look(by_worker: bool) -> None:
    """Do, or ask the worker to do, what is due now. The message says only "look now"; beat says it too."""
    if by_worker:
        ask_worker("advance_rounds")
    else:
        advancing.advance_runs()
        rounds.advance_rounds()


def ask_worker(task: str) -> None:
    """Say "look now", which beat says too: a broker that is away for a moment is waited for."""
    try:
        app.send_task(f"annotate.runs.tasks.{task}", queue=QUEUE, expires=10, retry=False)
    except OperationalError as error:
        log.warning("The broker cannot be reached (%s); REDIS_URL says where it is looked for.", error)


def see_through(round: Round, tell: Tell, by_worker: bool) -> Round:
    """Wait until the round has ended, looking again and again, and tell of each change."""
    asked_at = told_at = 0.0
    told = ""
    while True:
        now = time.monotonic()
        if now - asked_at >= (ASK_SECONDS if by_worker else LOOK_SECONDS):
            look(by_worker)
            asked_at = now
        round.refresh_from_db()
        line = where_it_is(round)
        if line != told and (now - told_at >= TELL_SECONDS or line.split(",")[0] != told.split(",")[0]):
            tell(line)
            told, told_at = line, now
        if round.state != Round.State.RUNNING:
            return round
        time.sleep(LOOK_SECONDS)


def see_run_through(run: Run, tell: Tell) -> Run:
    """Wait for a run that the worker does, outside of any round."""
    told = ""
    while run.state in (Run.State.QUEUED, Run.State.RUNNING):
        ask_worker("advance_runs")
        time.sleep(ASK_SECONDS)
        run.refresh_from_db()
        if told != run.state:
            tell(f"{run.name} {run.state}")
            told = run.state
    if run.state != Run.State.SUCCEEDED:
        raise Conflict(f"{run.name} ended {run.state}: {run.error}")
    return run


def where_it_is(round: Round) -> str:
    """One line: the round, its stage, and of the run in work its step and numbers."""
    run = round.runs.filter(kind=round.stage).order_by("-pk").first()
    if round.state != Round.State.RUNNING:
        return f"{round.name}: {round.state}, {told(round.error or round.outcome)}"
    if run is None:
        return f"{round.name}: {round.stage}"
    line = f"{round.name}: {run.name} {run.state}"
    if run.total_steps:
        line += f", step {run.step} of {run.total_steps}"
    return line + "".join(f", {name} {value}" for name, value in short_metrics(run.metrics).items())


def short_metrics(metrics: dict[str, Any]) -> dict[str, str]:
    """The most telling numbers of a job, short enough for one line."""
    ordered = [name for name in TELLING if name in metrics] + [
        name for name in metrics if name not in TELLING
    ]
    numbers = [name for name in ordered if isinstance(metrics[name], int | float)]
    return {name: f"{metrics[name]:.4g}" for name in numbers[:SHOWN_METRICS]}


def seconds_of(row: Round | Run) -> float | None:
    began = row.created_at if isinstance(row, Round) else row.started_at
    if began is None:
        return None
    return float(f"{((row.finished_at or timezone.now()) - began).total_seconds():.1f}")


def report(loop_round: Round) -> dict[str, Any]:
    """What a round did: every stage with its run and metrics, what was promoted, what was pushed back."""
    runs = list(loop_round.runs.order_by("pk").select_related("policy_version", "registered_reward_model"))
    by_id = {run.pk: run for run in runs}
    stages = []
    for described in describe_stages(loop_round, runs):
        run = by_id.get(described["run"])
        stages.append({**described, "run": _describe_run(run) if run else None})
    samples = [run for run in runs if run.kind == Run.Kind.SAMPLE and run.state == Run.State.SUCCEEDED]
    evaluation = next((run.evaluation for run in runs if hasattr(run, "evaluation")), None)
    promoted = rounds.policy_through_the_gate(loop_round) if _was_promoted(loop_round) else None
    snapshot = loop_round.snapshot
    return {
        "id": loop_round.pk,
        "name": loop_round.name,
        "state": loop_round.state,
        "stage": loop_round.stage,
        "outcome": told(loop_round.outcome),
        "error": loop_round.error,
        "seconds": seconds_of(loop_round),
        "base_policy": loop_round.base_policy.name,
        "snapshot": {"name": snapshot.name, "path": snapshot.path, "counts": snapshot.counts}
        if snapshot
        else None,
        "stages": stages,
        "evaluation": {
            "passed": evaluation.passed,
            "threshold": evaluation.threshold,
            "metrics": evaluation.metrics,
        }
        if evaluation
        else None,
        "promoted": promoted.name if promoted else None,
        "pushed_back": [
            {
                "campaign": run.campaign.name if run.campaign else None,
                "policy_version": run.policy.name if run.policy else None,
                "num_units": run.metrics.get("num_queued_units", 0),
                "num_completions": run.metrics.get("num_queued_completions", 0),
            }
            for run in samples
        ],
    }


def _was_promoted(loop_round: Round) -> bool:
    made = rounds.policy_through_the_gate(loop_round)
    is_past_gate = (
        loop_round.stage in (Round.Stage.SAMPLE, Round.Stage.DONE) and "promote" in loop_round.stages
    )
    return is_past_gate and CampaignPolicy.objects.filter(policy_version=made).exists()


def _describe_run(run: Run) -> dict[str, Any]:
    made = getattr(run, "policy_version", None) or getattr(run, "registered_reward_model", None)
    return {
        "id": run.pk,
        "name": run.name,
        "state": run.state,
        "seconds": seconds_of(run),
        "num_attempts": run.num_attempts,
        "run_dir": run.run_dir,
        "made": made.name if made else None,
        "metrics": run.metrics,
        "error": run.error,
    }
