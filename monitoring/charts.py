"""Which figures are drawn together, and over which times: for the dashboard and the page of the monitoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from monitoring.metrics import METRICS, Metric, find, of_target
from monitoring.models import Forwarder


class Range(msgspec.Struct, frozen=True):
    """A time that ends now. step_s: of its points."""

    label: str
    seconds: int
    step_s: int


RANGES: Mapping[str, Range] = {
    "15m": Range("15 min", 900, 10),
    "1h": Range("1 h", 3600, 10),
    "6h": Range("6 h", 6 * 3600, 60),
    "24h": Range("24 h", 86_400, 300),
    "7d": Range("7 days", 7 * 86_400, 3600),
    "30d": Range("30 days", 30 * 86_400, 4 * 3600),
}
DEFAULT_RANGE = "1h"
MOST_LINES = 4
"""Lines of one chart."""
COARSEST_INTERVAL_S = 30
"""Points of what is not measured by the name server's collector are no closer than this."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """metrics: drawn in one frame, so of one unit. zero: the axis begins at 0."""

    name: str
    title: str
    metrics: tuple[str, ...]
    zero: bool = True
    most: float | None = None


_DECLARED = (
    Chart(name="queries", title="Queries", metrics=("dns_queries", "dns_nxdomain", "dns_servfail", "dns_blocked")),
    Chart(name="cache", title="Cache of the name server", metrics=("cache_hits", "cache_misses")),
    Chart(name="processors", title="CPU", metrics=("cpu_percent", "site_cpu", "named_cpu"), most=100),
    Chart(name="load", title="Load", metrics=("load_1", "load_5", "load_15")),
    Chart(name="memory", title="Memory", metrics=("memory_percent", "swap_percent"), most=100),
    Chart(name="processes", title="Memory of our processes", metrics=("site_memory", "named_memory", "cache_memory")),
    Chart(name="disk_space", title="Disk space", metrics=("disk_percent",), most=100),
    Chart(name="disk", title="Disk traffic", metrics=("disk_read", "disk_written")),
    Chart(name="network", title="Network traffic", metrics=("network_received", "network_sent")),
)
CHARTS: Mapping[str, Chart] = {chart.name: chart for chart in _DECLARED}


def chosen(name: str | None) -> str:
    """The name of a range, as the URL gives it, or the default."""
    return name if name is not None and name in RANGES else DEFAULT_RANGE


def drawn(chart: Chart, range_name: str) -> dict[str, Any]:
    """A chart as its template wants it."""
    range_ = RANGES[range_name]
    metrics: list[Metric] = [METRICS[name] for name in chart.metrics]
    live = metrics[0].group == "nameserver" and metrics[0].counted
    return {
        "name": chart.name,
        "title": chart.title,
        "metrics": metrics,
        "unit": metrics[0].unit,
        "seconds": range_.seconds,
        "step": range_.step_s if live else max(range_.step_s, COARSEST_INTERVAL_S),
        "range": range_.label,
        "most": chart.most,
    }


def of_forwarder(forwarder: Forwarder, range_name: str) -> dict[str, Any]:
    """The latency of a forwarder's targets, as the chart's template wants it."""
    range_ = RANGES[range_name]
    metrics = [
        msgspec.structs.replace(find(of_target(target.pk, "latency")), title=f"{target.address}#{target.port}")
        for target in list(forwarder.targets.all())[:MOST_LINES]
    ]
    return {
        "name": f"forwarder-{forwarder.pk}",
        "title": f"Latency for {'everything' if forwarder.domain == '.' else forwarder.domain}",
        "metrics": metrics,
        "unit": "ms",
        "seconds": range_.seconds,
        "step": range_.step_s,
        "range": range_.label,
        "most": None,
    }
