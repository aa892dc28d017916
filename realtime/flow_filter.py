"""Which rows of the query stream a client wants, and how many: the `filter` of `subscribe`.

It is asked once per route, after redaction: who may not see clients' addresses cannot find one out by filtering for it.
"""

from __future__ import annotations

import ipaddress
import math
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from realtime.events import Event, EventType

MOST_ROWS_PER_S = 1000
ABOUT_QUERIES = frozenset({EventType.DNS_QUERY_BATCH, EventType.DNS_QUERY_BLOCKED, EventType.DNS_QUERY_STATISTICS})
_Text = Annotated[str, Meta(max_length=260)]


class FlowFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a query must be like to be shown; what is not said does not matter.

    name_suffix: whole labels, the final dot optional, case-insensitive. client: an address or a network in CIDR notation.
    rows_per_s: how many queries are shown at most; the totals count all that match.
    """

    name_suffix: _Text | None = None
    client: _Text | None = None
    qtype: _Text | None = None
    outcome: _Text | None = None
    rows_per_s: Annotated[float, Meta(gt=0, le=MOST_ROWS_PER_S)] | None = None

    def __post_init__(self) -> None:
        if self.client is not None:
            _network(self.client)  # raises what msgspec reports as invalid data

    def applied(self, event: Event) -> Event | None:
        """The event with the rows that are wanted of it, or `None` when none is. Events without rows stay whole.

        A batch is expected to carry every query of its interval, so that `total` can count what matches, shown or not.
        """
        if event.event_type not in ABOUT_QUERIES or self == EVERY_QUERY:
            return event
        queries = event.data.get("queries")
        if not isinstance(queries, list):
            return event if "name" not in event.data or self.matches(event.data) else None
        data = event.data
        if self._selects:
            queries = [query for query in queries if self.matches(query)]
            if not queries:
                return None
            data = {**data, "total": len(queries)}
        if self.rows_per_s is not None:
            queries = queries[: max(1, math.ceil(self.rows_per_s * data.get("interval_ms", 1000) / 1000))]
        return msgspec.structs.replace(event, data={**data, "queries": queries, "shown": len(queries)})

    @property
    def _selects(self) -> bool:
        return (self.name_suffix, self.client, self.qtype, self.outcome) != (None, None, None, None)

    def matches(self, query: dict[str, Any]) -> bool:
        """Whether a query (`name`, `client`, `type`, `outcome`) is wanted. What is masked or missing matches nothing."""
        return (
            (self.name_suffix is None or _ends_with(query.get("name"), self.name_suffix))
            and (self.client is None or _within(query.get("client"), self.client))
            and (self.qtype is None or str(query.get("type", "")).upper() == self.qtype.upper())
            and (self.outcome is None or query.get("outcome") == self.outcome)
        )


EVERY_QUERY = FlowFilter()


def _ends_with(name: Any, suffix: str) -> bool:
    if not isinstance(name, str):
        return False
    name, suffix = name.rstrip(".").lower(), suffix.strip(".").lower()
    if name == suffix or not suffix:
        return True
    before = name.removesuffix(f".{suffix}")
    escaped = (len(before) - len(before.rstrip("\\"))) % 2  # `\.` is a dot inside a label
    return before != name and not escaped


@lru_cache(maxsize=4096)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _within(client: Any, wanted: str) -> bool:
    try:
        address, network = ipaddress.ip_address(client), _network(wanted)
    except ValueError:  # also what was masked
        return False
    return address in network
