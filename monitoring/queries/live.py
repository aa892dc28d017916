"""Cuts the stream for those who watch: for each different interest, rows up to a limit and the exact total.

Nothing is kept and no row is built while nobody watches. What is common to all interests, such as the outcomes, is looked
up once; the rest is a pass over one or two columns for each interest.
"""

from __future__ import annotations

import ipaddress
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import msgspec

from monitoring.queries.clients import short, shortened
from monitoring.queries.events import QueryBatch, QueryRow
from monitoring.queries.hosted import HostedZones
from realtime.flow_filter import FlowFilter
from realtime.interests import Interest
from zones.nameserver.query_log import Batch, PolicyHit, Queries, moment

TICK_S = 0.25
ROWS_PER_S = 200.0
"""Rows of a viewer who does not say."""
LARGEST_BATCH = 20_000
"""Bytes of rows in one event, about: four a second stay below 100 KB/s."""
KEEP_HITS_S = 1.0
"""What a policy did may be read a moment before the query that it did it to."""


class LiveCut:
    """Collects what was read since the last tick."""

    def __init__(self, zones: HostedZones) -> None:
        self._zones = zones
        self._batches: list[Queries] = []
        self._hits: dict[tuple[str, str, str, str], str] = {}
        self._hits_at: list[tuple[float, tuple[str, str, str, str]]] = []
        self._began = time.monotonic()
        self.rows_built = 0

    def watch(self, batch: Batch) -> None:
        """Take a batch in; only while somebody watches."""
        if batch.queries:
            self._batches.append(batch.queries)
        now = time.monotonic()
        for hit in batch.hits:
            if not hit.trial:
                key = hit.client, hit.port, hit.name, hit.type
                self._hits[key] = hit.outcome
                self._hits_at.append((now, key))

    def pause(self) -> None:
        """Nobody watches any more."""
        self._batches.clear()
        self._hits.clear()
        self._hits_at.clear()
        self._began = time.monotonic()

    def cut(self, interests: Sequence[Interest]) -> Iterator[tuple[Interest, QueryBatch]]:
        """What each interest is to be shown of the time since the last cut; nothing for those that nothing matches."""
        now = time.monotonic()
        interval_ms, self._began = round((now - self._began) * 1000), now
        batches, self._batches = self._batches, []
        if batches:
            stretch = Stretch(batches, self._hits, self._zones)
            for interest in interests:
                if found := stretch.matching(interest):
                    yield interest, self._batch(stretch, found, interest.flow, interval_ms)
        while self._hits_at and self._hits_at[0][0] < now - KEEP_HITS_S:
            self._hits.pop(self._hits_at.pop(0)[1], None)

    def _batch(self, stretch: Stretch, found: Sequence[int], flow: FlowFilter, interval_ms: int) -> QueryBatch:
        rows = stretch.rows(found, limit(flow, interval_ms))
        self.rows_built += len(rows)
        return QueryBatch(queries=rows, total=len(found), shown=len(rows), interval_ms=interval_ms, filter=said(flow))


def limit(flow: FlowFilter, interval_ms: int) -> int:
    """How many rows fit into an interval at the rate that is asked for."""
    per_s = flow.rows_per_s or ROWS_PER_S
    return max(1, int(per_s * min(max(interval_ms / 1000, TICK_S), 1.0)))


def said(flow: FlowFilter) -> dict[str, object]:
    """What a filter says, without what it does not."""
    return {name: value for name, value in msgspec.to_builtins(flow).items() if value is not None}


class Stretch:
    """The queries of one tick, as columns."""

    def __init__(self, batches: list[Queries], hits: dict[tuple[str, str, str, str], str], zones: HostedZones) -> None:
        one = batches[0] if len(batches) == 1 else None
        self.times = one.times if one else tuple(value for batch in batches for value in batch.times)
        self.clients = one.clients if one else tuple(value for batch in batches for value in batch.clients)
        self.ports = one.ports if one else tuple(value for batch in batches for value in batch.ports)
        self.names = one.names if one else tuple(value for batch in batches for value in batch.names)
        self.types = one.types if one else tuple(value for batch in batches for value in batch.types)
        self._zones = zones
        self._hits = hits
        self._outcomes: list[str] | None = None

    @property
    def outcomes(self) -> list[str]:
        """What became of each query. Looked up once for all."""
        if self._outcomes is None:
            if self._hits:
                get = self._hits.get
                keys = zip(self.clients, self.ports, self.names, self.types, strict=True)
                self._outcomes = [get(key, "allowed") for key in keys]
            else:
                self._outcomes = ["allowed"] * len(self.names)
        return self._outcomes

    def matching(self, interest: Interest) -> Sequence[int]:
        """The numbers of the queries that an interest is about, in order."""
        flow = interest.flow
        found: Sequence[int] = range(len(self.names))
        if interest.keys is not None:
            found = self._in_zones(frozenset(interest.keys))
        if flow.qtype is not None:
            types = self.types
            found = [i for i in found if types[i] == flow.qtype]
        if flow.name_suffix is not None:
            names, suffix = self.names, flow.name_suffix
            found = [i for i in found if names[i].endswith(suffix) and flow.matches_name(names[i])]
        if flow.client is not None:
            clients, within = self.clients, _is_within(flow.client)
            found = [i for i in found if within(clients[i])]
        if flow.outcome is not None and len(found):
            outcomes = self.outcomes
            found = [i for i in found if outcomes[i] == flow.outcome]
        return found

    def _in_zones(self, keys: frozenset[str]) -> list[int]:
        suffixes, apexes = self._zones.suffixes(keys)
        key_of = self._zones.key
        return [
            i
            for i, name in enumerate(self.names)
            if (name in apexes or name.endswith(suffixes)) and key_of(name) in keys
        ]

    def rows(self, found: Sequence[int], most: int) -> list[QueryRow]:
        """Some of the queries, as rows: all of them or, drawn by lot, as many as are allowed. At equal distances, one name of
        a client that repeats itself would stand for all of them."""
        outcomes = self.outcomes
        rows, size = [], 0
        for i in found if len(found) <= most else sorted(random.sample(found, most)):
            row = _row(self.times[i], self.clients[i], self.names[i], self.types[i], outcomes[i])
            size += 100 + len(row.name)
            if size > LARGEST_BATCH:
                break
            rows.append(row)
        return rows


def _row(time: str, client: str, name: str, type: str, outcome: str) -> QueryRow:
    return QueryRow(time=utc(time), client=shown_client(client), name=name, type=type, outcome=outcome)


def utc(written: str) -> str:
    """The time of a line as RFC 3339 in UTC; as it was written, if it cannot be read."""
    if written.endswith("Z"):
        return written
    try:
        return moment(written).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except ValueError:
        return written


def shown_client(client: str) -> str:
    """A client's address as the settings want it shown."""
    return short(client) if shortened() else client


def policy_of(hit: PolicyHit) -> str:
    """The policy zone that a rule is in."""
    for mark in ("rpz-client-ip.", "rpz-ip.", "rpz-nsdname.", "rpz-nsip."):
        _, found, zone = hit.via.partition(mark)
        if found:
            return zone
    return hit.via.removeprefix(f"{hit.name}.")


@lru_cache(maxsize=256)
def _is_within(wanted: str) -> Callable[[str], bool]:
    """Whether an address, as it is shown, lies in a network. Addresses repeat, so the answers are kept."""
    network = ipaddress.ip_network(wanted)

    @lru_cache(maxsize=4096)
    def within(client: str) -> bool:
        try:
            return ipaddress.ip_address(shown_client(client)) in network
        except ValueError:
            return False

    return within
