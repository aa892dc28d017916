"""From a zone file to records: guarded, judged by `named-compilezone`, and brought into the form of the database."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from sys import intern

import msgspec

from zones.rdata import DNSSEC_TYPES, canonical, type_name
from zones.rrsets import APEX, RR
from zones.zonefile.compile import compile_zone, program
from zones.zonefile.guard import guard
from zones.zonefile.origin import origin_of
from zones.zonefile.problems import MAX_PROBLEMS, Problem, ZoneFileError, printable

LEFT_OUT = DNSSEC_TYPES | {"SIG", "NXT", "TYPE65534"}
"""Types that a name server makes when it signs a zone. Someone else's would be wrong after the first change."""

DEFAULT_TTL = 3600
"""Seconds; of what comes without one."""

MAX_FOREIGN = 1000
"""Records of types that dnspython does not know well (MB, EID, …), each of which costs some milliseconds."""


class ZoneFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a zone file holds.

    records: in the form of the database (`zones.rrsets`), each once, sorted as `named` sorts them. serial: of its SOA.
    warnings: what is odd, or was left out: data outside the zone, signatures. comments: of tables, by name, type, content.
    without_ttl: those of `records` that came without one, of a piece of a zone or of a table.
    """

    records: tuple[RR, ...]
    serial: int
    warnings: tuple[Problem, ...] = ()
    comments: Mapping[tuple[str, str, str], str] = {}
    without_ttl: Set[RR] = frozenset()


def read_zone_file(text: bytes, zone: str) -> ZoneFile:
    """The records of a zone file for the zone `zone` (ASCII, no final dot).

    Raises `ZoneFileError` with lines and reasons.
    """
    return _read(text, zone)


def read_piece(text: bytes, zone: str) -> ZoneFile:
    """The same of a piece of a zone file, which goes into a zone that is there: what only a whole zone needs is lent to it.
    Its records have `DEFAULT_TTL` where none is said."""
    try:
        return _read(text, zone)
    except ZoneFileError as error:
        if b"SOA" in text.upper() or not any(problem.reason.startswith(_MISSING) for problem in error.problems):
            raise
    read = _lent(text, zone, _SOA_LENT + _NS_LENT)
    if any((record.name, record.type) == (APEX, "NS") for record in read.records):  # whose TTL would be that of ours
        read = _lent(text, zone, _SOA_LENT)
    return read


def _lent(text: bytes, zone: str, lent: bytes) -> ZoneFile:
    """What a piece of a zone file holds, read with what it lacks."""
    try:
        read = _read(_TTL_LENT + text + b"\n" + lent.replace(b"ZONE", zone.encode()), zone, whole=False)
    except ZoneFileError as error:
        raise ZoneFileError([_one_line_up(problem) for problem in error.problems]) from error
    own = [record for record in read.records if _LENDER not in record.content]
    said = [record for record in own if record.ttl != _UNSAID]
    unsaid = [msgspec.structs.replace(record, ttl=DEFAULT_TTL) for record in own if record.ttl == _UNSAID]
    warnings = tuple(map(_one_line_up, read.warnings))
    return msgspec.structs.replace(read, records=(*said, *unsaid), warnings=warnings, without_ttl=frozenset(unsaid))


_NO_SOA = "has 0 SOA records"
_MISSING = (_NO_SOA, "no TTL specified")
_LENDER = "lent-by-dnsadmin.invalid."
_UNSAID = 2**31 - 2
_TTL_LENT = b"$TTL %d\n" % _UNSAID
_SOA_LENT = f"ZONE. 0 IN SOA {_LENDER} {_LENDER} 0 0 0 0 0\n".encode()
_NS_LENT = f"ZONE. 0 IN NS {_LENDER}\n".encode()


def _one_line_up(problem: Problem) -> Problem:
    """A problem of a text before which a line was put."""
    return problem if problem.line is None else Problem(max(problem.line - 1, 1), problem.reason)


def _read(text: bytes, zone: str, *, whole: bool = True) -> ZoneFile:
    try:
        compiled = compile_zone(guard(text), zone, whole=whole)
    except ZoneFileError as error:
        raise _of_another_zone(error, text, zone) from error
    lines = _Lines(zone)
    records = lines.records(compiled.lines)
    if lines.problems:
        raise ZoneFileError(lines.problems)
    return ZoneFile(records=records, serial=lines.serial, warnings=(*compiled.warnings, *lines.warnings()))


def _of_another_zone(error: ZoneFileError, text: bytes, zone: str) -> ZoneFileError:
    """What is wrong, where all of it is that the file is of another zone: then nothing of it is inside of this one."""
    other = origin_of(text)
    if other is None or other == zone.lower() or _NO_SOA not in [problem.reason for problem in error.problems]:
        return error
    return ZoneFileError([Problem(None, f"this is the file of the zone {printable(other)}, not of {zone}")])


class _Lines:
    """The reading of canonical lines of one zone, with what comes up on the way."""

    def __init__(self, zone: str) -> None:
        self._apex = zone.lower() + "."
        self._suffix = "." + self._apex
        self._zone = zone
        self._left_out: Counter[str] = Counter()
        self._foreign = 0
        self.serial = 0
        self.problems: list[Problem] = []

    def records(self, lines: Iterable[str]) -> tuple[RR, ...]:
        records: dict[RR, None] = {}
        ttls: dict[str, int] = {}  # a zone has few, and each number takes memory
        for line in lines:
            if line.startswith(";"):  # when signatures are due, in a signed zone; an owner's semicolon is escaped
                continue
            owner, said, _, kind, *rest = line.split(None, 4)
            content = rest[0] if rest else ""  # an APL may be empty
            if kind in LEFT_OUT:
                self._left_out[kind] += 1
                continue
            if kind == "SOA":
                self.serial = int(content.split(" ")[2])
            try:
                kind, content = self._canonical(kind, content)
            except ValueError as error:
                self._complain(owner, kind, error)
                continue
            ttl = ttls.setdefault(said, int(said))
            records[RR(self._relative(owner.lower()), intern(kind), ttl, content)] = None
        return tuple(records)

    def warnings(self) -> Iterable[Problem]:
        if self._left_out:
            counts = ", ".join(f"{count} {kind}" for kind, count in sorted(self._left_out.items()))
            yield Problem(None, f"left out, because the name server makes them when it signs the zone: {counts}")

    def _relative(self, owner: str) -> str:
        return APEX if owner == self._apex else owner.removesuffix(self._suffix)

    def _canonical(self, kind: str, content: str) -> tuple[str, str]:
        if shortcut := _ALREADY_CANONICAL.get(kind):
            return kind, shortcut(content)
        try:
            return kind, canonical(kind, content, self._zone)
        except ValueError as error:
            self._foreign += 1
            if self._foreign > MAX_FOREIGN:
                raise
            return _through_wire(kind, content, self._zone, error)

    def _complain(self, owner: str, kind: str, error: ValueError) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(None, f"{owner} {kind}: {error}"))


# What BIND writes for these types is what dnspython writes, but for the case of names and the serial: a test holds the
# two together. It makes reading a large zone ten times faster.


def _address(content: str) -> str:
    return content


def _names(content: str) -> str:
    return content.lower()


def _soa(content: str) -> str:
    primary, contact, _, timers = content.lower().split(" ", 3)
    return f"{primary} {contact} 0 {timers}"


_ALREADY_CANONICAL: dict[str, Callable[[str], str]] = {
    "A": _address,
    "AAAA": _address,
    "NS": _names,
    "CNAME": _names,
    "DNAME": _names,
    "PTR": _names,
    "MX": _names,
    "SRV": _names,
    "SOA": _soa,
    "TXT": _address,
}


def _through_wire(kind: str, content: str, zone: str, error: ValueError) -> tuple[str, str]:
    """Type and rdata that dnspython cannot read from text, by way of the form that fits any type (RFC 3597), which BIND
    writes. Raises `error` when that does not help."""
    try:
        said = subprocess.run(
            [program("named-rrchecker"), "-u"],
            input=f"IN {kind} {content}\n",
            capture_output=True,
            encoding="ascii",
            timeout=10,
        ).stdout
        _, number, octets = said.rstrip("\n").split("\t")
        return type_name(number), canonical(number, octets, zone)
    except (ValueError, OSError, subprocess.SubprocessError):
        raise error from None
