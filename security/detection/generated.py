"""Generated names: a client that looks for its master under domains that a program makes up (DGA)."""

from __future__ import annotations

from realtime.events import EventSeverity
from security.detection.conf import DetectionSettings
from security.detection.findings import Finding, Stride
from security.detection.names import looks_generated, registered_domain
from zones.nameserver.query_log import Queries

MOST_LOOKED_AT = 30_000
MOST_CLIENTS = 5_000
MOST_DOMAINS = 500
SHOWN = 8


class GeneratedNames:
    """Counts, by client, different registered domains whose own label looks random; tells of `generated_names` of them."""

    window_s = 60

    def __init__(self, conf: DetectionSettings) -> None:
        self._least = conf.generated_names
        self._ignored = conf.ignored()
        self._stride = Stride(MOST_LOOKED_AT)
        self._clients: dict[str, set[str]] = {}
        self._reached: list[str] = []

    def hear(self, queries: Queries) -> None:
        if not self._least:
            return
        names, clients = queries.names, queries.clients
        for place in self._stride.of(range(len(names))):
            domain = registered_domain(names[place])
            if domain in self._ignored or not looks_generated(domain.partition(".")[0]):
                continue
            if (seen := self._clients.get(clients[place])) is None:
                if len(self._clients) >= MOST_CLIENTS:
                    continue
                seen = self._clients[clients[place]] = set()
            if len(seen) < MOST_DOMAINS and domain not in seen:
                seen.add(domain)
                if len(seen) == self._least:
                    self._reached.append(clients[place])

    def reached(self) -> list[Finding]:
        reached, self._reached = self._reached, []
        return [self._finding(client, self._clients[client], self.window_s) for client in reached]

    def conclude(self, seconds: float) -> list[Finding]:
        clients, self._clients = self._clients, {}
        found = [
            self._finding(client, domains, seconds)
            for client, domains in clients.items()
            if len(domains) * self.window_s >= self._least * seconds > 0
        ]
        self._stride.reset()
        return found

    def _finding(self, client: str, domains: set[str], seconds: float) -> Finding:
        step = self._stride.step
        return Finding(
            key=f"generated:{client}",
            category="generated_names",
            severity=EventSeverity.ERROR,
            title=f"One client asks for {len(domains)} made-up domains",
            detail="Programs that look for their master try such names. Most exist nowhere. Look at the machine.",
            confidence=70 if len(domains) >= 3 * self._least else 55,
            client=client,
            evidence={
                "client": client,
                "different_domains": len(domains),
                "within_seconds": round(seconds),
                "domains": sorted(domains)[:SHOWN],
                **({"sampled": f"one of {step}"} if step > 1 else {}),
            },
        )
