"""Sign-in, one's own login, tokens, and the admin's list of logins."""

import logging
from typing import Any

from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from knox.models import AuthToken
from rest_framework import generics, status
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import APIView

from annotate.accounts import brake, services
from annotate.accounts.models import User
from annotate.accounts.permissions import SignedInRequest
from annotate.accounts.serializers import (
    MeSerializer,
    NewTokenSerializer,
    NewUserSerializer,
    PasswordChangeSerializer,
    ProfileChangesSerializer,
    SignInSerializer,
    TokenSerializer,
    TokenWishSerializer,
    UserChangesSerializer,
    UserSerializer,
)
from annotate.accounts.sessions import begin_session
from annotate.api.bodies import checked

log = logging.getLogger(__name__)
TOKEN_ID = OpenApiParameter("token_id", OpenApiTypes.STR, OpenApiParameter.PATH)


class MeView(APIView):
    """The login that asks."""

    @extend_schema(operation_id="me", responses=MeSerializer)
    def get(self, request: SignedInRequest) -> Response:
        return Response(MeSerializer(request.user).data)

    @extend_schema(operation_id="me_update", request=ProfileChangesSerializer, responses=MeSerializer)
    def patch(self, request: SignedInRequest) -> Response:
        changes = checked(ProfileChangesSerializer, request.data, partial=True)  # what is not named stays
        user = services.update_user(request.user, changes, by=request.user)
        return Response(MeSerializer(user).data)


class SessionView(APIView):
    """The browser's session.

    Signing in needs no CSRF token: the body must be application/json, which no foreign page can send unasked.
    """

    def get_authenticators(self) -> list[Any]:
        # A stale session or token must not stand in the way of signing in.
        return [] if self.request and self.request.method == "POST" else super().get_authenticators()

    @extend_schema(operation_id="sign_in", request=SignInSerializer, responses=MeSerializer, auth=[])
    def post(self, request: SignedInRequest) -> Response:
        given = checked(SignInSerializer, request.data)
        name = given["username"]
        user = brake.checked(request, name, lambda: authenticate(request._request, **given))
        if user is None:
            raise ValidationError(_("This user name and password do not go together."), code="sign_in")
        login(request._request, user)
        begin_session(request._request)
        log.info("%s signed in from %s", user.username, brake.address_of(request))
        answer = Response(MeSerializer(user).data)
        brake.remember_device(answer, user)
        return answer

    @extend_schema(operation_id="sign_out", responses={204: None})
    def delete(self, request: SignedInRequest) -> Response:
        if isinstance(request.auth, AuthToken):
            services.end_token(request.auth, by=request.user)
        else:
            logout(request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)


class PasswordView(APIView):
    @extend_schema(operation_id="change_password", request=PasswordChangeSerializer, responses={204: None})
    def post(self, request: SignedInRequest) -> Response:
        given = checked(PasswordChangeSerializer, request.data)
        user = brake.checked(
            request,
            request.user.username,
            lambda: services.change_password(request.user, **given),
        )
        if user is None:
            raise ValidationError({"old_password": [_("This is not your present password.")]})
        if request.auth is None:
            update_session_auth_hash(request._request, user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class SessionsView(APIView):
    """Every browser and program that is signed in as whoever asks."""

    @extend_schema(operation_id="sign_out_everywhere", responses={204: None})
    def delete(self, request: SignedInRequest) -> Response:
        services.sign_out_everywhere(request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _tokens_of(user_id: int) -> QuerySet[AuthToken]:
    return AuthToken.objects.filter(user=user_id).select_related("named", "user").order_by("-created")


class TokensView(APIView):
    """Tokens for programs."""

    @extend_schema(operation_id="tokens", responses=TokenSerializer(many=True))
    def get(self, request: SignedInRequest) -> Response:
        return Response(TokenSerializer(_tokens_of(request.user.pk), many=True).data)

    @extend_schema(
        operation_id="create_token", request=TokenWishSerializer, responses={201: NewTokenSerializer}
    )
    def post(self, request: SignedInRequest) -> Response:
        given = checked(TokenWishSerializer, request.data)
        token, secret = services.create_token(request.user, **given)
        return Response({"id": token.token_key, "token": secret}, status=status.HTTP_201_CREATED)


class TokenView(APIView):
    @extend_schema(operation_id="delete_token", parameters=[TOKEN_ID], responses={204: None})
    def delete(self, request: SignedInRequest, token_id: str) -> Response:
        token = get_object_or_404(_tokens_of(request.user.pk), token_key=token_id)
        services.end_token(token, by=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class UserTokensView(APIView):
    """Somebody's tokens, for admins."""

    @extend_schema(operation_id="tokens_of_user", responses=TokenSerializer(many=True))
    def get(self, request: SignedInRequest, user_id: int) -> Response:
        user = get_object_or_404(User, id=user_id)
        return Response(TokenSerializer(_tokens_of(user.pk), many=True).data)


class UserTokenView(APIView):
    @extend_schema(operation_id="end_token_of_user", parameters=[TOKEN_ID], responses={204: None})
    def delete(self, request: SignedInRequest, user_id: int, token_id: str) -> Response:
        token = get_object_or_404(_tokens_of(user_id), token_key=token_id)
        services.refuse_changes(token.user, {}, by=request.user)
        services.end_token(token, by=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)


class UsersView(generics.GenericAPIView):
    """Every login, for admins."""

    serializer_class = UserSerializer
    queryset = User.objects.order_by("username")

    @extend_schema(
        operation_id="users",
        parameters=[OpenApiParameter("search", str, description="part of the user name, name or address")],
        responses=UserSerializer(many=True),
    )
    def get(self, request: SignedInRequest) -> Response:
        users = self.get_queryset()
        if search := request.query_params.get("search", "").strip():
            named = (
                Q(username__icontains=search) | Q(first_name__icontains=search) | Q(email__icontains=search)
            )
            users = users.filter(named)
        page = self.paginate_queryset(users)
        return self.get_paginated_response(UserSerializer(page, many=True).data)

    @extend_schema(operation_id="create_user", request=NewUserSerializer, responses={201: UserSerializer})
    def post(self, request: SignedInRequest) -> Response:
        given = checked(NewUserSerializer, request.data)
        user = services.create_user(**given, by=request.user)
        return Response(UserSerializer(user).data, status=status.HTTP_201_CREATED)


class UserView(APIView):
    @extend_schema(operation_id="user", responses=UserSerializer)
    def get(self, request: SignedInRequest, user_id: int) -> Response:
        return Response(UserSerializer(get_object_or_404(User, id=user_id)).data)

    @extend_schema(operation_id="update_user", request=UserChangesSerializer, responses=UserSerializer)
    def patch(self, request: SignedInRequest, user_id: int) -> Response:
        changes = checked(UserChangesSerializer, request.data)
        user = get_object_or_404(User, id=user_id)
        return Response(UserSerializer(services.update_user(user, changes, by=request.user)).data)
