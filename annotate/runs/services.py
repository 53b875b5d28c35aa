"""Verbs on runs and policies that a person, a round or a schedule asks for. The queue itself: advancing.py."""

import logging
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from annotate.campaigns.models import Campaign
from annotate.errors import Conflict
from annotate.runs.job_settings import check_settings
from annotate.runs.models import (
    CampaignPolicy,
    Evaluation,
    PolicyVersion,
    Promotion,
    RewardModel,
    Round,
    Run,
)
from annotate.runs.sampling import has_prompts_to_sample
from annotate.snapshots.models import Snapshot
from trainer.run_dir import request_stop

log = logging.getLogger(__name__)
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


# ---------------------------------------------------------------- promotion


def last_evaluation(policy: PolicyVersion) -> Evaluation | None:
    return policy.evaluations.order_by("-pk").first()


def gate_refusal(policy: PolicyVersion) -> str:
    """Why this policy may not be promoted without an override; empty when it may."""
    evaluation = last_evaluation(policy)
    if evaluation is None:
        if policy.run and policy.run.kind in Run.IMPROVES_POLICY:
            return _("%(name)s has not been evaluated. Evaluate it first, or promote it by override.") % {
                "name": policy.name
            }
        return ""  # a base or SFT policy begins a campaign: there is nothing yet to judge it by
    if evaluation.passed:
        return ""
    return _(
        "%(name)s did not pass its last evaluation: the lower end of its win rate's interval, %(low).3f, does not "
        "exceed %(threshold).3f."
    ) % {
        "name": policy.name,
        "low": evaluation.metrics.get("win_rate_low") or 0.0,
        "threshold": evaluation.threshold,
    }


def promote_policy(
    *,
    policy: PolicyVersion,
    campaigns: list[Campaign],
    promoted_by: Any = None,
    override: bool = False,
    sample: bool = False,
    round: Round | None = None,
) -> PolicyVersion:
    """From now on these campaigns sample from this policy alone, and it is the one that is served."""
    refusal = gate_refusal(policy)
    if refusal and not override:
        raise Conflict(refusal, code="gate")
    how = Promotion.How.OVERRIDE if refusal else Promotion.How.GATE
    asked = {one.pk for one in campaigns if sample and has_prompts_to_sample(one, policy)}
    with transaction.atomic():
        for campaign in _locked(campaigns):
            _sample_from(campaign, {policy: 1.0}, how, promoted_by, round)
            if campaign.pk in asked:
                queue_run(kind=Run.Kind.SAMPLE, policy=policy, campaign=campaign, triggered_by=promoted_by)
        policy = PolicyVersion.objects.select_for_update(no_key=True).get(pk=policy.pk)
        policy.promoted_at, policy.promoted_by = timezone.now(), promoted_by
        policy.save(update_fields=["promoted_at", "promoted_by"])
    return policy


def _locked(campaigns: list[Campaign]) -> QuerySet[Campaign]:
    """Campaigns before policies, by number: one order for all. Work in a campaign only refers to it and goes on."""
    asked = Campaign.objects.filter(pk__in=[campaign.pk for campaign in campaigns])
    return asked.select_for_update(no_key=True).order_by("pk")


def _sample_from(
    campaign: Campaign,
    weights: dict[PolicyVersion, float],
    how: str,
    moved_by: Any,
    round: Round | None = None,
) -> None:
    """These policies and no other, from now on; a row for each that is new here."""
    before = {row.policy_version_id for row in campaign.policies.all()}
    left = before - {policy.pk for policy in weights}
    campaign.policies.filter(policy_version__in=left).delete()
    for policy, weight in weights.items():
        CampaignPolicy.objects.update_or_create(
            campaign=campaign, policy_version=policy, defaults={"weight": weight}
        )
        if how != Promotion.How.CHOSEN or policy.pk not in before:
            moved = Promotion.objects.create(
                campaign=campaign, policy_version=policy, how=how, promoted_by=moved_by, round=round
            )
            moved.replaced.set(left)
    names = ", ".join(policy.name for policy in weights)
    log.info(
        "campaign %s samples from %s now, by %s (%s)",
        campaign.name,
        names or "nothing",
        moved_by or "a round",
        how,
    )


def choose_policies(
    *, campaign: Campaign, weights: dict[PolicyVersion, float], chosen_by: Any = None, sample: bool = False
) -> None:
    """From now on the campaign samples from these policies, in these proportions, and from no other.

    The gate is not asked: two policies are set side by side to find out which is better. `sample`: where people judge,
    each is sampled now; for a comparison with one completion a prompt, so that those of two policies meet.
    """
    if weights and campaign.kind == Campaign.Kind.REVIEW:
        reason = _("A campaign of reviews samples from no policy.")
        raise ValidationError({"policies": [reason]}, code="kind")
    meets = campaign.kind == Campaign.Kind.COMPARISON and len(weights) > 1
    in_use = [policy for policy, weight in weights.items() if weight > 0]
    asked = [policy for policy in in_use if sample and has_prompts_to_sample(campaign, policy)]
    with transaction.atomic():
        campaign = _locked([campaign]).get()
        _sample_from(campaign, weights, Promotion.How.CHOSEN, chosen_by)
        for policy in asked:
            queue_run(
                kind=Run.Kind.SAMPLE,
                policy=policy,
                campaign=campaign,
                config={"num_completions": 1} if meets else {},
                triggered_by=chosen_by,
            )
