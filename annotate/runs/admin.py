"""Django admin for the loop: to look, not to touch."""

from django.contrib import admin

from annotate.accounts.admin import ShownOnly
from annotate.campaigns.models import CampaignPolicy
from annotate.runs.models import Evaluation, ModelServer, PolicyVersion, RewardModel, Round, Run, Schedule


@admin.register(Run)
class RunAdmin(ShownOnly):
    list_display = ["name", "kind", "state", "step", "total_steps", "created_at", "finished_at"]
    list_filter = ["kind", "state"]
    search_fields = ["name"]
    list_select_related = True


@admin.register(Round)
class RoundAdmin(ShownOnly):
    list_display = ["name", "stage", "state", "base_policy", "created_at", "finished_at"]
    list_filter = ["state"]
    list_select_related = ["base_policy"]


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ShownOnly):
    list_display = ["name", "parent", "run", "promoted_at", "created_at"]
    search_fields = ["name"]
    list_select_related = ["parent", "run"]


@admin.register(CampaignPolicy)
class CampaignPolicyAdmin(ShownOnly):
    list_display = ["campaign", "policy_version", "weight"]
    list_select_related = ["campaign", "policy_version"]


@admin.register(RewardModel)
class RewardModelAdmin(ShownOnly):
    list_display = ["name", "run", "parent", "created_at"]
    list_select_related = ["run", "parent"]


@admin.register(Evaluation)
class EvaluationAdmin(ShownOnly):
    list_display = ["run", "policy_version", "reference", "passed", "threshold", "created_at"]
    list_select_related = ["run", "policy_version", "reference"]


@admin.register(Schedule)
class ScheduleAdmin(ShownOnly):
    list_display = [
        "name",
        "every_hours",
        "min_new_feedback",
        "snapshot_only",
        "is_enabled",
        "last_started_at",
    ]


@admin.register(ModelServer)
class ModelServerAdmin(ShownOnly):
    list_display = ["state", "policy_version", "detail", "started_at"]
    list_select_related = ["policy_version"]
