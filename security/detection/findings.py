"""What a detector has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from realtime.events import EventSeverity
from zones.nameserver.query_log import Queries


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something suspicious. key: the same matter has the same; title names no client. domain: registered, if it is about one.

    category: `flood`, `tunnel`, `generated_names` or `nxdomain_storm`. confidence: 0 to 100.
    """

    key: str
    category: str
    severity: EventSeverity
    title: str
    detail: str
    confidence: int
    evidence: Mapping[str, Any]
    client: str | None = None
    domain: str | None = None


class Detector(Protocol):
    """Counts what it hears, and concludes at the end of each window of `window_s` seconds, by the time of the lines."""

    window_s: int

    def hear(self, queries: Queries) -> None:
        """Count some lines, all of one window. Cheap: it holds up whoever else listens."""
        ...

    def reached(self) -> list[Finding]:
        """What is beyond its threshold before the window is over, told once in each."""
        ...

    def conclude(self, seconds: float) -> list[Finding]:
        """What the window has shown, which lasted `seconds`; begins the next one."""
        ...


class Stride:
    """A sample that keeps about `most` of the places of a window, evenly: every one, every second, every fourth …"""

    def __init__(self, most: int) -> None:
        self._most = most
        self.step = 1
        self._kept = 0

    def of(self, items: Sequence[int]) -> Sequence[int]:
        """The part of `items` to look at."""
        some = items if self.step == 1 else items[:: self.step]
        self._kept += len(some)
        if self._kept > self._most:
            self.step *= 2
            self._kept //= 2
        return some

    def reset(self) -> None:
        """Begin the next window."""
        self.step, self._kept = 1, 0
