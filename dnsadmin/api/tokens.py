"""Tokens for scripts: `POST {username, password}` answers a short-lived access token and a refresh token."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.views import TokenObtainPairView

from dnsadmin.sign_in import SignInLimit
from realtime.accounts import SessionPayload
from realtime.actors import acting
from realtime.broadcasting import emit
from realtime.events import EventType


class TokenView(TokenObtainPairView):
    """Sign in with a password. Too many attempts are answered 429 with `Retry-After`, the right password included."""

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
        payload = SessionPayload(username=user.get_username(), method="token", address=address)
        with acting(user, origin="api", address=address), transaction.atomic():
            emit(EventType.USER_LOGIN, payload, subject_id=user.pk)
        return Response(serializer.validated_data)
