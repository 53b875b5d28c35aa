"""Django admin for snapshots and imports: to look, not to touch. A snapshot never changes."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from annotate.accounts.admin import ShownOnly
from annotate.snapshots.models import FeedbackImport, Snapshot


@admin.register(Snapshot)
class SnapshotAdmin(ShownOnly):
    list_display = ["name", "state", "counts", "split_seed", "manifest_sha256", "created_at"]
    list_filter = ["state", "campaigns"]


@admin.register(FeedbackImport)
class FeedbackImportAdmin(ShownOnly):
    list_display = ["file_name", "campaign", "format", "state", "num_records", "created_by", "created_at"]
    list_filter = ["state", "campaign"]
    list_select_related = ["campaign", "created_by"]
    exclude = ["rejected"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[FeedbackImport]:
        return super().get_queryset(request).defer("report", "rejected")
