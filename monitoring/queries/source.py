"""Where the query stream comes from and how that goes: followed or not, since when, why; what could not be counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from zones.nameserver.endpoint import Endpoint
from zones.nameserver.statistics import fetch

BEHIND = 4 * 1024 * 1024
"""Bytes of log that are not read yet, from which on the stream is said to catch up."""


class Counters(msgspec.Struct, frozen=True):
    """What the server itself has counted since `boot`. lines: of the log that were read before it was asked."""

    boot: str
    queries: int
    rcodes: dict[str, int]
    latency: dict[str, int]
    lines: int


class Source(msgspec.Struct, kw_only=True):
    """How the reading goes. Times are ISO 8601.

    state: `following`, `catching_up`, `no_log` (there is none, or it cannot be read), `not_saved` (the database takes
    nothing; counts wait) or `stopped`. named: `up`, `down` or `unknown` (it has no statistics channel).
    lines: of the query log, read since the beginning, the site's own checks among them. missing: queries that the server
    counted and its log did not bring, at least. unreadable: lines that no query could be made of; samples: the last of
    them. skipped: how often rotated files were gone before they were read; truncations: how often a log was cut short.
    base, last: see `reconcile`.
    """

    state: str = "stopped"
    since: str = ""
    reason: str = ""
    named: str = "unknown"
    named_since: str = ""
    named_reason: str = ""
    behind_bytes: int = 0
    lines: int = 0
    missing: int = 0
    unreadable: int = 0
    samples: list[str] = []
    skipped: int = 0
    truncations: int = 0
    base: int | None = None
    last: Counters | None = None

    def enter(self, state: str, reason: str = "") -> None:
        if state != self.state:
            self.since = now_text()
        self.state, self.reason = state, reason

    def named_is(self, state: str, reason: str = "") -> None:
        if state != self.named:
            self.named_since = now_text()
        self.named, self.named_reason = state, reason

    def public(self) -> dict[str, Any]:
        """What people are told of it. Samples may hold addresses, so they are not among it."""
        facts = msgspec.to_builtins(self)
        for internal in ("samples", "base", "last"):
            del facts[internal]
        return facts  # type: ignore[no-any-return]


def ask(endpoint: Endpoint, lines: int) -> Counters:
    """Ask the server's statistics channel. Raises `NameServerError`."""
    document = fetch(endpoint, "server", timeout_s=2.0)
    resolver: dict[str, int] = {}
    for view in document.get("views", {}).values():
        for name, count in view.get("resolver", {}).get("stats", {}).items():
            if name.startswith("QryRTT"):
                resolver[name.removeprefix("QryRTT")] = resolver.get(name.removeprefix("QryRTT"), 0) + count
    return Counters(
        boot=document.get("boot-time", ""),
        queries=document.get("opcodes", {}).get("QUERY", 0),
        rcodes={name: count for name, count in document.get("rcodes", {}).items() if count},
        latency=resolver,
        lines=lines,
    )


def reconcile(source: Source, counters: Counters) -> tuple[int, dict[str, int], dict[str, int]]:
    """Compare the lines that were read with what the server has counted, once all that it had logged has been read.
    Returns how many more are missing than was known, and what was added to the rcodes and latencies.

    At any moment the server has counted at least as many queries as it has logged. So the lines read *before* it was asked
    (and those known to be missing), less its count, are never more than what it had logged before it began to count: the
    greatest such number is `base`. And its count plus `base`, less the lines read *after* it was asked, is never more than
    what is missing. Both become exact as soon as it is quiet for a moment; no query is told missing that is not.
    """
    last = source.last
    restarted = last is not None and (counters.boot != last.boot or counters.queries < last.queries)
    if last is None or restarted:
        source.base = None
    source.last = counters
    base = counters.lines + source.missing - counters.queries
    source.base = base if source.base is None else max(source.base, base)
    more = max(0, counters.queries + source.base - source.lines - source.missing)
    source.missing += more
    if last is None:
        return more, {}, {}  # where counting stood when we came
    before = Counters(counters.boot, 0, {}, {}, 0) if restarted else last
    return more, _added(counters.rcodes, before.rcodes), _added(counters.latency, before.latency)


def _added(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in now.items() if count > before.get(name, 0)}


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
