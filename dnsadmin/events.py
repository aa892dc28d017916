"""The events of the site as a whole: maintenance, backups, restores."""

from __future__ import annotations

from functools import partial

import msgspec

from realtime.events import EventCategory, EventType
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


_system = partial(EventSpec, category=EventCategory.SYSTEM, permission="realtime.view_operations")
_everyone = partial(_system, permission=None)


registry.declare(
    _system(EventType.CONFIG_BACKUP, "A backup of everything was written.", ArchiveEvent),
    _system(EventType.CONFIG_RESTORE, "A backup was restored.", ArchiveEvent),
    _system(
        EventType.MAINTENANCE_STARTED, "Maintenance began: changes are refused.", MaintenanceEvent, permission=None
    ),
    _system(
        EventType.MAINTENANCE_COMPLETED,
        "Maintenance ended: changes are taken again.",
        MaintenanceEvent,
        permission=None,
    ),
)
