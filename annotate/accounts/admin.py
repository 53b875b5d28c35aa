"""Django admin: to look, hardly to touch. Logins alone are changed here, by the same code as by the API."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken
from rest_framework.exceptions import APIException

from annotate.accounts import services
from annotate.accounts.models import ROLES, Annotator, User
from annotate.api.errors import sentence

# knox's page makes a token of anybody for whoever opens it, and shows it; groups mean nothing here.
admin.site.unregister(AuthToken)
admin.site.unregister(Group)


class ShownOnly(admin.ModelAdmin):
    """Rows that are written by the product alone."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _admin(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # nobody else is let in
    return request.user


class UserForm(forms.ModelForm):
    """A login as services.create_user and services.update_user take it, and refused as by them."""

    by: User
    new_password = forms.CharField(
        label=_("new password"),
        max_length=128,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("It ends the login's sessions and tokens."),
    )

    language = forms.ChoiceField(
        label=_("interface language"), required=False, choices=[("", "---------"), *settings.LANGUAGES]
    )

    class Meta:
        model = User
        fields = [
            "username",
            "first_name",
            "email",
            "language",
            *(f"is_{role}" for role in ROLES),
            "is_active",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password"].required = not self.instance.pk

    def changes(self) -> dict[str, Any]:
        """What was changed, in the words of the services."""
        data, changed = self.cleaned_data, set(self.changed_data)
        changes = {name: data[name] for name in changed & {"email", "language", "is_active", "is_superuser"}}
        if "first_name" in changed:
            changes["name"] = data["first_name"]
        if changed & {f"is_{role}" for role in ROLES}:
            changes["roles"] = [role for role in ROLES if data[f"is_{role}"]]
        if data.get("new_password"):
            changes["password"] = data["new_password"]
        return changes

    def clean(self) -> dict[str, Any]:
        if self.errors:
            return self.cleaned_data
        try:
            if self.instance.pk:
                services.refuse_changes(self.instance, self.changes(), by=self.by)
            else:
                services.refuse_new(self.cleaned_data["username"], self.cleaned_data["new_password"])
        except APIException as refusal:
            raise forms.ValidationError(sentence(refusal.detail)) from refusal
        return self.cleaned_data


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    form = UserForm
    list_display = ["username", "first_name", "email", "is_annotator", "is_admin", "is_trainer", "is_active"]
    list_filter = ["is_annotator", "is_admin", "is_trainer", "is_active"]
    search_fields = ["username", "first_name", "email"]
    ordering = ["username"]
    roles = [f"is_{role}" for role in ROLES]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users = super().get_queryset(request)
        return users if request.user.is_superuser else users.filter(is_superuser=False)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["username", "new_password", "first_name", "email", *self.roles]})]
        held = [*self.roles, "is_active", *(["is_superuser"] if request.user.is_superuser else [])]
        return [
            (None, {"fields": ["username", "new_password"]}),
            (_("Person"), {"fields": ["first_name", "email", "language"]}),
            (_("Roles"), {"fields": held}),
            (_("Dates"), {"fields": ["last_login", "date_joined", "signed_out_at"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["username", "last_login", "date_joined", "signed_out_at"] if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.by = request.user
        return form

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a login is taken out of use: work hangs on it

    def save_model(self, request: HttpRequest, obj: User, form: UserForm, change: bool) -> None:
        if change:
            services.update_user(obj, form.changes(), by=_admin(request))
            return
        data = form.cleaned_data
        roles = [role for role in ROLES if data[f"is_{role}"]]
        made = services.create_user(
            username=data["username"],
            password=data["new_password"],
            roles=roles,
            name=data["first_name"],
            email=data["email"],
            by=_admin(request),
        )
        obj.pk = made.pk


@admin.register(AuthToken)
class TokenAdmin(ShownOnly):
    """Tokens of all logins, which can be ended."""

    list_display = ["token_key", "name", "user", "created", "expiry"]
    list_select_related = ["user", "named"]
    search_fields = ["user__username", "token_key"]
    fields = ["token_key", "user", "created", "expiry"]
    ordering = ["-created"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuthToken]:
        tokens = super().get_queryset(request)
        return tokens if request.user.is_superuser else tokens.filter(user__is_superuser=False)

    @admin.display(description=_("name"))
    def name(self, token: AuthToken) -> str:
        return token.named.name if hasattr(token, "named") else ""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return [f"{token.token_key} ({token.user})" for token in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: AuthToken) -> None:
        services.end_token(obj, by=_admin(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AuthToken]) -> None:
        for token in queryset:
            services.end_token(token, by=_admin(request))


@admin.register(Annotator)
class AnnotatorAdmin(ShownOnly):
    list_display = ["id", "user", "source", "external_id", "is_scripted", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__username", "external_id", "pseudonym"]
