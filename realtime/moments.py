"""When which position of the log was reached, over the last hour, in sixteen bytes each."""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left

KEPT_S = 3600.0
MOST = 200_000
"""More than fifty a second over the hour; the oldest go first."""
LOOK_EVERY = 1024


class Moments:
    """Positions in rising order, each with the time (seconds since 1970) at which it was noted first."""

    def __init__(self) -> None:
        self._positions = array("q")
        self._times = array("d")
        self._forgotten = 0

    def note(self, position: int) -> None:
        """It has come to `position`, now. A smaller one than before means that the log began anew."""
        last = self._positions[-1] if self._positions else -1
        if position == last:
            return
        if position < last:
            self.clear()
        now = time.time()
        self._positions.append(position)
        self._times.append(now)
        if len(self._positions) % LOOK_EVERY == 0:
            self._forget_the_old(now)

    def at(self, position: int) -> float | None:
        """When just this position was noted; `None` if it was not, or longer ago than is kept."""
        place = bisect_left(self._positions, position)
        return self._times[place] if self._positions[place : place + 1] == array("q", (position,)) else None

    def past(self, position: int) -> float | None:
        """When this position or a later one was noted first; `None` if it was not yet, or longer ago than is kept."""
        place = bisect_left(self._positions, position)
        return self._times[place] if position > self._forgotten and place < len(self._times) else None

    def reached(self, position: int) -> bool:
        """Whether it has come to this position."""
        return bool(self._positions) and position <= self._positions[-1]

    def clear(self) -> None:
        self._positions, self._times, self._forgotten = array("q"), array("d"), 0

    def _forget_the_old(self, now: float) -> None:
        old = max(bisect_left(self._times, now - KEPT_S), len(self._times) - MOST)
        if old > 0:
            self._forgotten = self._positions[old - 1]
            del self._positions[:old], self._times[:old]
