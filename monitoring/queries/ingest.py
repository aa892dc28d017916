"""Reads both logs of the name server, counts, tells listeners and watchers, and saves: each line once, whatever dies when.

The counts and how far the logs were read are written in one transaction, fenced by the lease. What was counted and not
saved when a process dies is read again by the next one, from where the last transaction says.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.db import DatabaseError, connection

from monitoring.lease import LEASE, fenced
from monitoring.models import LogPlace, QueryRollup, QuerySource
from monitoring.queries.counting import TOP, Counting, Tally, now_minute
from monitoring.queries.events import (
    BlockedQuery,
    MinuteFigures,
    QueryStatistics,
    TopLists,
    TopValue,
)
from monitoring.queries.hosted import HostedZones
from monitoring.queries.live import TICK_S, LiveCut, policy_of, shown_client, utc
from monitoring.queries.source import BEHIND, Counters, Source, now_text, reconcile
from realtime.broadcasting import stream
from realtime.events import EventType
from realtime.interests import InterestBook
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.log_files import LogFollower, Place
from zones.nameserver.query_log import (
    LISTENERS,
    Batch,
    PolicyHit,
    Queries,
    Unreadable,
    own_apart,
    parse_hits,
    parse_queries,
    tell,
)

logger = logging.getLogger(__name__)

QUERY_LOG, RPZ_LOG = "query.log", "rpz.log"
SAVE_S = 5.0
STATISTICS_S = 1.0
RATE_OVER_S = 5
BLOCKS = 16
"""Blocks of log in one turn: about 10,000 queries."""
BLOCKED_A_TICK = 5
TICK_SHARE = 4
"""Cutting for watchers takes a quarter of the time at most: with very many filters they hear less often, and still of all."""
MOST_UNSAVED_MINUTES = 30
TOP_SHOWN = 10

Period = QueryRollup.Period
_LENGTH = {Period.MINUTE: timedelta(minutes=1), Period.HOUR: timedelta(hours=1), Period.DAY: timedelta(days=1)}


def start_of(period: QueryRollup.Period, moment: datetime) -> datetime:
    """When the minute, hour or day (UTC) began that `moment` lies in."""
    match period:
        case Period.MINUTE:
            return moment.replace(second=0, microsecond=0)
        case Period.HOUR:
            return moment.replace(minute=0, second=0, microsecond=0)
        case _:
            return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class Ingest:
    """One reader of the logs. All methods but `take()` belong to one thread."""

    def __init__(self, endpoint: Endpoint, book: InterestBook) -> None:
        assert endpoint.log_dir is not None
        self._book = book
        self._endpoint = endpoint
        self._counting = Counting()
        self._saved: dict[tuple[QueryRollup.Period, datetime], Tally] = {}
        self._unreadable = Unreadable()
        self._told_unreadable = 0
        self._zones = HostedZones()
        self._live = LiveCut(self._zones)
        self._listeners = [make() for make in LISTENERS]
        self._counters: queue.SimpleQueue[Counters | Exception] = queue.SimpleQueue()
        self._waiting: Counters | None = None
        self._blocked: list[PolicyHit] = []
        self._recent: deque[tuple[float, int]] = deque()
        self._changed: set[datetime] = set()
        self._top: TopLists | None = None
        self._tick_at = self._statistics_at = 0.0
        self._save_at = time.monotonic() + SAVE_S
        self.source = self._restored_source()
        places = dict(LogPlace.objects.values_list("name", "place"))
        # The log of our own server tells of nothing but its own time; of an existing one, the past is not ours to count.
        self._query_log, self._rpz_log = (
            LogFollower(
                endpoint.log_dir / name,
                msgspec.convert(places[name], Place) if name in places else None,
                at_end=not endpoint.private,
            )
            for name in (QUERY_LOG, RPZ_LOG)
        )

    def _restored_source(self) -> Source:
        row = QuerySource.objects.first()
        try:
            source = msgspec.convert(row.facts, Source) if row else Source()
        except msgspec.ValidationError:  # another release wrote it
            source = Source()
        source.samples = []
        source.enter("following")
        return source

    # -- from other threads

    def take(self, counters: Counters | Exception) -> None:
        """What the server itself has counted, or why it does not say."""
        self._counters.put(counters)

    @property
    def lines(self) -> int:
        return self.source.lines

    # -- a turn

    def turn(self) -> bool:
        """Read what is new, up to a limit, and do what is due. Returns whether there is more to read at once."""
        busy = self._read()
        now = time.monotonic()
        lease = LEASE.get(None)
        leads = lease is None or lease.leads  # else another process may be telling the same already
        if now >= self._tick_at and leads:
            self._tick()
            took = time.monotonic() - now
            self._tick_at = now + max(TICK_S, took * TICK_SHARE)
        if now >= self._statistics_at and leads:
            self._statistics_at = now + STATISTICS_S
            self._take_counters(level=not busy)
            self._tell_statistics(now)
        if now >= self._save_at:
            self._save_at = now + SAVE_S
            self.save()
        return busy

    def _read(self) -> bool:
        """Queries first, then what policies did: so whatever was done to a query that is read is mostly known with it."""
        more = self._read_queries()
        self._read_hits()
        return more

    def _read_queries(self) -> bool:
        read = 0
        try:
            for block in _blocks(self._query_log):
                read += 1
                before = self._unreadable.count
                own, others = (
                    parse_queries(lines, self._unreadable) for lines in own_apart(block, self._endpoint.tsig.name)
                )
                self.source.lines += len(own) + len(others) + self._unreadable.count - before
                self._hear(Batch(others, [], own))
        except OSError as error:
            self.source.enter("no_log", f"{QUERY_LOG} cannot be read: {error.strerror or error}")
        else:
            self._look_at_source()
        return read == BLOCKS

    def _read_hits(self) -> None:
        try:
            if hits := [hit for block in _blocks(self._rpz_log) for hit in parse_hits(block, self._unreadable)]:
                self._hear(Batch(Queries(), hits))
        except FileNotFoundError:
            pass  # a server without response policies writes none
        except OSError as error:
            self.source.enter("no_log", f"{RPZ_LOG} cannot be read: {error.strerror or error}")

    def _hear(self, batch: Batch) -> None:
        self._counting.count(batch)
        if batch.queries:
            self._recent.append((time.monotonic(), len(batch.queries)))
        if self._unreadable.count != self._told_unreadable:
            more = self._unreadable.count - self._told_unreadable
            self._told_unreadable = self._unreadable.count
            self._counting.tally(now_minute()).unreadable += more
            self.source.unreadable += more
            self.source.samples = self._unreadable.samples
        if self._book.wanted(EventType.DNS_QUERY_BATCH):
            self._live.watch(batch)
        self._blocked += [hit for hit in batch.hits if hit.outcome == "blocked"]
        tell(self._listeners, batch)

    def _look_at_source(self) -> None:
        source = self.source
        source.behind_bytes = self._query_log.behind
        source.skipped = self._query_log.skipped + self._rpz_log.skipped
        source.truncations = self._query_log.truncations + self._rpz_log.truncations
        if source.state != "not_saved":
            source.enter("catching_up" if source.behind_bytes > BEHIND else "following")

    # -- what is told

    def _tick(self) -> None:
        interests = self._book.wanted(EventType.DNS_QUERY_BATCH)
        blocked, self._blocked = self._blocked, []
        if any(interest.keys is not None for interest in interests) or blocked:
            self._refresh_zones()
        if interests:
            for interest, batch in self._live.cut(interests):
                stream(EventType.DNS_QUERY_BATCH, batch, interest=interest)
        else:
            self._live.pause()
        told = blocked[:BLOCKED_A_TICK]
        for hit in told:
            more = len(blocked) - len(told) if hit is told[-1] else 0
            stream(EventType.DNS_QUERY_BLOCKED, _told(hit, more), scope=self._zones.key(hit.name))

    def _refresh_zones(self) -> None:
        try:
            self._zones.refresh()
        except DatabaseError as error:
            logger.warning("the zones cannot be read: %s", error)

    def _tell_statistics(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - RATE_OVER_S:
            self._recent.popleft()
        minutes = sorted({*self._changed, *list(self._counting.minutes), now_minute()})[-3:]
        self._changed.clear()
        stream(
            EventType.DNS_QUERY_STATISTICS,
            QueryStatistics(
                at=now_text(),
                per_s=round(sum(number for _, number in self._recent) / RATE_OVER_S, 1),
                minutes=[self._figures(minute) for minute in minutes],
                top=self._top,
                source=self.source.public(),
            ),
        )

    def _figures(self, minute: datetime) -> MinuteFigures:
        """What is saved of a minute, and what is not yet."""
        whole = Tally()
        for part in (self._saved.get((Period.MINUTE, minute)), self._counting.minutes.get(minute)):
            if part is not None:
                whole.add_figures(part)
        return MinuteFigures(start=minute.isoformat(), **whole.figures())

    def _take_counters(self, *, level: bool) -> None:
        """What the server counted is compared once all is read that it had logged when it was asked."""
        if self._waiting is not None and level:
            counters, self._waiting = self._waiting, None
            missing, rcodes, latency = reconcile(self.source, counters)
            tally = self._counting.tally(now_minute())
            tally.missing += missing
            tally.rcodes.update(rcodes)
            tally.latency.update(latency)
        while not self._counters.empty():
            said = self._counters.get()
            if isinstance(said, Exception):
                self.source.named_is("down" if self._endpoint.statistics_url else "unknown", str(said))
            else:
                self.source.named_is("up")
                self._waiting = said

    # -- saving

    def save(self) -> None:
        """Write the counts, and how far the logs were read; without the database, keep them and say so."""
        try:
            self._write()
        except DatabaseError as error:
            logger.warning("the counts of queries cannot be saved; they are kept: %s", error)
            connection.close()
            self.source.enter("not_saved", f"the database takes nothing: {error}")
            if len(self._counting.minutes) > MOST_UNSAVED_MINUTES:
                self._counting.condense()
        else:
            if self.source.state == "not_saved":
                self.source.enter("following")

    def _write(self) -> None:
        merged: dict[tuple[QueryRollup.Period, datetime], Tally] = {}
        with fenced():
            for minute, delta in self._counting.minutes.items():
                for period in Period:
                    key = period, start_of(period, minute)
                    if key not in merged:
                        merged[key] = self._copy(key)
                    merged[key].merge(delta)
            for (period, start), tally in merged.items():
                QueryRollup.objects.update_or_create(period=period, start=start, defaults=tally.fields(period))
            for name, log in ((QUERY_LOG, self._query_log), (RPZ_LOG, self._rpz_log)):
                if log.place is not None:
                    LogPlace.objects.update_or_create(name=name, defaults={"place": msgspec.to_builtins(log.place)})
            facts = msgspec.to_builtins(self.source)
            if facts["state"] == "not_saved":
                facts["state"] = "following"
            QuerySource.objects.update_or_create(pk=1, defaults={"facts": facts, "said_at": datetime.now(UTC)})
            for listener in self._listeners:
                listener.save()
        self._changed |= set(self._counting.minutes)
        self._counting.minutes.clear()
        self._saved.update(merged)
        self._forget_old()
        self._top = self._hour_top()

    def _copy(self, key: tuple[QueryRollup.Period, datetime]) -> Tally:
        """The counts so far, in a copy: what is merged into it must not count if the transaction fails."""
        tally = Tally()
        if key in self._saved:
            tally.merge(self._saved[key])
        else:
            row = QueryRollup.objects.filter(period=key[0], start=key[1]).first()
            if row is not None:
                tally = Tally.of(row)
        return tally

    def _forget_old(self) -> None:
        """Of each period, the two newest stay at hand; older ones are read from the database if they are needed again."""
        for period in Period:
            for start in sorted(start for kind, start in self._saved if kind is period)[:-2]:
                del self._saved[period, start]

    def _hour_top(self) -> TopLists | None:
        tally = self._saved.get((Period.HOUR, start_of(Period.HOUR, datetime.now(UTC))))
        if tally is None:
            return None
        lists: dict[str, Any] = {}
        errors = {}
        for name in TOP:
            kept, errors[name] = getattr(tally, name).cut_to(TOP_SHOWN)
            lists[name] = [TopValue(value=value, count=count) for value, count in kept]
        return TopLists(**lists, errors={name: getattr(tally, name).error for name in errors})

    def close(self) -> None:
        """Save what can be saved, and let go of the logs."""
        try:
            self.source.enter("stopped")
            self.save()
        finally:
            self._query_log.close()
            self._rpz_log.close()


def _blocks(log: LogFollower) -> Iterator[bytes]:
    """What is new in a log, as much as belongs into one turn."""
    for _ in range(BLOCKS):
        if not (block := log.read()):
            return
        yield block


def _told(hit: PolicyHit, more: int) -> BlockedQuery:
    return BlockedQuery(
        time=utc(hit.time),
        client=shown_client(hit.client),
        name=hit.name,
        type=hit.type,
        outcome=hit.outcome,
        action=hit.action,
        trigger=hit.trigger,
        policy=policy_of(hit),
        more=more,
    )


def prune(kept: dict[QueryRollup.Period, timedelta], now: datetime) -> int:
    """Delete the counts whose time is over; returns how many."""
    return sum(
        QueryRollup.objects.filter(period=period, start__lt=now - how_long).delete()[0]
        for period, how_long in kept.items()
    )
