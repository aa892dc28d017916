"""The health of the whole: each component's state, since when, and why; told when it changes, and not at every breath.

A component is looked at every two seconds. Figures have thresholds with a lower one for the way back; and a state counts
when it was found as often in a row as `confirmed` says, so that a single odd look changes nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import redis
from django.conf import settings
from django.db import connection
from django.db.models import Sum
from django.template.defaultfilters import pluralize

from monitoring.events import HealthUpdate, SystemStatus
from monitoring.lease import fenced
from monitoring.models import (
    CollectorState,
    Component,
    Forwarder,
    Health,
    NameServerState,
    QueryRollup,
    QuerySource,
    Sample,
)
from monitoring.nameserver import restarting
from monitoring.series import FINEST_S
from realtime import alerts
from realtime.broadcasting import emit
from realtime.events import EventSeverity, EventType
from zones.models import SyncState, Zone
from zones.nameserver.endpoint import endpoint
from zones.nameserver.errors import NameServerError

_WORST_FIRST = (Health.DOWN, Health.DEGRADED, Health.UP, Health.UNKNOWN)
SLOW_DATABASE_MS, SLOW_LAYER_MS = 500.0, 250.0


def worst(states: list[str]) -> str:
    """The state of a whole with parts in these states. What is not known of a part does not decide."""
    return min(states, key=[str(state) for state in _WORST_FIRST].index, default=Health.UNKNOWN.value)


class Finding(msgspec.Struct, frozen=True):
    """How a component was found. evidence: measurements, for those who may see them. planned: somebody wants it so."""

    state: str
    reason: str = ""
    evidence: Mapping[str, Any] = {}
    planned: bool = False


class Threshold(msgspec.Struct, frozen=True):
    """From which value on something is degraded or down; it is better again only `ease` below that."""

    degraded: float
    down: float
    ease: float

    def state(self, value: float, now: str) -> str:
        """The state at `value`, for something that is in state `now`."""
        is_down = value >= self.down - (self.ease if now == Health.DOWN else 0)
        is_degraded = value >= self.degraded - (self.ease if now in (Health.DOWN, Health.DEGRADED) else 0)
        return str(Health.DOWN if is_down else Health.DEGRADED if is_degraded else Health.UP)


DISK = Threshold(85, 95, 3)
MEMORY = Threshold(90, 97, 3)
CPU = Threshold(90, 101, 10)
LATENCY = Threshold(1.0, float("inf"), 0.3)
"""Of what a latency may be, as a share."""


LOST_WITHIN = timedelta(minutes=3)
"""How long queries that did not reach the log are worth a warning."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One component. look: finds how it is, given the state that it is in. alert: the event that announces a bad state;
    `None` where that is told elsewhere."""

    name: str
    title: str
    look: Callable[[str], Finding]
    confirmed: int = 2
    alert: EventType | None = EventType.HEALTH_ALERT


def _by_latency(words: str, latency_ms: float, limit_ms: float, now: str) -> Finding:
    state = LATENCY.state(latency_ms / limit_ms, now)
    return Finding(state, f"{words}, in {latency_ms:.0f} ms", {"latency_ms": round(latency_ms, 1)})


def database(now: str) -> Finding:
    """Whether it answers in time. One that does not answer at all is not told by this, as nothing can be written then."""
    began = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return _by_latency("it answers", 1000 * (time.perf_counter() - began), SLOW_DATABASE_MS, now)


def layer(now: str) -> Finding:
    """Redis, where there are several processes; without it events are found in the log, a second later."""
    if not settings.SITE.redis_url:
        return Finding(Health.UP, "it works within this process")
    began = time.perf_counter()
    try:
        with redis.Redis.from_url(settings.SITE.redis_url, socket_timeout=1, socket_connect_timeout=1) as client:
            client.ping()
    except redis.RedisError as error:
        words = f"Redis cannot be reached: {type(error).__name__}. Events arrive a little later; streams do not"
        return Finding(Health.DOWN, words)
    return _by_latency("Redis answers", 1000 * (time.perf_counter() - began), SLOW_LAYER_MS, now)


def name_server(now: str) -> Finding:
    """As its collector has last seen it."""
    state = NameServerState.objects.first()
    if state is None:
        return Finding(Health.UNKNOWN, "it has not been looked at yet")
    if restarting(state) and now == Health.UP:
        return Finding(now, state.reason)
    if not state.up:
        return Finding(Health.DOWN, state.reason, planned=state.planned)
    return Finding(Health.UP, f"BIND {state.version} answers")


def zones(now: str) -> Finding:
    """Whether the name server serves every zone as people want it."""
    failed = list(Zone.objects.living().filter(sync_state=SyncState.FAILED).values_list("name", flat=True)[:4])
    if not failed:
        return Finding(Health.UP, "no zone has failed to be served")
    names = ", ".join(failed[:3]) + (" and others" if len(failed) > 3 else "")
    return Finding(Health.DEGRADED, f"not served as people want it: {names}")


def forwarders(now: str) -> Finding:
    """All that are switched on; each has its own events and alerts."""
    rows = list(Forwarder.objects.filter(enabled=True).values_list("domain", "state"))
    if not rows:
        return Finding(Health.UP, "there are none")
    bad = [f"{domain} is {state}" for domain, state in rows if state in (Health.DOWN, Health.DEGRADED)]
    state = worst([state for _, state in rows])
    # One that works less well, or one of several that does not work at all: the whole is degraded.
    lowered = Health.DEGRADED.value if state == Health.DOWN and len(bad) < len(rows) else state
    return Finding(lowered, "; ".join(bad) or "all of them answer")


def disk(now: str) -> Finding:
    """The file systems of the data directory and of the name server's logs; of two, the fuller."""
    found = []
    for words, directory in _directories():
        usage = psutil.disk_usage(str(directory))
        free = f"{usage.free / 1024**3:.1f} GiB free, {usage.percent:.0f} % used{words}"
        found.append((usage.percent, free, {"percent": usage.percent, "free": usage.free}))
    percent, free, evidence = max(found, key=lambda each: each[0])
    return Finding(DISK.state(percent, now), free, evidence)


def _directories() -> Iterator[tuple[str, Path]]:
    """One on each file system that the site needs, and what to call it beside the first."""
    yield "", settings.DATA_DIR
    try:
        log_dir = endpoint().log_dir
        if log_dir is not None and log_dir.stat().st_dev != settings.DATA_DIR.stat().st_dev:
            yield " where the name server writes its logs", log_dir
    except (NameServerError, OSError):
        return


def memory(now: str) -> Finding:
    """Of the machine."""
    used = psutil.virtual_memory()
    words = f"{used.available / 1024**3:.1f} GiB available, {used.percent:.0f} % used"
    return Finding(MEMORY.state(used.percent, now), words, {"percent": used.percent})


def processors(now: str) -> Finding:
    """Their load over the last minutes, as it was measured."""
    since = datetime.now(UTC) - timedelta(seconds=180)
    rows = Sample.objects.filter(metric="cpu_percent", step=FINEST_S, at__gte=since)
    pairs = list(rows.values_list("total", "weight"))
    weight = sum(weight for _, weight in pairs)
    if not weight:
        return Finding(Health.UNKNOWN, "not measured yet")
    percent = sum(total for total, _ in pairs) / weight
    return Finding(CPU.state(percent, now), f"{percent:.0f} % busy over three minutes", {"percent": round(percent, 1)})


def monitors(now: str) -> Finding:
    """The collectors themselves."""
    failing = CollectorState.objects.filter(state=CollectorState.State.FAILING).order_by("name")
    said = [f"{row.name}: {row.error}" for row in failing]
    return Finding(Health.DEGRADED, "; ".join(said)) if said else Finding(Health.UP, "all collectors work")


def query_log(now: str) -> Finding:
    """Whether the name server's query log is being followed, and holds what the server was asked."""
    with contextlib.suppress(NameServerError):
        if endpoint().log_dir is None:
            return Finding(Health.UNKNOWN, "it is not followed: DNSADMIN_NAMED_LOG_DIR does not say where it is")
    row = CollectorState.objects.filter(name="query log").first()
    if row is None or row.state == CollectorState.State.STOPPED:
        return Finding(Health.UNKNOWN, "it is not followed")
    if row.state == CollectorState.State.FAILING:
        return Finding(Health.DOWN, row.error)
    source = QuerySource.objects.first()
    if source is not None and source.facts.get("state") == "no_log":
        return Finding(Health.DOWN, source.facts.get("reason", ""))
    since = datetime.now(UTC) - LOST_WITHIN
    minutes = QueryRollup.objects.filter(period=QueryRollup.Period.MINUTE, start__gte=since)
    if lost := minutes.aggregate(lost=Sum("missing"))["lost"]:
        words = (
            f"it lacks {lost} quer{pluralize(lost, 'y,ies')} of the last minutes, which the name server counted: "
            "is it on, and has it room?"
        )
        return Finding(Health.DEGRADED, words, {"missing": lost})
    return Finding(Health.UP, "it is followed")


CHECKS = (
    Check(name="name_server", title="Name server", look=name_server, confirmed=1),
    Check(name="zones", title="Zones served", look=zones, alert=None),
    Check(name="forwarders", title="Forwarders", look=forwarders, confirmed=1, alert=None),
    Check(name="query_log", title="Query log", look=query_log, confirmed=1),
    Check(name="database", title="Database", look=database, alert=EventType.PERFORMANCE_ALERT),
    Check(name="layer", title="Channel layer", look=layer),
    Check(name="monitors", title="Collectors", look=monitors),
    Check(name="disk", title="Disk", look=disk),
    Check(name="memory", title="Memory", look=memory, alert=EventType.PERFORMANCE_ALERT),
    Check(name="processors", title="Processors", look=processors, alert=EventType.PERFORMANCE_ALERT),
)


class HealthWatch:
    """Round after round of looks at every component. States are in the database; doubts live here."""

    def __init__(self, checks: tuple[Check, ...] = CHECKS) -> None:
        self._checks = checks
        self._doubts: dict[str, tuple[str, int]] = {}

    def round(self) -> None:
        """Look at every component once, and tell what has changed."""
        known = {component.name: component for component in Component.objects.all()}
        looked = [(check, self._look(check, known.get(check.name))) for check in self._checks]
        now = datetime.now(UTC)
        with fenced():
            before = worst([component.state for name, component in known.items() if name in self._names])
            components = {
                check.name: self._take(check, finding, known.get(check.name), now) for check, finding in looked
            }
            Component.objects.exclude(name__in=self._names).delete()
            self._tell_whole(before if known else "", list(components.values()))

    @property
    def _names(self) -> set[str]:
        return {check.name for check in self._checks}

    @staticmethod
    def _look(check: Check, known: Component | None) -> Finding:
        try:
            return check.look(known.state if known else Health.UNKNOWN.value)
        except OSError as error:
            return Finding(Health.UNKNOWN, f"it cannot be looked at: {error.strerror or error}")

    def _take(self, check: Check, finding: Finding, known: Component | None, now: datetime) -> Component:
        component = known or Component(name=check.name, since=now, state=Health.UNKNOWN)
        component.looked_at = now
        old, state = component.state, str(finding.state)
        if state == old:
            self._doubts.pop(check.name, None)
            component.reason = finding.reason
        else:
            seen, times = self._doubts.get(check.name, (state, 0))
            times = times + 1 if seen == state else 1
            self._doubts[check.name] = (state, times)
            if times >= check.confirmed or old == Health.UNKNOWN:
                del self._doubts[check.name]
                component.state, component.since, component.reason = state, now, finding.reason
                self._tell(check, component, old, finding)
        component.save()
        return component

    @staticmethod
    def _tell(check: Check, component: Component, old: str, finding: Finding) -> None:
        bad = component.state in (Health.DOWN, Health.DEGRADED)
        serious = component.state == Health.DOWN and not finding.planned
        severity = EventSeverity.CRITICAL if serious else EventSeverity.WARNING if bad else EventSeverity.INFO
        if old != Health.UNKNOWN or bad:
            update = HealthUpdate(
                component=check.name,
                title=check.title,
                old=old,
                new=component.state,
                since=component.since.isoformat(),
                reason=component.reason,
            )
            emit(
                EventType.HEALTH_UPDATE,
                update,
                severity=EventSeverity.ERROR if serious else severity,
            )
        if check.alert is None:
            return
        key = f"health:{check.name}"
        if bad:
            alerts.raise_alert(
                key=key,
                event_type=check.alert,
                severity=severity,
                title=f"{check.title}: {component.state}",
                detail=component.reason,
                evidence=dict(finding.evidence),
            )
        elif component.state == Health.UP:
            alerts.resolve(key, reason=f"{check.title}: {component.reason}")

    @staticmethod
    def _tell_whole(before: str, components: list[Component]) -> None:
        state = worst([component.state for component in components])
        if before and state != before:
            not_up = {each.name: str(each.state) for each in components if each.state != Health.UP}
            bad = state in (Health.DOWN, Health.DEGRADED)
            emit(
                EventType.SYSTEM_STATUS,
                SystemStatus(old=before, new=state, components=not_up),
                severity=EventSeverity.WARNING if bad else EventSeverity.INFO,
            )
