"""RRsets as plain values: what the database, the name server and zone files all speak, without Django or dnspython.

Names are relative to the zone, in lower case and A-labels, `"@"` for the apex; rdata is canonical presentation text with
absolute names (`zones.rdata.canonical`). The serial in the rdata of an SOA is 0: `named` keeps its own serials.

They hold nothing that could refer back to them, so the garbage collector, which would look through hundreds of thousands
of them over and over, is told to leave them alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

APEX = "@"


class RR(msgspec.Struct, frozen=True, gc=False):
    """One resource record. `ttl` in seconds."""

    name: str
    type: str
    ttl: int
    content: str


class RRset(msgspec.Struct, frozen=True, gc=False):
    """All records of one name and type (RFC 2181, section 5): one TTL, and rdata as a sorted set."""

    name: str
    type: str
    ttl: int
    rdata: tuple[str, ...]


def group(records: Iterable[RR]) -> list[RRset]:
    """The RRsets that `records` form, sorted by name and type.

    Records of one RRset whose TTLs differ (allowed nowhere, seen in the wild) get the least of them, as RFC 2181,
    section 5.2, asks of those who read them.
    """
    first: dict[tuple[str, str], RR] = {}
    more: dict[tuple[str, str], list[RR]] = {}
    for record in records:
        key = record.name, record.type
        if first.setdefault(key, record) is not record:
            more.setdefault(key, []).append(record)
    found = []
    for key, record in ((key, first[key]) for key in sorted(first)):
        ttl = record.ttl
        contents: tuple[str, ...] = (record.content,)
        if others := more.get(key):
            ttl = min(ttl, *(other.ttl for other in others))
            contents = tuple(sorted({record.content, *(other.content for other in others)}))
        found.append(RRset(*key, ttl, contents))
    return found


def ungroup(rrsets: Iterable[RRset]) -> list[RR]:
    """The single records of `rrsets`, in their order."""
    return [RR(rrset.name, rrset.type, rrset.ttl, content) for rrset in rrsets for content in rrset.rdata]
