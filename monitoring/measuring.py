"""The machine over time: measures what is due, keeps it, and tells those who watch what has moved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain

import msgspec

from monitoring import intervals, series
from monitoring.events import DiskMetrics, NetworkMetrics, ResourceUsage, SystemMetrics
from monitoring.lease import fenced
from monitoring.machine import Machine
from monitoring.metrics import METRICS, Group
from monitoring.series import Measured
from realtime.broadcasting import stream
from realtime.events import EventType

TOLD: Mapping[Group, tuple[EventType, type[msgspec.Struct]]] = {
    "cpu": (EventType.SYSTEM_METRICS, SystemMetrics),
    "memory": (EventType.SYSTEM_METRICS, SystemMetrics),
    "disk": (EventType.DISK_METRICS, DiskMetrics),
    "network": (EventType.NETWORK_METRICS, NetworkMetrics),
    "process": (EventType.RESOURCE_USAGE, ResourceUsage),
}
"""Group -> the event that tells of it."""


class Measuring:
    """One round after the other; remembers what it told last, because only differences that matter travel."""

    def __init__(self) -> None:
        self._machine = Machine()
        self._timetable = intervals.Timetable()
        self._told: dict[str, float] = {}

    def round(self) -> None:
        """Measure the groups that are due."""
        chosen = intervals.chosen()
        due = [group for group in TOLD if self._timetable.due(group, chosen[group])]
        if not due:
            return
        at = datetime.now(UTC)
        found = {group: self._machine.read(group) for group in due}
        with fenced():
            series.record(dict(chain.from_iterable(measured.items() for measured in found.values())), at)
        for event_type, payload in dict.fromkeys(TOLD[group] for group in due):
            self._tell(event_type, payload, [found[group] for group in due if TOLD[group][0] == event_type], at)

    def _tell(
        self, event_type: EventType, payload: type[msgspec.Struct], found: list[dict[str, Measured]], at: datetime
    ) -> None:
        values = {
            name: round(measured.total / measured.weight, 3)
            for group in found
            for name, measured in group.items()
            if measured.weight
        }
        moved = {name: value for name, value in values.items() if self._matters(name, value)}
        if moved:
            self._told |= moved
            stream(event_type, payload(at=at.isoformat(), **moved))

    def _matters(self, name: str, value: float) -> bool:
        told = self._told.get(name)
        return told is None or abs(value - told) > METRICS[name].matters
