"""How far people agree, for themselves."""

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts.permissions import SignedInRequest
from annotate.quality.agreement import agreement_of
from annotate.quality.serializers import OwnAgreementSerializer


class OwnAgreementView(APIView):
    """In each campaign in which several people judge a unit, how often one's order of a pair is that of others."""

    @extend_schema(operation_id="own_agreement", responses=OwnAgreementSerializer(many=True))
    def get(self, request: SignedInRequest) -> Response:
        return Response(OwnAgreementSerializer(agreement_of(request.user), many=True).data)
