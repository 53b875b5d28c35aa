"""Writes of accounts: logins and their roles, passwords, tokens, and the annotator behind a login.

A login's row is locked before it is changed, and only what changed is saved: nobody's change takes back another's.
"""

import logging
import unicodedata
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from knox.models import AuthToken
from rest_framework.exceptions import PermissionDenied, ValidationError

from annotate.accounts.models import ROLES, Annotator, TokenName, User
from annotate.api.errors import Conflict

log = logging.getLogger(__name__)
# Alphabets whose letters look like each other's; a name of two of them is taken for another name.
LOOK_ALIKE = {"LATIN", "CYRILLIC", "GREEK"}
DEFAULT_TOKEN_DAYS, MOST_TOKEN_DAYS, MOST_TOKENS = 90, 365, 20


def _login_name(given: str) -> str:
    """The one spelling of a user name, or why it can be none."""
    name = User.normalize_username(given)
    try:
        User.username_validator(name)
    except DjangoValidationError as error:
        raise ValidationError({"username": error.messages}) from error
    if len(name) > 150:
        raise ValidationError({"username": [_("This is longer than the 150 characters of a user name.")]})
    alphabets = {unicodedata.name(letter, "").partition(" ")[0] for letter in name if letter.isalpha()}
    if len(alphabets & LOOK_ALIKE) > 1:
        mixed = _("This mixes letters of two alphabets that look alike. Write it in one of them.")
        raise ValidationError({"username": [mixed]})
    return name


def _check_password(password: str, user: User, field: str = "password") -> None:
    try:
        validate_password(password, user)
    except DjangoValidationError as error:
        raise ValidationError({field: error.messages}) from error


def _set_roles(user: User, roles: Iterable[str]) -> None:
    held = set(roles)
    user.is_annotator, user.is_admin, user.is_trainer = (role in held for role in ROLES)
    user.is_staff = user.is_admin or user.is_superuser  # Django admin's door


def _locked(user: User) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def refuse_new(username: str, password: str, check_password: bool = True) -> User:
    """The login that these would make, not stored; refused when the name or the password cannot be."""
    user = User(username=_login_name(username))
    if User.objects.filter(username=user.username).exists():
        taken = _("Somebody already has this user name. Choose another.")
        raise ValidationError({"username": [taken]}, code="unique")
    if check_password:
        _check_password(password, user)
    return user


@transaction.atomic
def create_user(
    *,
    username: str,
    password: str,
    roles: Iterable[str] = ("annotator",),
    name: str = "",
    email: str = "",
    language: str = "",
    check_password: bool = True,
    by: User | None = None,
) -> User:
    """A login, and the annotator behind it when the role says so."""
    user = refuse_new(username, password, check_password)
    user.first_name, user.email, user.language = name, email, language
    _set_roles(user, roles)
    user.set_password(password)
    user.save()
    if user.is_annotator:
        annotator_of(user)
    log.info("login %s was made by %s, roles: %s", user.username, by or "the shell", ", ".join(user.roles))
    return user


def refuse_changes(user: User, changes: dict[str, Any], *, by: User | None) -> None:
    """An admin cannot lock themselves out, nor touch a superuser without being one."""
    if by and not by.is_superuser and (user.is_superuser or changes.get("is_superuser")):
        raise PermissionDenied(_("Only a superuser may change a superuser, or make one."))
    roles = changes.get("roles")
    if user == by and (changes.get("is_active") is False or (roles is not None and "admin" not in roles)):
        raise ValidationError(
            _("You cannot take your own access away; another administrator can."), code="own_access"
        )
    if by and "password" in changes:
        _check_password(changes["password"], user)


@transaction.atomic
def update_user(user: User, changes: dict[str, Any], *, by: User | None) -> User:
    """Change a login. A new password, and taking a login out of use, end its sessions and tokens.

    `by` is None for whoever sits at the server's own shell.
    """
    user = _locked(user)
    refuse_changes(user, changes, by=by)
    before = {field.attname: getattr(user, field.attname) for field in User._meta.concrete_fields}
    before["preferences"] = dict(user.preferences)
    for field in ("name", "email", "language", "is_active", "is_superuser"):
        if field in changes:
            setattr(user, "first_name" if field == "name" else field, changes[field])
    user.preferences |= changes.get("preferences", {})
    if "roles" in changes or "is_superuser" in changes:
        _set_roles(user, changes.get("roles", [role for role in ROLES if getattr(user, f"is_{role}")]))
    if "password" in changes:
        user.set_password(changes["password"])
    if "password" in changes or (before["is_active"] and not user.is_active):
        _end_sign_ins(user)
    changed = sorted(name for name, value in before.items() if getattr(user, name) != value)
    user.save(update_fields=changed)
    if user.is_annotator:
        annotator_of(user)
    if told := [name for name in changed if name not in ("preferences", "language")]:
        log.info("login %s was changed by %s: %s", user.username, by or "the shell", ", ".join(told))
    return user


def _end_sign_ins(user: User) -> None:
    """Every session and token of a login; its row is locked, and saved by whoever calls."""
    user.signed_out_at = timezone.now()
    AuthToken.objects.filter(user=user).delete()


@transaction.atomic
def change_password(user: User, *, old_password: str, new_password: str) -> User | None:
    """Change one's own password: every other session and every token ends. None: the old one is wrong."""
    user = _locked(user)
    _check_password(new_password, user, "new_password")
    if new_password == old_password:
        raise ValidationError({"new_password": [_("This is your present password. Choose another.")]})
    if not user.check_password(old_password):
        return None
    user.set_password(new_password)
    _end_sign_ins(user)
    user.save(update_fields=["password", "signed_out_at"])
    log.info("login %s has a new password of its own", user.username)
    return user


@transaction.atomic
def sign_out_everywhere(user: User) -> None:
    """Every session and token of this login ends, the one that asks too."""
    user = _locked(user)
    _end_sign_ins(user)
    user.save(update_fields=["signed_out_at"])
    log.info("login %s was signed out everywhere", user.username)


def annotator_of(user: User) -> Annotator:
    """The person behind a login, made at the first need. Two at once end with one row: `user` is unique."""
    return Annotator.objects.get_or_create(user=user)[0]


@transaction.atomic
def create_token(user: User, *, name: str = "", days: int = DEFAULT_TOKEN_DAYS) -> tuple[AuthToken, str]:
    """A token for programs, and its secret, which is kept nowhere."""
    user = _locked(user)  # counts stay true
    if AuthToken.objects.filter(user=user, expiry__gt=timezone.now()).count() >= MOST_TOKENS:
        full = _("You have %(num)d tokens. End one that you no longer need first.") % {"num": MOST_TOKENS}
        raise Conflict(full, "too_many_tokens")
    token, secret = AuthToken.objects.create(user, expiry=timedelta(days=days))
    TokenName.objects.create(token=token, name=name)
    log.info("token %s (%s) of %s was made, for %d days", token.token_key, name, user.username, days)
    return token, secret


def end_token(token: AuthToken, *, by: User) -> None:
    token.delete()
    log.info("token %s of %s was ended by %s", token.token_key, token.user.username, by.username)


def clear_ended() -> None:
    """Tokens that have ended; sessions are `clearsessions`' to clear."""
    AuthToken.objects.filter(expiry__lte=timezone.now()).delete()
