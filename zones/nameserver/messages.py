"""Update messages (RFC 2136) made of RRset changes: what must be so before, and what goes and comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
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


def parts(changes: Iterable[RRsetChange]) -> Iterator[list[RRsetChange]]:
    """Split changes so that each part fits into a message; what belongs to one name stays together."""
    part: list[RRsetChange] = []
    size = 0
    for _, together in _by_name(changes):
        more = sum(_wire_size(change) for change in together)
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
    kept = frozenset(_contents(change.after))
    if gone := [content for content in (_contents(change.before)) if content not in kept]:
        message.delete(_owner(change.name, origin), *_rdatas(change.type, gone, origin))


def _add(message: dns.update.UpdateMessage, change: RRsetChange, origin: dns.name.Name) -> None:
    if change.after is None:
        return
    # With a new TTL, all are added again: the TTL of one becomes that of all.
    had = frozenset(change.before.rdata if change.before and _keeps_ttl(change) else ())
    if new := [content for content in change.after.rdata if content not in had]:
        message.add(_owner(change.name, origin), change.after.ttl, *_rdatas(change.type, new, origin))


def _by_name(changes: Iterable[RRsetChange]) -> Iterator[tuple[str, list[RRsetChange]]]:
    for name, together in groupby(sorted(changes, key=lambda change: change.name), key=lambda change: change.name):
        yield name, list(together)


def _wire_size(change: RRsetChange) -> int:
    """Octets that a change takes in a message at most: in the prerequisites, and as deletions and additions.

    Reckoned from the text, because making each rdata to measure it would take longer than to send it.
    """
    owner = len(change.name) + 16  # the name of the zone is a pointer; type, class, TTL and length take ten
    before = {content: _rdata_size(change.type, content) + owner for content in _contents(change.before)}
    after = {content: _rdata_size(change.type, content) + owner for content in _contents(change.after)}
    deleted = sum(size for content, size in before.items() if content not in after)
    added = sum(size for content, size in after.items() if content not in before or not _keeps_ttl(change))
    return 2 * owner + max(sum(before.values()) + deleted + added, sum(after.values()))


def _rdata_size(kind: str, content: str) -> int:
    """Presentation text is longer than the octets, but for addresses of IPv6 and a few small numbers."""
    return 4 if kind == "A" else 16 if kind == "AAAA" else len(content) + 16 + 16 * content.count("::")


def _contents(rrset: RRset | None) -> tuple[str, ...]:
    return rrset.rdata if rrset else ()


def _keeps_ttl(change: RRsetChange) -> bool:
    return change.before is not None and change.after is not None and change.before.ttl == change.after.ttl


@lru_cache(maxsize=20_000)
def _owner(name: str, origin: dns.name.Name) -> dns.name.Name:
    return dns.name.from_text(name, origin)


def _rdatas(kind: str, contents: Iterable[str], origin: dns.name.Name) -> list[dns.rdata.Rdata]:
    return [rdata_of(kind, content, origin) for content in contents]


def _rdataset(rrset: RRset, origin: dns.name.Name) -> dns.rdataset.Rdataset:
    """The values, with the TTL 0 that prerequisites must have (RFC 2136, section 2.4.2)."""
    return dns.rdataset.from_rdata_list(0, _rdatas(rrset.type, rrset.rdata, origin))
