"""Every figure that is kept over time, declared once: page, API and settings come from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Group = Literal["cpu", "memory", "disk", "network", "process", "nameserver", "forwarders"]

DEFAULT_S = 30
GROUPS: Mapping[Group, tuple[str, int]] = {
    "cpu": ("CPU and load", DEFAULT_S),
    "memory": ("Memory", DEFAULT_S),
    "disk": ("Disk", DEFAULT_S),
    "network": ("Network", DEFAULT_S),
    "process": ("The site's own processes", DEFAULT_S),
    "nameserver": ("Name server", 2),
    "forwarders": ("Forwarders", 5),
}
"""What is measured together -> its title, and seconds between two measurements unless somebody set another number."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """unit: `%`, `B`, `B/s`, `/s`, `ms` or empty. counted: it is kept as a count over seconds, and its value is a rate.
    matters: smallest difference worth telling those who watch."""

    name: str
    title: str
    unit: str
    group: Group
    counted: bool = False
    matters: float = 0.0


MIB = 1024 * 1024

_DECLARED = (
    Metric(name="cpu_percent", title="CPU", unit="%", group="cpu", matters=1),
    Metric(name="load_1", title="Load, 1 minute", unit="", group="cpu", matters=0.05),
    Metric(name="load_5", title="Load, 5 minutes", unit="", group="cpu", matters=0.05),
    Metric(name="load_15", title="Load, 15 minutes", unit="", group="cpu", matters=0.05),
    Metric(name="memory_percent", title="Memory", unit="%", group="memory", matters=0.5),
    Metric(name="memory_available", title="Memory available", unit="B", group="memory", matters=16 * MIB),
    Metric(name="swap_percent", title="Swap", unit="%", group="memory", matters=0.5),
    Metric(name="disk_percent", title="Disk of the data directory", unit="%", group="disk", matters=0.1),
    Metric(name="disk_free", title="Free disk space", unit="B", group="disk", matters=16 * MIB),
    Metric(name="disk_read", title="Disk reads", unit="B/s", group="disk", counted=True, matters=4096),
    Metric(name="disk_written", title="Disk writes", unit="B/s", group="disk", counted=True, matters=4096),
    Metric(name="network_received", title="Received", unit="B/s", group="network", counted=True, matters=256),
    Metric(name="network_sent", title="Sent", unit="B/s", group="network", counted=True, matters=256),
    Metric(name="network_errors", title="Network errors and drops", unit="/s", group="network", counted=True),
    Metric(name="site_memory", title="Memory of the site", unit="B", group="process", matters=4 * MIB),
    Metric(name="site_cpu", title="CPU of the site", unit="%", group="process", matters=1),
    Metric(name="named_memory", title="Memory of named", unit="B", group="process", matters=4 * MIB),
    Metric(name="named_cpu", title="CPU of named", unit="%", group="process", matters=1),
    Metric(name="database_size", title="Size of the database", unit="B", group="process", matters=MIB),
    Metric(name="dns_queries", title="Queries", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_answered", title="Answered", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_nodata", title="No data", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_nxdomain", title="NXDOMAIN", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_servfail", title="SERVFAIL", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_refused", title="Refused", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_dropped", title="Dropped", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_blocked", title="Rewritten by policy (RPZ)", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_recursive", title="Recursive", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_updates", title="Updates", unit="/s", group="nameserver", counted=True),
    Metric(name="dns_transfers", title="Transfers", unit="/s", group="nameserver", counted=True),
    Metric(name="cache_hits", title="Cache hits", unit="/s", group="nameserver", counted=True),
    Metric(name="cache_misses", title="Cache misses", unit="/s", group="nameserver", counted=True),
    Metric(name="cache_memory", title="Memory of the cache", unit="B", group="nameserver", matters=MIB),
    Metric(name="named_in_use", title="Memory in use by named", unit="B", group="nameserver", matters=MIB),
    Metric(name="recursive_clients", title="Recursive clients", unit="", group="nameserver"),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _DECLARED}

OF_TARGET = {
    "latency": Metric(name="latency", title="Latency", unit="ms", group="forwarders"),
    "loss": Metric(name="loss", title="Probes lost", unit="%", group="forwarders"),
}
"""Kept for each target of a forwarder, under `target_<id>_<name>`."""


def of_target(pk: int, name: str) -> str:
    """The name under which a figure of a forwarder's target is kept."""
    assert name in OF_TARGET
    return f"target_{pk}_{name}"


def find(name: str) -> Metric:
    """The declaration of a metric. Raises `KeyError`."""
    if name in METRICS:
        return METRICS[name]
    kind, _, rest = name.partition("_")
    number, _, figure = rest.partition("_")
    if kind == "target" and number.isascii() and number.isdigit() and len(number) < 19 and figure in OF_TARGET:
        return msgspec.structs.replace(OF_TARGET[figure], name=name)
    raise KeyError(name)
