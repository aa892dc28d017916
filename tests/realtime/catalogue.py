"""A small catalogue of events for the tests: one of each kind, so that these do not change when an app's events do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from realtime.audience import Audience
from realtime.events import Event, EventCategory, EventPriority, EventType
from realtime.identifiers import uuid7
from realtime.registry import ADMINISTRATORS, EventSpec, registry


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the test events carry."""

    zone: str | None = None
    text: str = ""
    client: str | None = None
    queries: list[dict[str, Any]] = []


def _spec(event_type: EventType, priority: EventPriority, **more: Any) -> EventSpec:
    fields: dict[str, Any] = {
        "category": EventCategory.DNS,
        "payload": Note,
        "permission": "zones.view_zone",
        "scope": "zone",
        "summary": "A test.",
    } | more
    return EventSpec(event_type=event_type, priority=priority, **fields)


CRITICAL = EventType.SECURITY_ALERT
HIGH = EventType.RECORD_UPDATED
NORMAL = EventType.ZONE_UPDATED
LOW = EventType.SYSTEM_STATUS
FLOW = EventType.DNS_QUERY_BATCH
OWN = EventType.USER_UPDATED
RIGHTS = EventType.PERMISSION_CHANGED
SECRET = EventType.ERROR_OCCURRED
OPEN = EventType.MAINTENANCE_STARTED

_MASKED = {"client": "realtime.view_client_addresses", "queries.*.client": "monitoring.view_client_addresses"}

SPECS = (
    _spec(CRITICAL, EventPriority.CRITICAL),
    _spec(HIGH, EventPriority.HIGH),
    _spec(NORMAL, EventPriority.NORMAL, sensitive=_MASKED),
    _spec(LOW, EventPriority.LOW),
    _spec(FLOW, EventPriority.LOW, durable=False),
    _spec(OWN, EventPriority.NORMAL, permission=ADMINISTRATORS, scope=None, own=True),
    _spec(RIGHTS, EventPriority.NORMAL, permission=ADMINISTRATORS, scope=None, own=True),
    _spec(SECRET, EventPriority.NORMAL, permission=ADMINISTRATORS, scope=None, default=False),
    _spec(OPEN, EventPriority.NORMAL, permission=None, scope=None),
)


@contextmanager
def small_catalogue() -> Iterator[None]:
    """Only the events above are declared."""
    declared, registry._specs = registry._specs, {}
    registry.declare(*SPECS)
    try:
        yield
    finally:
        registry._specs = declared
        registry.version += 1
        registry._matching.cache_clear()


def event(
    event_type: EventType,
    position: int | None = None,
    *,
    zone: str | None = None,
    subject_id: int | None = None,
    **data: Any,
) -> Event:
    """An event about a zone, whose name is its key as well."""
    note = Note(zone=zone, **data)
    return Event(
        id=uuid7(),
        event_type=event_type,
        timestamp=datetime.now(UTC),
        data=msgspec.to_builtins(note),
        position=position,
        scope=zone,
        subject_id=subject_id,
    )


def audience(
    *permissions: str, zones: set[str] | None = None, user_id: int | None = None, is_admin: bool = False
) -> Audience:
    """The rights of somebody with these permissions and with grants on these zones."""
    return Audience(
        is_admin=is_admin,
        permissions=frozenset(permissions),
        scopes=(("zone", frozenset(zones or ())),),
        user_id=user_id,
    )


def leads_somewhere(kind: Any, path: list[str]) -> bool:
    """Whether a path of masking fits a type, as msgspec describes it."""
    if isinstance(kind, msgspec.inspect.UnionType):
        return any(leads_somewhere(option, path) for option in kind.types)
    if not path:
        return True
    step, rest = path[0], path[1:]
    if isinstance(kind, msgspec.inspect.StructType):
        fields = {field.name: field.type for field in kind.fields}
        return step in fields and leads_somewhere(fields[step], rest)
    if isinstance(kind, msgspec.inspect.ListType):
        return step == "*" and leads_somewhere(kind.item_type, rest)
    return isinstance(kind, msgspec.inspect.DictType | msgspec.inspect.AnyType)
