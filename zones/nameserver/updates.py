"""Changes of records, as RFC 2136 updates: compare-and-set on the server's own data, and never "done" on trust.

The prerequisites of a message are exactly the RRsets that the change starts from, so that nobody's change at the server
is overwritten unseen. NOERROR does not mean done (RFC 2136, section 3.4.2, has a list of what is silently ignored), so
each change is read back. For that the server is asked with a message of prerequisites alone: unlike queries, these see
the zone's own data also under a wildcard, at a delegation and below it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.SOA

from zones.nameserver.comparison import RRsetChange, same, shown
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import Drifted, NameServerError, PartlyServed, Unreachable
from zones.nameserver.exchange import Exchange
from zones.nameserver.hosting import checked_name
from zones.nameserver.messages import parts, read_back_message, update_message
from zones.nameserver.refusals import refusal
from zones.nameserver.transfer import presentation, transfer
from zones.rrsets import APEX, RRset

_MANY = 200
"""From this many RRsets on, one transfer of the zone shows sooner whether they are served than a question for each."""

_ATTEMPTS = 3
_UNMET = frozenset({dns.rcode.NXRRSET, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.YXDOMAIN})


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
    for part in parts(wanted):
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
        work.compare_all(wanted)
    return work.serial()


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
        refused: NameServerError | None = None
        for _ in range(_ATTEMPTS):
            self.read_serial = None
            try:
                with self._exchange() as exchange:
                    rcode = self._send(exchange, changes)
                    # Of many, all is compared at the end, by one transfer.
                    in_place = rcode == dns.rcode.NOERROR and (not self.few or self._in_place(exchange, changes))
            except Unreachable as error:
                # After a silence there is no use in waiting for one more answer: the next push finds out what arrived.
                if error.code != "closed" or not self._arrived(changes):
                    raise
                return
            if rcode == dns.rcode.NOERROR:
                if not in_place:
                    self.compare_all(changes)
                return
            if rcode in _UNMET:
                changes = self._still_to_do(changes)
                if not changes:
                    return
                refused = NameServerError("busy", "the zone keeps changing at the name server meanwhile", retry=True)
            else:
                refused = refusal(self.endpoint, self.zone, rcode, changes)
                if refused.code != "refused":  # a reason that does not show may be gone already, such as a short freeze
                    raise refused
        assert refused is not None
        raise refused

    def _exchange(self) -> Exchange:
        return Exchange(self.endpoint, timeout_s=3 * self.timeout_s, silence_s=self.timeout_s)

    def _send(self, exchange: Exchange, changes: Sequence[RRsetChange]) -> dns.rcode.Rcode:
        soa = None
        for change in changes:
            if change.type == "SOA":
                soa = self._soa_to_replace(exchange, change)
        return exchange.ask(update_message(changes, self.origin, soa)).rcode()

    def _soa_to_replace(self, exchange: Exchange, change: RRsetChange) -> dns.rdtypes.ANY.SOA.SOA:
        """The SOA as served. That it is as expected, but for its serial, no prerequisite can say: we compare it ourselves."""
        ttl, soa = self._soa(exchange)
        now = self._rrset_of(ttl, soa)
        as_expected = change.before is None or same(now, change.before, self.zone, ttl=False)
        if not as_expected and not same(now, change.after, self.zone):
            raise _drifted([_difference(change, now)])
        return soa

    def _in_place(self, exchange: Exchange, changes: Sequence[RRsetChange]) -> bool:
        """Whether exactly `after` is in the zone, by prerequisites for values and, for a few, questions for TTLs."""
        if exchange.ask(read_back_message(changes, self.origin)).rcode() != dns.rcode.NOERROR:
            return False
        ttl, soa = self._soa(exchange)
        for change in changes:
            if change.type == "SOA":
                if not same(self._rrset_of(ttl, soa), change.after, self.zone):
                    return False
            elif self.few and change.after is not None and not self._has_ttl(exchange, change.after):
                return False
        return True

    def _has_ttl(self, exchange: Exchange, wanted: RRset) -> bool:
        owner, kind = dns.name.from_text(wanted.name, self.origin), dns.rdatatype.from_text(wanted.type)
        answer = exchange.lookup(owner, kind)
        for section in (answer.answer, answer.authority, answer.additional):
            for rrset in section:
                if rrset.name == owner and rrset.rdtype == kind:
                    return rrset.ttl == wanted.ttl
        return True  # hidden below a delegation: no query shows its TTL

    def _arrived(self, changes: Sequence[RRsetChange]) -> bool:
        """After a connection that ended without an answer: whether it was carried out. `False` when there is no telling."""
        try:
            return self._unserved(changes, self._served()) == []
        except NameServerError:
            return False

    def compare_all(self, changes: Sequence[RRsetChange]) -> None:
        """Look at the whole zone. Raises `NameServerError` (code `ignored`) when a change is not served."""
        if unserved := self._unserved(changes, self._served()):
            names = ", ".join(str(change) for change, _ in unserved[:3])
            found = "; ".join(shown(now) for _, now in unserved[:3])
            raise NameServerError(
                "ignored",
                f"the name server accepted the change and did not carry it out for {names}; it serves {found}",
            )

    def _still_to_do(self, changes: Sequence[RRsetChange]) -> list[RRsetChange]:
        """Which changes are left, after some prerequisite was not met. Raises `Drifted` when somebody else was there."""
        served = self._served()
        unserved = self._unserved(changes, served)
        foreign = [
            _difference(change, now) for change, now in unserved if not same(now, change.before, self.zone, ttl=False)
        ]
        ours = {(change.name, change.type) for change in changes}
        for change, _ in unserved:
            foreign += [
                f"{change}: there is no room beside {kind} {shown(rrset)}"
                for (name, kind), rrset in served.items()
                if name == change.name and (name, kind) not in ours and change.after and "CNAME" in (kind, change.type)
            ]
        if foreign:
            raise _drifted(foreign)
        return [change for change, _ in unserved]

    def _served(self) -> dict[tuple[str, str], RRset]:
        now = transfer(self.endpoint, self.zone, silence_s=self.timeout_s)
        return {(rrset.name, rrset.type): rrset for rrset in now.rrsets}

    def _unserved(
        self, changes: Sequence[RRsetChange], served: Mapping[tuple[str, str], RRset]
    ) -> list[tuple[RRsetChange, RRset | None]]:
        """The changes whose `after` is not what the server has, with what it has."""
        now = [(change, served.get((change.name, change.type))) for change in changes]
        return [(change, rrset) for change, rrset in now if not same(rrset, change.after, self.zone)]

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


def _drifted(differences: Sequence[str]) -> Drifted:
    more = f" (and {len(differences) - 3} more)" if len(differences) > 3 else ""
    said = "; ".join(differences[:3])
    return Drifted(f"not served: somebody changed the zone at the name server meanwhile. {said}{more}", differences)


def _difference(change: RRsetChange, now: RRset | None) -> str:
    return f"{change}: expected {shown(change.before)}, found {shown(now)}"
