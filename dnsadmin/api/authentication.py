"""Personal tokens as a way into the API. Loaded by the framework's settings, so it imports little of the framework."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from dnsadmin import access_tokens
from dnsadmin.access_tokens import PREFIX
from dnsadmin.models import ApiToken
from realtime.authentication import AuthenticationFailed

_READING = ("GET", "HEAD", "OPTIONS")


class PersonalTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer dnsadmin_…`. Scopes are looked at here, before any view, so that none can forget to."""

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        kind, _, text = get_authorization_header(request).decode("latin-1").partition(" ")
        if kind.lower() != "bearer" or not text.startswith(PREFIX):
            return None
        try:
            token = access_tokens.known(text.strip())
        except AuthenticationFailed as error:
            raise exceptions.AuthenticationFailed(str(error)) from error
        needed = "read" if request.method in _READING else "write"
        if needed not in token.scopes.split():
            raise exceptions.PermissionDenied(f"The token lacks the scope “{needed}”.", code="scope_missing")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class PersonalTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = PersonalTokenAuthentication
    name = "personalToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": f"A personal token, `{PREFIX}…`."}
