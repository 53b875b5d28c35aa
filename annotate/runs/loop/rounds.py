"""The loop as a state machine: snapshot, SFT, reward model, PPO, evaluation, promotion, next candidates.

advance_rounds looks at every running round and does the next thing that is due. It never waits: a stage that
trains queues one run and returns, and a later look finds that run ended. All under the round's row lock.
"""

import contextlib
import logging
from typing import Any

from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from annotate.api.errors import Conflict, sentence
from annotate.campaigns.models import Campaign
from annotate.runs.jobs.queueing import RESUMABLE, UNFINISHED, cancel_run, queue_run, resume_run
from annotate.runs.jobs.results import WIN_RATE_THRESHOLD
from annotate.runs.jobs.sampling import has_prompts_to_sample
from annotate.runs.jobs.settings import check_settings
from annotate.runs.loop.promoting import promote_policy
from annotate.runs.models import PolicyVersion, Round, Run
from annotate.snapshots.models import Snapshot
from annotate.snapshots.services import SnapshotRefused, queue_snapshot, write_snapshot
from trainer.snapshot import SnapshotError, open_snapshot

log = logging.getLogger(__name__)

ORDER = [stage.value for stage in Round.Stage]
TRAINED = ("sft", "reward", "ppo", "evaluate")


# ---------------------------------------------------------------- verbs


def start_round(
    *,
    campaigns: list[Campaign],
    base_policy: PolicyVersion,
    config: dict[str, Any] | None = None,
    name: str = "",
    triggered_by: Any = None,
    schedule: Any = None,
) -> Round:
    """A row in state `running`, which advance_rounds takes from stage to stage."""
    if not campaigns:
        raise ValidationError({"campaigns": [_("A round needs at least one campaign; name one.")]})
    check_config(config or {})
    with transaction.atomic():
        made = Round.objects.create(
            name=name or f"round {timezone.now():%Y-%m-%d %H:%M:%S.%f}",
            base_policy=base_policy,
            config=config or {},
            triggered_by=triggered_by,
            schedule=schedule,
        )
        if not name:
            made.name = f"round-{made.pk}"
            made.save(update_fields=["name"])
        made.campaigns.set(campaigns)
    return made


def check_config(config: dict[str, Any]) -> None:
    known = {"stages", "gate", "sample", *TRAINED}
    for name, value in config.items():
        if name not in known:
            raise ValidationError(
                {
                    f"config.{name}": [
                        _("A round's settings are %(names)s.") % {"names": ", ".join(sorted(known))}
                    ]
                }
            )
        if name != "stages" and not isinstance(value, dict):
            raise ValidationError({f"config.{name}": [_("This is an object of settings and values.")]})
        if name not in ("stages", "gate"):
            check_settings(name, value, f"config.{name}")
    stages = config.get("stages")
    if stages is not None and not (isinstance(stages, list) and all(stage in ORDER for stage in stages)):
        raise ValidationError(
            {"config.stages": [_("This is a list of some of: %(names)s.") % {"names": ", ".join(ORDER[:-1])}]}
        )
    for name, gate in config.get("gate", {}).items():
        if name != "win_rate_low":
            raise ValidationError({f"config.gate.{name}": [_("The gate has one setting, win_rate_low.")]})
        if isinstance(gate, bool) or not isinstance(gate, int | float):
            raise ValidationError({"config.gate.win_rate_low": [_("This is a number from 0 to 1.")]})


def cancel_round(round: Round) -> Round:
    with transaction.atomic():
        round = Round.objects.select_for_update(no_key=True).get(pk=round.pk)
        if round.state != Round.State.RUNNING:
            raise Conflict(_("This round has ended already."))
        with translation.override(None):
            stopped = _("Cancelled at %(stage)s.") % {"stage": round.get_stage_display()}
        _end(round, Round.State.CANCELLED, outcome=stopped)
        runs = list(round.runs.filter(state__in=UNFINISHED))
    for run in runs:
        with contextlib.suppress(Conflict):  # it ended in between; those after it are cancelled all the same
            cancel_run(run)
    return round


def resume_round(round: Round) -> Round:
    """A failed or cancelled round goes on at the stage where it stopped, its runs from their checkpoints."""
    with transaction.atomic():
        round = Round.objects.select_for_update(no_key=True).get(pk=round.pk)
        if round.state not in (Round.State.FAILED, Round.State.CANCELLED):
            raise Conflict(_("Only a failed or cancelled round can go on; this one is not."))
        runs = list(round.runs.filter(kind=round.stage))
        if any(run.state in UNFINISHED for run in runs):
            raise Conflict(_("A run of this round is still stopping; try again in a moment."))
        if round.snapshot and round.snapshot.state == Snapshot.State.FAILED:
            round.snapshot = None  # the next look makes another
        round.state, round.error, round.outcome, round.finished_at = Round.State.RUNNING, "", "", None
        round.save(update_fields=["snapshot", "state", "error", "outcome", "finished_at"])
        for run in runs:
            if run.state in RESUMABLE:
                resume_run(run)
    return round


# ---------------------------------------------------------------- the machine


def advance_rounds() -> None:
    """One look at every running round."""
    for pk in list(
        Round.objects.filter(state=Round.State.RUNNING).order_by("pk").values_list("pk", flat=True)
    ):
        try:
            advance_round(pk)
        except Exception:
            log.exception("round %s did not advance; it is tried again at the next look", pk)


def advance_round(pk: int) -> None:
    """Do what is due now, through as many stages as need no waiting."""
    snapshot = None
    with transaction.atomic():
        round = (
            Round.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            .select_related("snapshot", "base_policy")
            .filter(pk=pk, state=Round.State.RUNNING)
            .first()
        )
        if round is None:
            return
        with translation.override(None):  # what is kept is English: annotate.runs.sentences tells it
            while round.state == Round.State.RUNNING and STEPS[round.stage](round):
                pass
        if round.stage == Round.Stage.SNAPSHOT:
            snapshot = round.snapshot
    # Writing takes its own transaction: one view of the database for all of it.
    if snapshot is not None and snapshot.state == Snapshot.State.WRITING and snapshot.heartbeat_at is None:
        try:
            write_snapshot(snapshot)
        except SnapshotRefused as refusal:
            log.warning("round %s: %s", pk, refusal)  # the row says so too, and the next look reads it
        advance_round(pk)


def _move_on(round: Round) -> bool:
    """To the next stage of this round's plan."""
    following = [*round.stages, "done"]
    place = ORDER.index(round.stage)
    round.stage = next(stage for stage in ORDER[place + 1 :] if stage in following)
    round.save(update_fields=["stage"])
    if round.stage == Round.Stage.DONE:
        _end(round, Round.State.SUCCEEDED)
    return True


def _end(round: Round, state: str, *, error: str = "", outcome: str = "") -> bool:
    round.state, round.error, round.finished_at = state, error, timezone.now()
    round.outcome = outcome or round.outcome
    round.save(update_fields=["state", "error", "outcome", "finished_at"])
    log.info("round %s: %s %s", round.name, state, error or round.outcome)
    return False


def _snapshot(round: Round) -> bool:
    if round.snapshot is None:
        try:
            round.snapshot = queue_snapshot(
                campaigns=list(round.campaigns.all()), created_by=round.triggered_by
            )
        except SnapshotRefused as refusal:
            return _end(round, Round.State.FAILED, error=str(refusal))
        round.save(update_fields=["snapshot"])
        return False
    if round.snapshot.state == Snapshot.State.WRITING:
        return False
    if round.snapshot.state == Snapshot.State.FAILED:
        return _end(round, Round.State.FAILED, error=round.snapshot.error)
    try:
        round.stages = plan_stages(round)
        refuse_without_validation(round)
    except SnapshotError as refusal:
        return _end(round, Round.State.FAILED, error=str(refusal))
    round.save(update_fields=["stages"])
    return _move_on(round)


def plan_stages(round: Round) -> list[str]:
    """The stages that `config` names, or those for which the snapshot holds feedback."""
    assert round.snapshot is not None
    if named := round.config.get("stages"):
        return [stage for stage in ORDER if stage in named or stage == "snapshot"]
    opened = open_snapshot(round.snapshot.path, verify=False)
    stages = ["snapshot"]
    if any(True for _row in opened.rows("demonstrations", split="train")):
        stages.append("sft")
    # What reward training can use: a ranking of which not everything is bad, with at least two tiers.
    rankings = opened.rows("rankings", split="train")
    if any(len(row["tiers"]) > 1 and not row["all_bad"] for row in rankings):
        stages += ["reward", "ppo", "evaluate"]
    return [*stages, "promote", "sample"]


def refuse_without_validation(round: Round) -> None:
    """Before hours of training, not after them: an evaluation needs prompts that nothing was trained on."""
    assert round.snapshot is not None
    opened = open_snapshot(round.snapshot.path, verify=False)
    if "evaluate" in round.stages and not any(True for _row in opened.rows("prompts", split="validation")):
        raise SnapshotError(
            _(
                "None of the snapshot's prompts is held out, so the result could not be evaluated. Add prompts, "
                "raise the campaign's share that is held out, or leave the stage `evaluate` out."
            )
        )


def _run_of(round: Round, kind: str) -> Run | None:
    return round.runs.filter(kind=kind).order_by("-pk").first()


def reference_policy(round: Round) -> PolicyVersion:
    """Where the reward model and PPO begin, and what the result is compared with: this round's SFT, or its base."""
    run = _run_of(round, "sft")
    return run.policy_version if run and run.state == Run.State.SUCCEEDED else round.base_policy


def result_policy(round: Round) -> PolicyVersion:
    """What this round made: PPO's policy, else the SFT policy, else the base that it began with."""
    run = _run_of(round, "ppo")
    return run.policy_version if run and run.state == Run.State.SUCCEEDED else reference_policy(round)


def _settled(round: Round, run: Run) -> bool:
    """Whether a run has succeeded; one that failed or was cancelled ends its round."""
    if run.state == Run.State.SUCCEEDED:
        return True
    if run.state == Run.State.CANCELLED:
        _end(round, Round.State.CANCELLED, outcome=_("%(run)s was cancelled.") % {"run": run.name})
    elif run.state not in UNFINISHED:
        _end(round, Round.State.FAILED, error=_("%(run)s: %(error)s") % {"run": run.name, "error": run.error})
    return False


def _train(round: Round) -> bool:
    """A stage with one run: queue it once, then move on when it has succeeded."""
    run = _run_of(round, round.stage)
    if run is None:
        try:
            queue_run(
                kind=round.stage,
                round=round,
                snapshot=round.snapshot,
                config=_job_config(round),
                triggered_by=round.triggered_by,
                **_inputs(round),
            )
        except ValidationError as refusal:
            return _end(round, Round.State.FAILED, error=sentence(refusal.detail))
        return False
    return _settled(round, run) and _move_on(round)


def _job_config(round: Round) -> dict[str, Any]:
    config = dict(round.config.get(round.stage, {}))
    if round.stage == Round.Stage.EVALUATE:
        config["threshold"] = _threshold(round)
    return config


def _threshold(round: Round) -> float:
    return float(round.config.get("gate", {}).get("win_rate_low", WIN_RATE_THRESHOLD))


def _inputs(round: Round) -> dict[str, Any]:
    if round.stage == Round.Stage.SFT:
        return {"policy": round.base_policy}
    reference = reference_policy(round)
    if round.stage == Round.Stage.REWARD:
        return {"policy": reference}
    reward_run = _run_of(round, "reward")
    reward_model = getattr(reward_run, "registered_reward_model", None) if reward_run else None
    policy = result_policy(round) if round.stage == Round.Stage.EVALUATE else reference
    return {"policy": policy, "ref_policy": reference, "reward_model": reward_model}


def _evaluation(round: Round) -> Any:
    run = _run_of(round, "evaluate")
    return getattr(run, "evaluation", None) if run else None


def policy_through_the_gate(round: Round) -> PolicyVersion:
    """The round's result; where its evaluation did not pass, the reference that it was held against."""
    evaluation = _evaluation(round)
    is_gated = "ppo" in round.stages and "promote" in round.stages
    is_through = not is_gated or (evaluation is not None and evaluation.passed)
    return result_policy(round) if is_through else reference_policy(round)


def _promote(round: Round) -> bool:
    """The gate. A PPO policy goes through on its evaluation alone; without comparisons there is none to judge by.

    Below the gate what is in use stays; a campaign with nothing in use gets the reference, because without any
    policy there would be nothing to rank and the loop would stand still.
    """
    result, promoted = result_policy(round), policy_through_the_gate(round)
    campaigns = list(round.campaigns.all())
    outcome = ""
    if promoted != result:
        outcome = _kept_sentence(result, _evaluation(round), campaigns)
        campaigns = [campaign for campaign in campaigns if not campaign.policies.exists()]
        if not campaigns:
            return _end(round, Round.State.SUCCEEDED, outcome=outcome)
    promote_policy(policy=promoted, campaigns=campaigns, promoted_by=round.triggered_by, round=round)
    was_promoted = _("%(policy)s was promoted.") % {"policy": promoted.name}
    round.outcome = f"{outcome}\n{was_promoted}".strip()
    round.save(update_fields=["outcome"])
    return _move_on(round)


def _kept_sentence(policy: PolicyVersion, evaluation: Any, campaigns: list[Campaign]) -> str:
    kept = PolicyVersion.objects.filter(campaigns__campaign__in=campaigns).distinct()
    stays = ", ".join(one.name for one in kept) or _("no policy")
    if evaluation is None:
        return _("%(policy)s was not promoted: it was not evaluated. In use before: %(stays)s.") % {
            "policy": policy.name, "stays": stays
        }  # fmt: skip
    return _(
        "%(policy)s was not promoted: it wins %(rate).1f %% of the time against its reference, and the lower end of "
        "the interval, %(low).1f %%, does not exceed %(threshold).1f %%. In use before: %(stays)s."
    ) % {
        "policy": policy.name,
        "rate": 100 * (evaluation.metrics.get("win_rate") or 0.0),
        "low": 100 * (evaluation.metrics.get("win_rate_low") or 0.0),
        "threshold": 100 * evaluation.threshold,
        "stays": stays,
    }


def _sample(round: Round) -> bool:
    """One run for each ranking or comparison campaign that has prompts to ask; the round is done when all have ended."""
    policy = policy_through_the_gate(round)
    campaigns = round.campaigns.filter(kind__in=Campaign.JUDGING)
    if policy != result_policy(round):
        campaigns = campaigns.filter(policies__policy_version=policy)
    for campaign in campaigns.order_by("pk"):
        if round.runs.filter(kind=Run.Kind.SAMPLE, campaign=campaign).exists():
            continue
        if not has_prompts_to_sample(campaign, policy):
            continue  # every prompt waits to be judged already
        queue_run(
            kind=Run.Kind.SAMPLE,
            policy=policy,
            campaign=campaign,
            round=round,
            config=dict(round.config.get("sample", {})),
            triggered_by=round.triggered_by,
        )
    runs = list(round.runs.filter(kind=Run.Kind.SAMPLE).order_by("pk"))
    return all(_settled(round, run) for run in runs) and _move_on(round)


STEPS = {
    "snapshot": _snapshot,
    "sft": _train,
    "reward": _train,
    "ppo": _train,
    "evaluate": _train,
    "promote": _promote,
    "sample": _sample,
    "done": lambda round: _end(round, Round.State.SUCCEEDED),
}


def describe_stages(round: Round, runs: list[Run]) -> list[dict[str, Any]]:
    """Each stage with its state and run, for the round's page. `runs` are the round's, oldest first.

    `skipped` was not part of the plan, or the gate kept it from being done; `not_reached` is what a round that
    stopped has yet to come to.
    """
    place = ORDER.index(round.stage)
    ended_well = round.state == Round.State.SUCCEEDED
    newest: dict[str, Run] = {run.kind: run for run in runs}
    described = []
    for index, stage in enumerate(ORDER[:-1]):
        if round.stages and stage not in round.stages:
            state = "skipped"
        elif index < place:
            state = "done"
        elif index == place:
            state = "done" if ended_well else round.state
        elif round.state == Round.State.RUNNING:
            state = "waiting"
        else:
            state = "skipped" if ended_well else "not_reached"
        run = newest.get(stage)
        progress = run.step / run.total_steps if run and run.total_steps else None
        described.append(
            {"stage": stage, "state": state, "run": run.pk if run else None, "progress": progress}
        )
    return described
