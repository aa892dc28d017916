"""From probes to a state that people can rely on: no single probe, good or bad, changes it.

A target is *down* after three probes in a row without an answer of use, and no longer after three with one. It is *degraded*
while it loses probes (three of the last ten; until it loses one at most), while it is slow (three of the last five slower
than the limit; until one at most is slower than four fifths of it), or while its answers are wrong (three in a row; until
three in a row are right). Otherwise it is *up*. Before the third probe it is not known.
"""

from __future__ import annotations

from collections import deque
from statistics import median

import msgspec

from monitoring.forwarding.probes import Answer
from monitoring.models import Health

IN_A_ROW = 3
WINDOW, LOSSES, LOSSES_LEFT = 10, 3, 1
RECENT, SLOW, SLOW_LEFT = 5, 3, 1
EASED = 0.8


class Probe(msgspec.Struct, frozen=True):
    """An answer, and whether it was wrong beside the others."""

    answer: Answer
    wrong: bool = False


class Judgement:
    """The state of one target, probe by probe. state: where to go on from, as the database has it."""

    def __init__(self, state: str = Health.UNKNOWN.value, *, slow_ms: float = 300) -> None:
        self.state = state
        self.reason = ""
        self.slow_ms = slow_ms
        self._probes: deque[Probe] = deque(maxlen=WINDOW)
        self._lossy = self._slow = self._wrong = False

    def add(self, probe: Probe) -> None:
        """Take in the next probe; `state` and `reason` are then true."""
        self._probes.append(probe)
        if len(self._probes) >= IN_A_ROW:
            self.state, self.reason = self._judged()

    @property
    def latency_ms(self) -> float | None:
        """Median of the latest answers."""
        answered = self._latencies()
        return round(median(answered), 2) if answered else None

    @property
    def loss_percent(self) -> float:
        """Of the latest probes."""
        return 100 * self._lost() / len(self._probes) if self._probes else 0.0

    def _judged(self) -> tuple[str, str]:
        last = list(self._probes)[-IN_A_ROW:]
        down = self.state == Health.DOWN
        if all(not probe.answer.ok for probe in last) or (down and not all(probe.answer.ok for probe in last)):
            why = next((probe.answer.error for probe in reversed(last) if not probe.answer.ok), "")
            return Health.DOWN.value, f"{IN_A_ROW} probes in a row failed: {why}"
        if down:  # it is back, and what it lost while it was away does not count against it
            self._probes = deque(last, maxlen=WINDOW)
        self._lossy = self._is_lossy()
        self._slow = self._is_slow()
        self._wrong = self._is_wrong(last)
        reasons = [
            (self._wrong, "its answers are wrong: they differ from what is expected, or from the other targets"),
            (self._lossy, f"{self._lost()} of the last {len(self._probes)} probes were lost"),
            (self._slow, f"it is slow: {self.latency_ms or 0:.0f} ms, the limit is {self.slow_ms:.0f} ms"),
        ]
        said = "; ".join(words for holds, words in reasons if holds)
        return (Health.DEGRADED.value, said) if said else (Health.UP.value, "it answers")

    def _lost(self) -> int:
        return sum(not probe.answer.ok for probe in self._probes)

    def _is_lossy(self) -> bool:
        return self._lost() >= (LOSSES_LEFT + 1 if self._lossy else LOSSES)

    def _latencies(self) -> list[float]:
        answered = [probe.answer.latency_ms for probe in self._probes if probe.answer.latency_ms is not None]
        return answered[-RECENT:]

    def _is_slow(self) -> bool:
        limit = self.slow_ms * EASED if self._slow else self.slow_ms
        over = sum(latency > limit for latency in self._latencies())
        return over >= (SLOW_LEFT + 1 if self._slow else SLOW)

    def _is_wrong(self, last: list[Probe]) -> bool:
        answered = [probe.wrong for probe in last if probe.answer.ok]
        if len(answered) < IN_A_ROW:
            return self._wrong
        return any(answered) if self._wrong else all(answered)


def whole(states: list[str]) -> str:
    """The state of a forwarder by those of its targets: down when none works, up when all are up."""
    if not states or all(state == Health.UNKNOWN for state in states):
        return Health.UNKNOWN.value
    if all(state == Health.DOWN for state in states):
        return Health.DOWN.value
    if all(state in (Health.UP, Health.UNKNOWN) for state in states):
        return Health.UP.value
    return Health.DEGRADED.value
