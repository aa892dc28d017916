"""Who is on the other end of a socket: by the site's session, or by a JWT.

A cookie travels with any page's request, so a session counts only together with an `Origin` that the site allows, by
exact scheme, host and port. A token is not sent by accident, so it needs no `Origin`; one that is there must be allowed.
"""

from __future__ import annotations

import time
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.utils.crypto import constant_time_compare

from realtime import audience as audiences
from realtime.accounts import session_digest
from realtime.audience import Audience


class AuthenticationFailed(Exception):
    """The client could not show who it is; the message says why, in words fit for it."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A user as shown by credentials. `expires_at`: seconds since 1970 at which the token ends. `session`: digest."""

    user_id: int
    username: str
    is_admin: bool
    audience: Audience
    expires_at: float | None = None
    session: str | None = None


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What came with the handshake."""

    origin: str | None = None
    host: str | None = None
    session_key: str | None = None
    token: str | None = None

    @classmethod
    def of(cls, scope: dict[str, Any]) -> Credentials:
        """Read them from an ASGI scope."""
        headers = dict(scope["headers"])
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load(headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            cookies.clear()
        session = cookies.get(settings.SESSION_COOKIE_NAME)
        bearer = [p[7:] for p in scope.get("subprotocols", ()) if p.startswith("bearer.")]
        return cls(
            origin=headers[b"origin"].decode("latin-1") if b"origin" in headers else None,
            host=headers[b"host"].decode("latin-1") if b"host" in headers else None,
            session_key=session.value if session is not None else None,
            token=bearer[0] if bearer else None,
        )

    def origin_allowed(self) -> bool:
        """Whether the page that opened the socket is the site's own, or listed in `DNSADMIN_ORIGINS`."""
        if self.origin is None:
            return False
        return self.origin in settings.SITE_ORIGINS or self.origin in settings.own_origins()


def by_session(credentials: Credentials) -> Identity:
    """The user of the session cookie. Raises `AuthenticationFailed`. Uses the database."""
    if not credentials.origin_allowed():
        raise AuthenticationFailed("This origin may not use the session of the site.")
    key = credentials.session_key
    store = import_module(settings.SESSION_ENGINE).SessionStore(key)
    try:
        user_id = int(store[SESSION_KEY])
        known = store[BACKEND_SESSION_KEY] in settings.AUTHENTICATION_BACKENDS
    except (KeyError, ValueError):
        raise AuthenticationFailed("The session has ended: sign in again.") from None
    user = get_user_model().objects.filter(pk=user_id).first()
    # The hash ends all sessions of a user whose password changed (django.contrib.auth.get_user).
    verified = user is not None and constant_time_compare(store.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
    if user is None or not (known and verified and user.is_active):
        raise AuthenticationFailed("The session has ended: sign in again.")
    return _identity(user, session=session_digest(key))


def by_token(credentials: Credentials, token: str) -> Identity:
    """The user of a JWT access token. Raises `AuthenticationFailed`. Uses the database."""
    from rest_framework_simplejwt.exceptions import TokenError
    from rest_framework_simplejwt.tokens import AccessToken

    if credentials.origin is not None and not credentials.origin_allowed():
        raise AuthenticationFailed("This origin may not connect.")
    try:
        claims = AccessToken(token)  # type: ignore[arg-type]
        user_id, expires_at = int(claims["user_id"]), float(claims["exp"])
    except (TokenError, KeyError, ValueError, TypeError):
        raise AuthenticationFailed("The token is not valid, or it has expired.") from None
    if expires_at <= time.time():
        raise AuthenticationFailed("The token has expired.")
    user = get_user_model().objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise AuthenticationFailed("The token's user may not sign in.")
    return _identity(user, expires_at=expires_at)


def _identity(user: Any, **more: Any) -> Identity:
    return Identity(
        user_id=user.pk,
        username=user.get_username(),
        is_admin=user.is_superuser,
        audience=audiences.of(user),
        **more,
    )
