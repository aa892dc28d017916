"""How often each group of metrics is measured: a default in the code, another number whenever somebody wants it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from django.db import transaction

from monitoring.events import ConfigChange
from monitoring.metrics import GROUPS, Group
from monitoring.models import MeasuringInterval
from realtime.broadcasting import emit
from realtime.events import EventType
from zones.events import FieldChange

SHORTEST_S, LONGEST_S = 1, 3600


def chosen() -> dict[Group, int]:
    """Seconds between two measurements, of every group."""
    changed = dict(MeasuringInterval.objects.values_list("group", "seconds"))
    return {group: changed.get(group, default) for group, (_, default) in GROUPS.items()}


def choose(wanted: Mapping[str, int]) -> dict[Group, int]:
    """Set the intervals of some groups, from the next measurement on; announced as `config_change`.

    Raises `ValueError` with a message by group, and then changes nothing.
    """
    problems = {group: ["there is no such group of metrics"] for group in wanted if group not in GROUPS}
    for group, seconds in wanted.items():
        if not SHORTEST_S <= seconds <= LONGEST_S:
            problems.setdefault(group, []).append(f"from {SHORTEST_S} to {LONGEST_S} seconds")
    if problems:
        raise ValueError(problems)
    with transaction.atomic():
        before = chosen()
        changes = [
            FieldChange(field=f"{group}_interval_s", old=before[group], new=seconds)  # type: ignore[index]
            for group, seconds in wanted.items()
            if before[group] != seconds  # type: ignore[index]
        ]
        for group, seconds in wanted.items():
            MeasuringInterval.objects.update_or_create(group=group, defaults={"seconds": seconds})
        if changes:
            emit(EventType.CONFIG_CHANGE, ConfigChange(what="monitoring", changes=changes))
    return chosen()


class Timetable:
    """What is due, for a collector that measures several groups and looks at the clock more often than any of them."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def due(self, group: str, every_s: float) -> bool:
        """Whether `group` is to be measured now; if so, the wait begins anew."""
        now = time.monotonic()
        if now - self._last.get(group, float("-inf")) < every_s:
            return False
        self._last[group] = now
        return True
