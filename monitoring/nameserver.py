"""The name server over time: one collector asks it, and tells starts, stops, reloads, changes and figures.

What was last seen is a row, so that another process goes on where this one ended: nothing is told or counted twice, and
what was counted meanwhile is not lost. Figures are kept in spans of ten seconds; the one that is running travels with
each status, so that a chart can draw it before the database has it. The status is streamed at every look, also when
nothing has changed: that it comes is how a page knows that somebody looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.db import transaction

from monitoring import series
from monitoring.events import BindConfigChange, BindReload, BindStatus, ServiceEvent
from monitoring.lease import fenced
from monitoring.models import NameServerState
from monitoring.series import Measured, count, gauge
from realtime.actors import acting
from realtime.broadcasting import emit, stream
from realtime.events import EventSeverity, EventType
from zones.events import FieldChange
from zones.nameserver import control
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import NameServerError
from zones.nameserver.statistics import figures

SERVICE = "named"
TIMES_ASKED = 2
"""How often it is asked before its silence counts as down; one that refuses the connection is down at once."""
ASKED_WITHIN = timedelta(seconds=60)
"""A start, stop or reload so soon after somebody asked for it is theirs."""
LONGEST_GAP = timedelta(days=1)
TIMEOUT_S = 1.25
"""Of one answer. Together with the interval of two seconds, one that hangs is told within five."""
ENDS = ("stop", "restart")
STARTS = ("start", "restart")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a server that answers. counters: empty without a statistics channel."""

    at: datetime
    version: str
    booted_at: datetime
    configured_at: datetime
    facts: Mapping[str, Any]
    counters: Mapping[str, int]
    gauges: Mapping[str, Measured]


class NameServerWatch:
    """Looks at the name server, round by round."""

    def __init__(self) -> None:
        self._latest: Seen | None = None

    def round(self) -> None:
        """Look once, and tell what is different. Takes as long as the server takes to answer, some seconds at most."""
        try:
            where = endpoint()
            seen = _look_again(where)
        except NameServerError as error:
            self._unanswered(error)
        else:
            self._answered(where, seen)

    def _unanswered(self, error: NameServerError) -> None:
        now = datetime.now(UTC)
        with fenced():
            state = _state(now)
            if state.up or not state.reason:
                was_up, state.up, state.since = state.up, False, now
                purpose = _purpose(state)
                state.planned, state.reason = bool(purpose), purpose or error.message
                state.facts = {}
                self._keep_the_last(state)
                state.save()
                if was_up:
                    _tell_end(state, now, state.reason, planned=state.planned)
        status = BindStatus(at=now.isoformat(), up=False, since=state.since.isoformat(), reason=state.reason)
        stream(EventType.BIND_STATUS_UPDATE, status)

    def _answered(self, where: Endpoint, seen: Seen) -> None:
        with fenced():
            state = _state(seen.at)
            changed = self._told_of_life(where, state, seen)
            bucket, finished = self._counted(state, seen)
            if changed or finished:
                state.version, state.facts = seen.version, dict(seen.facts)
                state.booted_at, state.configured_at = seen.booted_at, seen.configured_at
                state.save()
        status = BindStatus(
            at=seen.at.isoformat(),
            up=True,
            since=state.since.isoformat(),
            version=seen.version,
            uptime_s=round((seen.at - seen.booted_at).total_seconds(), 1),
            zones=seen.facts["zones"],
            rates=self._rates(seen),
            bucket=bucket,
        )
        stream(EventType.BIND_STATUS_UPDATE, status)

    def _told_of_life(self, where: Endpoint, state: NameServerState, seen: Seen) -> bool:
        """Events for what happened since the look before, in the transaction that remembers it. Whether anything did."""
        restarted = state.booted_at != seen.booted_at
        came_up = restarted or not state.up
        if came_up:
            if restarted and state.up:
                purpose = _purpose(state)
                _tell_end(state, seen.booted_at, purpose or "it ended, and was started again", planned=bool(purpose))
            at = seen.booted_at if restarted else seen.at
            state.up, state.since, state.reason, state.planned = True, at, "", False
            with _asked(state, STARTS):
                emit(
                    EventType.SERVICE_STARTED,
                    ServiceEvent(service=SERVICE, at=at.isoformat(), version=seen.version),
                )
        read_anew = restarted or state.configured_at != seen.configured_at
        if read_anew:
            changes = self._configuration_changes(where, state)
            with _asked(state, ("reload", "reconfig")):
                if not restarted:
                    event = BindReload(at=seen.configured_at.isoformat(), version=seen.version, changed=len(changes))
                    emit(EventType.BIND_RELOAD, event)
                if changes:
                    emit(
                        EventType.BIND_CONFIG_CHANGE,
                        BindConfigChange(at=seen.configured_at.isoformat(), changes=changes),
                    )
        if came_up:
            state.asked_for = ""  # that is done: whatever happens to it next, nobody has asked for
        return came_up or read_anew

    def _configuration_changes(self, where: Endpoint, state: NameServerState) -> list[FieldChange]:
        try:
            now = control.configuration(where)
        except NameServerError:
            return []  # it runs with something that cannot be read any more; the next reload will say so
        before, state.configuration = state.configuration, dict(now) if now is not None else None
        if before is None or now is None:
            return []
        return [
            FieldChange(field=name, old=before.get(name), new=now.get(name))
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        ]

    def _counted(self, state: NameServerState, seen: Seen) -> tuple[dict[str, Any] | None, bool]:
        """The running span, and whether it is finished and kept. In the transaction that remembers what was counted."""
        if not seen.counters:
            return None, False
        if state.booted_at != seen.booted_at:
            self._keep_the_last(state)
            state.counters, state.counted_at = {}, max(state.counted_at or seen.booted_at, seen.booted_at)
        start, totals = _since(state, seen)
        weight = (seen.at - start).total_seconds()
        bucket = {
            "at": series.begin(start, series.FINEST_S).isoformat(),
            "step": series.FINEST_S,
            "weight": round(weight, 3),
            "totals": totals,
        }
        finished = series.begin(start, series.FINEST_S) != series.begin(seen.at, series.FINEST_S) or weight <= 0
        if finished:
            _keep(state, seen)
            series.record(seen.gauges, seen.at)
        return (bucket if weight > 0 else None), finished

    def _keep_the_last(self, state: NameServerState) -> None:
        """The server has ended: what it had counted by the last look is kept, for the time until then."""
        latest, self._latest = self._latest, None
        counted_at = state.counted_at
        if latest is None or counted_at is None or latest.at <= counted_at:
            return  # or another process has counted since
        if latest.counters and latest.booted_at == state.booted_at:
            _keep(state, latest)

    def _rates(self, seen: Seen) -> dict[str, float]:
        now, before = seen.at, self._latest
        self._latest = seen
        if before is None or before.booted_at != seen.booted_at or now <= before.at:
            return {}
        seconds = (now - before.at).total_seconds()
        return {
            name: round(max(0, number - before.counters.get(name, 0)) / seconds, 2)
            for name, number in seen.counters.items()
        }


def _look_again(where: Endpoint) -> Seen:
    """Look, and once more at one that does not answer in time: it may be busy for a moment."""
    for _ in range(TIMES_ASKED - 1):
        try:
            return look(where)
        except NameServerError as error:
            if error.code != "timed_out":
                raise
    return look(where)


def look(where: Endpoint) -> Seen:
    """Ask the control channel and, where there is one, the statistics channel. Raises `NameServerError`."""
    status = control.status(where, timeout_s=TIMEOUT_S)
    facts = {
        "zones": status.zones,
        "recursive_clients": status.recursive_clients,
        "transfers": status.transfers,
        "query_log": status.query_log,
        "private": where.private,
    }
    if not where.statistics_url:
        return Seen(
            at=datetime.now(UTC),
            version=status.version,
            booted_at=status.booted_at,
            configured_at=status.configured_at,
            facts=facts,
            counters={},
            gauges={},
        )
    found = figures(where, timeout_s=TIMEOUT_S)
    return Seen(
        at=datetime.now(UTC),
        version=found.version,
        booted_at=found.booted_at,
        configured_at=found.configured_at,
        facts=facts,
        counters=found.counters,
        gauges={
            "cache_memory": gauge(found.cache_memory),
            "named_in_use": gauge(found.in_use),
            "recursive_clients": gauge(status.recursive_clients),
        },
    )


def _since(state: NameServerState, seen: Seen) -> tuple[datetime, dict[str, int]]:
    """From when on the server has not been counted, and how much it has counted since."""
    start, before = state.counted_at, state.counters or {}
    if start is None or not timedelta() <= seen.at - start <= LONGEST_GAP:
        return seen.at, dict.fromkeys(seen.counters, 0)
    totals = {name: number - before.get(name, 0) for name, number in seen.counters.items()}
    if any(number < 0 for number in totals.values()):  # counters were set back, and we cannot know when
        return seen.at, dict.fromkeys(seen.counters, 0)
    return start, totals


def _keep(state: NameServerState, seen: Seen) -> None:
    """Put what was counted since the last time into the series, and remember that in `state` (not yet saved)."""
    start, totals = _since(state, seen)
    if (weight := (seen.at - start).total_seconds()) > 0:
        series.record({name: count(number, weight) for name, number in totals.items()}, start)
    state.counters, state.counted_at = dict(seen.counters), seen.at


def ask(user: Any, action: control.Action) -> None:
    """Start, stop or reload the name server on behalf of `user`; the collector tells when it has happened, and by whom.

    Raises what `control.act` raises.
    """
    now = datetime.now(UTC)
    with transaction.atomic():
        state = _state(now)
        state.asked_by, state.asked_for, state.asked_at = user.pk, action, now
        state.save(update_fields=["asked_by", "asked_for", "asked_at"] if state.pk else None)
    control.act(endpoint(), action)


def _state(now: datetime) -> NameServerState:
    """The one row; a new one, not yet saved, before the first look."""
    return NameServerState.objects.select_for_update().first() or NameServerState(since=now)


def _asked_lately(state: NameServerState, actions: tuple[str, ...]) -> Any:
    """The user who has just asked for one of these, or nobody."""
    if not state.asked_by or not state.asked_at or state.asked_for not in actions:
        return None
    if datetime.now(UTC) - state.asked_at >= ASKED_WITHIN:
        return None
    return get_user_model().objects.filter(pk=state.asked_by).first()


def _asked(state: NameServerState, actions: tuple[str, ...]) -> Any:
    """The actor of what happened: whoever has just asked for it, or the system."""
    user = _asked_lately(state, actions)
    return acting(user, origin="page" if user else "system")


def _tell_end(state: NameServerState, at: datetime, reason: str, *, planned: bool) -> None:
    with _asked(state, ENDS):
        event = ServiceEvent(service=SERVICE, at=at.isoformat(), reason=reason, version=state.version)
        emit(EventType.SERVICE_STOPPED, event, severity=EventSeverity.INFO if planned else EventSeverity.ERROR)


def _purpose(state: NameServerState) -> str:
    """Why the server that was last seen has ended, if that was wanted; empty if it was not."""
    if user := _asked_lately(state, ("restart",)):
        return f"restarted by {user.get_username()}"
    try:
        where = endpoint()
    except NameServerError:
        return ""
    if control.is_held(where):
        return "it was stopped on purpose"
    ended_at = control.ended_by_us_at(where)
    return "the site stopped it" if ended_at and state.booted_at and ended_at >= state.booted_at else ""


def restarting(state: NameServerState) -> bool:
    """Whether it is away for a moment, because somebody has just asked for that."""
    return not state.up and state.planned and _asked_lately(state, ("restart",)) is not None
