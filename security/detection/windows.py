"""Feeds a detector window by window, by the time of the lines: what was logged an hour ago is no flood of now."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from security.detection.findings import Detector, Finding
from zones.nameserver.query_log import Queries, moment


class Windows:
    """One detector and the window that it is in."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self._window: int | None = None
        self._heard_at = 0.0

    def hear(self, queries: Queries, now: float) -> list[Finding]:
        """Pass lines on; answers what the windows that ended have shown. now: of a steady clock, in seconds."""
        self._heard_at = now
        found: list[Finding] = []
        for window, part in self._parts(queries):
            if self._window is not None and window != self._window:
                found += self.detector.conclude(self.detector.window_s)
            self._window = window
            self.detector.hear(part)
            found += self.detector.reached()
        return found

    def idle(self, now: float) -> list[Finding]:
        """Conclude a window after which nothing was heard."""
        if self._window is None or now - self._heard_at < self.detector.window_s:
            return []
        self._window = None
        return self.detector.conclude(self.detector.window_s)

    def _parts(self, queries: Queries) -> Iterator[tuple[int, Queries]]:
        """The lines by window. Those of a batch are in order of time, and nearly always all of one window."""
        begin, times = 0, queries.times
        last = self._of(times[-1])
        while begin < len(times):
            window = self._of(times[begin])
            if window >= last:
                yield window, queries if begin == 0 else _cut(queries, begin, len(times))
                return
            end = bisect_left(times, window + 1, lo=begin + 1, key=self._of)
            yield window, _cut(queries, begin, end)
            begin = end

    def _of(self, written: str) -> int:
        return int(moment(written).timestamp()) // self.detector.window_s


def _cut(queries: Queries, begin: int, end: int) -> Queries:
    columns = (queries.times, queries.clients, queries.ports, queries.names, queries.types, queries.flags)
    return Queries(*(column[begin:end] for column in columns))
