"""A campaign's guidelines, terms and members. What shows counts of its work is in `feedback.campaign_views`."""

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts.permissions import SignedInRequest
from annotate.api.bodies import checked
from annotate.campaigns import services
from annotate.campaigns.access import visible_campaign
from annotate.campaigns.models import Terms
from annotate.campaigns.serializers import (
    GuidelinesSeenSerializer,
    GuidelinesSerializer,
    TermsSeenSerializer,
    TermsSerializer,
    VersionSerializer,
)


class GuidelinesView(APIView):
    @extend_schema(operation_id="guidelines", responses=GuidelinesSeenSerializer)
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        guidelines = services.guidelines_seen_by(visible_campaign(request.user, campaign_id), request.user)
        if guidelines is None:
            raise Http404
        return Response(GuidelinesSeenSerializer(guidelines).data)

    @extend_schema(
        operation_id="write_guidelines", request=GuidelinesSerializer, responses=GuidelinesSerializer
    )
    def put(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = checked(GuidelinesSerializer, request.data)
        guidelines = services.write_guidelines(campaign, given["text"], by=request.user)
        return Response(GuidelinesSerializer(guidelines).data)


class GuidelinesReadView(APIView):
    @extend_schema(operation_id="mark_guidelines_read", request=VersionSerializer, responses={204: None})
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = checked(VersionSerializer, request.data)
        services.mark_guidelines_read(campaign, request.user, given["version"])
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
        given = checked(TermsSerializer, request.data)
        terms = services.write_terms(campaign, given["text"], by=request.user)
        return Response(TermsSerializer(terms).data)


class ConsentView(APIView):
    @extend_schema(operation_id="give_consent", request=VersionSerializer, responses={204: None})
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        given = checked(VersionSerializer, request.data)
        services.give_consent(campaign, request.user, given["version"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberView(APIView):
    @extend_schema(operation_id="remove_member", responses={204: None})
    def delete(self, request: SignedInRequest, campaign_id: int, user_id: int) -> Response:
        if not services.remove_member(visible_campaign(request.user, campaign_id), user_id):
            raise Http404
        return Response(status=status.HTTP_204_NO_CONTENT)
