"""Tunnels: data carried out in the names of queries. Many different, long, random names below one registered domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from realtime.events import EventSeverity
from security.detection.conf import DetectionSettings
from security.detection.findings import Finding, Stride
from security.detection.names import entropy, registered_domain
from zones.nameserver.query_log import Queries

MOST_LOOKED_AT = 20_000
"""Names of a window that are taken apart; of more, an even sample."""
MOST_DOMAINS = 4_000
MOST_NAMES = 2_000
SHOWN = 5


class _Below:
    """What was asked for below one registered domain. longs, names: different ones, a bounded number of each."""

    __slots__ = ("clients", "longs", "names", "types")

    def __init__(self) -> None:
        self.longs: set[str] = set()
        self.names: set[str] = set()
        self.clients: Counter[str] = Counter()
        self.types: Counter[str] = Counter()


class Tunnels:
    """Counts different names by registered domain. Tells of `tunnel_names` long ones with `tunnel_entropy` on average, or of
    `fan_out` of any length."""

    window_s = 60

    def __init__(self, conf: DetectionSettings) -> None:
        self._conf = conf
        self._ignored = conf.ignored()
        self._long = Stride(MOST_LOOKED_AT)
        self._any = Stride(MOST_LOOKED_AT)
        self._domains: dict[str, _Below] = {}
        self._reached: list[str] = []

    def hear(self, queries: Queries) -> None:
        names, conf = queries.names, self._conf
        if conf.tunnel_names:
            least = conf.tunnel_length
            places = [place for place, name in enumerate(names) if len(name) > least]
            self._look(queries, self._long.of(places), self._enter_long, counts=True)
        if conf.fan_out:
            # The long ones are counted with their clients already, unless nobody looks for long ones.
            self._look(queries, self._any.of(range(len(names))), self._enter, counts=not conf.tunnel_names)

    def _look(
        self, queries: Queries, places: Sequence[int], enter: Callable[[_Below, str], None], *, counts: bool
    ) -> None:
        conf, least = self._conf, self._conf.tunnel_length
        names, clients, types, domains = queries.names, queries.clients, queries.types, self._domains
        for place in places:
            name = names[place]
            domain = registered_domain(name)
            below = domains.get(domain)
            if below is None:
                if domain in self._ignored or (len(domains) >= MOST_DOMAINS and not self._forget()):
                    continue
                below = domains[domain] = _Below()
            before = len(below.longs)
            enter(below, name[: -len(domain) - 1])
            if len(below.longs) == conf.tunnel_names > before:
                self._reached.append(domain)
            if not counts and len(name) > least:
                continue
            below.clients[clients[place]] += 1
            below.types[types[place]] += 1
            if len(below.clients) > MOST_NAMES:
                below.clients = Counter(dict(below.clients.most_common(SHOWN)))

    def _enter_long(self, below: _Below, prefix: str) -> None:
        if len(prefix) >= self._conf.tunnel_length and len(below.longs) < MOST_NAMES:
            below.longs.add(prefix)

    def _enter(self, below: _Below, prefix: str) -> None:
        if prefix and len(below.names) < max(MOST_NAMES, self._conf.fan_out):
            below.names.add(prefix)

    def reached(self) -> list[Finding]:
        reached, self._reached = self._reached, []
        there = [(domain, self._domains[domain]) for domain in reached if domain in self._domains]
        return [finding for domain, below in there if (finding := self._judge(domain, below, self.window_s))]

    def _forget(self) -> bool:
        """Make room by letting go of domains with a single name; whether there is some now."""
        self._domains = {
            domain: below for domain, below in self._domains.items() if len(below.names) > 1 or len(below.longs) > 1
        }
        return len(self._domains) < MOST_DOMAINS

    def conclude(self, seconds: float) -> list[Finding]:
        domains, self._domains = self._domains, {}
        found = [finding for domain, below in domains.items() if (finding := self._judge(domain, below, seconds))]
        self._long.reset()
        self._any.reset()
        return found

    def _judge(self, domain: str, below: _Below, seconds: float) -> Finding | None:
        sampled = max(self._long.step, self._any.step)
        scale = self.window_s / seconds
        evidence = {
            "domain": domain,
            "clients": [f"{client} ({n})" for client, n in below.clients.most_common(SHOWN)],
            "types": [f"{kind} ({n})" for kind, n in below.types.most_common(SHOWN)],
            "within_seconds": round(seconds),
            **({"sampled": f"one of {sampled}"} if sampled > 1 else {}),
        }
        conf = self._conf
        if conf.tunnel_names and len(below.longs) * scale >= conf.tunnel_names:
            bits = sum(entropy(prefix.replace(".", "")) for prefix in below.longs) / len(below.longs)
            if bits >= conf.tunnel_entropy:
                length = sum(map(len, below.longs)) / len(below.longs)
                return self._finding(
                    domain,
                    f"Queries below {domain} look like a tunnel",
                    f"{len(below.longs)} different names of {length:.0f} characters with {bits:.1f} bits each. "
                    "Data may leave the network in them. Look at the clients, then block the domain by a rule.",
                    evidence
                    | {
                        "different_names": len(below.longs),
                        "characters_on_average": round(length, 1),
                        "bits_per_character": round(bits, 2),
                        "names": sorted(below.longs)[:SHOWN],
                    },
                    below,
                    EventSeverity.ERROR,
                    80 if bits >= conf.tunnel_entropy + 0.4 else 65,
                )
        if conf.fan_out and len(below.names) * scale >= conf.fan_out:
            return self._finding(
                domain,
                f"Very many different names below {domain} are asked for",
                "Random names below one domain are how resolvers are made to flood its servers; a tunnel does it, too.",
                evidence | {"different_names": len(below.names), "names": sorted(below.names)[:SHOWN]},
                below,
                EventSeverity.WARNING,
                50,
            )
        return None

    def _finding(
        self,
        domain: str,
        title: str,
        detail: str,
        evidence: dict[str, object],
        below: _Below,
        severity: EventSeverity,
        confidence: int,
    ) -> Finding:
        return Finding(
            key=f"tunnel:{domain}",
            category="tunnel",
            severity=severity,
            title=title,
            detail=detail,
            confidence=confidence,
            domain=domain,
            client=next(iter(below.clients)) if len(below.clients) == 1 else None,
            evidence=evidence,
        )
