"""Campaigns as a login sees them, with what was given to them: the list, one, its members, prompts and progress."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts.models import User
from annotate.accounts.permissions import SignedInRequest
from annotate.api.bodies import checked
from annotate.campaigns import services
from annotate.campaigns.access import visible_campaign, visible_to
from annotate.campaigns.models import Campaign
from annotate.campaigns.serializers import (
    CampaignChangesSerializer,
    CampaignDetailSerializer,
    CampaignSerializer,
    MemberSerializer,
    NewCampaignSerializer,
    NewMemberSerializer,
)
from annotate.campaigns.services import NewPrompt
from annotate.feedback.desk import progress
from annotate.feedback.overview import members_of, overviews
from annotate.feedback.queue.units import queue_prompts, update_campaign
from annotate.feedback.serializers import AddedPromptsSerializer, NewPromptSerializer, ProgressSerializer


def shown(campaign: Campaign, user: User) -> dict[str, Any]:
    return CampaignDetailSerializer(overviews(Campaign.objects.filter(id=campaign.id), user)[0]).data


class CampaignsView(generics.GenericAPIView):
    """The campaigns one may see; admins make new ones."""

    @extend_schema(operation_id="campaigns", responses=CampaignSerializer(many=True))
    def get(self, request: SignedInRequest) -> Response:
        page = self.paginate_queryset(visible_to(request.user).values_list("id", flat=True))
        campaigns = overviews(Campaign.objects.filter(id__in=page or []), request.user)
        return self.get_paginated_response(CampaignSerializer(campaigns, many=True).data)

    @extend_schema(
        operation_id="create_campaign",
        request=NewCampaignSerializer,
        responses={201: CampaignDetailSerializer},
    )
    def post(self, request: SignedInRequest) -> Response:
        given = checked(NewCampaignSerializer, request.data)
        campaign = services.create_campaign(created_by=request.user, **given)
        return Response(shown(campaign, request.user), status=status.HTTP_201_CREATED)


class CampaignView(APIView):
    """A campaign; what changes its overlap changes its units too."""

    @extend_schema(operation_id="campaign", responses=CampaignDetailSerializer)
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        return Response(shown(visible_campaign(request.user, campaign_id), request.user))

    @extend_schema(
        operation_id="update_campaign", request=CampaignChangesSerializer, responses=CampaignDetailSerializer
    )
    def patch(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        changes = checked(CampaignChangesSerializer, request.data)
        return Response(shown(update_campaign(campaign, changes), request.user))


class MembersView(generics.GenericAPIView):
    """Who works in a campaign and what they gave, for admins."""

    @extend_schema(operation_id="members", responses=MemberSerializer(many=True))
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        page = self.paginate_queryset(members_of(campaign))
        return self.get_paginated_response(MemberSerializer(page, many=True).data)

    @extend_schema(
        operation_id="add_member",
        request=NewMemberSerializer,
        responses={200: MemberSerializer, 201: MemberSerializer},
    )
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = checked(NewMemberSerializer, request.data)
        name = User.normalize_username(given["username"])
        user = User.objects.filter(username=name, is_active=True).first()
        if user is None:
            raise ValidationError(
                {"username": [_("Nobody who can sign in has this user name.")]}, code="unknown"
            )
        membership, is_new = services.add_member(campaign, user)
        return Response(
            MemberSerializer(members_of(campaign).get(id=membership.id)).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
        )


class PromptsView(APIView):
    @extend_schema(
        operation_id="add_prompts",
        request=NewPromptSerializer(many=True),
        responses={201: AddedPromptsSerializer},
    )
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = checked(NewPromptSerializer, request.data, many=True)
        added = queue_prompts(campaign, [NewPrompt(**prompt) for prompt in given])
        counts = {"num_created": len(added.created), "num_repeated": len(added.repeated)}
        return Response(counts, status=status.HTTP_201_CREATED)


class ProgressView(APIView):
    @extend_schema(operation_id="progress", responses=ProgressSerializer)
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        return Response(ProgressSerializer(progress(campaign)).data)
