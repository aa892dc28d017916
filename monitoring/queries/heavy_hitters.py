"""The most frequent values of an endless stream, in bounded memory, with a bound on the error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from heapq import nlargest

CAPACITY = 8192
SLACK = 4
"""How many times the capacity may be kept between two clearings: clearing costs more than counting."""


class HeavyHitters:
    """Misra–Gries summaries, which can be merged (Agarwal et al., Mergeable Summaries, 2012).

    A value that occurred more than n / (capacity + 1) times among n is sure to be in it. Each count is too low by `error`
    at most, and never too high. As long as there are no more than `SLACK` times as many different values as the capacity,
    every count is exact and `error` is 0.
    """

    __slots__ = ("_counts", "capacity", "error")

    def __init__(self, counts: Mapping[str, int] | None = None, error: int = 0, capacity: int = CAPACITY) -> None:
        self._counts: Counter[str] = Counter(counts or {})
        self.error = error
        self.capacity = capacity

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, values: Iterable[str]) -> None:
        """Count each value once."""
        self._counts.update(values)
        if len(self._counts) > SLACK * self.capacity:
            self._clear()

    def merge(self, other: HeavyHitters) -> None:
        """Add what another summary has counted."""
        self._counts.update(other._counts)
        self.error += other.error
        if len(self._counts) > SLACK * self.capacity:
            self._clear()

    def _clear(self) -> None:
        """Subtract the largest count that is not to be kept from all: at most `capacity` values are left."""
        cut = sorted(self._counts.values())[-self.capacity - 1]
        self._counts = Counter({value: count - cut for value, count in self._counts.items() if count > cut})
        self.error += cut

    def top(self, n: int) -> list[tuple[str, int]]:
        """The `n` most frequent values and their counts, the most frequent first; equal ones by name."""
        return sorted(nlargest(n, self._counts.items(), key=_by_count), key=lambda pair: (-pair[1], pair[0]))

    def cut_to(self, n: int) -> tuple[list[tuple[str, int]], int]:
        """The `n` most frequent values, and by how much their counts, or that of a value which is not among them, may be
        too low."""
        kept = self.top(n)
        left_out = kept[-1][1] if len(self._counts) > n else 0
        return kept, self.error + left_out


def _by_count(pair: tuple[str, int]) -> int:
    return pair[1]
