"""The JSON of runs, rounds, policies, schedules and the model server. Shape only; services decide."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from annotate.campaigns.models import Campaign, CampaignPolicy
from annotate.campaigns.serializers import CampaignPolicySerializer, NamedSerializer
from annotate.runs.jobs.settings import in_own_order
from annotate.runs.loop.rounds import describe_stages
from annotate.runs.models import (
    Evaluation,
    ModelServer,
    PolicyVersion,
    Promotion,
    RewardModel,
    Round,
    Run,
    Schedule,
)
from annotate.runs.policies.registry import ancestry_of
from annotate.runs.sentences import error_of_round, error_of_run, told
from annotate.runs.serving import policy_being_loaded
from annotate.snapshots.models import Snapshot


class TriggeredBySerializer(serializers.ModelSerializer):
    """What rows that a person or a schedule began have in common."""

    triggered_by = serializers.CharField(
        source="triggered_by.username", default=None, allow_null=True, read_only=True
    )


# ---------------------------------------------------------------- runs


class RunOutputSerializer(serializers.Serializer):
    policy_version = NamedSerializer(allow_null=True)
    reward_model = NamedSerializer(allow_null=True)


class RunSerializer(TriggeredBySerializer):
    snapshot = NamedSerializer(allow_null=True, read_only=True)
    policy = NamedSerializer(allow_null=True, read_only=True)
    ref_policy = NamedSerializer(allow_null=True, read_only=True)
    reward_model = NamedSerializer(allow_null=True, read_only=True)
    config = serializers.SerializerMethodField()
    metrics = serializers.DictField(read_only=True)
    error = serializers.SerializerMethodField()
    output = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = [
            "id", "name", "kind", "state", "step", "total_steps", "seconds_left", "round", "campaign", "snapshot",
            "policy", "ref_policy", "reward_model", "config", "metrics", "error", "num_attempts",
            "cancel_requested", "triggered_by", "created_at", "started_at", "heartbeat_at", "finished_at", "output",
        ]  # fmt: skip
        read_only_fields = fields

    def get_config(self, run: Run) -> dict[str, Any]:
        return in_own_order(run.kind, run.config)

    def get_error(self, run: Run) -> str:
        return error_of_run(run)

    def get_output(self, run: Run) -> RunOutputSerializer:
        made = {
            "policy_version": getattr(run, "policy_version", None),
            "reward_model": getattr(run, "registered_reward_model", None),
        }
        return RunOutputSerializer(made).data  # type: ignore[return-value]


class NewRunSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(Run.Kind.choices)
    policy = serializers.PrimaryKeyRelatedField(queryset=PolicyVersion.objects.all())
    snapshot = serializers.PrimaryKeyRelatedField(
        queryset=Snapshot.objects.all(), required=False, allow_null=True
    )
    ref_policy = serializers.PrimaryKeyRelatedField(
        queryset=PolicyVersion.objects.all(), required=False, allow_null=True
    )
    reward_model = serializers.PrimaryKeyRelatedField(
        queryset=RewardModel.objects.all(), required=False, allow_null=True
    )
    campaign = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(), required=False, allow_null=True
    )
    config = serializers.DictField(required=False)


class RunFilterSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(Run.Kind.choices, required=False)
    state = serializers.ChoiceField(Run.State.choices, required=False)
    round = serializers.IntegerField(required=False, min_value=1)


class MetricsFilterSerializer(serializers.Serializer):
    after_step = serializers.IntegerField(required=False, default=-1)


class TailFilterSerializer(serializers.Serializer):
    tail = serializers.IntegerField(required=False, default=200, min_value=1, max_value=5000)


class LimitFilterSerializer(serializers.Serializer):
    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=500)


class LogSerializer(serializers.Serializer):
    text = serializers.CharField()


# ---------------------------------------------------------------- rounds and schedules


class StageSerializer(serializers.Serializer):
    stage = serializers.ChoiceField(Round.Stage.choices)
    state = serializers.ChoiceField(
        ["waiting", "running", "done", "skipped", "failed", "cancelled", "not_reached"]
    )
    run = serializers.IntegerField(allow_null=True)
    progress = serializers.FloatField(allow_null=True, help_text="of its run, from 0 to 1")


class RoundSerializer(TriggeredBySerializer):
    campaigns = NamedSerializer(many=True, read_only=True)
    base_policy = NamedSerializer(read_only=True)
    snapshot = NamedSerializer(allow_null=True, read_only=True)
    config = serializers.DictField(read_only=True)
    stages = serializers.SerializerMethodField()
    outcome = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()

    class Meta:
        model = Round
        fields = [
            "id", "name", "stage", "state", "stages", "campaigns", "base_policy", "snapshot", "config", "outcome",
            "error", "created_at", "finished_at", "triggered_by",
        ]  # fmt: skip
        read_only_fields = fields

    def get_outcome(self, round: Round) -> str:
        return told(round.outcome)

    def get_error(self, round: Round) -> str:
        return error_of_round(round)

    def get_stages(self, round: Round) -> StageSerializer(many=True):  # type: ignore[valid-type]
        runs = sorted(round.runs.all(), key=lambda run: run.pk)
        return StageSerializer(describe_stages(round, runs), many=True).data


class NewRoundSerializer(serializers.Serializer):
    campaigns = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(), many=True, allow_empty=False
    )
    base_policy = serializers.PrimaryKeyRelatedField(queryset=PolicyVersion.objects.all())
    config = serializers.DictField(required=False)


class ScheduleSerializer(serializers.ModelSerializer):
    campaigns = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(), many=True, allow_empty=False
    )
    base_policy = serializers.PrimaryKeyRelatedField(queryset=PolicyVersion.objects.all())
    every_hours = serializers.FloatField(required=False, allow_null=True, min_value=0.01, max_value=100_000)
    min_new_feedback = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=2_147_483_647
    )
    config = serializers.DictField(required=False)

    class Meta:
        model = Schedule
        fields = [
            "id", "name", "campaigns", "base_policy", "every_hours", "min_new_feedback", "snapshot_only", "config",
            "is_enabled", "last_started_at",
        ]  # fmt: skip
        read_only_fields = ["id", "last_started_at"]


# ---------------------------------------------------------------- policies and reward models


class EvaluationSerializer(serializers.ModelSerializer):
    metrics = serializers.DictField(read_only=True)
    reward_model = NamedSerializer(read_only=True)
    reference = NamedSerializer(read_only=True)

    class Meta:
        model = Evaluation
        fields = ["id", "passed", "threshold", "metrics", "reward_model", "reference", "created_at"]
        read_only_fields = fields


class CampaignWeightSerializer(serializers.ModelSerializer):
    """A campaign that samples from the policy, and the policy's weight in it."""

    id = serializers.IntegerField(source="campaign_id")
    name = serializers.CharField(source="campaign.name")

    class Meta:
        model = CampaignPolicy
        fields = ["id", "name", "weight"]


class PolicyVersionSerializer(serializers.ModelSerializer):
    parent = NamedSerializer(allow_null=True, read_only=True)
    run = serializers.IntegerField(source="run_id", allow_null=True, read_only=True)
    kind_of_run = serializers.SerializerMethodField()
    metrics = serializers.DictField(read_only=True)
    is_promoted = serializers.SerializerMethodField()
    promoted_by = serializers.CharField(
        source="promoted_by.username", default=None, allow_null=True, read_only=True
    )
    campaigns = CampaignWeightSerializer(many=True, read_only=True)
    evaluations = EvaluationSerializer(many=True, read_only=True)
    is_served = serializers.SerializerMethodField()

    class Meta:
        model = PolicyVersion
        fields = [
            "id", "name", "path", "parent", "run", "kind_of_run", "metrics", "is_promoted", "promoted_at",
            "promoted_by", "campaigns", "evaluations", "created_at", "is_served",
        ]  # fmt: skip
        read_only_fields = fields

    def get_kind_of_run(self, policy: PolicyVersion) -> str:
        return policy.run.kind if policy.run else "base"

    def get_is_promoted(self, policy: PolicyVersion) -> bool:
        """Whether a campaign samples from it now."""
        return bool(policy.campaigns.all())

    def get_is_served(self, policy: PolicyVersion) -> bool:
        return policy.pk == self.context.get("served_id")


class PromotionRowSerializer(serializers.ModelSerializer):
    """One move of a campaign to a policy, and the policies that it left for it."""

    campaign = NamedSerializer(read_only=True)
    policy_version = NamedSerializer(read_only=True)
    replaced = NamedSerializer(many=True, read_only=True)
    round = NamedSerializer(allow_null=True, read_only=True)
    promoted_by = serializers.CharField(
        source="promoted_by.username", default=None, allow_null=True, read_only=True
    )

    class Meta:
        model = Promotion
        fields = [
            *("id", "campaign", "policy_version", "replaced", "how", "round", "promoted_by", "created_at"),
        ]
        read_only_fields = fields


class PromotionFilterSerializer(serializers.Serializer):
    campaign = serializers.IntegerField(required=False, min_value=1)
    policy_version = serializers.IntegerField(
        required=False, min_value=1, help_text="moves to it and away from it"
    )


class SnapshotCountsSerializer(NamedSerializer):
    counts = serializers.DictField()


class AncestorRunSerializer(serializers.ModelSerializer):
    config = serializers.DictField(read_only=True)
    metrics = serializers.DictField(read_only=True)
    snapshot = SnapshotCountsSerializer(allow_null=True, read_only=True)

    class Meta:
        model = Run
        fields = ["id", "name", "kind", "config", "metrics", "snapshot"]
        read_only_fields = fields


class AncestorSerializer(serializers.Serializer):
    """One link of the chain from a policy to the base model it came from."""

    policy_version = NamedSerializer()
    run = AncestorRunSerializer(allow_null=True)
    reward_model = NamedSerializer(allow_null=True)


class PolicyVersionDetailSerializer(PolicyVersionSerializer):
    ancestry = serializers.SerializerMethodField()

    class Meta(PolicyVersionSerializer.Meta):
        fields = [*PolicyVersionSerializer.Meta.fields, "ancestry"]
        read_only_fields = fields

    def get_ancestry(self, policy: PolicyVersion) -> AncestorSerializer(many=True):  # type: ignore[valid-type]
        return AncestorSerializer(ancestry_of(policy), many=True).data


class AgainstSerializer(serializers.Serializer):
    """How people judged a policy against another in comparison campaigns."""

    rival = NamedSerializer()
    num_wins = serializers.IntegerField()
    num_losses = serializers.IntegerField()
    num_ties = serializers.IntegerField(help_text="equally good, or both bad")
    share = serializers.FloatField(help_text="wins and half the ties, of all")
    share_low = serializers.FloatField(help_text="95 % interval")
    share_high = serializers.FloatField()


class NewPolicyVersionSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=200)
    path = serializers.CharField(
        max_length=1000, help_text="a directory on the training machine, or a hub id"
    )


class PromotionSerializer(serializers.Serializer):
    campaigns = serializers.PrimaryKeyRelatedField(
        queryset=Campaign.objects.all(), many=True, allow_empty=False
    )
    override = serializers.BooleanField(
        required=False, default=False, help_text="although the gate refused it"
    )
    sample = serializers.BooleanField(
        required=False, default=True, help_text="sample the next candidates now"
    )


class ChosenPolicySerializer(serializers.Serializer):
    policy_version = serializers.PrimaryKeyRelatedField(queryset=PolicyVersion.objects.all())
    weight = serializers.FloatField(
        min_value=0, max_value=1000, default=1.0, help_text="beside the others' weights; 0: not for now"
    )


class PolicyChoiceSerializer(serializers.Serializer):
    """The policies that a campaign is to sample from."""

    policies = ChosenPolicySerializer(many=True, max_length=20)  # type: ignore[call-arg]
    sample = serializers.BooleanField(
        default=False, help_text="where people judge: sample candidates from each of them now"
    )

    def validate_policies(self, policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({chosen["policy_version"] for chosen in policies}) < len(policies):
            raise serializers.ValidationError(_("Each policy once; give it more weight."), code="twice")
        return policies


class PoliciesOfCampaignSerializer(serializers.Serializer):
    policies = CampaignPolicySerializer(many=True)
    available = NamedSerializer(many=True, help_text="the newest policy versions, to choose from")


class RewardModelSerializer(serializers.ModelSerializer):
    run = serializers.IntegerField(source="run_id", read_only=True)
    parent = NamedSerializer(allow_null=True, read_only=True)
    metrics = serializers.DictField(read_only=True)

    class Meta:
        model = RewardModel
        fields = ["id", "name", "run", "parent", "metrics", "created_at"]
        read_only_fields = fields


class ModelServerSerializer(serializers.ModelSerializer):
    policy_version = NamedSerializer(allow_null=True, read_only=True, help_text="the one that answers")
    detail = serializers.SerializerMethodField()
    loading = serializers.SerializerMethodField(
        help_text="the one that is to take its place when it is ready"
    )

    class Meta:
        model = ModelServer
        fields = ["state", "policy_version", "loading", "detail"]
        read_only_fields = fields

    def get_detail(self, server: ModelServer) -> str:
        return told(server.detail)

    def get_loading(self, server: ModelServer) -> NamedSerializer(allow_null=True):  # type: ignore[valid-type]
        policy = policy_being_loaded()
        return NamedSerializer(policy).data if policy else None
