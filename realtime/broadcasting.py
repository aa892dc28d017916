"""How the other apps tell what happened: `emit()` what must never be lost, `stream()` what may pass by.

`emit()` writes the event into the log in the caller's transaction, so that there is no event without its change and no
change without its event. It gets its position, and is announced, after commit (`realtime.log`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db import transaction

from realtime import doorbell, log
from realtime.actors import current_actor
from realtime.events import Event, EventSeverity, EventType
from realtime.identifiers import uuid7
from realtime.interests import Interest
from realtime.processors import Handle, processor
from realtime.registry import EventSpec, registry


class EventBroadcastingService:
    """The one way for an event into the system. Knows the log and the streams, not who listens."""

    def emit(
        self,
        event_type: EventType,
        payload: msgspec.Struct,
        *,
        scope: str | None = None,
        severity: EventSeverity = EventSeverity.INFO,
        subject_id: int | None = None,
        key: str | None = None,
    ) -> None:
        """Record a durable event in the current transaction; it is announced when that commits.

        scope: key of the object (of the kind that the spec names) whose grants show the event.
        subject_id: id of the user that the event is about. key: emitting the same key again does nothing.
        Raises `TransactionManagementError` outside a transaction, `TypeError` for the wrong payload or a flow event.
        """
        spec = registry[event_type]
        _check(spec, payload, durable=True)
        if not transaction.get_connection().in_atomic_block:
            raise transaction.TransactionManagementError(f"emit({event_type}) outside a transaction")
        log.write(_event(spec, payload, scope, severity, subject_id), key=key)

    def register(
        self, name: str, *event_types: EventType, expires_after_s: float | None = None
    ) -> Callable[[Handle], Handle]:
        """Decorate a function that is to be called for each of these events, reliably (`realtime.processors`)."""
        return processor(name, *event_types, expires_after_s=expires_after_s)

    def stream(
        self,
        event_type: EventType,
        payload: msgspec.Struct,
        *,
        scope: str | None = None,
        severity: EventSeverity = EventSeverity.INFO,
        subject_id: int | None = None,
        interest: Interest | None = None,
    ) -> None:
        """Announce a flow event now, to whoever listens now; one of a stream that is cut, to those it was cut for.

        May be called from any thread; never blocks, never raises for a layer that is out of reach. Raises `TypeError` for
        the wrong payload or a durable event.
        """
        spec = registry[event_type]
        _check(spec, payload, durable=False)
        event = _event(spec, payload, scope, severity, subject_id)
        if interest is not None:
            event = msgspec.structs.replace(event, interest=interest.token)
        doorbell.announce_flow(event)


def _check(spec: EventSpec, payload: msgspec.Struct, *, durable: bool) -> None:
    if spec.durable is not durable:
        raise TypeError(f"{spec.event_type} is {'durable: emit' if spec.durable else 'flow: stream'} it")
    if type(payload) is not spec.payload:
        raise TypeError(f"{spec.event_type} carries {spec.payload.__name__}, not {type(payload).__name__}")


def _event(
    spec: EventSpec, payload: msgspec.Struct, scope: str | None, severity: EventSeverity, subject_id: int | None
) -> Event:
    actor = current_actor()
    data: dict[str, Any] = msgspec.to_builtins(payload)
    return Event(
        id=uuid7(),
        event_type=spec.event_type,
        timestamp=datetime.now(UTC),
        data=data,
        severity=severity,
        source_user=actor.user,
        trace_id=actor.trace_id,
        scope=scope,
        subject_id=subject_id,
    )


broadcasting = EventBroadcastingService()
emit = broadcasting.emit
stream = broadcasting.stream
