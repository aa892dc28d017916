"""Changes of records, as RFC 2136 updates: compare-and-set on the server's own data, and never "done" on trust.

The prerequisites of a message are exactly the RRsets that the change starts from, so that nobody's change at the server
is overwritten unseen. NOERROR does not mean done (RFC 2136, section 3.4.2, has a list of what is silently ignored), so
each change is read back. For that the server is asked with a message of prerequisites alone: unlike queries, these see
the zone's own data also under a wildcard, at a delegation and below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby

import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.update
import msgspec

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import (
    Drifted,
    NameServerError,
    NotHosted,
    PartlyServed,
    Refused,
    Unreachable,
)
from zones.nameserver.exchange import Exchange
from zones.nameserver.hosting import checked_name, zone_status
from zones.nameserver.transfer import GENERATED, presentation, transfer
from zones.rrsets import APEX, RRset

MAX_MESSAGE_BYTES = 60_000
"""Messages larger than this are split by name; DNS allows 65535, and the signature needs room."""

_MANY = 200
"""From this many RRsets on, one transfer of the zone shows their TTLs faster than a question for each."""

_ATTEMPTS = 3
_UNMET = frozenset({dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN})
_SERIAL_MASK = 2**32 - 1


class RRsetChange(msgspec.Struct, frozen=True):
    """What becomes of one RRset. name: relative to the zone. before, after: `None` where there is none."""

    name: str
    type: str
    before: RRset | None
    after: RRset | None

    def __str__(self) -> str:
        return f"{self.name} {self.type}"


def update(
    endpoint: Endpoint,
    zone: str,
    changes: Sequence[RRsetChange],
    *,
    timeout_s: float = 10.0,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Make the server serve `changes`, and return the serial with which it does.

    All of them in one message, all or nothing, when they fit into 60 KB; else name by name. What is served already counts
    as done, so the same changes may be pushed again after a failure. timeout_s: for each message and its read-back.
    progress: called with the number of changes that are served and of all, after each message.

    Raises `Drifted` when what the server has is neither `before` nor `after`; `PartlyServed` when it stopped between two
    messages; `Refused`, `NotHosted`, `KeyRefused`, `Unreachable`, or another `NameServerError` (`ignored`: accepted, but not
    carried out).
    """
    wanted = [change for change in changes if change.before != change.after]
    work = _Update(endpoint, checked_name(zone), timeout_s, few=len(wanted) < _MANY)
    served = 0
    for part in _parts(wanted, work.origin):
        try:
            work.apply(part)
        except NameServerError as error:
            if served:
                raise PartlyServed(served, len(wanted), error) from error
            raise
        served += len(part)
        if progress is not None:
            progress(served, len(wanted))
    if not work.few:
        work.compare_all(wanted)  # their TTLs
    return work.serial()


def differences(served: Iterable[RRset], wanted: Iterable[RRset], zone: str) -> list[RRsetChange]:
    """The changes that lead from one state of a zone to another, compared as they are on the wire. What `named` generates
    by itself (signatures) plays no part."""
    old = {(rrset.name, rrset.type): rrset for rrset in served if rrset.type not in GENERATED}
    new = {(rrset.name, rrset.type): rrset for rrset in wanted if rrset.type not in GENERATED}
    return [
        RRsetChange(*key, old.get(key), new.get(key))
        for key in sorted(old.keys() | new.keys())
        if not _same(old.get(key), new.get(key), zone)
    ]


class _Update:
    """One call of `update()`: the zone, and the steps of which it is made."""

    def __init__(self, endpoint: Endpoint, zone: str, timeout_s: float, *, few: bool) -> None:
        self.few = few
        self.endpoint = endpoint
        self.zone = zone
        self.origin = dns.name.from_text(zone)
        self.timeout_s = timeout_s
        self.read_serial: int | None = None

    def serial(self) -> int:
        """The serial with which the changes are served; asked for when the read-back has not shown it."""
        if self.read_serial is None:
            with self._exchange() as exchange:
                self._soa(exchange)
        assert self.read_serial is not None
        return self.read_serial

    def apply(self, changes: Sequence[RRsetChange]) -> None:
        """Push changes that fit into one message; those that are served already are left out at the second attempt."""
        for _ in range(_ATTEMPTS):
            self.read_serial = None
            try:
                with self._exchange() as exchange:
                    rcode = self._send(exchange, changes)
                    in_place = rcode == dns.rcode.NOERROR and self._in_place(exchange, changes)
            except Unreachable as error:
                if error.code == "unreachable" or not self._arrived(changes):
                    raise
                return
            if rcode == dns.rcode.NOERROR:
                if not in_place:
                    self.compare_all(changes)
                return
            if rcode not in _UNMET:
                raise refusal(self.endpoint, self.zone, rcode)
            changes = self._still_to_do(changes)
            if not changes:
                return
        raise NameServerError("busy", "the zone keeps changing at the name server while we push to it", retry=True)

    def _exchange(self) -> Exchange:
        return Exchange(self.endpoint, timeout_s=3 * self.timeout_s, silence_s=self.timeout_s)

    def _send(self, exchange: Exchange, changes: Sequence[RRsetChange]) -> dns.rcode.Rcode:
        soa = self._soa(exchange) if any(change.type == "SOA" for change in changes) else None
        return exchange.ask(self._message(changes, soa)).rcode()

    def _message(
        self, changes: Sequence[RRsetChange], soa: tuple[int, dns.rdtypes.ANY.SOA.SOA] | None
    ) -> dns.update.UpdateMessage:
        message = dns.update.UpdateMessage(self.origin)
        for change in changes:
            if change.type == "SOA":
                self._replace_soa(message, change, soa)
            else:
                self._require(message, change)
        for name, together in _by_name(changes):
            self._require_room(message, name, together)
        # The old goes before the new comes, so that an alias may take the place of other records and back. Only the
        # last NS of the apex is never deleted (RFC 2136, section 3.4.2.4): there the new comes first.
        ordinary = [change for change in changes if change.type != "SOA"]
        apex_ns = [change for change in ordinary if change.name == APEX and change.type == "NS"]
        for change in ordinary:
            if change not in apex_ns:
                self._delete(message, change)
        for change in ordinary:
            self._add(message, change)
        for change in apex_ns:
            self._delete(message, change)
        return message

    def _replace_soa(
        self,
        message: dns.update.UpdateMessage,
        change: RRsetChange,
        served: tuple[int, dns.rdtypes.ANY.SOA.SOA] | None,
    ) -> None:
        """An SOA counts only with a higher serial (RFC 2136, section 3.4.2.2), and the server's own is what it must be
        higher than; so the prerequisite is the SOA just read, after comparing the rest of it ourselves."""
        assert served is not None
        ttl, soa = served
        now = self._rrset_of(ttl, soa)
        if change.after is None:
            raise NameServerError("ignored", "the SOA of a zone cannot be deleted")
        if (
            change.before is not None
            and not _same(now, change.before, self.zone, ttl=False)
            and not _same(now, change.after, self.zone)
        ):
            raise Drifted(_drift_message([_difference(change, now)]), [_difference(change, now)])
        message.present(self.origin, dns.rdataset.from_rdata(0, soa))
        wanted = self._rdataset(change.after)[0]
        message.add(self.origin, change.after.ttl, wanted.replace(serial=(soa.serial % _SERIAL_MASK) + 1))

    def _require(self, message: dns.update.UpdateMessage, change: RRsetChange) -> None:
        if change.before is None:
            message.absent(self._owner(change.name), change.type)
        else:
            message.present(self._owner(change.name), self._rdataset(change.before))

    def _require_room(self, message: dns.update.UpdateMessage, name: str, changes: Sequence[RRsetChange]) -> None:
        """Beside an alias there may be no other data; `named` would skip the one that comes second without a word."""
        if any(change.before for change in changes):
            return  # the prerequisite on what is there says it all
        types = {change.type for change in changes if change.after}
        if "CNAME" in types:
            message.absent(self._owner(name))
        elif types:
            message.absent(self._owner(name), "CNAME")

    def _delete(self, message: dns.update.UpdateMessage, change: RRsetChange) -> None:
        if change.before is None:
            return
        kept = frozenset(self._rdataset(change.after)) if change.after else frozenset()
        if gone := [rdata for rdata in self._rdataset(change.before) if rdata not in kept]:
            message.delete(self._owner(change.name), *gone)

    def _add(self, message: dns.update.UpdateMessage, change: RRsetChange) -> None:
        if change.after is None:
            return
        had = (
            frozenset(self._rdataset(change.before))
            if change.before and change.before.ttl == change.after.ttl
            else frozenset()
        )
        if new := [rdata for rdata in self._rdataset(change.after) if rdata not in had]:
            message.add(self._owner(change.name), change.after.ttl, *new)

    def _arrived(self, changes: Sequence[RRsetChange]) -> bool:
        """After an update without an answer: whether it was carried out. `False` also when there is no telling."""
        try:
            return self._unserved(changes) == []
        except NameServerError:
            return False

    def compare_all(self, changes: Sequence[RRsetChange]) -> None:
        """Look at the whole zone. Raises `NameServerError` (code `ignored`) when a change is not served."""
        if unserved := self._unserved(changes):
            names = ", ".join(str(change) for change, _ in unserved[:3])
            found = "; ".join(_shown(now) for _, now in unserved[:3])
            raise NameServerError(
                "ignored",
                f"the name server accepted the change and did not carry it out for {names}; it serves {found}",
            )

    def _in_place(self, exchange: Exchange, changes: Sequence[RRsetChange]) -> bool:
        """Whether exactly `after` is in the zone, by prerequisites for values and, for a few, questions for TTLs."""
        question = dns.update.UpdateMessage(self.origin)
        for change in changes:
            if change.type == "SOA":
                continue
            if change.after is None:
                question.absent(self._owner(change.name), change.type)
            else:
                question.present(self._owner(change.name), self._rdataset(change.after))
        if exchange.ask(question).rcode() != dns.rcode.NOERROR:
            return False
        ttl, soa = self._soa(exchange)
        wanted = {change.type: change.after for change in changes}.get("SOA")
        if wanted is not None and not _same(self._rrset_of(ttl, soa), wanted, self.zone):
            return False
        asked = [change.after for change in changes if change.after and change.type != "SOA"] if self.few else []
        return all(self._has_ttl(exchange, rrset) for rrset in asked)

    def _has_ttl(self, exchange: Exchange, wanted: RRset) -> bool:
        """Compare what cannot be a prerequisite."""
        owner, kind = self._owner(wanted.name), dns.rdatatype.from_text(wanted.type)
        answer = exchange.lookup(owner, kind)
        for section in (answer.answer, answer.authority, answer.additional):
            for rrset in section:
                if rrset.name == owner and rrset.rdtype == kind:
                    return rrset.ttl == wanted.ttl
        return True  # hidden below a delegation: no query shows its TTL

    def _unserved(self, changes: Sequence[RRsetChange]) -> list[tuple[RRsetChange, RRset | None]]:
        """The changes whose `after` is not what the server has, with what it has."""
        return self._compared(changes, self._served())

    def _still_to_do(self, changes: Sequence[RRsetChange]) -> list[RRsetChange]:
        """Which changes are left, after some prerequisite was not met. Raises `Drifted` when somebody else was there."""
        served = self._served()
        unserved = self._compared(changes, served)
        foreign = [
            _difference(change, now) for change, now in unserved if not _same(now, change.before, self.zone, ttl=False)
        ]
        ours = {(change.name, change.type) for change in changes}
        for change, _ in unserved:
            foreign += [
                f"{change}: there is no room beside {kind} {_shown(rrset)}"
                for (name, kind), rrset in served.items()
                if name == change.name and (name, kind) not in ours and change.after and "CNAME" in (kind, change.type)
            ]
        if foreign:
            raise Drifted(_drift_message(foreign), foreign)
        return [change for change, _ in unserved]

    def _served(self) -> dict[tuple[str, str], RRset]:
        now = transfer(self.endpoint, self.zone, silence_s=self.timeout_s)
        return {(rrset.name, rrset.type): rrset for rrset in now.rrsets}

    def _compared(
        self, changes: Sequence[RRsetChange], served: Mapping[tuple[str, str], RRset]
    ) -> list[tuple[RRsetChange, RRset | None]]:
        now = [(change, served.get((change.name, change.type))) for change in changes]
        return [(change, rrset) for change, rrset in now if not _same(rrset, change.after, self.zone)]

    def _soa(self, exchange: Exchange) -> tuple[int, dns.rdtypes.ANY.SOA.SOA]:
        """TTL and rdata of the SOA as served."""
        answer = exchange.lookup(self.origin, dns.rdatatype.SOA)
        if answer.rcode() == dns.rcode.NOERROR:
            for rrset in answer.answer:
                if rrset.name == self.origin and rrset.rdtype == dns.rdatatype.SOA:
                    soa = rrset[0]
                    assert isinstance(soa, dns.rdtypes.ANY.SOA.SOA)
                    self.read_serial = soa.serial
                    return rrset.ttl, soa
        no_answer = answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
        raise refusal(self.endpoint, self.zone, dns.rcode.NOTAUTH if no_answer else answer.rcode())

    def _rrset_of(self, ttl: int, soa: dns.rdtypes.ANY.SOA.SOA) -> RRset:
        return RRset(APEX, "SOA", ttl, presentation([soa], self.zone))

    def _owner(self, name: str) -> dns.name.Name:
        return dns.name.from_text(name, self.origin)

    def _rdataset(self, rrset: RRset) -> dns.rdataset.Rdataset:
        """The values, with the TTL 0 that prerequisites must have (RFC 2136, section 2.4.2)."""
        return dns.rdataset.from_rdata_list(0, [_rdata(rrset.type, content, self.origin) for content in rrset.rdata])


def refusal(endpoint: Endpoint, zone: str, rcode: dns.rcode.Rcode) -> NameServerError:
    """What an answer other than NOERROR to an update means, in plain words.

    REFUSED and SERVFAIL have many causes and name none; the control channel is asked for the zone's state.
    """
    text = dns.rcode.to_text(rcode)
    if rcode == dns.rcode.NOTAUTH:
        return NotHosted("not_hosted", f"not served: {text}, the name server has no zone {zone}")
    if rcode == dns.rcode.NOTZONE:
        return NameServerError("outside_zone", f"not served: {text}, a name is outside the zone {zone}")
    if rcode not in (dns.rcode.SERVFAIL, dns.rcode.REFUSED):
        return NameServerError("not_understood", f"not served: the name server answered {text}")
    try:
        status = zone_status(endpoint, zone)
    except NotHosted:
        return NotHosted("not_hosted", f"not served: {text}, the name server has no zone {zone}")
    except NameServerError as error:
        return Refused("refused", f"not served: {text}, and the control channel cannot say why ({error})", retry=True)
    if status.kind != "primary":
        return Refused("secondary", f"not served: {text}, the zone is {status.kind} there; change it at its primary")
    if not status.loaded:
        return NotHosted("not_loaded", f"not served: {text}, the name server could not load the file of {zone}")
    if rcode == dns.rcode.SERVFAIL:
        return NameServerError(
            "server_failure",
            f"not served: {text}, the name server had trouble of its own; its log says more",
            retry=True,
        )
    if status.frozen:
        return Refused(
            "frozen", f"not served: {text}, the zone is frozen. Thaw it (rndc thaw {zone}) or retry", retry=True
        )
    if not status.dynamic:
        return Refused("not_dynamic", f"not served: {text}, the zone does not allow updates; it needs an update-policy")
    return Refused(
        "refused",
        f"not served: {text}, the zone's update-policy or allow-query does not let the key “{endpoint.tsig.name}” in; "
        "the log category update-security says more",
    )


def _by_name(changes: Iterable[RRsetChange]) -> Iterator[tuple[str, list[RRsetChange]]]:
    for name, together in groupby(sorted(changes, key=lambda change: change.name), key=lambda change: change.name):
        yield name, list(together)


def _parts(changes: Sequence[RRsetChange], origin: dns.name.Name) -> Iterator[list[RRsetChange]]:
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


def _wire_size(change: RRsetChange, origin: dns.name.Name) -> int:
    """Octets that a change takes in a message at most: in the prerequisites, and as deletions and additions."""
    owner = len(dns.name.from_text(change.name, origin).to_wire() or b"") + 10
    before = {content: _rdata_size(change.type, content, origin) + owner for content in _contents(change.before)}
    after = {content: _rdata_size(change.type, content, origin) + owner for content in _contents(change.after)}
    same_ttl = change.before is not None and change.after is not None and change.before.ttl == change.after.ttl
    deleted = sum(size for content, size in before.items() if content not in after)
    added = sum(size for content, size in after.items() if content not in before or not same_ttl)
    return 2 * owner + max(sum(before.values()) + deleted + added, sum(after.values()))


def _contents(rrset: RRset | None) -> tuple[str, ...]:
    return rrset.rdata if rrset else ()


@lru_cache(maxsize=10_000)
def _rdata(kind: str, content: str, origin: dns.name.Name) -> dns.rdata.Rdata:
    try:
        return dns.rdata.from_text(dns.rdataclass.IN, kind, content, origin=origin, relativize=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise NameServerError("bad_record", f"{kind} {content!r} cannot be pushed: {error}") from error


def _rdata_size(kind: str, content: str, origin: dns.name.Name) -> int:
    return len(_rdata(kind, content, origin).to_wire() or b"")


def _same(one: RRset | None, other: RRset | None, zone: str, *, ttl: bool = True) -> bool:
    """Whether two RRsets mean the same on the wire: compared as text first, which is cheap, then in the canonical wire form
    (RFC 4034, section 6.2); the serial of an SOA does not count."""
    if one is None or other is None:
        return one is other
    if ttl and one.ttl != other.ttl:
        return False
    return one.rdata == other.rdata or _digestable(one, zone) == _digestable(other, zone)


def _digestable(rrset: RRset, zone: str) -> frozenset[bytes]:
    origin = dns.name.from_text(zone)
    rdatas = [_rdata(rrset.type, content, origin) for content in rrset.rdata]
    if rrset.type == "SOA":
        rdatas = [rdata.replace(serial=0) for rdata in rdatas]
    return frozenset(rdata.to_digestable(origin) for rdata in rdatas)


def _drift_message(differences: Sequence[str]) -> str:
    more = f" (and {len(differences) - 3} more)" if len(differences) > 3 else ""
    return "not served: somebody changed the zone at the name server meanwhile. " + "; ".join(differences[:3]) + more


def _difference(change: RRsetChange, now: RRset | None) -> str:
    return f"{change.name} {change.type}: expected {_shown(change.before)}, found {_shown(now)}"


def _shown(rrset: RRset | None) -> str:
    if rrset is None:
        return "nothing"
    values = ", ".join(rrset.rdata[:3]) + (" …" if len(rrset.rdata) > 3 else "")
    return f"{values} (TTL {rrset.ttl})"
