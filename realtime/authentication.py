"""Who is on the other end of a socket: by the site's session, or by a JWT.

A cookie travels with any page's request, so a session counts only together with an `Origin` that the site allows, by
exact scheme, host and port. A token is not sent by accident, so it needs no `Origin`; one that is there must be allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import transaction
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from realtime.accounts import SessionPayload, session_digest
from realtime.actors import acting_over_socket
from realtime.audience import Account
from realtime.broadcasting import emit
from realtime.database import in_database
from realtime.events import EventType
from realtime.sessions import token_session
from realtime.sign_in import SignInLimit


class AuthenticationFailed(Exception):
    """The client could not show who it is; the message says why, in words fit for it."""


class TokenExpired(AuthenticationFailed):
    """The token was good, and its time is over."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What credentials show: whose they are, and for how long.

    session: digest that names the session in events (`realtime.sessions`). session_key: of the site's session; none for a
    token. issued_at, expires_at: seconds since 1970, of a token. password_mark: what session or token say of the
    password that it was made with: a new one ends both.
    """

    user_id: int
    password_mark: str
    session: str | None = None
    session_key: str | None = None
    issued_at: float = 0.0
    expires_at: float | None = None

    @property
    def method(self) -> str:
        """`session` or `token`."""
        return "session" if self.session_key is not None else "token"

    def holds_for(self, account: Account) -> bool:
        """Whether the claim is still good for the account, fresh from the database."""
        mark = account.session_mark if self.method == "session" else account.token_mark
        return constant_time_compare(self.password_mark, mark)


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
        bearer = [p.removeprefix("bearer.") for p in scope.get("subprotocols", ()) if p.startswith("bearer.")]
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
        return self.origin in settings.SITE_ORIGINS or self.origin in settings.OWN_ORIGINS


def by_session(credentials: Credentials) -> Claim:
    """The claim of the session cookie. Raises `AuthenticationFailed`. Uses the database."""
    if not credentials.origin_allowed():
        raise AuthenticationFailed("This origin may not use the session of the site.")
    store = import_module(settings.SESSION_ENGINE).SessionStore(credentials.session_key)
    try:
        if store[BACKEND_SESSION_KEY] not in settings.AUTHENTICATION_BACKENDS:
            raise KeyError(BACKEND_SESSION_KEY)
        return Claim(
            user_id=int(store[SESSION_KEY]),
            session=session_digest(credentials.session_key),
            session_key=credentials.session_key,
            password_mark=store[HASH_SESSION_KEY],
        )
    except (KeyError, ValueError):
        raise AuthenticationFailed("The session has ended: sign in again.") from None


Verifier = Callable[[str], Claim]

_verifiers: dict[str, Verifier] = {}


def verifier(prefix: str) -> Callable[[Verifier], Verifier]:
    """Register what knows tokens that begin with `prefix`. It may use the database, and raises `AuthenticationFailed`."""

    def register(verify: Verifier) -> Verifier:
        _verifiers[prefix] = verify
        return verify

    return register


async def of_token(credentials: Credentials, token: str) -> Claim:
    """The claim of a token of any kind. Raises as `by_token` does."""
    verify = next((verify for prefix, verify in _verifiers.items() if token.startswith(prefix)), None)
    if verify is None:
        return by_token(credentials, token)
    _refuse_foreign(credentials)
    return await in_database(verify, token)


def _refuse_foreign(credentials: Credentials) -> None:
    if credentials.origin is not None and not credentials.origin_allowed():
        raise AuthenticationFailed("This origin may not connect.")


def by_token(credentials: Credentials, token: str) -> Claim:
    """The claim of a JWT access token. Raises `AuthenticationFailed`, `TokenExpired` when that is all that is wrong."""
    _refuse_foreign(credentials)
    try:
        claims = AccessToken(token)  # type: ignore[arg-type]
        return Claim(
            user_id=int(claims[api_settings.USER_ID_CLAIM]),
            session=token_session(claims.payload),
            issued_at=float(claims.payload.get("iat", 0)),
            expires_at=float(claims["exp"]),
            password_mark=str(claims[api_settings.REVOKE_TOKEN_CLAIM]),
        )
    except ExpiredTokenError:
        raise TokenExpired("The token has expired: get a new one.") from None
    except (TokenError, KeyError, ValueError, TypeError):
        raise AuthenticationFailed("The token is not valid.") from None


def note_failure(address: str, why: str) -> float:
    """Count a failed attempt to come in by the socket, with those of page and token endpoint, and tell of it. Answers the
    seconds to wait when there were too many from this address: those are told of no more. Uses the database."""
    limit = SignInLimit(address)
    if wait_s := limit.wait_s():
        return wait_s
    limit.failed()
    with acting_over_socket(None, address), transaction.atomic():
        payload = SessionPayload(username="", method="websocket", address=address, reason=why)
        emit(EventType.AUTHENTICATION_FAILED, payload)
    return 0.0
