"""Personal tokens: made by people for their scripts, limited by scopes and time, and ended by them at any moment.

They stand in `Authorization: Bearer …` of the API and in the subprotocol `bearer.…` of the socket, as others do. A token is
32 random bytes; only its digest is kept.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework_simplejwt.utils import get_md5_hash_password

from dnsadmin.models import ApiToken
from realtime.accounts import AccountPayload, SessionPayload, session_digest
from realtime.authentication import AuthenticationFailed, Claim, TokenExpired, verifier
from realtime.broadcasting import emit
from realtime.events import EventType

PREFIX = "dnsadmin_"
"""So that people, and programs that look for leaked secrets, know what it is."""

SCOPES = {
    "read": "read through the API",
    "write": "change through the API",
    "events": "receive events on the socket",
}
MOST = 50
"""Tokens of one person at a time."""
NOTED_EVERY = timedelta(seconds=60)
"""How exact the time of the last use is."""


def make(user: Any, name: str, scopes: Collection[str], expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """A new token and its text, which nobody can show again. Raises `ValueError` in plain words."""
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise ValueError("give the token a name of at most 100 characters, such as the script that uses it")
    if not scopes or set(scopes) - SCOPES.keys():
        raise ValueError(f"choose what the token may do: {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= timezone.now():
        raise ValueError("that time is over already")
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        if of(user).count() >= MOST:
            raise ValueError(f"you have {MOST} tokens; end some first")
        made = ApiToken.objects.create(
            user=user,
            name=name,
            digest=_digest(text),
            hint=text[-4:],
            scopes=" ".join(scope for scope in SCOPES if scope in scopes),
            expires_at=expires_at,
        )
        _announce(user)
    return made, text


def revoke(token: ApiToken) -> None:
    """End a token: it opens nothing any more, and the sockets that it opened are closed."""
    with transaction.atomic():
        if ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
            payload = SessionPayload(
                username=token.user.get_username(), method="token", session=_session(token), reason="revoked"
            )
            emit(EventType.SESSION_EXPIRED, payload, subject_id=token.user_id)
            _announce(token.user)


def of(user: Any) -> QuerySet[ApiToken]:
    """The tokens of somebody that still open something, newest first."""
    return ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=timezone.now()), user=user, revoked_at=None)


def known(text: str) -> ApiToken:
    """The token of that text, with its user, and its use noted. Raises `AuthenticationFailed`, `TokenExpired`."""
    token = ApiToken.objects.select_related("user").filter(digest=_digest(text), revoked_at=None).first()
    if token is None or not token.user.is_active:
        raise AuthenticationFailed("The token is not valid: it was ended, or is not written in full. Make a new one.")
    now = timezone.now()
    if token.expires_at is not None and token.expires_at <= now:
        raise TokenExpired("The token has expired: make a new one.")
    if token.last_used_at is None or token.last_used_at < now - NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


@verifier(PREFIX)
def claim(text: str) -> Claim:
    """What a personal token shows to the socket. Uses the database."""
    token = known(text)
    if "events" not in token.scopes.split():
        raise AuthenticationFailed("The token is not for events: it lacks the scope “events”.")
    return Claim(
        user_id=token.user_id,
        session=_session(token),
        issued_at=time.time(),
        expires_at=token.expires_at.timestamp() if token.expires_at else None,
        password_mark=get_md5_hash_password(token.user.password),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _session(token: ApiToken) -> str | None:
    """What names the token in events, and its sockets."""
    return session_digest(f"api-token-{token.digest}")


def _announce(user: Any) -> None:
    payload = AccountPayload(
        user=user.pk, username=user.get_username(), is_active=user.is_active, fields=["api_tokens"]
    )
    emit(EventType.USER_UPDATED, payload, subject_id=user.pk)
