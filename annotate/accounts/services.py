"""Writes of accounts: logins and their roles, passwords, tokens, and the annotator behind a login."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from knox.models import AuthToken
from rest_framework.exceptions import PermissionDenied, ValidationError

from annotate.accounts.models import ROLES, Annotator, User


def _check_password(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except DjangoValidationError as error:
        raise ValidationError({"password": error.messages}) from error


def _set_roles(user: User, roles: Iterable[str]) -> None:
    held = set(roles)
    user.is_annotator, user.is_admin, user.is_trainer = (role in held for role in ROLES)
    user.is_staff = user.is_admin or user.is_superuser  # Django admin's door


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
) -> User:
    """A login, and the annotator behind it when the role says so."""
    user = User(username=username, first_name=name, email=email, language=language)
    _set_roles(user, roles)
    try:
        User.username_validator(username)
    except DjangoValidationError as error:
        raise ValidationError({"username": error.messages}) from error
    if check_password:
        _check_password(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:
        taken = _("Somebody already has this login name. Choose another.")
        raise ValidationError({"username": [taken]}, code="unique") from error
    if user.is_annotator:
        annotator_of(user)
    return user


@transaction.atomic
def update_user(user: User, changes: dict[str, Any], *, by: User | None) -> User:
    """Change a login. An admin cannot lock themselves out, nor touch a superuser without being one.

    `by` is None for whoever sits at the server's own shell.
    """
    if user.is_superuser and by and not by.is_superuser:
        raise PermissionDenied(_("Only a superuser may change a superuser."))
    roles = changes.get("roles")
    if user == by and (changes.get("is_active") is False or (roles is not None and "admin" not in roles)):
        raise ValidationError(
            _("You cannot take your own access away; another admin can."), code="own_access"
        )
    for field in ("name", "email", "language"):
        if field in changes:
            setattr(user, "first_name" if field == "name" else field, changes[field])
    user.preferences |= changes.get("preferences", {})
    if "is_active" in changes:
        user.is_active = changes["is_active"]
    if roles is not None:
        _set_roles(user, roles)
    if "password" in changes:
        if by:
            _check_password(changes["password"], user)
        user.set_password(changes["password"])
    user.save()
    if user.is_annotator:
        annotator_of(user)
    return user


def change_password(user: User, *, old_password: str, new_password: str) -> None:
    """Change one's own password. Every token stays; other browser sessions end."""
    if not user.check_password(old_password):
        raise ValidationError({"old_password": [_("This is not your present password.")]})
    try:
        _check_password(new_password, user)
    except ValidationError as error:
        raise ValidationError({"new_password": error.detail["password"]}) from error  # type: ignore[call-overload]
    user.set_password(new_password)
    user.save(update_fields=["password"])


def annotator_of(user: User) -> Annotator:
    """The person behind a login, made at the first need. Two at once end with one row: `user` is unique."""
    return Annotator.objects.get_or_create(user=user)[0]


def create_token(user: User) -> tuple[AuthToken, str]:
    """A token for programs, and its secret, which is kept nowhere."""
    return AuthToken.objects.create(user)
