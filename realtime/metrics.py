"""Every figure of the event system: declared here once, with its help text.

Counting costs nothing per delivery: frames and bytes are read from the connections when somebody asks, latency is measured
on a sample, and the rest happens at most once per connection, command or frame of the log.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from realtime.connections import WebSocketConnection
    from realtime.events import Event
    from realtime.node import Node

PREFIX = "dnsadmin_realtime_"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PROBE_EVERY_S = 0.5
"""Seconds between two events whose way to a browser is timed."""
KEPT_LATENCIES = 1000
ABNORMAL = frozenset({4001, 4002, 4500})
"""Close codes that speak against the system, and not only of somebody who left."""
KNOWN_CLIENTS = frozenset({"web", "api", "tail", "loadtest"})
"""Client names that get a label of their own; what clients call themselves is without bound."""
OLD_CLIENT = "legacy:"
"""How the client names of connections to the old system begin; no client of the protocol can take such a name."""


def system_of(connection: WebSocketConnection) -> str:
    """`unified` or `legacy`."""
    return "legacy" if connection.client.startswith(OLD_CLIENT) else "unified"


class WebSocketMetrics:
    """The counters and histograms of this process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, help_text: str, *labels: str) -> Counter:
            return Counter(PREFIX + name, help_text, labels, registry=registry)

        def histogram(name: str, help_text: str) -> Histogram:
            return Histogram(PREFIX + name, help_text, buckets=SECONDS, registry=registry)

        self.opened = counter("connections_opened", "Connections that were let in.", "system")
        self.closed = counter("connections_closed", "Connections that ended, by close code.", "system", "code")
        self.refused = counter("connections_refused", "Connections that were not let in, by close code.", "code")
        self.erring = counter("connections_erring", "Connections that met a first error.", "system")
        self.errors = counter("errors", "Frames of clients that were turned down, by error code.", "system", "code")
        self.resumes = counter("resumes", "Wishes to resume, by outcome.", "outcome")
        self.left_out = counter("flow_left_out", "Flow events that were left out and told as a gap.", "reason")
        self.latency = histogram("commit_to_client_seconds", "From commit until the client confirmed, on a sample.")
        self.lag = histogram("event_loop_lag_seconds", "How late the event loop came to a timer.")
        self.blocked = counter("event_loop_blocked", "Times that the event loop stood still for a second or more.")
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.tally: Tally[str] = Tally()
        """The sums that the guard of the roll-out compares: `opened`, `erring`, `returned`, each by system."""
        self.frames = self.bytes = 0  # of connections that ended
        self.latencies: deque[tuple[float, float]] = deque(maxlen=KEPT_LATENCIES)
        self._next_probe = 0.0
        self._probes: dict[tuple[str, int], datetime] = {}
        self._process = psutil.Process()

    # -- what happens

    def admitted(self, connection: WebSocketConnection) -> None:
        """A connection was let in."""
        system = system_of(connection)
        self.opened.labels(system).inc()
        self.tally[f"opened.{system}"] += 1

    def ended(self, connection: WebSocketConnection) -> None:
        """A connection is gone."""
        system = system_of(connection)
        self.closed.labels(system, str(connection.close_code or "client")).inc()
        if connection.close_code in ABNORMAL:
            self.tally[f"returned.{system}"] += 1
        self.frames += connection.frames
        self.bytes += connection.sent

    def turned_down(self, code: str, system: str, *, first: bool) -> None:
        """A frame of a client was answered with an error; `first`: the first one of its connection."""
        self.errors.labels(system, code).inc()
        if first:
            self.erring.labels(system).inc()
            self.tally[f"erring.{system}"] += 1

    def gap(self, reason: str, dropped: int) -> None:
        """Flow was left out."""
        self.left_out.labels(reason).inc(dropped)
        self.tally["dropped" if reason == "slow_consumer" else "limited"] += dropped

    # -- latency, on a sample

    def probe(self, event: Event, node: Node) -> None:
        """Time the way of an event to one of those who get it, if it is time for that again."""
        now = time.monotonic()
        if now < self._next_probe:
            return
        able = [
            c for c in node.manager if c.route is not None and not c.closing and event.event_type in c.route.key.types
        ]
        if able:
            self._next_probe = now + PROBE_EVERY_S
            # After what is due: the event itself may be.
            asyncio.get_running_loop().call_later(0, self._ask, random.choice(able), event, node.feed.position)

    def _ask(self, connection: WebSocketConnection, event: Event, position: int) -> None:
        if connection.closing or connection.route is None:
            return
        if connection.upto < position:  # it waits for others, to travel together
            asyncio.get_running_loop().call_later(0.02, self._ask, connection, event, position)
            return
        if len(self._probes) > 100:  # of clients that went away without an answer
            self._probes.clear()
        self._probes[connection.id, connection.next_number] = event.timestamp
        connection.ping()

    def confirmed(self, connection: WebSocketConnection, number: int) -> None:
        """A client answered a ping."""
        if committed := self._probes.pop((connection.id, number), None):
            seconds = max(0.0, (datetime.now(UTC) - committed).total_seconds())
            self.latency.observe(seconds)
            self.latencies.append((time.monotonic(), seconds))

    def p99_s(self, window_s: float) -> float | None:
        """The 99th percentile of the latencies of the last seconds; `None` without any."""
        since = time.monotonic() - window_s
        found = sorted(seconds for at, seconds in self.latencies if at >= since)
        return found[min(len(found) - 1, int(len(found) * 0.99))] if found else None

    # -- asking

    def exposition(self, node: Node) -> bytes:
        """All figures in Prometheus' text format."""
        now = CollectorRegistry()
        now.register(_Now(self, node))
        return generate_latest(self.registry) + generate_latest(now)

    def snapshot(self, node: Node) -> dict[str, Any]:
        """The key figures, as administrators see them, and as they are kept for the charts."""
        connections = list(node.manager)
        by_system = Tally(system_of(c) for c in connections)
        latency = self.p99_s(60)
        return {
            **node.figures(),
            "connections_by_system": dict(by_system),
            "connections_by_client": dict(Tally(client_label(c) for c in connections)),
            "users": len({c.user_id for c in connections}),
            "frames": self.frames + sum(c.frames for c in connections),
            "bytes": self.bytes + sum(c.sent for c in connections),
            "unconfirmed_bytes": sum(c.unconfirmed for c in connections),
            "lagging": sum(c.lagging for c in connections),
            "errors": dict(node.complaints.counts),
            "p99_s": None if latency is None else round(latency, 4),
            "memory_bytes": self._process.memory_info().rss,
            "tally": dict(self.tally),
        }


def client_label(connection: WebSocketConnection) -> str:
    """The client name, if it is one of the site's own; the kind, for the old system's; else `other`."""
    if connection.client.startswith(OLD_CLIENT):
        return ":".join(connection.client.split(":")[:2])
    name = connection.client.partition("-")[0]
    return name if name in KNOWN_CLIENTS else "other"


class _Now:
    """The figures that are read from the node when somebody asks."""

    def __init__(self, metrics: WebSocketMetrics, node: Node) -> None:
        self._metrics = metrics
        self._node = node

    def collect(self) -> Iterator[Metric]:
        node, figures = self._node, self._metrics.snapshot(self._node)
        connections = GaugeMetricFamily(PREFIX + "connections", "Open connections.", labels=["system", "client"])
        for (system, client), count in Tally((system_of(c), client_label(c)) for c in node.manager).items():
            connections.add_metric([system, client], count)
        yield connections
        users = GaugeMetricFamily(PREFIX + "users", "Users that are connected.", labels=["system"])
        for system in ("unified", "legacy"):
            users.add_metric([system], len({c.user_id for c in node.manager if system_of(c) == system}))
        yield users
        for name, help_text, value in (
            ("routes", "Groups of connections that see the same.", figures["routes"]),
            ("readers", "Connections that catch up from the log.", figures["readers"]),
            ("lagging_connections", "Connections with too much unconfirmed.", figures["lagging"]),
            ("unconfirmed_bytes", "Bytes sent and not confirmed.", figures["unconfirmed_bytes"]),
            ("log_position", "Position of the log that this process has reached.", figures["position"]),
            ("log_lag_events", "Events in the log that this process has not reached.", node.watch.behind),
        ):
            yield GaugeMetricFamily(PREFIX + name, help_text, value)
        for name, help_text, value in (
            ("frames_sent", "Frames sent to clients.", figures["frames"]),
            ("bytes_sent", "Bytes sent to clients.", figures["bytes"]),
            ("events", "Events offered to the routes.", figures["events"]),
            ("encodings", "Times that an event was encoded.", figures["encodings"]),
            ("rings", "Times that the doorbell rang.", figures["rings"]),
            ("doorbell_losses", "Events that no ring brought: gaps filled from the log.", figures["found_in_log"]),
        ):
            yield CounterMetricFamily(PREFIX + name, help_text, value)


metrics = WebSocketMetrics()
