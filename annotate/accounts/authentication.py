"""Sign-in by token, for programs."""

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.authentication import SessionScheme as RestSessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.plumbing import build_bearer_security_scheme_object
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.authentication import SessionAuthentication as RestSessionAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from annotate.api.languages import speak_own_language


class TokenAuthentication(KnoxTokenAuthentication):
    """knox, and a refusal instead of a crash when the header is no text at all."""

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        if found:
            speak_own_language(request._request, found[0].language)
        return found

    def authenticate_credentials(self, token: bytes) -> Any:
        if not token.isalnum():
            raise AuthenticationFailed(_("Invalid token."))
        return super().authenticate_credentials(token)


class SessionAuthentication(RestSessionAuthentication):
    """The browser's session, while it is of whom the page is that sends.

    Somebody else may have signed in in another window: what the page of the one before still sends is not theirs.
    """

    def authenticate(self, request: Request) -> Any:
        found = super().authenticate(request)
        page_of = request.headers.get("X-Parley-Login")
        if found and page_of and page_of != str(found[0].pk):
            other = _(
                "Somebody else is signed in in this browser now. Sign in again; what you wrote is kept here."
            )
            raise NotAuthenticated(other, "other_login")
        return found


class SessionScheme(RestSessionScheme):
    target_class = "annotate.accounts.authentication.SessionAuthentication"
    name = "cookieAuth"


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "annotate.accounts.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return build_bearer_security_scheme_object(header_name="Authorization", token_prefix="Token")
