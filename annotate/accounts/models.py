"""Who: logins with roles, and annotators (a login's person, or the author of imported feedback)."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken

ROLES = ("annotator", "admin", "trainer")


class Users(UserManager):
    def get_by_natural_key(self, username: str | None) -> Any:
        """The login of this name, however it is spelt; Django's sign-in asks here."""
        return self.get(username=self.model.normalize_username(username or ""))


class User(AbstractUser):
    """A login. One person may hold several roles; a superuser holds all of them."""

    is_annotator = models.BooleanField(_("annotator"), default=True)
    is_admin = models.BooleanField(_("admin"), default=False)
    is_trainer = models.BooleanField(_("trainer"), default=False)
    language = models.CharField(_("interface language"), max_length=16, default="", blank=True)
    preferences = models.JSONField(
        default=dict,
        blank=True,
        help_text="text_size; keys: {the key as we set it: the person's own}; practised: kinds of work",
    )
    signed_out_at = models.DateTimeField(
        null=True, editable=False, help_text="when every session and token of this login was ended last"
    )

    objects: ClassVar[Users] = Users()

    class Meta(AbstractUser.Meta):
        constraints = [models.UniqueConstraint(Lower("username"), name="login_name_once_in_any_case")]

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """The one spelling of a user name: composed, and without capitals."""
        return super().normalize_username(super().normalize_username(username).casefold())

    def get_session_auth_hash(self) -> str:
        """What a session must hold: it changes with the password, and with every sign-out from everywhere."""
        of_password = super().get_session_auth_hash()
        if self.signed_out_at is None:
            return of_password
        ended = f"{of_password} {self.signed_out_at.timestamp()}"
        return salted_hmac("annotate.accounts.sessions", ended, algorithm="sha256").hexdigest()

    @property
    def roles(self) -> list[str]:
        held = {"annotator": self.is_annotator, "admin": self.is_admin, "trainer": self.is_trainer}
        return [role for role, has in held.items() if has or self.is_superuser]

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Django admin: an admin may do there whatever its pages allow."""
        return (self.is_active and self.is_admin) or super().has_perm(perm, obj)

    def has_module_perms(self, app_label: str) -> bool:
        return (self.is_active and self.is_admin) or super().has_module_perms(app_label)


class Annotator(models.Model):
    """A person who gave feedback: behind a login, or known only by an id in imported feedback.

    Snapshots name an annotator by `pseudonym` alone.
    """

    user = models.OneToOneField(
        User, null=True, blank=True, on_delete=models.SET_NULL, related_name="annotator"
    )
    source = models.CharField(max_length=64, blank=True, default="")
    external_id = models.CharField(max_length=200, blank=True, default="")
    pseudonym = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    is_scripted = models.BooleanField(default=False, help_text="a program, not a person")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "external_id"],
                condition=models.Q(user=None) & ~models.Q(external_id=""),
                name="annotator_external_id_once_per_source",
            )
        ]

    def __str__(self) -> str:
        return self.user.username if self.user else f"{self.source}:{self.external_id}"


class TokenName(models.Model):
    """What a token is for, in its owner's words. knox has no place for it."""

    token = models.OneToOneField(AuthToken, primary_key=True, on_delete=models.CASCADE, related_name="named")
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name
