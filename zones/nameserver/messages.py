"""Update messages (RFC 2136) made of RRset changes: what must be so before, and what goes and comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import dns.name
import dns.rdata
import dns.rdataset
import dns.rdtypes.ANY.SOA
import dns.update

from zones.nameserver.comparison import RRsetChange, rdata_of
from zones.rrsets import APEX, RRset

MAX_MESSAGE_BYTES = 60_000
"""Messages larger than this are split by name; DNS allows 65535, and the signature needs room."""

_SERIAL_MASK = 2**32 - 1


def parts(changes: Iterable[RRsetChange], origin: dns.name.Name) -> Iterator[list[RRsetChange]]:
    """Split changes so that each part fits into a message; what belongs to one name stays together."""
    part: list[RRsetChange] = []
    size = 0
    for _, together in _by_name(changes):
        more = sum(_wire_size(change, origin) for change in together)
        if part and size + more > MAX_MESSAGE_BYTES:
            yield part
            part, size = [], 0
        part += together
        size += more
    if part:
        yield part


def update_message(
    changes: Sequence[RRsetChange], origin: dns.name.Name, soa: dns.rdtypes.ANY.SOA.SOA | None
) -> dns.update.UpdateMessage:
    """The message that carries out `changes`, all or none, if the zone is as they expect it. soa: as served now; needed when
    it is to change."""
    message = dns.update.UpdateMessage(origin)
    # The old goes before the new comes, so that an alias may take the place of other records and back. Only the last NS
    # of the apex is never deleted (RFC 2136, section 3.4.2.4): there the new comes first.
    ordinary = [change for change in changes if change.type != "SOA"]
    apex_ns = [change for change in ordinary if change.name == APEX and change.type == "NS"]
    for change in ordinary:
        _require(message, change, origin)
    for name, together in _by_name(ordinary):
        _require_room(message, _owner(name, origin), together)
    for change in ordinary:
        if change not in apex_ns:
            _delete(message, change, origin)
    for change in ordinary:
        _add(message, change, origin)
    for change in apex_ns:
        _delete(message, change, origin)
    for change in changes:
        if change.type == "SOA" and change.after is not None:
            assert soa is not None
            _replace_soa(message, change.after, origin, soa)
    return message


def read_back_message(changes: Iterable[RRsetChange], origin: dns.name.Name) -> dns.update.UpdateMessage:
    """A message of prerequisites alone, which asks whether exactly `after` is in the zone. TTLs, and the SOA, cannot be
    asked for like that."""
    message = dns.update.UpdateMessage(origin)
    for change in changes:
        if change.type == "SOA":
            continue
        if change.after is None:
            message.absent(_owner(change.name, origin), change.type)
        else:
            message.present(_owner(change.name, origin), _rdataset(change.after, origin))
    return message


def _replace_soa(
    message: dns.update.UpdateMessage, wanted: RRset, origin: dns.name.Name, soa: dns.rdtypes.ANY.SOA.SOA
) -> None:
    """An SOA counts only with a higher serial (RFC 2136, section 3.4.2.2), and the server's own is what it must be higher
    than; so the prerequisite is the SOA just read."""
    message.present(origin, dns.rdataset.from_rdata(0, soa))
    rdata = rdata_of("SOA", wanted.rdata[0], origin)
    message.add(origin, wanted.ttl, rdata.replace(serial=(soa.serial % _SERIAL_MASK) + 1))


def _require(message: dns.update.UpdateMessage, change: RRsetChange, origin: dns.name.Name) -> None:
    if change.before is None:
        message.absent(_owner(change.name, origin), change.type)
    else:
        message.present(_owner(change.name, origin), _rdataset(change.before, origin))


def _require_room(message: dns.update.UpdateMessage, owner: dns.name.Name, changes: Sequence[RRsetChange]) -> None:
    """Beside an alias there may be no other data; `named` would skip the one that comes second without a word."""
    if any(change.before for change in changes):
        return  # the prerequisite on what is there says it all
    types = {change.type for change in changes if change.after}
    if "CNAME" in types:
        message.absent(owner)
    elif types:
        message.absent(owner, "CNAME")


def _delete(message: dns.update.UpdateMessage, change: RRsetChange, origin: dns.name.Name) -> None:
    kept = frozenset(_rdatas(change.after, origin))
    if gone := [rdata for rdata in _rdatas(change.before, origin) if rdata not in kept]:
        message.delete(_owner(change.name, origin), *gone)


def _add(message: dns.update.UpdateMessage, change: RRsetChange, origin: dns.name.Name) -> None:
    if change.after is None:
        return
    # With a new TTL, all are added again: the TTL of one becomes that of all.
    had = frozenset(_rdatas(change.before, origin)) if _keeps_ttl(change) else frozenset()
    if new := [rdata for rdata in _rdatas(change.after, origin) if rdata not in had]:
        message.add(_owner(change.name, origin), change.after.ttl, *new)


def _by_name(changes: Iterable[RRsetChange]) -> Iterator[tuple[str, list[RRsetChange]]]:
    for name, together in groupby(sorted(changes, key=lambda change: change.name), key=lambda change: change.name):
        yield name, list(together)


def _wire_size(change: RRsetChange, origin: dns.name.Name) -> int:
    """Octets that a change takes in a message at most: in the prerequisites, and as deletions and additions."""
    owner = len(_owner(change.name, origin).to_wire() or b"") + 10
    before = {rdata: len(rdata.to_wire() or b"") + owner for rdata in _rdatas(change.before, origin)}
    after = {rdata: len(rdata.to_wire() or b"") + owner for rdata in _rdatas(change.after, origin)}
    deleted = sum(size for rdata, size in before.items() if rdata not in after)
    added = sum(size for rdata, size in after.items() if rdata not in before or not _keeps_ttl(change))
    return 2 * owner + max(sum(before.values()) + deleted + added, sum(after.values()))


def _keeps_ttl(change: RRsetChange) -> bool:
    return change.before is not None and change.after is not None and change.before.ttl == change.after.ttl


def _owner(name: str, origin: dns.name.Name) -> dns.name.Name:
    return dns.name.from_text(name, origin)


def _rdatas(rrset: RRset | None, origin: dns.name.Name) -> list[dns.rdata.Rdata]:
    return [rdata_of(rrset.type, content, origin) for content in rrset.rdata] if rrset else []


def _rdataset(rrset: RRset, origin: dns.name.Name) -> dns.rdataset.Rdataset:
    """The values, with the TTL 0 that prerequisites must have (RFC 2136, section 2.4.2)."""
    return dns.rdataset.from_rdata_list(0, _rdatas(rrset, origin))
