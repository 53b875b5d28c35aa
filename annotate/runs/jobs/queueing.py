"""Verbs on runs that a person, a round or a schedule asks for. The queue itself: advancing.py."""

import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign
from annotate.runs.jobs.settings import check_settings
from annotate.runs.models import PolicyVersion, RewardModel, Round, Run
from annotate.snapshots.models import Snapshot
from trainer.run_dir import request_stop

NEEDS = {
    "sft": ("snapshot",),
    "reward": ("snapshot",),
    "ppo": ("snapshot", "reward_model"),
    "dpo": ("snapshot",),
    "kto": ("snapshot",),
    "rloo": ("snapshot", "reward_model"),
    "grpo": ("snapshot", "reward_model"),
    "evaluate": ("snapshot", "reward_model", "ref_policy"),
    "sample": ("campaign",),
}
UNFINISHED = (Run.State.QUEUED, Run.State.RUNNING)
RESUMABLE = (Run.State.FAILED, Run.State.LOST, Run.State.CANCELLED)


def queue_run(
    *,
    kind: str,
    policy: PolicyVersion,
    snapshot: Snapshot | None = None,
    ref_policy: PolicyVersion | None = None,
    reward_model: RewardModel | None = None,
    campaign: Campaign | None = None,
    round: Round | None = None,
    config: dict[str, Any] | None = None,
    triggered_by: Any = None,
) -> Run:
    """A row in state `queued`; advance_runs starts its job when there is room."""
    if kind in Run.IMPROVES_POLICY and ref_policy is None:
        ref_policy = policy
    inputs = {
        "snapshot": snapshot, "ref_policy": ref_policy, "reward_model": reward_model, "campaign": campaign
    }  # fmt: skip
    _check_inputs(kind, inputs)
    check_settings(kind, config or {})
    with transaction.atomic():
        run = Run.objects.create(
            name=secrets.token_hex(16),
            kind=kind,
            policy=policy,
            round=round,
            config=config or {},
            triggered_by=triggered_by,
            **{name: value for name, value in inputs.items() if name in NEEDS[kind] or name == "ref_policy"},
        )
        run.name = f"{kind}-{run.pk}"
        # Ids repeat when a database is restored from a backup; directories must not.
        run.run_dir = str(Path(settings.RUNS_DIR) / f"{run.name}-{secrets.token_hex(3)}")
        run.save(update_fields=["name", "run_dir"])
    return run


def _check_inputs(kind: str, inputs: dict[str, Any]) -> None:
    missing = {
        name: [_("A run of kind %(kind)s needs this.") % {"kind": kind}]
        for name in NEEDS[kind]
        if inputs[name] is None
    }
    if missing:
        raise ValidationError(missing)
    snapshot, campaign = inputs["snapshot"], inputs["campaign"]
    if snapshot and snapshot.state != Snapshot.State.READY:
        raise ValidationError(
            {"snapshot": [_("This snapshot is not ready; wait until it is, or choose another.")]}
        )
    if kind == Run.Kind.SAMPLE and campaign.kind not in Campaign.JUDGING:
        reason = _("Completions are sampled for campaigns that rank or compare them; choose one.")
        raise ValidationError({"campaign": [reason]})


def cancel_run(run: Run) -> Run:
    """A queued run is cancelled at once; a running one is asked to save a checkpoint and end."""
    with transaction.atomic():
        run = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
        if run.state not in UNFINISHED:
            raise Conflict(_("This run has ended already (%(state)s).") % {"state": run.get_state_display()})
        run.cancel_requested = True
        if run.state == Run.State.QUEUED:
            run.state, run.finished_at = Run.State.CANCELLED, timezone.now()
        else:
            run.launch.setdefault("cancel_requested_at", timezone.now().isoformat())
        run.save(update_fields=["cancel_requested", "state", "finished_at", "launch"])
    if run.state == Run.State.RUNNING and Path(run.run_dir).is_dir():
        request_stop(run.run_dir)
    return run


def resume_run(run: Run) -> Run:
    """Queue a failed, lost or cancelled run again: it goes on from its last checkpoint, and so does its round."""
    with transaction.atomic():
        run = Run.objects.select_for_update(no_key=True).get(pk=run.pk)
        if run.state not in RESUMABLE:
            raise Conflict(_("Only a failed, lost or cancelled run can be resumed; this one is not."))
        Path(run.run_dir, "stop").unlink(missing_ok=True)
        run.state, run.num_attempts, run.cancel_requested = Run.State.QUEUED, 0, False
        run.error, run.finished_at, run.launch = "", None, {}
        run.save()
        ended = (Round.State.FAILED, Round.State.CANCELLED)
        if run.round is not None:
            Round.objects.filter(pk=run.round.pk, state__in=ended).update(
                state=Round.State.RUNNING, error="", outcome="", finished_at=None
            )
    return run
