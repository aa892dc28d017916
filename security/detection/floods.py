"""Floods: one client asks more than any client should."""

from __future__ import annotations

from collections import Counter

from realtime.events import EventSeverity
from security.detection.conf import DetectionSettings
from security.detection.findings import Finding
from zones.nameserver.query_log import Queries

MOST_CLIENTS = 50_000
"""Clients that are counted at a time. Forged addresses may be endless; those that were heard once go first."""
SHOWN = 5


class Floods:
    """Counts queries by client; a flood is `flood_per_s` on average over the window."""

    window_s = 10

    def __init__(self, conf: DetectionSettings) -> None:
        self._per_s = conf.flood_per_s
        self._counts: Counter[str] = Counter()
        self._last = Queries()

    def hear(self, queries: Queries) -> None:
        if not self._per_s:
            return
        self._counts.update(queries.clients)
        self._last = queries
        if len(self._counts) > MOST_CLIENTS:
            least = 2
            while len(self._counts) > MOST_CLIENTS // 2:
                self._counts = Counter({client: n for client, n in self._counts.items() if n >= least})
                least *= 2

    def reached(self) -> list[Finding]:
        return []  # an average is known at the end

    def conclude(self, seconds: float) -> list[Finding]:
        counts, self._counts = self._counts, Counter()
        last, self._last = self._last, Queries()
        threshold = self._per_s * seconds
        return [self._finding(client, n / seconds, last) for client, n in counts.items() if n >= threshold > 0]

    def _finding(self, client: str, per_s: float, last: Queries) -> Finding:
        asked = [
            (name, kind) for c, name, kind in zip(last.clients, last.names, last.types, strict=True) if c == client
        ]
        return Finding(
            key=f"flood:{client}",
            category="flood",
            severity=EventSeverity.ERROR if per_s >= 10 * self._per_s else EventSeverity.WARNING,
            title=f"One client asks {per_s:,.0f} queries a second",
            detail=f"Told from {self._per_s:,} on. Limit it by response-rate-limiting, or block the client by a rule.",
            confidence=90,
            client=client,
            evidence={
                "client": client,
                "queries_per_s": round(per_s, 1),
                "names": [f"{name} ({n})" for name, n in Counter(name for name, _ in asked).most_common(SHOWN)],
                "types": [f"{kind} ({n})" for kind, n in Counter(kind for _, kind in asked).most_common(SHOWN)],
            },
        )
