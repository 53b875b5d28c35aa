"""Django admin for feedback: to look, not to touch. What people gave is written by the product alone."""

from django.contrib import admin

from annotate.accounts.admin import ShownOnly
from annotate.feedback.models import Assignment, Demonstration, Ranking, Remark, Review, Revision, Unit


@admin.register(Unit)
class UnitAdmin(ShownOnly):
    list_display = ["id", "campaign", "prompt_id", "overlap", "open_slots", "priority", "position"]
    list_filter = ["campaign"]
    list_select_related = ["campaign"]


@admin.register(Assignment)
class AssignmentAdmin(ShownOnly):
    list_display = [
        "id",
        "campaign",
        "unit_id",
        "annotator",
        "state",
        "leased_at",
        "lease_expires_at",
        "ended_at",
    ]
    list_filter = ["campaign", "state"]
    list_select_related = ["campaign", "annotator__user"]


@admin.register(Demonstration, Ranking, Review)
class SubmissionAdmin(ShownOnly):
    list_display = ["id", "campaign", "annotator", "is_surplus", "seconds_spent", "source", "created_at"]
    list_filter = ["campaign", "is_surplus"]
    list_select_related = ["campaign", "annotator__user"]


@admin.register(Revision)
class RevisionAdmin(ShownOnly):
    list_display = ["assignment_id", "number", "seconds_spent", "given_at"]


@admin.register(Remark)
class RemarkAdmin(ShownOnly):
    list_display = ["id", "campaign", "reason", "text", "created_at", "settled_at"]
    list_filter = ["campaign", "reason"]
    list_select_related = ["campaign"]
