"""What becomes of RRsets, and whether two of them mean the same."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import dns.exception
import dns.name
import dns.rdata
import msgspec

from zones.nameserver.errors import NameServerError
from zones.nameserver.transfer import GENERATED
from zones.rdata import parse
from zones.rrsets import RRset


class RRsetChange(msgspec.Struct, frozen=True):
    """What becomes of one RRset. name: relative to the zone. before, after: `None` where there is none."""

    name: str
    type: str
    before: RRset | None
    after: RRset | None

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


def differences(served: Iterable[RRset], wanted: Iterable[RRset], zone: str) -> list[RRsetChange]:
    """The changes that lead from one state of a zone to another. What `named` generates by itself (signatures) plays no
    part."""
    old = {(rrset.name, rrset.type): rrset for rrset in served if rrset.type not in GENERATED}
    new = {(rrset.name, rrset.type): rrset for rrset in wanted if rrset.type not in GENERATED}
    return [
        RRsetChange(*key, old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if not same(old.get(key), new.get(key), zone)
    ]


def same(one: RRset | None, other: RRset | None, zone: str, *, ttl: bool = True) -> bool:
    """Whether two RRsets are equal: compared as text first, which is cheap, then in the canonical wire form (RFC 4034,
    section 6.2). The serial of an SOA does not count; without `ttl`, neither do TTLs."""
    if one is None or other is None:
        return one is other
    if ttl and one.ttl != other.ttl:
        return False
    return one.rdata == other.rdata or _on_the_wire(one, zone) == _on_the_wire(other, zone)


def shown(rrset: RRset | None) -> str:
    """An RRset in a sentence."""
    if rrset is None:
        return "nothing"
    values = ", ".join(rrset.rdata[:3]) + (" …" if len(rrset.rdata) > 3 else "")
    return f"{values} (TTL {rrset.ttl})"


@lru_cache(maxsize=10_000)
def rdata_of(kind: str, content: str, origin: dns.name.Name) -> dns.rdata.Rdata:
    """Presentation text as dnspython's object. Raises `NameServerError` (code `bad_record`)."""
    try:
        return parse(kind, content, origin)
    except (dns.exception.DNSException, ValueError) as error:
        raise NameServerError("bad_record", f"{kind} {content!r} cannot be pushed: {error}") from error


def _on_the_wire(rrset: RRset, zone: str) -> frozenset[bytes]:
    origin = dns.name.from_text(zone)
    rdatas = [rdata_of(rrset.type, content, origin) for content in rrset.rdata]
    if rrset.type == "SOA":
        rdatas = [rdata.replace(serial=0) for rdata in rdatas]
    return frozenset(rdata.to_digestable(origin) for rdata in rdatas)
