"""Tokens for scripts: `POST {username, password}` answers a short-lived access token and a refresh token."""

from __future__ import annotations

import contextlib
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.parsers import FormParser, JSONParser
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer
from rest_framework_simplejwt.tokens import UntypedToken
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from realtime.accounts import SessionPayload
from realtime.actors import acting
from realtime.broadcasting import emit
from realtime.events import EventType
from realtime.sessions import CLAIM, RevocableRefreshToken, new_session, revoke, token_session
from realtime.sign_in import SignInLimit

PARSERS = (JSONParser, FormParser)
"""A form as well, as `curl -d` and sign-in pages of others send it: nothing here goes by the session."""


class NamedSessionSerializer(TokenObtainPairSerializer):
    """Gives a pair whose tokens name their session, so that it can be ended as one."""

    token_class = RevocableRefreshToken

    @classmethod
    def get_token(cls, user: Any) -> Any:
        token = super().get_token(user)
        token[CLAIM] = new_session()
        return token


class RevocableRefreshSerializer(TokenRefreshSerializer):
    """Gives a new access token for a refresh token whose session lasts."""

    token_class = RevocableRefreshToken


class RefreshView(TokenRefreshView):
    """Get a new access token."""

    serializer_class = RevocableRefreshSerializer
    parser_classes = PARSERS


class RevokedTokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="The refresh token, or any access token that was made with it.")


class RevokeView(APIView):
    """End the session of a token (RFC 7009): its refresh token, every access token made with it, and their sockets.

    Who has the token may do it. A token that is none, or has ended, is fine too: it does not work afterwards.
    """

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = PARSERS

    @extend_schema(request=RevokedTokenSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        given = RevokedTokenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        with contextlib.suppress(TokenError):
            revoke(given.validated_data["token"], address=request.META.get("REMOTE_ADDR"))
        return Response(status=204)


class TokenView(TokenObtainPairView):
    """Sign in with a password. Too many attempts are answered 429 with `Retry-After`, the right password included."""

    serializer_class = NamedSessionSerializer
    parser_classes = PARSERS

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        address = request.META.get("REMOTE_ADDR", "")
        username = request.data.get("username") if isinstance(request.data, dict) else None
        limit = SignInLimit(address, username if isinstance(username, str) else "")
        if wait_s := limit.wait_s():
            raise Throttled(wait_s)
        serializer: Any = self.get_serializer(data=request.data)
        try:
            serializer.is_valid(raise_exception=True)
        except AuthenticationFailed:
            limit.failed()
            raise
        limit.succeeded()
        user = serializer.user
        session = token_session(UntypedToken(serializer.validated_data["access"]).payload)
        payload = SessionPayload(username=user.get_username(), method="token", address=address, session=session)
        with acting(user, origin="api", address=address), transaction.atomic():
            emit(EventType.USER_LOGIN, payload, subject_id=user.pk)
        return Response(serializer.validated_data)
