"""One zone on its way to the name server: hosted, changed, compared, repaired, always by one process at a time.

The database is what people want, the name server is what is served. What waits for a zone are its change sets, pushed
oldest first. A push may be cut off at any point and done again: what is served already counts as done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import msgspec
from django.db import transaction
from django.utils import timezone

from realtime.broadcasting import emit
from realtime.events import EventSeverity, EventType
from zones import leases
from zones.events import RRsetDifference, ZoneDrift, ZoneSynced, ZoneSyncFailed
from zones.leases import FREE
from zones.models import ChangeSet, Record, SyncState, Zone, ZoneKind
from zones.nameserver.comparison import RRsetChange, differences
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import NameServerError, NotHosted
from zones.nameserver.hosting import add_zone, delete_zone
from zones.nameserver.transfer import transfer
from zones.nameserver.updates import update
from zones.rrsets import RR, RRset, group
from zones.zonefile.export import export, in_file_order

logger = logging.getLogger(__name__)

RETRY_S = (1, 2, 4, 5)
"""Waits after failures that pass by themselves, such as a server that is down; the last one for all further ones."""
RETRY_FAILED_S = (30, 60, 120, 300, 600)
"""Waits after failures that somebody has to see to, at the server or here."""

TIMEOUT_S = 5.0
DRIFTED = "changed at the name server: "
"""How the error of a zone begins that serves something else than is wanted."""

WAITING = (SyncState.PENDING, SyncState.PUSHING, SyncState.FAILED)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A zone as served beside the zone as wanted. changes: what would bring the first to the second.
    waiting: there are change sets still to be pushed, so that differences are to be expected."""

    serial: int
    changes: tuple[RRsetChange, ...]
    waiting: bool


def push(pk: int) -> NameServerError | None:
    """Bring what waits for one zone to the name server; returns why it did not get there, which is also recorded and
    announced. Does nothing when another process is at it."""
    with lease(pk) as zone:
        if zone is None:
            return None
        try:
            failures = _push(zone, endpoint())
        except NameServerError as error:
            failures = {None: error}
        if failures:
            _record_failures(zone, failures)
        return next(iter(failures.values()), None)


def examine(pk: int) -> None:
    """Look whether a zone that should be in step still is, and record and announce when it is not."""
    with lease(pk) as zone:
        if zone is None or zone.deleted_at or not zone.hosted or zone.sync_state != SyncState.SERVED:
            return
        try:
            comparison = compare(zone)
        except NotHosted as error:
            logger.warning("%s: %s; it is put there again", zone.name, error)
            _host(zone, endpoint())
            return
        if not comparison.waiting:
            _record_comparison(zone, comparison)


def compare(zone: Zone) -> Comparison:
    """Fetch the zone as served and set it beside the database. Raises `NameServerError`."""
    served = transfer(endpoint(), zone.name)
    wanted, waiting = _wanted(zone)
    return Comparison(
        serial=served.serial,
        changes=tuple(differences(served.rrsets, group(wanted), zone.name)),
        waiting=bool(waiting),
    )


def repair(pk: int, *, wait_s: float = 20.0, progress: Callable[[int, int], None] | None = None) -> Comparison:
    """Make the name server serve exactly what the database says, whatever it serves now, and settle all that waits.

    Returns what was different. wait_s: how long to wait for another process that pushes the zone.
    Raises `NameServerError` (`busy` when that takes too long), after recording it.
    """
    deadline = time.monotonic() + wait_s
    while True:
        with lease(pk) as zone:
            if zone is not None:
                try:
                    return _repair(zone, endpoint(), progress)
                except NameServerError as error:
                    _record_failures(zone, {None: error})
                    raise
        if time.monotonic() > deadline:
            raise NameServerError("busy", "another process is pushing this zone", retry=True)
        time.sleep(0.2)


def lease(pk: int) -> AbstractContextManager[Zone | None]:
    """Have a zone to oneself; `None` when another process has it. Kept up while the block runs, however long."""
    return leases.lease(Zone, pk)


# -- the steps ------------------------------------------------------------------------------------------------------------


def _push(zone: Zone, where: Endpoint) -> Mapping[int | None, NameServerError]:
    """Returns why change sets were not served; `None` stands for the zone as a whole."""
    if zone.deleted_at is not None:
        _leave(zone, where)
        return {}
    _refuse_unless_primary(zone)
    if not zone.hosted:
        _host(zone, where)
        return {}
    try:
        failures = _push_change_sets(zone, where)
    except NotHosted as error:
        logger.warning("%s: %s; it is put there again", zone.name, error)
        _host(zone, where)
        return {}
    if not failures and _has_drifted(zone):
        _record_comparison(zone, compare(zone))
    return failures


def _push_change_sets(zone: Zone, where: Endpoint) -> dict[int | None, NameServerError]:
    """Oldest first. One that cannot be served holds up those that touch the same names, not the others."""
    failures: dict[int | None, NameServerError] = {}
    held_up: set[str] = set()
    sets = list(ChangeSet.objects.filter(zone=zone, state__in=WAITING).order_by("id"))
    for change_set in sets:
        changes = [_rrset_change(entry) for entry in change_set.rrsets]
        names = {change.name for change in changes}
        if names & held_up:
            held_up |= names
            continue
        try:
            serial = update(where, zone.name, changes, timeout_s=TIMEOUT_S)
        except NotHosted:
            raise
        except NameServerError as error:
            failures[change_set.pk] = error
            if error.retry:
                break
            held_up |= names
        else:
            last = change_set is sets[-1] and not failures and not _has_drifted(zone)
            _record_served(zone, serial, [change_set.pk], last=last)
    if not sets:
        _record_served(zone, update(where, zone.name, [], timeout_s=TIMEOUT_S), [])
    return failures


def _host(zone: Zone, where: Endpoint) -> int:
    """Put the whole zone on the server, as it is wanted now, with all that waits for it. Returns the serial."""
    wanted, waiting = _wanted(zone)
    serial = _next_serial(zone.serial)
    try:
        text = "".join(export(zone.name, serial, in_file_order(wanted)))
    except ValueError as error:
        raise NameServerError("bad_zone", str(error)) from error
    if not add_zone(where, zone.name, text):
        # We have put it there before, and did not get to writing that down.
        served = transfer(where, zone.name).rrsets
        serial = update(where, zone.name, differences(served, group(wanted), zone.name))
    _record_served(zone, serial, waiting, last=True)
    return serial


def _leave(zone: Zone, where: Endpoint) -> None:
    """Take a deleted zone from the server."""
    if zone.hosted:
        delete_zone(where, zone.name)
    with transaction.atomic():
        if _hold(zone):
            ChangeSet.objects.filter(zone=zone, state__in=WAITING).update(
                state=SyncState.FAILED, error="the zone was deleted before this was served"
            )
            Zone.objects.filter(pk=zone.pk).update(
                hosted=False, sync_state=SyncState.SERVED, sync_error="", synced_at=timezone.now(), attempts=0
            )


def _repair(zone: Zone, where: Endpoint, progress: Callable[[int, int], None] | None) -> Comparison:
    _refuse_unless_primary(zone)
    try:
        served = transfer(where, zone.name) if zone.hosted else None
    except NotHosted:
        served = None
    if served is None:
        return Comparison(serial=_host(zone, where), changes=(), waiting=False)
    wanted, waiting = _wanted(zone)
    changes = differences(served.rrsets, group(wanted), zone.name)
    serial = update(where, zone.name, changes, timeout_s=TIMEOUT_S, progress=progress) if changes else served.serial
    _record_served(zone, serial, waiting)
    return Comparison(serial=serial, changes=tuple(changes), waiting=bool(waiting))


def _refuse_unless_primary(zone: Zone) -> None:
    if zone.kind != ZoneKind.PRIMARY:
        raise NameServerError("not_supported", f"zones of the kind “{zone.kind}” are not put on the name server yet")


def _wanted(zone: Zone) -> tuple[list[RR], list[int]]:
    """The records of a zone and the change sets that wait, as of one moment: whoever changes the zone waits for its row."""
    with transaction.atomic():
        _hold(zone)
        waiting = ChangeSet.objects.filter(zone=zone, state__in=WAITING).order_by("id").values_list("pk", flat=True)
        records = Record.rows.filter(zone=zone).values_list("name", "type", "ttl", "content")
        return [RR(*values) for values in records.iterator()], list(waiting)


def _has_drifted(zone: Zone) -> bool:
    return zone.sync_error.startswith(DRIFTED)


def _hold(zone: Zone) -> bool:
    """Lock the zone's row for this transaction. Returns whether the lease is still ours."""
    return bool(Zone.objects.filter(pk=zone.pk, lease=zone.lease).update(lease=zone.lease))


def _next_serial(serial: int | None) -> int:
    """For a zone that is new to the server: by date for the first time (RFC 1912, section 2.2), else one more."""
    return int(f"{timezone.now():%Y%m%d}00") if serial is None else (serial % (2**32 - 1)) + 1


# -- what came of it --------------------------------------------------------------------------------------------------------


def _record_served(zone: Zone, serial: int, change_sets: Sequence[int], *, last: bool = False) -> None:
    """last: the zone is done with, and given free in the same go."""
    with transaction.atomic():
        if not _hold(zone):
            return  # another process has taken over, and finds out by itself
        ChangeSet.objects.filter(pk__in=change_sets).update(state=SyncState.SERVED, serial=serial, error="")
        waiting = ChangeSet.objects.filter(zone=zone, state__in=WAITING).exists()
        state = SyncState.PENDING if waiting else SyncState.SERVED
        Zone.objects.filter(pk=zone.pk).update(
            hosted=True,
            serial=serial,
            sync_state=state,
            sync_error="",
            synced_at=timezone.now(),
            attempts=0,
            retry_at=None,
            **(FREE if last else {}),
        )
        emit(
            EventType.ZONE_SYNCED,
            ZoneSynced(zone=zone.name, serial=serial, change_sets=list(change_sets), state=state.value),
            scope=zone.key,
        )


def _record_failures(zone: Zone, failures: Mapping[int | None, NameServerError]) -> None:
    """Write down why, when to try again, and tell; the same reason again is not told again."""
    error = next((error for error in failures.values() if error.retry), next(iter(failures.values())))
    state = SyncState.PENDING if error.retry else SyncState.FAILED
    waits = RETRY_S if error.retry else RETRY_FAILED_S
    wait_s = waits[min(zone.attempts, len(waits) - 1)]
    logger.log(logging.INFO if error.retry else logging.WARNING, "%s is not served: %s", zone.name, error)
    with transaction.atomic():
        if not _hold(zone):
            return
        for pk, reason in failures.items():
            if pk is not None:
                ChangeSet.objects.filter(pk=pk).update(
                    state=SyncState.PENDING if reason.retry else SyncState.FAILED, error=reason.message
                )
        Zone.objects.filter(pk=zone.pk).update(
            sync_state=state,
            sync_error=error.message,
            attempts=zone.attempts + 1,
            retry_at=timezone.now() + timedelta(seconds=wait_s),
        )
        if error.message != zone.sync_error:
            emit(
                EventType.ZONE_SYNC_FAILED,
                ZoneSyncFailed(
                    zone=zone.name,
                    error=error.message,
                    code=error.code,
                    retrying=error.retry,
                    state=state.value,
                    change_sets=[pk for pk in failures if pk is not None],
                ),
                scope=zone.key,
                severity=EventSeverity.WARNING if error.retry else EventSeverity.ERROR,
            )


def _record_comparison(zone: Zone, comparison: Comparison) -> None:
    """A zone that should be in step was compared: it is (only the serial moved), or somebody changed it at the server."""
    if not comparison.changes:
        if (zone.serial, zone.sync_state) != (comparison.serial, SyncState.SERVED):
            _record_served(zone, comparison.serial, [])
        return
    named = ", ".join(f"{change.name} {change.type}" for change in comparison.changes[:3])
    more = f" and {len(comparison.changes) - 3} more" if len(comparison.changes) > 3 else ""
    message = f"{DRIFTED}{named}{more}"
    with transaction.atomic():
        if not _hold(zone):
            return
        Zone.objects.filter(pk=zone.pk).update(
            serial=comparison.serial, sync_state=SyncState.FAILED, sync_error=message, retry_at=None
        )
        if (zone.serial, zone.sync_error) != (comparison.serial, message):
            emit(
                EventType.ZONE_DRIFT_DETECTED,
                ZoneDrift(
                    zone=zone.name,
                    serial=comparison.serial,
                    count=len(comparison.changes),
                    differences=[_difference(change) for change in comparison.changes[:50]],
                ),
                scope=zone.key,
                severity=EventSeverity.WARNING,
            )


def _difference(change: RRsetChange) -> RRsetDifference:
    return RRsetDifference(
        name=change.name, type=change.type, wanted=_values(change.after), served=_values(change.before)
    )


def _values(rrset: RRset | None) -> dict[str, Any] | None:
    return {"ttl": rrset.ttl, "rdata": list(rrset.rdata)} if rrset else None


def _rrset_change(entry: Mapping[str, Any]) -> RRsetChange:
    """An entry of `ChangeSet.rrsets` as a change."""
    name, kind = entry["name"], entry["type"]
    before, after = (
        RRset(name, kind, side["ttl"], tuple(side["rdata"])) if side else None
        for side in (entry["before"], entry["after"])
    )
    return RRsetChange(name, kind, before, after)
