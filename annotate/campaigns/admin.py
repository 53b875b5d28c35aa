"""Django admin for campaigns. Prompts and completions are shown only: feedback hangs on them."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from annotate.campaigns.models import Campaign, Completion, Consent, Guidelines, Membership, Prompt, Terms


class ShownOnly(admin.ModelAdmin):
    """Rows that are written by the product alone."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Campaign)
class CampaignAdmin(admin.ModelAdmin):
    list_display = ["name", "kind", "status", "language", "overlap", "num_completions", "created_at"]
    list_filter = ["kind", "status", "language"]
    search_fields = ["name"]
    # These change units too (feedback.services.update_campaign), so the product's own page is the place for them.
    readonly_fields = ["kind", "overlap", "created_by", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ["campaign", "user", "created_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "user"]
    raw_id_fields = ["campaign", "user"]


@admin.register(Guidelines, Terms)
class GuidelinesAdmin(ShownOnly):
    list_display = ["campaign", "version", "created_by", "created_at"]
    list_select_related = ["campaign", "created_by"]


@admin.register(Consent)
class ConsentAdmin(ShownOnly):
    list_display = ["terms_id", "user", "given_at"]
    list_filter = ["terms__campaign"]
    list_select_related = ["user"]


@admin.register(Prompt)
class PromptAdmin(ShownOnly):
    list_display = ["id", "campaign", "language", "source", "external_id", "created_at"]
    list_filter = ["campaign", "language"]
    list_select_related = ["campaign"]


@admin.register(Completion)
class CompletionAdmin(ShownOnly):
    list_display = ["id", "prompt_id", "policy_version", "model_name", "seed", "source", "created_at"]
    list_select_related = ["policy_version"]
