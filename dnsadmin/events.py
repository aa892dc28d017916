"""The events of the site as a whole: maintenance, backups, restores."""

from __future__ import annotations

import msgspec

from realtime.events import EventCategory, EventPriority, EventType
from realtime.registry import EventSpec, registry


class MaintenanceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Maintenance began or ended. While it lasts, changes are refused."""

    reason: str = ""


class ArchiveEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A backup was made or restored. `file` is the archive's name, without its directory; `rows`: of all tables."""

    file: str
    rows: int
    size: int
    sha256: str


def _spec(event_type: EventType, payload: type[msgspec.Struct], summary: str, permission: str | None) -> EventSpec:
    return EventSpec(
        event_type=event_type,
        category=EventCategory.SYSTEM,
        payload=payload,
        permission=permission,
        summary=summary,
        priority=EventPriority.NORMAL,
    )


registry.declare(
    _spec(EventType.CONFIG_BACKUP, ArchiveEvent, "A backup of everything was written.", "realtime.view_operations"),
    _spec(EventType.CONFIG_RESTORE, ArchiveEvent, "A backup was restored.", "realtime.view_operations"),
    _spec(EventType.MAINTENANCE_STARTED, MaintenanceEvent, "Maintenance began: changes are refused.", None),
    _spec(EventType.MAINTENANCE_COMPLETED, MaintenanceEvent, "Maintenance ended: changes are taken again.", None),
)
