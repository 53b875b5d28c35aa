"""An annotator's work: the next assignment, its lease, draft and submission. Suggestions, which policies write: `runs.views`."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts.models import Annotator, User
from annotate.accounts.permissions import SignedInRequest
from annotate.api.bodies import checked
from annotate.campaigns.access import visible_campaign, visible_to
from annotate.feedback import remarks
from annotate.feedback.desk import lay_out, nothing_now, own_assignment
from annotate.feedback.kinds.base import HandedIn
from annotate.feedback.kinds.table import KINDS, kind_of
from annotate.feedback.models import Assignment
from annotate.feedback.naming import ids_of
from annotate.feedback.own_work import own_work
from annotate.feedback.queue import leases
from annotate.feedback.serializers import (
    AssignmentSerializer,
    DraftSavedSerializer,
    DraftSaveSerializer,
    LeaseSerializer,
    NextSerializer,
    OwnWorkRequestSerializer,
    OwnWorkSerializer,
    ReleaseSerializer,
    RemarkRequestSerializer,
    RemarkSerializer,
    SettleSerializer,
    SkipSerializer,
    SubmittedSerializer,
    SubmittedVersionSerializer,
)
from annotate.feedback.versions import versions_of


def _annotator(user: User) -> Annotator:
    """The person behind a login; one who never had an assignment has none to be found."""
    annotator = Annotator.objects.filter(user=user).first()
    if annotator is None:
        raise Http404
    return annotator


def _next(request: SignedInRequest, campaign_id: int, *, is_ahead: bool) -> Response:
    campaign = visible_campaign(request.user, campaign_id)
    found = leases.lease_next_assignment(campaign, request.user, is_ahead=is_ahead)
    if found.assignment is None:
        message = nothing_now(found.reason, campaign)
        return Response({"assignment": None, "reason": found.reason, "message": message})
    desk = lay_out(found.assignment)
    assignment = AssignmentSerializer(desk, context={"guidelines": desk.guidelines}).data
    return Response({"assignment": assignment, "reason": "", "message": ""})


class NextAssignmentView(APIView):
    """Lease the next unit. An assignment of one's own that is not finished comes first."""

    @extend_schema(operation_id="lease_next_assignment", request=None, responses=NextSerializer)
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        return _next(request, campaign_id, is_ahead=False)


class AheadAssignmentView(APIView):
    """Lease the unit after the one in hand: at most one; renewing it, or saving a draft in it, begins it."""

    @extend_schema(operation_id="lease_ahead", request=None, responses=NextSerializer)
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        return _next(request, campaign_id, is_ahead=True)


class AssignmentView(APIView):
    @extend_schema(operation_id="assignment", responses=AssignmentSerializer)
    def get(self, request: SignedInRequest, assignment_id: int) -> Response:
        desk = lay_out(own_assignment(request.user, assignment_id))
        return Response(AssignmentSerializer(desk, context={"guidelines": desk.guidelines}).data)


class DraftView(APIView):
    @extend_schema(operation_id="save_draft", request=DraftSaveSerializer, responses=DraftSavedSerializer)
    def put(self, request: SignedInRequest, assignment_id: int) -> Response:
        given = checked(DraftSaveSerializer, request.data)
        draft = leases.save_draft(assignment_id, _annotator(request.user), **given)
        return Response(DraftSavedSerializer(draft).data)


class RenewView(APIView):
    @extend_schema(operation_id="renew_lease", request=None, responses=LeaseSerializer)
    def post(self, request: SignedInRequest, assignment_id: int) -> Response:
        own_assignment(request.user, assignment_id)
        return Response(LeaseSerializer(leases.renew_lease(assignment_id, _annotator(request.user))).data)


def _with_correction(review: dict[str, Any], assignment: Assignment) -> dict[str, Any]:
    """What was handed in; a review's `content`, if it has one, checked as a submission of the kind that is reviewed."""
    content = review.pop("content", None)
    if content is None:
        return review
    reviewed = assignment.unit.reviewed
    if reviewed is None:
        raise Http404
    kind = kind_of(reviewed)
    form = kind.form(data=content | {"submission_key": review["submission_key"]})
    if not form.is_valid():
        raise ValidationError({"content": form.errors})
    correction = dict(form.validated_data)
    HandedIn.taken_out_of(correction)  # the review's own count
    return review | {"correction": kind.renamed(correction, ids_of(reviewed))}


class SubmitView(APIView):
    """A demonstration, a ranking, a comparison, a review or a chat, whichever the assignment asks for."""

    @extend_schema(
        operation_id="submit",
        request=PolymorphicProxySerializer(
            "Submission",
            [kind.form for kind in KINDS.values()],
            resource_type_field_name=None,
        ),
        responses={200: SubmittedSerializer, 201: SubmittedSerializer},
    )
    def post(self, request: SignedInRequest, assignment_id: int) -> Response:
        annotator = _annotator(request.user)
        own = Assignment.objects.filter(id=assignment_id, annotator=annotator)
        assignment = own.select_related("campaign", "unit__reviewed__campaign").first()
        if assignment is None:
            raise Http404
        kind = kind_of(assignment)
        given = _with_correction(checked(kind.form, request.data), assignment)
        handed_in = HandedIn.taken_out_of(given)
        stored = kind.submit(assignment_id, annotator, handed_in, **kind.renamed(given, ids_of(assignment)))
        submission = stored.submission
        return Response(
            {"id": submission.id, "kind": kind.name, "is_surplus": submission.is_surplus},
            status=status.HTTP_201_CREATED if stored.is_new else status.HTTP_200_OK,
        )


class VersionsView(APIView):
    """What a submission said before each correction, and as it stands: for its author, its reviewers and admins."""

    @extend_schema(operation_id="versions", responses=SubmittedVersionSerializer(many=True))
    def get(self, request: SignedInRequest, assignment_id: int) -> Response:
        versions = versions_of(request.user, assignment_id)
        return Response(SubmittedVersionSerializer(versions, many=True).data)


class SkipView(APIView):
    @extend_schema(operation_id="skip", request=SkipSerializer, responses={204: None})
    def post(self, request: SignedInRequest, assignment_id: int) -> Response:
        given = checked(SkipSerializer, request.data)
        leases.skip(assignment_id, _annotator(request.user), **given)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ReleaseView(APIView):
    @extend_schema(operation_id="release", request=ReleaseSerializer, responses={204: None})
    def post(self, request: SignedInRequest, assignment_id: int) -> Response:
        given = checked(ReleaseSerializer, request.data)
        leases.release(assignment_id, _annotator(request.user), **given)
        return Response(status=status.HTTP_204_NO_CONTENT)


class RemarkView(APIView):
    """Tell the administrators about a unit."""

    @extend_schema(operation_id="make_remark", request=RemarkRequestSerializer, responses={201: None})
    def post(self, request: SignedInRequest, assignment_id: int) -> Response:
        assignment = own_assignment(request.user, assignment_id)
        remarks.make_remark(assignment, **checked(RemarkRequestSerializer, request.data))
        return Response(status=status.HTTP_201_CREATED)


class RemarksView(generics.GenericAPIView):
    """What annotators said of a campaign's units, for those who run it."""

    serializer_class = RemarkSerializer

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "reader": self.request.user}

    @extend_schema(
        operation_id="remarks",
        parameters=[
            OpenApiParameter("is_settled", bool, description="only those dealt with, or only the others")
        ],
        responses=RemarkSerializer(many=True),
    )
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        asked = {"true": True, "false": False}.get(request.query_params.get("is_settled", ""))
        page = self.paginate_queryset(remarks.remarks_of(campaign, is_settled=asked))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)


class SettleRemarkView(APIView):
    @extend_schema(operation_id="settle_remark", request=SettleSerializer, responses=RemarkSerializer)
    def patch(self, request: SignedInRequest, remark_id: int) -> Response:
        given = checked(SettleSerializer, request.data)
        campaigns = visible_to(request.user)
        remark = remarks.settle_remark(campaigns, remark_id, by=request.user, **given)
        return Response(RemarkSerializer(remark, context={"reader": request.user}).data)


class OwnWorkView(APIView):
    """One's own drafts, latest submissions and figures."""

    @extend_schema(
        operation_id="own_work", parameters=[OwnWorkRequestSerializer], responses=OwnWorkSerializer
    )
    def get(self, request: SignedInRequest) -> Response:
        asked = checked(OwnWorkRequestSerializer, request.query_params)
        on_device = [int(id) for id in asked.get("drafts", "").split(",") if id]
        work = own_work(request.user, since=asked.get("since"), on_device=on_device)
        return Response(OwnWorkSerializer(work).data)
