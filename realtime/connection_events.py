"""Connections as events: who came, who went, and who changed what they want. They pass by, for administrators and
for oneself; what is connected now is in the presence rows.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from realtime import doorbell
from realtime.events import Event, EventCategory, EventPriority, EventType, SourceUser
from realtime.identifiers import uuid7
from realtime.registry import ADMINISTRATORS, EventSpec, registry

if TYPE_CHECKING:
    from realtime.connections import WebSocketConnection

MOST_AT_ONCE = 200
"""Events in one message of the channel layer."""
MOST_WAITING = 5000
"""Events of one tick that are told; of a still greater rush the presence rows tell."""


class ConnectionPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A connection came, went, or wants other events. code and reason: of its close. subscriptions: what it now gets."""

    connection_id: str
    username: str
    client_name: str
    node: str
    address: str | None = None
    user_agent: str | None = None
    code: int | None = None
    reason: str | None = None
    seconds: float | None = None
    subscriptions: list[str] = []


_connection = partial(
    EventSpec,
    category=EventCategory.CONNECTION,
    payload=ConnectionPayload,
    permission=ADMINISTRATORS,
    own=True,
    sensitive={"address": ADMINISTRATORS, "user_agent": ADMINISTRATORS},
    priority=EventPriority.LOW,
    durable=False,
    default=False,
)


registry.declare(
    _connection(EventType.CONNECTION_ESTABLISHED, "A client connected."),
    _connection(EventType.CONNECTION_CLOSED, "A connection ended, with the code of its close."),
    _connection(EventType.SUBSCRIPTION_UPDATED, "A client changed what it wants to be sent."),
)


class ConnectionNews:
    """Collects what happened to the connections of a process and tells it once a second, in few messages: after a
    restart a thousand come at once."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._waiting: list[tuple[EventType, ConnectionPayload, int, datetime]] = []

    def note(
        self,
        event_type: EventType,
        connection: WebSocketConnection,
        *,
        subscriptions: list[EventType] | None = None,
    ) -> None:
        """Something happened to a connection."""
        if len(self._waiting) >= MOST_WAITING or event_type not in registry:
            return
        now = datetime.now(UTC)
        closed = event_type is EventType.CONNECTION_CLOSED
        payload = ConnectionPayload(
            connection_id=connection.id,
            username=connection.username,
            client_name=connection.client,
            node=self._node,
            address=connection.address,
            user_agent=connection.user_agent,
            code=connection.close_code if closed else None,
            reason=connection.close_reason if closed else None,
            seconds=round((now - connection.since).total_seconds(), 1) if closed else None,
            subscriptions=[str(event_type) for event_type in subscriptions or ()],
        )
        self._waiting.append((event_type, payload, connection.user_id, now))

    def tell(self) -> None:
        """Announce what was noted since the last time."""
        noted, self._waiting = self._waiting, []
        by_type: dict[EventType, list[Event]] = {}
        for event_type, payload, user_id, moment in noted:
            event = Event(
                id=uuid7(),
                event_type=event_type,
                timestamp=moment,
                data=msgspec.to_builtins(payload),
                source_user=SourceUser(id=user_id, username=payload.username),
                subject_id=user_id,
            )
            by_type.setdefault(event_type, []).append(event)
        for events in by_type.values():
            for start in range(0, len(events), MOST_AT_ONCE):
                doorbell.announce_flow(*events[start : start + MOST_AT_ONCE])
