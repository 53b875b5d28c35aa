"""Who may do what: one class for each role, used by every view."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from annotate.accounts.models import User


class SignedInRequest(Request):
    """For type checkers: what a view with IsAuthenticated or a role gets."""

    user: User  # type: ignore[assignment]


class HasRole(BasePermission):
    """Signed in, active, and holding at least one of `roles`."""

    roles: tuple[str, ...] = ()

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        return bool(user and user.is_authenticated and set(self.roles) & set(user.roles))


class IsAdmin(HasRole):
    roles = ("admin",)


class IsTrainer(HasRole):
    roles = ("trainer",)


class IsAdminOrTrainer(HasRole):
    roles = ("admin", "trainer")
