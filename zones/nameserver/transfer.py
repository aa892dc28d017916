"""The whole of a zone as the server has it, by AXFR (RFC 5936), in the form in which the database keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import msgspec

from zones.nameserver.endpoint import Endpoint, Key
from zones.nameserver.errors import NameServerError, NotHosted, Refused
from zones.nameserver.exchange import Exchange
from zones.nameserver.hosting import checked_name
from zones.nameserver.peers import Peer
from zones.rdata import DNSSEC_TYPES, canonical, written
from zones.rrsets import RRset

GENERATED = DNSSEC_TYPES | {"TYPE65534"}
"""Types that `named` makes by itself when it signs a zone: never compared, never pushed."""


MOST_RECORDS = 2_000_000
"""A transfer that does not end would fill the memory; more than this no zone has that people manage."""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """A zone as served. rrsets: sorted by name and type, without what `named` generates, which is in `generated`; the SOA's
    serial is 0 in its rdata, and stands here."""

    serial: int
    rrsets: tuple[RRset, ...]
    generated: tuple[RRset, ...] = ()


def transfer(endpoint: Endpoint, zone: str, *, timeout_s: float = 120.0, silence_s: float = 10.0) -> Transfer:
    """Fetch a zone from the server. `timeout_s` is for all of it, `silence_s` for a wait without anything coming.

    Raises `NotHosted`, `Refused` (code `no_transfer`), or what `Exchange` raises.
    """
    return _collected(Exchange(endpoint, timeout_s=timeout_s, silence_s=silence_s), checked_name(zone), MOST_RECORDS)


def transfer_from(
    server: Peer, key: Key | None, zone: str, *, timeout_s: float = 120.0, silence_s: float = 5.0
) -> Transfer:
    """Fetch a zone from another server, signed with `key` if there is one. Raises as `transfer` does."""
    exchange = Exchange(server, timeout_s=timeout_s, silence_s=silence_s).signed_with(key)
    return _collected(exchange, checked_name(zone), MOST_RECORDS)


def refuses_transfer(server: Peer, key: Key | None, zone: str, *, timeout_s: float = 2.0) -> str:
    """Why another server does not begin to transfer a zone to us, in words; empty when it does."""
    exchange = Exchange(server, timeout_s=timeout_s, silence_s=timeout_s).signed_with(key)
    try:
        next(_answers(exchange, dns.name.from_text(checked_name(zone))))
    except NameServerError as error:
        return error.message
    return ""


def _collected(exchange: Exchange, name: str, most: int) -> Transfer:
    origin = dns.name.from_text(name)
    serial = None
    count = 0
    rrsets: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], tuple[int, list[dns.rdata.Rdata]]] = {}
    for rrset in _answers(exchange, origin):
        if rrset.rdtype == dns.rdatatype.SOA:
            serial = rrset[0].serial
        count += len(rrset)
        if count > most:
            raise NameServerError("too_large", f"{name} has more than {most} records")
        _, rdatas = rrsets.setdefault((rrset.name, rrset.rdtype), (rrset.ttl, []))
        rdatas.extend(rrset)
    assert serial is not None
    everything = sorted(
        (
            RRset(relative(owner, origin), dns.rdatatype.to_text(kind), ttl, presentation(rdatas, name))
            for (owner, kind), (ttl, rdatas) in rrsets.items()
        ),
        key=lambda rrset: (rrset.name, rrset.type),
    )
    return Transfer(
        serial=serial,
        rrsets=tuple(rrset for rrset in everything if rrset.type not in GENERATED),
        generated=tuple(rrset for rrset in everything if rrset.type in GENERATED),
    )


def relative(owner: dns.name.Name, origin: dns.name.Name) -> str:
    """An owner name as the database keeps it."""
    return owner.canonicalize().relativize(origin).to_text()


def presentation(rdatas: Iterable[dns.rdata.Rdata], zone: str) -> tuple[str, ...]:
    """Rdata from the wire as the database keeps it (`zones.rdata.canonical`), sorted."""
    return tuple(sorted(_canonical(rdata, zone) for rdata in rdatas))


def _canonical(rdata: dns.rdata.Rdata, zone: str) -> str:
    text = written(rdata)
    # Reading text back is slow. What has no capitals and no serial is canonical already.
    if rdata.rdtype != dns.rdatatype.SOA and text == text.lower():
        return text
    try:
        return canonical(dns.rdatatype.to_text(rdata.rdtype), text, zone)
    except ValueError:  # a type whose text dnspython writes and does not read
        return text


def _answers(exchange: Exchange, origin: dns.name.Name) -> Iterator[dns.rrset.RRset]:
    """The RRsets of all messages of the transfer, up to the SOA that ends it."""
    query = dns.message.make_query(origin, dns.rdatatype.AXFR)
    begun = False
    name = origin.to_text(omit_final_dot=True)
    with exchange:
        for answer in exchange.ask_for_many(query):
            if answer.rcode() != dns.rcode.NOERROR:
                raise _refusal(exchange.who, name, answer.rcode())
            for rrset in answer.answer:
                if begun and rrset.rdtype == dns.rdatatype.SOA:
                    return
                if not begun and rrset.rdtype != dns.rdatatype.SOA:
                    raise NameServerError(
                        "bad_answer", f"the transfer of {name} does not begin with an SOA", retry=True
                    )
                begun = True
                yield rrset


def _refusal(who: str, name: str, rcode: dns.rcode.Rcode) -> NameServerError:
    if rcode == dns.rcode.NOTAUTH:
        return NotHosted("not_hosted", f"{who} has no zone {name}")
    if rcode == dns.rcode.SERVFAIL:
        return NotHosted("not_loaded", f"{who} could not load the zone {name}")
    if rcode == dns.rcode.REFUSED:
        return Refused("no_transfer", f"{who} does not let us transfer {name}: allow-transfer lacks our key or address")
    return NameServerError("bad_answer", f"the transfer of {name} ended with {dns.rcode.to_text(rcode)}", retry=True)
