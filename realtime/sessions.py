"""Sessions that end before their time: tokens that are revoked, and people who are signed out everywhere.

A session is what one sign-in gave: the site's cookie, or a refresh token with all access tokens that were made with it
(they share the claim `sid`). In events and here it goes by a digest, which opens nothing. The end of a session is a
durable event, so that every process closes its sockets when it comes to it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token, UntypedToken

from realtime.accounts import ALL_SESSIONS, SessionPayload, session_digest
from realtime.broadcasting import emit
from realtime.events import EventType
from realtime.models import EndedSession

CLAIM = "sid"


def new_session() -> str:
    """A name for the session of a new pair of tokens."""
    return secrets.token_hex(16)


def token_session(claims: Mapping[str, Any]) -> str:
    """The digest of the session that a token belongs to; a token that names none is a session by itself."""
    digest = session_digest(str(claims.get(CLAIM) or claims[api_settings.JTI_CLAIM]))
    assert digest is not None
    return digest


def is_revoked(claims: Mapping[str, Any]) -> bool:
    """Whether the session of a token has ended before its time."""
    issued = datetime.fromtimestamp(float(claims.get("iat", 0)), UTC)
    everywhere = Q(session="", user_id=int(claims[api_settings.USER_ID_CLAIM]), ended_at__gte=issued)
    return EndedSession.objects.filter(everywhere | Q(session=token_session(claims))).exists()


class RevocableAccessToken(AccessToken):
    """An access token that is refused once its session has ended."""

    def verify(self) -> None:
        super().verify()
        _refuse_revoked(self)


class RevocableRefreshToken(RefreshToken):
    """A refresh token that is refused once its session has ended."""

    access_token_class = RevocableAccessToken

    def verify(self) -> None:
        super().verify()
        _refuse_revoked(self)


def _refuse_revoked(token: Token) -> None:
    if is_revoked(token.payload):
        raise TokenError("The session of this token has ended")


# -- ending them ------------------------------------------------------------------------------------------------------


def revoke(token: str, *, address: str | None = None) -> None:
    """End the session of a refresh or access token; ending it again does nothing. Raises `TokenError` for what is none."""
    claims = UntypedToken(token).payload  # type: ignore[arg-type]
    user = get_user_model().objects.filter(pk=claims[api_settings.USER_ID_CLAIM]).first()
    session = token_session(claims)
    with transaction.atomic():
        if user is not None and EndedSession.objects.get_or_create(session=session, user=user)[1]:
            _announce(user, "token", session, "revoked", address)


def sign_out_everywhere(user: Any, reason: str) -> int:
    """End all sessions of a user and every token that was given out so far. Returns how many cookies' sessions ended."""
    with transaction.atomic():
        ended = [
            session
            for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator()
            if session.get_decoded().get(SESSION_KEY) == str(user.pk)
        ]
        Session.objects.filter(pk__in=[session.pk for session in ended]).delete()
        for session in ended:
            _announce(user, "session", session_digest(session.session_key), reason, None)
        EndedSession.objects.create(session="", user=user)
        _announce(user, "token", ALL_SESSIONS, reason, None)
    return len(ended)


def expired(user_id: int, username: str, method: str, session: str | None) -> None:
    """Record that a session of the site, or a token, ended because its time was over."""
    with transaction.atomic():
        # A token's session goes on: its client may get a newer one. A cookie's end is found out by each process.
        ended = session if method == "session" else None
        payload = SessionPayload(username=username, method=method, session=ended, reason="expired")
        emit(EventType.SESSION_EXPIRED, payload, subject_id=user_id, key=f"session-expired-{ended}" if ended else None)


def _announce(user: Any, method: str, session: str | None, reason: str, address: str | None) -> None:
    payload = SessionPayload(
        username=user.get_username(), method=method, session=session, reason=reason, address=address
    )
    emit(EventType.SESSION_EXPIRED, payload, subject_id=user.pk)


# -- knowing them -----------------------------------------------------------------------------------------------------


def lasting(session_keys: list[str]) -> set[str]:
    """Which of these cookies' sessions are still good."""
    rows = Session.objects.filter(session_key__in=session_keys, expire_date__gt=timezone.now())
    return set(rows.values_list("session_key", flat=True))


def ended_lately() -> list[tuple[str, int, float]]:
    """The sessions whose access tokens may still be about: `(digest or `*`, user id, when in seconds since 1970)`."""
    since = timezone.now() - api_settings.ACCESS_TOKEN_LIFETIME
    rows = EndedSession.objects.filter(ended_at__gte=since).values_list("session", "user_id", "ended_at")
    return [(session or ALL_SESSIONS, user_id, ended_at.timestamp()) for session, user_id, ended_at in rows]


def prune() -> int:
    """Forget ended sessions all of whose tokens have expired by themselves. Returns how many."""
    longest: timedelta = max(api_settings.REFRESH_TOKEN_LIFETIME, api_settings.ACCESS_TOKEN_LIFETIME)
    return EndedSession.objects.filter(ended_at__lt=timezone.now() - longest).delete()[0]
