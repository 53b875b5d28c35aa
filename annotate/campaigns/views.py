"""Campaigns, their guidelines and members. Prompts and progress are in `feedback`, where units are made."""

from typing import Any

from django.http import Http404
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts.models import User
from annotate.campaigns import services
from annotate.campaigns.access import visible_campaign, visible_to
from annotate.campaigns.models import Campaign, Terms
from annotate.campaigns.overview import guidelines_seen_by, members_of, overviews
from annotate.campaigns.serializers import (
    CampaignDetailSerializer,
    CampaignSerializer,
    GuidelinesSeenSerializer,
    GuidelinesSerializer,
    MemberSerializer,
    NewCampaignSerializer,
    NewMemberSerializer,
    TermsSeenSerializer,
    TermsSerializer,
    VersionSerializer,
)
from annotate.permissions import SignedInRequest


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
        given = NewCampaignSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        campaign = services.create_campaign(created_by=request.user, **given.validated_data)
        return Response(shown(campaign, request.user), status=status.HTTP_201_CREATED)


class CampaignView(APIView):
    """A campaign, to be read; `feedback.views` changes it too, and its units with it."""

    @extend_schema(operation_id="campaign", responses=CampaignDetailSerializer)
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        return Response(shown(visible_campaign(request.user, campaign_id), request.user))


class GuidelinesView(APIView):
    @extend_schema(operation_id="guidelines", responses=GuidelinesSeenSerializer)
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        guidelines = guidelines_seen_by(visible_campaign(request.user, campaign_id), request.user)
        if guidelines is None:
            raise Http404
        return Response(GuidelinesSeenSerializer(guidelines).data)

    @extend_schema(
        operation_id="write_guidelines", request=GuidelinesSerializer, responses=GuidelinesSerializer
    )
    def put(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = GuidelinesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        guidelines = services.write_guidelines(campaign, given.validated_data["text"], by=request.user)
        return Response(GuidelinesSerializer(guidelines).data)


class GuidelinesReadView(APIView):
    @extend_schema(operation_id="mark_guidelines_read", request=VersionSerializer, responses={204: None})
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = VersionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.mark_guidelines_read(campaign, request.user, given.validated_data["version"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class TermsView(APIView):
    """What people agree to before their first unit."""

    @extend_schema(operation_id="terms", responses=TermsSeenSerializer)
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        terms = campaign.terms.first() or Terms(version=0, text="")
        is_accepted = services.terms_to_accept(campaign, request.user) is None
        return Response({"version": terms.version, "text": terms.text, "is_accepted": is_accepted})

    @extend_schema(operation_id="write_terms", request=TermsSerializer, responses=TermsSerializer)
    def put(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = TermsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        terms = services.write_terms(campaign, given.validated_data["text"], by=request.user)
        return Response(TermsSerializer(terms).data)


class ConsentView(APIView):
    @extend_schema(operation_id="give_consent", request=VersionSerializer, responses={204: None})
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = VersionSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        services.give_consent(campaign, request.user, given.validated_data["version"])
        return Response(status=status.HTTP_204_NO_CONTENT)


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
        given = NewMemberSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        name = User.normalize_username(given.validated_data["username"])
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


class MemberView(APIView):
    @extend_schema(operation_id="remove_member", responses={204: None})
    def delete(self, request: SignedInRequest, campaign_id: int, user_id: int) -> Response:
        if not services.remove_member(visible_campaign(request.user, campaign_id), user_id):
            raise Http404
        return Response(status=status.HTTP_204_NO_CONTENT)
