"""Django admin for logins: roles as checkboxes, and the rare things the product has no page for."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from annotate.accounts.models import Annotator, User
from annotate.accounts.services import annotator_of


@admin.register(User)
class UserAdmin(DjangoUserAdmin):
    list_display = ["username", "first_name", "email", "is_annotator", "is_admin", "is_trainer", "is_active"]
    list_filter = ["is_annotator", "is_admin", "is_trainer", "is_active"]
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Person"), {"fields": ["first_name", "email", "language"]}),
        (_("Roles"), {"fields": ["is_annotator", "is_admin", "is_trainer", "is_active", "is_superuser"]}),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "password1", "password2", "is_annotator", "is_admin", "is_trainer"]})
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users = super().get_queryset(request)
        return users if request.user.is_superuser else users.filter(is_superuser=False)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [] if request.user.is_superuser else ["is_superuser"]

    def save_model(self, request: HttpRequest, obj: User, form: ModelForm, change: bool) -> None:
        obj.is_staff = obj.is_admin or obj.is_superuser
        super().save_model(request, obj, form, change)
        if obj.is_annotator:
            annotator_of(obj)


@admin.register(Annotator)
class AnnotatorAdmin(admin.ModelAdmin):
    list_display = ["id", "user", "source", "external_id", "is_scripted", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__username", "external_id", "pseudonym"]
    raw_id_fields = ["user"]
    readonly_fields = ["pseudonym", "created_at"]
