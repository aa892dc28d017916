"""The event that an administrator sends to see that events get through, and how long that takes."""

from __future__ import annotations

from typing import Any

import msgspec
from django.db import transaction

from realtime.broadcasting import emit
from realtime.events import EventCategory, EventType
from realtime.identifiers import uuid7
from realtime.models import LogEvent
from realtime.registry import EventSpec, registry


class BroadcastTestPayload(msgspec.Struct, frozen=True, kw_only=True):
    """A test. message: for people to read."""

    message: str


registry.declare(
    EventSpec(
        event_type=EventType.BROADCAST_TEST,
        category=EventCategory.SYSTEM,
        payload=BroadcastTestPayload,
        permission=None,
        summary="An administrator tests that events get through.",
    )
)


def send(message: str) -> dict[str, Any]:
    """Emit the event, and answer its id and position. Uses the database."""
    key = f"broadcast-test-{uuid7()}"
    with transaction.atomic():
        emit(EventType.BROADCAST_TEST, BroadcastTestPayload(message=message), key=key)
    row = LogEvent.objects.get(key=key)
    return {"event_id": row.event_id, "position": row.position}


def send_many(messages: list[str]) -> None:
    """Emit an event for each message, all in one transaction. Uses the database."""
    with transaction.atomic():
        for message in messages:
            emit(EventType.BROADCAST_TEST, BroadcastTestPayload(message=message))
