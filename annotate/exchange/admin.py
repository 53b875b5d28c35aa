"""Django admin for imports: to look, not to touch."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from annotate.accounts.admin import ShownOnly
from annotate.exchange.models import FeedbackImport


@admin.register(FeedbackImport)
class FeedbackImportAdmin(ShownOnly):
    list_display = ["file_name", "campaign", "format", "state", "num_records", "created_by", "created_at"]
    list_filter = ["state", "campaign"]
    list_select_related = ["campaign", "created_by"]
    exclude = ["rejected"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[FeedbackImport]:
        return super().get_queryset(request).defer("report", "rejected")
