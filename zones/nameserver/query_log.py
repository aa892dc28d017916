"""What the name server writes about queries and about what its response policies did (BIND ARM, categories `queries`,
`rpz` and `rpz-passthru`), parsed once, for everybody who wants to hear of it.

Parsing is total: a line that it cannot read is counted, and a few are kept as samples. It works on blocks of lines and
answers in columns, because a busy server writes more than 100,000 lines a second.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

logger = logging.getLogger(__name__)

SAMPLES = 10
"""Unreadable lines that are kept, the newest."""

# A name has no space in it: `named` writes it as \032. So what a client chooses cannot imitate the rest of a line.
_TIME = r"^(\d\S+(?: \d\d:\S+)?) "
_CLIENT = r"client (?:@0x[0-9a-f]+ )?([0-9A-Fa-f.:]+)(?:%\w+)?#(\d+)"
_QUERY = re.compile(
    _TIME + r"(?:queries: )?(?:info: )?" + _CLIENT + r"[^\n]*?: query: (\S+) \S+ (\S+) ([+-]\S*) \(", re.MULTILINE
)
_HIT = re.compile(
    _TIME
    + r"(?:rpz(?:-passthru)?: )?(?:info: )?"
    + _CLIENT
    + r"[^\n]*?: (disabled )?rpz (\S+) (\S+) rewrite (\S+)/([^/\s]+)/\S+ via (\S+)",
    re.MULTILINE,
)
_NEITHER = re.compile(r" rpz: | rpz-passthru: ")
"""Lines of the RPZ log about zones that were loaded, not about queries."""


class Query(NamedTuple):
    """A line of the query log. time: as written. name: lower case, without the final dot, escaped as in zone files (the
    root is `.`). flags: `+` or `-` for recursion desired, then S TSIG, E(n) EDNS, T TCP, D DO, C CD, V or K cookie."""

    time: str
    client: str
    port: str
    name: str
    type: str
    flags: str


class Queries:
    """Lines of the query log, as columns of equal length; see `Query` for what they hold."""

    __slots__ = ("clients", "flags", "names", "ports", "times", "types")

    def __init__(
        self,
        times: tuple[str, ...] = (),
        clients: tuple[str, ...] = (),
        ports: tuple[str, ...] = (),
        names: tuple[str, ...] = (),
        types: tuple[str, ...] = (),
        flags: tuple[str, ...] = (),
    ) -> None:
        self.times, self.clients, self.ports, self.names = times, clients, ports, names
        self.types, self.flags = types, flags

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[Query]:
        return map(Query, self.times, self.clients, self.ports, self.names, self.types, self.flags)


class PolicyHit(msgspec.Struct, frozen=True):
    """What a response policy did to a query. trigger: `QNAME`, `CLIENT-IP`, `IP`, `NSDNAME` or `NSIP`. action:
    `NXDOMAIN`, `NODATA`, `PASSTHRU`, `DROP`, `TCP-ONLY`, `CNAME` or `Local-Data`. via: owner in the policy zone, which for
    a wildcard is that of the query. trial: the policy is disabled, so this only says what would have been done."""

    time: str
    client: str
    port: str
    name: str
    type: str
    trigger: str
    action: str
    via: str
    trial: bool

    @property
    def outcome(self) -> str:
        """In one word what became of the query."""
        return "allowed" if self.trial else OUTCOME_OF_ACTION.get(self.action, "rewritten")


OUTCOME_OF_ACTION = {
    "NXDOMAIN": "blocked",
    "NODATA": "blocked",
    "DROP": "blocked",
    "PASSTHRU": "passthru",
    "TCP-ONLY": "tcp_only",
    "CNAME": "rewritten",
    "LOCAL-DATA": "rewritten",
}
OUTCOMES = ("allowed", "blocked", "rewritten", "passthru", "tcp_only")
"""`allowed`: no response policy had anything to say. What the answer then was, the log does not tell."""


class Unreadable:
    """Lines that could not be read: how many, and the last few of them."""

    def __init__(self) -> None:
        self.count = 0
        self.samples: list[str] = []

    def note(self, lines: list[str]) -> None:
        self.count += len(lines)
        self.samples = [*self.samples, *(line[:300] for line in lines[-SAMPLES:])][-SAMPLES:]


def own_apart(block: bytes, key: str) -> tuple[bytes, bytes]:
    """Some complete lines of the query log as those of the site's own checks, and all others.

    The site signs what it asks its name server with the TSIG key `key`, and `named` logs that, with the key's name in lower
    case. No client can imitate the mark: it does not have the key, and a name that is logged has no space in it.
    """
    mark = f"/key {key} (".encode()
    if mark not in block:
        return b"", block
    own: list[bytes] = []
    others: list[bytes] = []
    for line in block.split(b"\n")[:-1]:
        (own if mark in line else others).append(line + b"\n")
    return b"".join(own), b"".join(others)


def parse_queries(block: bytes, unreadable: Unreadable) -> Queries:
    """The queries in some complete lines of the query log."""
    text = block.decode("latin-1")
    found = _QUERY.findall(text)
    if len(found) != text.count("\n"):
        unreadable.note([line for line in text.split("\n") if line and not _QUERY.match(line)])
    if not found:
        return Queries()
    times, clients, ports, names, types, flags = zip(*found, strict=True)
    names = tuple("\n".join(names).lower().split("\n"))  # thrice as fast as one by one
    return Queries(times, clients, ports, names, types, flags)


def parse_hits(block: bytes, unreadable: Unreadable) -> list[PolicyHit]:
    """What response policies did, from some complete lines of the RPZ log. Lines about its zones are passed over."""
    text = block.decode("latin-1")
    found = _HIT.findall(text)
    if len(found) != text.count("\n"):
        others = [line for line in text.split("\n") if line and not _HIT.match(line)]
        unreadable.note([line for line in others if " client " in line or not _NEITHER.search(line)])
    return [
        PolicyHit(time, client, port, name.lower(), qtype, trigger, action.upper(), via.lower(), bool(trial))
        for time, client, port, trial, trigger, action, name, qtype, via in found
    ]


def moment(written: str) -> datetime:
    """The time of a line: `print-time iso8601-utc` (with `Z`), `iso8601` or `yes` (both local). Raises `ValueError`."""
    if written.endswith("Z"):
        return datetime.fromisoformat(written)
    if "T" in written:
        return datetime.fromisoformat(written).astimezone(UTC)
    return datetime.strptime(written, "%d-%b-%Y %H:%M:%S.%f").astimezone(UTC)


# -- who listens ----------------------------------------------------------------------------------------------------------


class Batch(msgspec.Struct):
    """What was read of both logs at about the same time. own: the site's own checks, which are not among `queries`."""

    queries: Queries
    hits: list[PolicyHit]
    own: Queries = msgspec.field(default_factory=Queries)


class Listener:
    """Hears all that is read, from where the last `save()` was committed on."""

    def hear(self, batch: Batch) -> None:
        """Take a batch in. Holds up all others, so it should only count."""
        raise NotImplementedError

    def save(self) -> None:
        """Write down what was heard, in the transaction that also saves how far the logs were read. If that is not
        committed, what was heard is still to be saved."""


LISTENERS: list[Callable[[], Listener]] = []
"""Who makes a listener. Each reading of the logs has its own: one that takes over from another hears again what that one
had not saved."""


def register_listener(make: Callable[[], Listener]) -> None:
    """Have a listener made for each reading of the logs. It is called in one thread, in the one process of the site that
    follows the logs; what it saves is saved exactly once, whatever dies when."""
    LISTENERS.append(make)


def tell(listeners: Iterable[Listener], batch: Batch) -> None:
    """Hand a batch to every listener; the failure of one is logged, and does not concern the others."""
    for listener in listeners:
        try:
            listener.hear(batch)
        except Exception:
            logger.exception("a listener of the query log failed")
