"""The events of the query stream: what each carries and who may see it."""

from __future__ import annotations

from typing import Any

import msgspec

from realtime.events import EventCategory, EventPriority, EventType
from realtime.registry import VIEW_CLIENT_ADDRESSES, EventSpec, registry

SEES_QUERIES = "monitoring.view_queries"


class QueryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A query. time: RFC 3339. client: its address. name: lower case, without the final dot. type: A, AAAA, …
    rcode: where it is known. outcome: `allowed` (no response policy had anything to say), `blocked`, `rewritten`,
    `passthru` or `tcp_only`."""

    time: str
    client: str | None
    name: str
    type: str
    outcome: str
    rcode: str | msgspec.UnsetType = msgspec.UNSET


class QueryBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked in an interval, as far as it matches the filter. total: all of it; shown: how many rows are here.
    filter: the one that this was made for, as far as it says anything."""

    queries: list[QueryRow]
    total: int
    shown: int
    interval_ms: int
    filter: dict[str, Any] = {}


class BlockedQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A response policy stopped a query. action: `NXDOMAIN`, `NODATA` or `DROP`; trigger: `QNAME`, `CLIENT-IP`, …; policy:
    the zone of the rule. more: how many others were blocked in the same quarter of a second and are not told one by one."""

    time: str
    client: str | None
    name: str
    type: str
    outcome: str
    action: str
    trigger: str
    policy: str
    more: int = 0


class MinuteFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted so far in the minute that begins at `start`. It is to be put in place of what was told before.
    own_checks: questions of the site itself, which are in no other figure but `rcodes`, which the server counts."""

    start: str
    total: int
    own_checks: int
    missing: int
    unreadable: int
    outcomes: dict[str, int]
    types: dict[str, int]
    rcodes: dict[str, int]
    latency: dict[str, int]


class TopValue(msgspec.Struct, frozen=True, kw_only=True):
    """A frequent value and how often it occurred, at least."""

    value: str | None
    count: int


class TopLists(msgspec.Struct, frozen=True, kw_only=True):
    """The most frequent of the running hour. errors: by how much the counts of each list may be too low."""

    names: list[TopValue]
    clients: list[TopValue]
    blocked: list[TopValue]
    errors: dict[str, int]


class QueryStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts, once a second. per_s: queries a second over the last few. minutes: those that changed since the last time.
    source: how the reading of the log goes (`following`, `catching_up`, `no_log`, `not_saved`), and of `named`."""

    at: str
    per_s: float
    minutes: list[MinuteFigures]
    top: TopLists | None
    source: dict[str, Any]


registry.declare(
    EventSpec(
        event_type=EventType.DNS_QUERY_BATCH,
        category=EventCategory.QUERY,
        payload=QueryBatch,
        permission=SEES_QUERIES,
        scope="zone",
        sensitive={"queries.*.client": VIEW_CLIENT_ADDRESSES},
        filter_permissions={"client": VIEW_CLIENT_ADDRESSES},
        priority=EventPriority.LOW,
        durable=False,
        default=False,
        cut=True,
        summary="Queries of the last quarter of a second: rows up to a limit, and the total.",
    ),
    EventSpec(
        event_type=EventType.DNS_QUERY_STATISTICS,
        category=EventCategory.QUERY,
        payload=QueryStatistics,
        permission=SEES_QUERIES,
        sensitive={"top.clients.*.value": VIEW_CLIENT_ADDRESSES},
        priority=EventPriority.LOW,
        durable=False,
        default=False,
        summary="What was counted of the queries, once a second.",
    ),
    EventSpec(
        event_type=EventType.DNS_QUERY_BLOCKED,
        category=EventCategory.QUERY,
        payload=BlockedQuery,
        permission=SEES_QUERIES,
        scope="zone",
        sensitive={"client": VIEW_CLIENT_ADDRESSES},
        filter_permissions={"client": VIEW_CLIENT_ADDRESSES},
        priority=EventPriority.NORMAL,
        durable=False,
        default=False,
        summary="A response policy stopped a query.",
    ),
)
