"""Finds what a process holds on to: connections, tasks and memory that grow without a reason, and names the suspect."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import psutil
from django.db import transaction

from realtime import alerts
from realtime.database import in_database
from realtime.events import EventSeverity, EventType

if TYPE_CHECKING:
    from realtime.node import Node

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
KEPT = 30
"""Looks that a trend is read from: half an hour."""
MUCH_GROWTH, MUCH_BYTES = 1.3, 100 * 1024 * 1024
SPARE_TASKS, TASKS_PER_CONNECTION = 200, 4


class Look(msgspec.Struct, frozen=True):
    """What a process held at one moment. `tasks`: how many, by what they run."""

    connections: int
    channels: int
    tasks: dict[str, int]
    memory: int


class LeakWatch:
    """Looks every minute, and tells once of each suspect until it is gone."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._looks: deque[Look] = deque(maxlen=KEPT)
        self._told = ""

    async def look(self) -> None:
        """Take a look, and raise an alert if there is a suspect."""
        tasks = Counter(getattr(task.get_coro(), "__qualname__", "?") for task in asyncio.all_tasks())
        here = Look(len(self._node.manager), self._node.layer.channels, dict(tasks), psutil.Process().memory_info().rss)
        self._looks.append(here)
        found = suspect(self._looks) or ""
        if found != self._told:
            self._told = found
            await in_database(self._tell, found)

    def _tell(self, found: str) -> None:
        key = f"leak:{self._node.name}"
        if not found:
            alerts.resolve(key, reason="It is gone.")
            return
        logger.error("a leak is suspected: %s", found)
        with transaction.atomic():
            alerts.raise_alert(
                key=key,
                event_type=EventType.PERFORMANCE_ALERT,
                severity=EventSeverity.WARNING,
                title=f"{self._node.name} holds on to something",
                detail=found,
            )


def suspect(looks: Sequence[Look]) -> str | None:
    """What seems to leak, in words, or `None`."""
    last = looks[-1]
    if last.channels > last.connections + 50:
        return f"{last.channels} channels for {last.connections} connections: ended connections are still attached"
    total = sum(last.tasks.values())
    if total > SPARE_TASKS + TASKS_PER_CONNECTION * last.connections:
        name, count = max(last.tasks.items(), key=lambda item: item[1])
        return f"{total} tasks for {last.connections} connections, most of them ({count}) run {name}"
    if len(looks) < KEPT:
        return None
    first = looks[0]
    grown = last.memory - first.memory
    rising = sum(b.memory >= a.memory for a, b in zip(looks, list(looks)[1:], strict=False)) >= 0.9 * (len(looks) - 1)
    if (
        rising
        and grown > MUCH_BYTES
        and last.memory > first.memory * MUCH_GROWTH
        and last.connections <= first.connections
    ):
        return f"memory grew steadily by {grown / 1e6:.0f} MB in {len(looks)} minutes without more connections"
    return None
