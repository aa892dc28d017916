"""Who is acting: kept in a context variable, so that a signal deep in a save knows whom to name in the event."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from realtime.events import SourceUser


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf the current code runs.

    origin: the way in, `page`, `api`, `command`, `import`, `websocket` or `system`.
    trace_id: one per request or command; every event it causes carries it.
    """

    user: SourceUser | None = None
    origin: str = "system"
    address: str | None = None
    trace_id: str = ""


_SYSTEM = Actor()
_current: ContextVar[Actor] = ContextVar("actor", default=_SYSTEM)


def current_actor() -> Actor:
    """The actor of this request, command or task; the system itself when nobody was named."""
    return _current.get()


@contextmanager
def acting(
    user: Any = None, *, origin: str, address: str | None = None, trace_id: str | None = None
) -> Iterator[Actor]:
    """Run the block on behalf of `user` (a Django user, or None or an anonymous one for the system)."""
    source = SourceUser(id=user.pk, username=user.get_username()) if user is not None and user.pk is not None else None
    actor = Actor(user=source, origin=origin, address=address, trace_id=trace_id or secrets.token_hex(8))
    with acting_as(actor):
        yield actor


def acting_over_socket(user: SourceUser | None, address: str) -> AbstractContextManager[None]:
    """Run the block on behalf of who is at the other end of a socket."""
    return acting_as(Actor(user=user, origin="websocket", address=address, trace_id=secrets.token_hex(8)))


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Run the block as `actor`."""
    token = _current.set(actor)
    try:
        yield
    finally:
        _current.reset(token)
