"""Imports into a campaign, and exports from it."""

from typing import Any

from django.conf import settings
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.text import slugify
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts.permissions import SignedInRequest
from annotate.api.bodies import checked
from annotate.campaigns.access import visible_campaign
from annotate.campaigns.services import refuse_material
from annotate.exchange import services
from annotate.exchange.exporting import ENDINGS, EXPORTS
from annotate.exchange.formats.detect import FORMATS
from annotate.exchange.importing import ImportRefused
from annotate.exchange.models import FeedbackImport
from annotate.exchange.serializers import (
    ImportDetailSerializer,
    ImportFormatSerializer,
    ImportSerializer,
    RejectedSerializer,
    UploadSerializer,
)


class ImportsView(APIView):
    """Files on their way into a campaign; the newest first."""

    parser_classes = [MultiPartParser]

    @extend_schema(operation_id="imports", responses=ImportSerializer(many=True))
    def get(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        rows = campaign.imports.defer("report", "rejected")[:100]
        return Response(ImportSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="create_import",
        request={"multipart/form-data": UploadSerializer},
        responses={202: ImportDetailSerializer},
    )
    def post(self, request: SignedInRequest, campaign_id: int) -> Response:
        campaign = visible_campaign(request.user, campaign_id)
        refuse_material(campaign)
        given = checked(UploadSerializer, request.data)
        file = given["file"]
        if file.size > settings.MAX_IMPORT_BYTES:
            limit = settings.MAX_IMPORT_BYTES >> 20
            raise ValidationError({"file": [_("The file is larger than %(limit)d MB.") % {"limit": limit}]})
        try:
            row = services.queue_import(
                campaign=campaign,
                file=file,
                file_name=file.name,
                format_name=given["format"],
                created_by=request.user,
            )
        except ImportRefused as refusal:
            raise ValidationError({"format": [str(refusal)]}) from None
        return Response(ImportDetailSerializer(row).data, status=status.HTTP_202_ACCEPTED)


class ImportView(generics.RetrieveAPIView):
    """One import: how far it is, and its report when it is done."""

    serializer_class = ImportDetailSerializer
    queryset = FeedbackImport.objects.all()
    lookup_url_kwarg = "import_id"

    @extend_schema(operation_id="import")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(operation_id="remove_import", responses={204: None})
    def delete(self, request: Request, import_id: int) -> Response:
        """A failed import, or one that nobody has begun; what it stored stays."""
        services.remove_import(get_object_or_404(FeedbackImport.objects.only("pk"), pk=import_id).pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ImportRefusalsView(generics.ListAPIView):
    """The first thousand records that an import refused, by pages."""

    serializer_class = RejectedSerializer
    queryset = FeedbackImport.objects.only("rejected")

    @extend_schema(operation_id="import_refusals")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def filter_queryset(self, queryset: Any) -> Any:
        return get_object_or_404(queryset, pk=self.kwargs["import_id"]).rejected


class ImportFormatsView(APIView):
    @extend_schema(operation_id="import_formats", responses=ImportFormatSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(ImportFormatSerializer(FORMATS, many=True).data)


class ExportView(APIView):
    """A campaign's feedback as a download."""

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """Errors are JSON whatever is asked for: `format` names the export here, not a renderer."""
        return super().perform_content_negotiation(request, force=True)

    @extend_schema(
        operation_id="export",
        parameters=[OpenApiParameter("format", enum=list(EXPORTS), required=True)],
        responses={
            (200, "application/x-ndjson"): OpenApiTypes.STR,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: SignedInRequest, campaign_id: int) -> StreamingHttpResponse:
        campaign = visible_campaign(request.user, campaign_id)
        name = request.query_params.get("format", "")
        if name not in EXPORTS:
            known = ", ".join(EXPORTS)
            raise ValidationError({"format": [_("Choose one of %(known)s.") % {"known": known}]})
        ending = ENDINGS[name]
        kind = "text/csv; charset=utf-8" if ending == "csv" else "application/x-ndjson"
        answer = StreamingHttpResponse((line.encode() for line in EXPORTS[name](campaign)), content_type=kind)
        stem = slugify(campaign.name) or f"campaign-{campaign.pk}"
        answer["Content-Disposition"] = f'attachment; filename="{stem}-{name}.{ending}"'
        return answer
