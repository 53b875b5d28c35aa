"""Snapshots."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from annotate.api.bodies import checked
from annotate.snapshots import services
from annotate.snapshots.models import Snapshot
from annotate.snapshots.serializers import NewSnapshotSerializer, SnapshotSerializer


class SnapshotsView(generics.ListAPIView):
    """Every snapshot, the newest first; a new one is written by the worker."""

    serializer_class = SnapshotSerializer
    queryset = Snapshot.objects.select_related("parent").prefetch_related("campaigns")

    @extend_schema(operation_id="snapshots")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="create_snapshot", request=NewSnapshotSerializer, responses={201: SnapshotSerializer}
    )
    def post(self, request: Request) -> Response:
        given = checked(NewSnapshotSerializer, request.data)
        try:
            snapshot = services.queue_snapshot(**given, created_by=request.user)
        except services.SnapshotRefused as refusal:
            raise ValidationError({"name": [str(refusal)]}) from None
        return Response(SnapshotSerializer(snapshot).data, status=status.HTTP_201_CREATED)


class SnapshotView(generics.RetrieveAPIView):
    serializer_class = SnapshotSerializer
    queryset = Snapshot.objects.select_related("parent").prefetch_related("campaigns")
    lookup_url_kwarg = "snapshot_id"

    @extend_schema(operation_id="snapshot")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)
