"""Counting queries by the minute. Only counts that can be added are kept, so minutes make hours and hours make days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from typing import Any

from monitoring.models import QueryRollup
from monitoring.queries.clients import short, shortened
from monitoring.queries.heavy_hitters import HeavyHitters
from zones.nameserver.query_log import Batch, Queries, moment

TOP = ("names", "clients", "blocked")
KEPT_OF_A_TOP = {QueryRollup.Period.MINUTE: 50, QueryRollup.Period.HOUR: 200, QueryRollup.Period.DAY: 500}
MOST_TYPES = 300
"""Different record types that are told apart; a client may make up 65,536."""
OTHER = "other"


class Tally:
    """What was counted in some stretch of time; see `QueryRollup` for what the counts mean."""

    __slots__ = (
        "blocked",
        "clients",
        "latency",
        "missing",
        "names",
        "outcomes",
        "own_checks",
        "rcodes",
        "total",
        "types",
        "unreadable",
    )

    def __init__(self) -> None:
        self.total = self.own_checks = self.missing = self.unreadable = 0
        self.outcomes: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.rcodes: Counter[str] = Counter()
        self.latency: Counter[str] = Counter()
        self.names, self.clients, self.blocked = HeavyHitters(), HeavyHitters(), HeavyHitters()

    def merge(self, other: Tally) -> None:
        """Add what another tally has counted."""
        self.add_figures(other)
        for name in TOP:
            getattr(self, name).merge(getattr(other, name))

    def limit_types(self) -> None:
        """Sum up the rarest types, if there are too many."""
        if len(self.types) > MOST_TYPES:
            kept = Counter(dict(self.types.most_common(MOST_TYPES - 1)))
            kept[OTHER] += self.types.total() - kept.total()
            self.types = kept

    def add_figures(self, other: Tally) -> None:
        """Add the counts that are exact, and cheap."""
        self.total += other.total
        self.own_checks += other.own_checks
        self.missing += other.missing
        self.unreadable += other.unreadable
        for name in ("outcomes", "types", "rcodes", "latency"):
            getattr(self, name).update(getattr(other, name))
        self.limit_types()

    def all_outcomes(self) -> dict[str, int]:
        """What became of the queries: those that no response policy spoke of were `allowed`."""
        acted = {outcome: count for outcome, count in self.outcomes.items() if count}
        return {"allowed": max(0, self.total - sum(acted.values())), **acted}

    def figures(self) -> dict[str, Any]:
        """The counts that are exact, as `QueryRollup` has them."""
        return {
            "total": self.total,
            "own_checks": self.own_checks,
            "missing": self.missing,
            "unreadable": self.unreadable,
            "outcomes": self.all_outcomes(),
            "types": dict(self.types),
            "rcodes": dict(self.rcodes),
            "latency": dict(self.latency),
        }

    def fields(self, period: QueryRollup.Period) -> dict[str, Any]:
        """All of it, as `QueryRollup` keeps it."""
        fields, errors = self.figures(), {}
        for name in TOP:
            fields[name], errors[name] = getattr(self, name).cut_to(KEPT_OF_A_TOP[period])
        return {**fields, "errors": errors}

    @classmethod
    def of(cls, row: QueryRollup) -> Tally:
        """What a row has counted so far."""
        tally = cls()
        tally.total, tally.own_checks = row.total, row.own_checks
        tally.missing, tally.unreadable = row.missing, row.unreadable
        tally.outcomes = Counter({name: count for name, count in row.outcomes.items() if name != "allowed"})
        tally.types, tally.rcodes = Counter(row.types), Counter(row.rcodes)
        tally.latency = Counter(row.latency)
        for name in TOP:
            counts = dict(getattr(row, name))
            setattr(tally, name, HeavyHitters(counts, row.errors.get(name, 0)))
        return tally


class Counting:
    """Counts batches by the minute in which the queries were asked."""

    def __init__(self) -> None:
        self.minutes: dict[datetime, Tally] = {}
        self._client: Callable[[str], str] | None = short if shortened() else None

    def tally(self, minute: datetime) -> Tally:
        """The counts of a minute."""
        tally = self.minutes.get(minute)
        if tally is None:
            tally = self.minutes[minute] = Tally()
        return tally

    def count(self, batch: Batch) -> None:
        """Count what was read of the logs."""
        queries = batch.queries
        if queries:
            first, last = minute_of(queries.times[0]), minute_of(queries.times[-1])
            if first == last:
                self._count(first, queries.names, queries.clients, queries.types)
            else:
                self._count_by_minute(queries)
        for minute, times in groupby(batch.own.times, minute_of):
            self.tally(minute).own_checks += sum(1 for _ in times)
        for hit in batch.hits:
            if (outcome := hit.outcome) != "allowed":
                tally = self.tally(minute_of(hit.time))
                tally.outcomes[outcome] += 1
                if outcome == "blocked":
                    tally.blocked.add((hit.name,))

    def _count_by_minute(self, queries: Queries) -> None:
        start = 0
        for minute, times in groupby(queries.times, minute_of):
            end = start + sum(1 for _ in times)
            self._count(minute, queries.names[start:end], queries.clients[start:end], queries.types[start:end])
            start = end

    def _count(
        self, minute: datetime, names: tuple[str, ...], clients: tuple[str, ...], types: tuple[str, ...]
    ) -> None:
        tally = self.tally(minute)
        tally.total += len(names)
        tally.names.add(names)
        tally.clients.add(clients if self._client is None else map(self._client, clients))
        tally.types.update(types)
        if len(tally.types) > 2 * MOST_TYPES:
            tally.limit_types()

    def condense(self) -> None:
        """Make room, when for a long time nothing could be saved: of the old minutes only the tops stay."""
        for minute in sorted(self.minutes)[:-2]:
            tally = self.minutes[minute]
            for name in TOP:
                kept, error = getattr(tally, name).cut_to(KEPT_OF_A_TOP[QueryRollup.Period.MINUTE])
                setattr(tally, name, HeavyHitters(dict(kept), error))


def minute_of(written: str) -> datetime:
    """The minute of a line's time; the present one for a line whose time cannot be read."""
    return _minute(written[: 16 if written[4:5] == "-" else 17], written.endswith("Z")) or now_minute()


@lru_cache(maxsize=1024)
def _minute(prefix: str, is_utc: bool) -> datetime | None:
    seconds = ":00Z" if is_utc else ":00" if "T" in prefix else ":00.000"
    try:
        return moment(prefix + seconds).replace(tzinfo=UTC)
    except ValueError:
        return None


def now_minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)
