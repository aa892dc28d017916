"""NXDOMAIN storms: suddenly most answers say that there is no such name. By the server's own counters, because its query
log does not know the answers; what was asked for meanwhile is the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from realtime.events import EventSeverity
from security.detection.conf import DetectionSettings
from security.detection.findings import Finding, Stride
from security.detection.names import registered_domain
from zones.nameserver.query_log import Queries

MOST_LOOKED_AT = 2_000
SHOWN = 5


class NxdomainStorms:
    """Compares two readings of the counters; a storm is `nxdomain_per_s` and `nxdomain_share` of all queries."""

    window_s = 10

    def __init__(self, conf: DetectionSettings) -> None:
        self._conf = conf
        self._stride = Stride(MOST_LOOKED_AT)
        self._domains: Counter[str] = Counter()
        self._clients: Counter[str] = Counter()
        self._before: tuple[float, int, int] | None = None

    @property
    def wanted(self) -> bool:
        return bool(self._conf.nxdomain_per_s)

    def hear(self, queries: Queries) -> None:
        if self.wanted:
            places = self._stride.of(range(len(queries.names)))
            self._domains.update(registered_domain(queries.names[place]) for place in places)
            self._clients.update(queries.clients[place] for place in places)

    def reached(self) -> list[Finding]:
        return []  # see `count`

    def conclude(self, seconds: float) -> list[Finding]:
        """Keeps what was asked for to the newest window; the verdict is by the counters."""
        self._stride.reset()
        self._domains = Counter(dict(self._domains.most_common(SHOWN)))
        self._clients = Counter(dict(self._clients.most_common(SHOWN)))
        return []

    def count(self, counters: Mapping[str, int], at: float) -> list[Finding]:
        """What the counters show since they were last read; `at` in seconds of any steady clock."""
        queries, nxdomain = counters.get("dns_queries", 0), counters.get("dns_nxdomain", 0)
        before, self._before = self._before, (at, queries, nxdomain)
        if before is None or queries <= before[1] or nxdomain < before[2] or at <= before[0]:
            return []  # the first reading, nothing asked, or a server that began anew
        seconds, asked, absent = at - before[0], queries - before[1], nxdomain - before[2]
        if absent / seconds < self._conf.nxdomain_per_s or absent / asked < self._conf.nxdomain_share:
            return []
        return [
            Finding(
                key="nxdomain-storm",
                category="nxdomain_storm",
                severity=EventSeverity.WARNING,
                title=f"{absent / asked:.0%} of all answers say that there is no such name",
                detail="A broken search list, a program that guesses names, or an attack on somebody else's servers.",
                confidence=60,
                evidence={
                    "nxdomain_per_s": round(absent / seconds, 1),
                    "queries_per_s": round(asked / seconds, 1),
                    "domains": [f"{domain} ({n})" for domain, n in self._domains.most_common(SHOWN)],
                    "clients": [f"{client} ({n})" for client, n in self._clients.most_common(SHOWN)],
                },
            )
        ]
