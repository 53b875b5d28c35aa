"""Which policies a campaign samples from: the gate, promotions, a choice by hand."""

import logging
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError

from annotate.api.errors import Conflict
from annotate.campaigns.models import Campaign, CampaignPolicy
from annotate.runs.jobs.queueing import queue_run
from annotate.runs.jobs.sampling import has_prompts_to_sample
from annotate.runs.models import Evaluation, PolicyVersion, Promotion, Round, Run

log = logging.getLogger(__name__)


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
