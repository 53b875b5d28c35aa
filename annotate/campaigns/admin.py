"""Django admin for campaigns: to look, not to touch. The product's own pages change them, and check what is set."""

from django.contrib import admin

from annotate.accounts.admin import ShownOnly
from annotate.campaigns.models import Campaign, Completion, Consent, Guidelines, Membership, Prompt, Terms


@admin.register(Campaign)
class CampaignAdmin(ShownOnly):
    list_display = ["name", "kind", "status", "language", "overlap", "num_completions", "created_at"]
    list_filter = ["kind", "status", "language"]
    search_fields = ["name"]


@admin.register(Membership)
class MembershipAdmin(ShownOnly):
    list_display = ["campaign", "user", "created_at"]
    list_filter = ["campaign"]
    list_select_related = ["campaign", "user"]


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
