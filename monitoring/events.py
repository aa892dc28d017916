"""The events of servers, forwarders and the machine: what each carries and who may see it."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from monitoring.queries import events  # noqa: F401  # those of the query stream
from realtime.events import EventCategory, EventPriority, EventType
from realtime.registry import EventSpec, registry
from zones.events import FieldChange

SEES_HEALTH = "monitoring.view_health"
SEES_SYSTEM = "monitoring.view_system"
SEES_SERVICES = "monitoring.view_services"
SEES_CONFIGURATION = "monitoring.view_configuration"


class SystemMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The machine: percentages of all its processors and memory, load averages; bytes. at: ISO 8601."""

    at: str
    cpu_percent: float | None = None
    load_1: float | None = None
    load_5: float | None = None
    load_15: float | None = None
    memory_percent: float | None = None
    memory_available: float | None = None
    swap_percent: float | None = None


class DiskMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The file system of the data directory, bytes; and what all disks read and write, bytes a second."""

    at: str
    disk_percent: float | None = None
    disk_free: float | None = None
    disk_read: float | None = None
    disk_written: float | None = None


class NetworkMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """All network interfaces together, bytes a second; errors and drops a second."""

    at: str
    network_received: float | None = None
    network_sent: float | None = None
    network_errors: float | None = None


class ResourceUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The site's own processes and the private name server: resident bytes, per cent of one processor."""

    at: str
    site_memory: float | None = None
    site_cpu: float | None = None
    named_memory: float | None = None
    named_cpu: float | None = None
    database_size: float | None = None


class BindStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The name server now. rates: metric -> value, counts per second since the status before.

    bucket: what the database has, or will have, for the span of ten seconds that is running: `{at, step, weight, totals}`;
    it is repeated, not added up.
    """

    at: str
    up: bool
    since: str
    reason: str = ""
    version: str = ""
    uptime_s: float | None = None
    zones: int | None = None
    rates: dict[str, float] = {}
    bucket: dict[str, Any] | None = None


class ServiceEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A service came up or went down. reason: as far as it is known; version: of what runs."""

    service: str
    at: str
    reason: str = ""
    version: str = ""


class BindReload(msgspec.Struct, frozen=True, kw_only=True):
    """The name server read its configuration again. changed: how many statements are different now."""

    at: str
    version: str
    changed: int = 0


class BindConfigChange(msgspec.Struct, frozen=True, kw_only=True):
    """Statements of the name server's configuration that are different now, secrets left out."""

    at: str
    changes: list[FieldChange]


class ConfigChange(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody changed how the site works. what: the part (`monitoring`)."""

    what: str
    changes: list[FieldChange]


class ForwarderTargetData(msgspec.Struct, frozen=True, kw_only=True):
    """A target with its measurements. ok: of this probe; error, rcode: what came of it. loss of the latest probes."""

    id: int
    address: str
    port: int
    transport: str
    state: str
    ok: bool | None = None
    latency_ms: float | None = None
    loss_percent: float | None = None
    rcode: str | None = None
    error: str = ""
    in_use: bool = False


class ForwarderData(msgspec.Struct, frozen=True, kw_only=True):
    """Which forwarder."""

    id: int
    domain: str
    state: str


class ForwarderStatusChange(msgspec.Struct, frozen=True, kw_only=True):
    """A forwarder, or one of its targets, came into another state. reason: what was measured, in words.

    target: `None` when it is about the forwarder as a whole. targets: all of them, with their measurements.
    """

    forwarder: ForwarderData
    target: ForwarderTargetData | None
    old: str
    new: str
    reason: str
    targets: list[ForwarderTargetData] = []


class ForwarderHealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One round of probes of a forwarder."""

    at: str
    forwarder: ForwarderData
    targets: list[ForwarderTargetData]


class HealthUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A component came into another state, and why."""

    component: str
    title: str
    old: str
    new: str
    since: str
    reason: str = ""


class SystemStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the whole is: the worst of its components. components: name -> state, of those that are not up."""

    old: str
    new: str
    components: dict[str, str] = {}


_health = partial(EventSpec, category=EventCategory.HEALTH, permission=SEES_HEALTH, scope="zone")
_figures = partial(_health, priority=EventPriority.LOW, durable=False, default=False)
_system = partial(EventSpec, category=EventCategory.SYSTEM, permission=SEES_SYSTEM, priority=EventPriority.HIGH)
_services = partial(_system, permission=SEES_SERVICES)
_VALUES = {"changes.*.old": SEES_CONFIGURATION, "changes.*.new": SEES_CONFIGURATION}

registry.declare(
    _figures(EventType.SYSTEM_METRICS, "Processors and memory of the machine.", SystemMetrics),
    _figures(EventType.DISK_METRICS, "Disks of the machine.", DiskMetrics),
    _figures(EventType.NETWORK_METRICS, "Network of the machine.", NetworkMetrics),
    _figures(EventType.RESOURCE_USAGE, "What the site itself and its name server use.", ResourceUsage),
    _figures(EventType.BIND_STATUS_UPDATE, "The name server's state and figures.", BindStatus),
    _health(
        EventType.FORWARDER_STATUS_CHANGE,
        "A forwarder or one of its targets came into another state.",
        ForwarderStatusChange,
        priority=EventPriority.HIGH,
    ),
    _figures(EventType.FORWARDER_HEALTH_CHECK, "Probes of a forwarder's targets.", ForwarderHealthCheck),
    _health(EventType.HEALTH_UPDATE, "A component came into another state.", HealthUpdate),
    _health(EventType.SYSTEM_STATUS, "The state of the whole changed.", SystemStatus),
    _services(EventType.SERVICE_STARTED, "A service came up, or was restarted.", ServiceEvent),
    _services(EventType.SERVICE_STOPPED, "A service ended.", ServiceEvent),
    _system(EventType.BIND_RELOAD, "The name server read its configuration again.", BindReload),
    _system(
        EventType.BIND_CONFIG_CHANGE,
        "The name server's configuration is another than before.",
        BindConfigChange,
        sensitive=_VALUES,
    ),
    _system(EventType.CONFIG_CHANGE, "Settings of the site were changed.", ConfigChange, sensitive=_VALUES),
)
