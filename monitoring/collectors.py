"""The background work of monitoring (`zones.collectors`)."""

from __future__ import annotations

from monitoring import demo, series
from monitoring.forwarding.watch import ForwarderWatch
from monitoring.health import HealthWatch
from monitoring.intervals import Timetable, chosen
from monitoring.lease import fenced
from monitoring.measuring import Measuring
from monitoring.nameserver import NameServerWatch
from monitoring.queries import collectors  # noqa: F401  # those around queries
from zones.collectors import collector

_measuring = Measuring()
_name_server = NameServerWatch()
_forwarders = ForwarderWatch()
_health = HealthWatch()
_timetable = Timetable()

TICK_S = 1
"""How soon a new interval takes effect."""


@collector("machine", every_s=TICK_S)
def measure() -> None:
    _measuring.round()


@collector("name server", every_s=TICK_S)
def watch_name_server() -> None:
    if _timetable.due("nameserver", chosen()["nameserver"]):
        _name_server.round()


@collector("forwarders", every_s=TICK_S)
def probe_forwarders() -> None:
    if _timetable.due("forwarders", chosen()["forwarders"]):
        _forwarders.round()


@collector("health", every_s=2)
def look_after_health() -> None:
    _health.round()


@collector("retention of figures", every_s=600)
def prune_figures() -> None:
    with fenced():
        series.prune()


__all__ = ["demo", "look_after_health", "measure", "probe_forwarders", "prune_figures", "watch_name_server"]
