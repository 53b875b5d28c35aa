"""The API of trainers: runs, rounds, policies, reward models, schedules, and the model server's state."""

from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts.permissions import SignedInRequest
from annotate.api.bodies import checked
from annotate.api.languages import spoken_now
from annotate.campaigns.access import visible_campaign
from annotate.campaigns.models import Campaign
from annotate.feedback import suggestions
from annotate.feedback.desk import own_assignment
from annotate.feedback.kinds.chat import place_of_answer
from annotate.feedback.serializers import SuggestionRequestSerializer
from annotate.runs import serving
from annotate.runs.jobs import reading
from annotate.runs.jobs.queueing import cancel_run, queue_run, resume_run
from annotate.runs.loop import rounds, schedules
from annotate.runs.loop.promoting import choose_policies, promote_policy
from annotate.runs.models import PolicyVersion, Promotion, RewardModel, Round, Run, Schedule
from annotate.runs.policies import arena, registry
from annotate.runs.serializers import (
    AgainstSerializer,
    LimitFilterSerializer,
    LogSerializer,
    MetricsFilterSerializer,
    ModelServerSerializer,
    NewPolicyVersionSerializer,
    NewRoundSerializer,
    NewRunSerializer,
    PoliciesOfCampaignSerializer,
    PolicyChoiceSerializer,
    PolicyVersionDetailSerializer,
    PolicyVersionSerializer,
    PromotionFilterSerializer,
    PromotionRowSerializer,
    PromotionSerializer,
    RewardModelSerializer,
    RoundSerializer,
    RunFilterSerializer,
    RunSerializer,
    ScheduleSerializer,
    TailFilterSerializer,
)

NEWEST = 200  # more than a menu can hold
ROWS_OF_NUMBERS = {"type": "array", "items": {"type": "object", "additionalProperties": True}}


def all_runs() -> QuerySet[Run]:
    return Run.objects.select_related(
        "snapshot",
        "policy",
        "ref_policy",
        "reward_model",
        "triggered_by",
        "policy_version",
        "registered_reward_model",
    )


def all_rounds() -> QuerySet[Round]:
    joined = Round.objects.select_related("base_policy", "snapshot", "triggered_by")
    return joined.prefetch_related("campaigns", "runs")


def all_policies() -> QuerySet[PolicyVersion]:
    joined = PolicyVersion.objects.select_related("parent", "run", "promoted_by")
    return joined.prefetch_related(
        "campaigns__campaign", "evaluations__reward_model", "evaluations__reference"
    )


class RunsView(generics.ListAPIView):
    serializer_class = RunSerializer

    def get_queryset(self) -> QuerySet[Run]:
        return all_runs().filter(**checked(RunFilterSerializer, self.request.query_params.dict()))

    @extend_schema(operation_id="runs", parameters=[RunFilterSerializer])
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(operation_id="create_run", request=NewRunSerializer, responses={201: RunSerializer})
    def post(self, request: Request) -> Response:
        asked = checked(NewRunSerializer, request.data)
        run = queue_run(**asked, triggered_by=request.user)
        return Response(RunSerializer(all_runs().get(pk=run.pk)).data, status=status.HTTP_201_CREATED)


class RunView(APIView):
    @extend_schema(operation_id="run", responses=RunSerializer)
    def get(self, request: Request, run_id: int) -> Response:
        return Response(RunSerializer(get_object_or_404(all_runs(), pk=run_id)).data)


class RunMetricsView(APIView):
    """The rows of metrics.jsonl after a step; of a long run, evenly thinned."""

    @extend_schema(
        operation_id="run_metrics", parameters=[MetricsFilterSerializer], responses={200: ROWS_OF_NUMBERS}
    )
    def get(self, request: Request, run_id: int) -> Response:
        asked = checked(MetricsFilterSerializer, request.query_params.dict())
        return Response(reading.metrics_of(get_object_or_404(Run, pk=run_id), asked["after_step"]))


class RunLogView(APIView):
    @extend_schema(operation_id="run_log", parameters=[TailFilterSerializer], responses=LogSerializer)
    def get(self, request: Request, run_id: int) -> Response:
        asked = checked(TailFilterSerializer, request.query_params.dict())
        return Response({"text": reading.log_of(get_object_or_404(Run, pk=run_id), asked["tail"])})


class RunSamplesView(APIView):
    """The newest texts that the run kept for people to look at."""

    @extend_schema(
        operation_id="run_samples", parameters=[LimitFilterSerializer], responses={200: ROWS_OF_NUMBERS}
    )
    def get(self, request: Request, run_id: int) -> Response:
        asked = checked(LimitFilterSerializer, request.query_params.dict())
        return Response(reading.samples_of(get_object_or_404(Run, pk=run_id), asked["limit"]))


class CancelRunView(APIView):
    @extend_schema(operation_id="cancel_run", request=None, responses=RunSerializer)
    def post(self, request: Request, run_id: int) -> Response:
        run = cancel_run(get_object_or_404(Run, pk=run_id))
        return Response(RunSerializer(all_runs().get(pk=run.pk)).data)


class ResumeRunView(APIView):
    @extend_schema(operation_id="resume_run", request=None, responses=RunSerializer)
    def post(self, request: Request, run_id: int) -> Response:
        run = resume_run(get_object_or_404(Run, pk=run_id))
        return Response(RunSerializer(all_runs().get(pk=run.pk)).data)


class RoundsView(generics.ListAPIView):
    serializer_class = RoundSerializer

    def get_queryset(self) -> QuerySet[Round]:
        return all_rounds()

    @extend_schema(operation_id="rounds")
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(operation_id="create_round", request=NewRoundSerializer, responses={201: RoundSerializer})
    def post(self, request: Request) -> Response:
        asked = checked(NewRoundSerializer, request.data)
        made = rounds.start_round(**asked, triggered_by=request.user)
        return Response(RoundSerializer(all_rounds().get(pk=made.pk)).data, status=status.HTTP_201_CREATED)


class RoundView(APIView):
    @extend_schema(operation_id="round", responses=RoundSerializer)
    def get(self, request: Request, round_id: int) -> Response:
        return Response(RoundSerializer(get_object_or_404(all_rounds(), pk=round_id)).data)


class CancelRoundView(APIView):
    @extend_schema(operation_id="cancel_round", request=None, responses=RoundSerializer)
    def post(self, request: Request, round_id: int) -> Response:
        rounds.cancel_round(get_object_or_404(Round, pk=round_id))
        return Response(RoundSerializer(all_rounds().get(pk=round_id)).data)


class ResumeRoundView(APIView):
    @extend_schema(operation_id="resume_round", request=None, responses=RoundSerializer)
    def post(self, request: Request, round_id: int) -> Response:
        rounds.resume_round(get_object_or_404(Round, pk=round_id))
        return Response(RoundSerializer(all_rounds().get(pk=round_id)).data)


def policy_context() -> dict[str, Any]:
    return {"served_id": serving.current_state().policy_version_id}


class PolicyVersionsView(generics.ListAPIView):
    serializer_class = PolicyVersionSerializer

    def get_queryset(self) -> QuerySet[PolicyVersion]:
        return all_policies()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), **policy_context()}

    @extend_schema(operation_id="policy_versions")
    def get(self, request: Request) -> Response:
        return self.list(request)

    @extend_schema(
        operation_id="register_policy_version",
        request=NewPolicyVersionSerializer,
        responses={201: PolicyVersionSerializer},
    )
    def post(self, request: Request) -> Response:
        policy = registry.register_policy(
            **checked(NewPolicyVersionSerializer, request.data), within=settings.MODEL_DIRS
        )
        described = PolicyVersionSerializer(all_policies().get(pk=policy.pk), context=policy_context()).data
        return Response(described, status=status.HTTP_201_CREATED)


class PolicyVersionView(APIView):
    """A policy with everything it came from."""

    @extend_schema(operation_id="policy_version", responses=PolicyVersionDetailSerializer)
    def get(self, request: Request, policy_version_id: int) -> Response:
        policy = get_object_or_404(all_policies(), pk=policy_version_id)
        return Response(PolicyVersionDetailSerializer(policy, context=policy_context()).data)


class AgainstOthersView(APIView):
    """People's comparisons of a policy with each other policy that it met."""

    @extend_schema(operation_id="policy_comparisons", responses=AgainstSerializer(many=True))
    def get(self, request: Request, policy_version_id: int) -> Response:
        policy = get_object_or_404(PolicyVersion, pk=policy_version_id)
        return Response(AgainstSerializer(arena.against_others(policy.pk), many=True).data)


class PromoteView(APIView):
    """From now on the campaigns sample from this policy. 409, code `gate`, when its evaluation forbids it."""

    @extend_schema(operation_id="promote", request=PromotionSerializer, responses=PolicyVersionSerializer)
    def post(self, request: Request, policy_version_id: int) -> Response:
        asked = checked(PromotionSerializer, request.data)
        policy = get_object_or_404(PolicyVersion, pk=policy_version_id)
        promote_policy(policy=policy, promoted_by=request.user, **asked)
        promoted = all_policies().get(pk=policy_version_id)
        return Response(PolicyVersionSerializer(promoted, context=policy_context()).data)


def left_for(policy_id: int) -> QuerySet[Any]:
    """The moves away from a policy, beside a query of Promotion."""
    return Promotion.replaced.through.objects.filter(promotion=OuterRef("pk"), policyversion=policy_id)


class PromotionsView(generics.ListAPIView):
    """Which campaign moved to which policy, when, how and by whom; the newest first."""

    serializer_class = PromotionRowSerializer

    def get_queryset(self) -> QuerySet[Promotion]:
        asked = checked(PromotionFilterSerializer, self.request.query_params.dict())
        rows = Promotion.objects.select_related("campaign", "policy_version", "round", "promoted_by")
        rows = rows.prefetch_related("replaced")
        if campaign := asked.get("campaign"):
            rows = rows.filter(campaign=campaign)
        if policy := asked.get("policy_version"):
            rows = rows.filter(Q(policy_version=policy) | Exists(left_for(policy)))
        return rows

    @extend_schema(operation_id="promotions", parameters=[PromotionFilterSerializer])
    def get(self, request: Request) -> Response:
        return self.list(request)


class PoliciesOfCampaignView(APIView):
    """Which policies a campaign samples from, and with what weight."""

    @extend_schema(operation_id="policies_of_campaign", responses=PoliciesOfCampaignSerializer)
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        chosen = campaign.policies.select_related("policy_version").order_by("pk")
        available = PolicyVersion.objects.order_by("-pk")[:NEWEST]
        return Response(PoliciesOfCampaignSerializer({"policies": chosen, "available": available}).data)

    @extend_schema(
        operation_id="choose_policies", request=PolicyChoiceSerializer, responses=PoliciesOfCampaignSerializer
    )
    def put(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        asked = checked(PolicyChoiceSerializer, request.data)
        weights = {chosen["policy_version"]: chosen["weight"] for chosen in asked["policies"]}
        choose_policies(campaign=campaign, weights=weights, chosen_by=request.user, sample=asked["sample"])
        return self.get(request, campaign_id)


class RewardModelsView(generics.ListAPIView):
    serializer_class = RewardModelSerializer
    queryset = RewardModel.objects.select_related("parent")

    @extend_schema(operation_id="reward_models")
    def get(self, request: Request) -> Response:
        return self.list(request)


class SchedulesView(APIView):
    @extend_schema(operation_id="schedules", responses=ScheduleSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(ScheduleSerializer(Schedule.objects.prefetch_related("campaigns"), many=True).data)

    @extend_schema(
        operation_id="create_schedule", request=ScheduleSerializer, responses={201: ScheduleSerializer}
    )
    def post(self, request: Request) -> Response:
        made = schedules.save_schedule(None, checked(ScheduleSerializer, request.data))
        return Response(ScheduleSerializer(made).data, status=status.HTTP_201_CREATED)


class ScheduleView(APIView):
    @extend_schema(operation_id="update_schedule", request=ScheduleSerializer, responses=ScheduleSerializer)
    def patch(self, request: Request, schedule_id: int) -> Response:
        schedule = get_object_or_404(Schedule, pk=schedule_id)
        changes = checked(ScheduleSerializer, request.data, instance=schedule, partial=True)
        return Response(ScheduleSerializer(schedules.save_schedule(schedule, changes)).data)

    @extend_schema(operation_id="delete_schedule", responses={204: None})
    def delete(self, request: Request, schedule_id: int) -> Response:
        get_object_or_404(Schedule, pk=schedule_id).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelServerView(APIView):
    """What the people who write are given suggestions by."""

    @extend_schema(operation_id="model_server", responses=ModelServerSerializer)
    def get(self, request: Request) -> Response:
        return Response(ModelServerSerializer(serving.current_state()).data)


class SuggestionsView(APIView):
    """Server-sent events: start {id, turn}, token {text} …, end {id, text, finish_reason} or error {detail}."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        # A client that asks for text/event-stream still gets its refusals as JSON.
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="suggest",
        request=SuggestionRequestSerializer,
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def post(self, request: SignedInRequest, assignment_id: int) -> Any:
        assignment = own_assignment(request.user, assignment_id)
        given = checked(SuggestionRequestSerializer, request.data)
        suggestions.refuse_where_none_is_offered(assignment, given["messages"])
        if assignment.campaign.kind == Campaign.Kind.CHAT:
            policies, place = place_of_answer(assignment, given)
        else:
            policies, place = suggestions.draw_policies(assignment.campaign), {}
        suggestion = suggestions.begin_suggestion(assignment, given["turn"], policies[0], **place)
        places = serving.places_to_ask(assignment.campaign, policies)
        return StreamingHttpResponse(
            suggestions.stream_suggestion(suggestion, given["messages"], places, spoken_now()),
            content_type="text/event-stream",
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
        )
