"""The JSON of accounts."""

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from annotate.accounts.models import ROLES, User
from annotate.accounts.permissions import OPERATIONS, operations_of
from annotate.accounts.services import DEFAULT_TOKEN_DAYS, MOST_TOKEN_DAYS

MAX_KEYS = 100
OPERATION_NAMES = list(OPERATIONS)
LANGUAGES = ["", *(code for code, _ in settings.LANGUAGES)]


class PreferencesSerializer(serializers.Serializer):
    """How the pages look and answer to one person, on whatever device."""

    text_size = serializers.ChoiceField(["small", "normal", "large", "larger"], default="normal")
    keys = serializers.DictField(
        child=serializers.CharField(max_length=32),
        default=dict,
        help_text="{a key as the pages set it: the person's own in its place}",
    )
    practised = serializers.ListField(
        child=serializers.CharField(max_length=32),
        max_length=MAX_KEYS,
        default=list,
        help_text="the kinds of work whose practice was done or skipped: it is offered before the first unit",
    )

    def validate_keys(self, keys: dict[str, str]) -> dict[str, str]:
        if len(keys) > MAX_KEYS or any(len(key) > 32 for key in keys):
            raise serializers.ValidationError(_("These are more keys than a keyboard has."))
        return keys


class UserSerializer(serializers.ModelSerializer):
    """A login as its owner and admins see it."""

    name = serializers.CharField(source="first_name", read_only=True)
    email = serializers.CharField(read_only=True, help_text="empty where none is known")
    roles = serializers.ListField(child=serializers.ChoiceField(ROLES), read_only=True)
    preferences = PreferencesSerializer(read_only=True)

    class Meta:
        model = User
        fields = ["id", "username", "name", "email", "language", "preferences", "roles", "is_active"]
        read_only_fields = fields


class MeSerializer(UserSerializer):
    """One's own login, and what one may do: the pages show what follows from it."""

    operations = serializers.SerializerMethodField()

    class Meta(UserSerializer.Meta):
        fields = [*UserSerializer.Meta.fields, "operations"]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.ChoiceField(OPERATION_NAMES)))
    def get_operations(self, user: User) -> list[str]:
        return operations_of(user)


class ProfileChangesSerializer(serializers.Serializer):
    """What a person may change of their own login."""

    name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    language = serializers.ChoiceField(LANGUAGES, required=False)
    preferences = PreferencesSerializer(required=False)


class UserChangesSerializer(ProfileChangesSerializer):
    """What an admin may change of a login."""

    preferences = None  # type: ignore[assignment]
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    roles = serializers.ListField(child=serializers.ChoiceField(ROLES), required=False, max_length=3)
    is_active = serializers.BooleanField(required=False)
    password = serializers.CharField(max_length=128, required=False, trim_whitespace=False, write_only=True)


class NewUserSerializer(serializers.Serializer):
    username = serializers.CharField(max_length=150, validators=[User.username_validator])
    password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)
    name = serializers.CharField(max_length=150, required=False, allow_blank=True)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True)
    language = serializers.ChoiceField(LANGUAGES, required=False)
    roles = serializers.ListField(child=serializers.ChoiceField(ROLES), required=False, max_length=3)


class SignInSerializer(serializers.Serializer):
    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)


class PasswordChangeSerializer(serializers.Serializer):
    old_password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)
    new_password = serializers.CharField(max_length=128, trim_whitespace=False, write_only=True)


class TokenWishSerializer(serializers.Serializer):
    name = serializers.CharField(max_length=100, help_text="what it is for")
    days = serializers.IntegerField(
        min_value=1,
        max_value=MOST_TOKEN_DAYS,
        default=DEFAULT_TOKEN_DAYS,
        help_text="until it ends by itself",
    )


class TokenSerializer(serializers.Serializer):
    """A token as it can be seen later: by its first characters."""

    id = serializers.CharField(source="token_key")
    name = serializers.CharField(source="named.name", default="")
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)


class NewTokenSerializer(serializers.Serializer):
    id = serializers.CharField()
    token = serializers.CharField(help_text="shown this once; only its hash is kept")
