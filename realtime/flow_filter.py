"""Which rows of the query stream a client wants, and how many: the `filter` of `subscribe`.

The source of the stream asks it, once for each different filter (`realtime.interests`); for the blocked queries, which
travel one by one, the routes do. Who may not see clients' addresses cannot find one out by filtering for it.
"""

from __future__ import annotations

import ipaddress
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

    def wants(self, event: Event) -> bool:
        """Whether an event about a single query is wanted; events about anything else always are."""
        return event.event_type not in ABOUT_QUERIES or "name" not in event.data or self.matches(event.data)

    def matches_name(self, name: str) -> bool:
        """Whether a name lies at or below the suffix that is wanted."""
        return self.name_suffix is None or _ends_with(name, self.name_suffix)

    def normal(self) -> FlowFilter:
        """The same filter as everybody else writes it who means the same."""
        suffix = (self.name_suffix or "").strip(".").lower()
        return FlowFilter(
            name_suffix=suffix or None,
            client=None if self.client is None else str(_network(self.client)),
            qtype=self.qtype.upper() if self.qtype else None,
            outcome=self.outcome or None,
            rows_per_s=self.rows_per_s,
        )

    def matches(self, query: dict[str, Any]) -> bool:
        """Whether a query (`name`, `client`, `type`, `outcome`) is wanted. What is masked or missing matches nothing."""
        return (
            self.matches_name(query.get("name", ""))
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
