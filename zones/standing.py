"""How a zone stands with the name server: held by one process at a time, written down, and told.

What is pushed and compared is decided in `zones.pushing`, `zones.mirroring` and `zones.secondaries`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
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
from zones.models import ChangeSet, SyncState, Zone
from zones.nameserver.comparison import RRsetChange
from zones.nameserver.errors import NameServerError
from zones.rrsets import RRset

logger = logging.getLogger(__name__)

RETRY_S = (1, 2, 4, 5)
"""Waits after failures that pass by themselves, such as a server that is down; the last one for all further ones."""
RETRY_FAILED_S = (5, 10, 20)
"""Waits after failures that somebody has to see to, at the server or here: once they have, it shall not take long."""

DRIFTED = "changed at the name server: "
"""How the error of a zone begins that serves something else than is wanted."""
SHOWN = 50
"""Differences that an event carries, and that are kept with the zone."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A zone as served beside the zone as wanted. changes: what would bring the first to the second.
    waiting: there are change sets still to be pushed, so that differences are to be expected."""

    serial: int
    changes: tuple[RRsetChange, ...]
    waiting: bool


# -- one process at a time -------------------------------------------------------------------------------------------------


@contextmanager
def patiently(pk: int, wait_s: float) -> Iterator[Zone]:
    """Have a zone to oneself, after waiting for another process that pushes it. Raises `NameServerError` (`busy`)."""
    deadline = time.monotonic() + wait_s
    while True:
        with lease(pk) as zone:
            if zone is not None:
                yield zone
                return
        if time.monotonic() > deadline:
            raise NameServerError("busy", "another process is pushing this zone", retry=True)
        time.sleep(0.2)


def lease(pk: int) -> AbstractContextManager[Zone | None]:
    """Have a zone to oneself; `None` when another process has it. Kept up while the block runs, however long."""
    return leases.lease(Zone, pk)


def hold(zone: Zone) -> bool:
    """Lock the zone's row for this transaction. Returns whether the lease is still ours."""
    return bool(Zone.objects.filter(pk=zone.pk, lease=zone.lease).update(lease=zone.lease))


def newer(serial: int, than: int) -> bool:
    """Whether one serial comes after another in the arithmetic of RFC 1982."""
    return 0 < (serial - than) % 2**32 < 2**31


def next_serial(serial: int | None) -> int:
    """For a zone that is new to the server: by date for the first time (RFC 1912, section 2.2), else one more."""
    return int(f"{timezone.now():%Y%m%d}00") if serial is None else (serial % (2**32 - 1)) + 1


# -- what came of it --------------------------------------------------------------------------------------------------------


def record_served(
    zone: Zone, serial: int | None, change_sets: Sequence[int], *, last: bool = False, settled: str = ""
) -> None:
    """Write down and tell that these change sets, or the zone as a whole, are served. last: the zone is done with, and given
    free in the same go. settled: how a drift ended. Where other changes wait or were refused, the zone stands as they do."""
    with transaction.atomic():
        if not hold(zone):
            return  # another process has taken over, and finds out by itself
        ChangeSet.objects.filter(pk__in=change_sets).update(state=SyncState.SERVED, serial=serial, error="")
        drift = None if settled else zone.drift
        left = set(ChangeSet.objects.waiting(zone).values_list("state", flat=True))
        if drift or SyncState.FAILED in left:
            state = SyncState.FAILED
        else:
            state = SyncState.PENDING if left else SyncState.SERVED
        zone.sync_error = zone.sync_error if state is SyncState.FAILED else ""
        Zone.objects.filter(pk=zone.pk).update(
            hosted=True,
            serial=serial,
            sync_state=state,
            sync_error=zone.sync_error,
            synced_at=timezone.now(),
            attempts=0,
            retry_at=None,
            drift=drift,
            **(FREE if last else {}),
        )
        emit(
            EventType.ZONE_SYNCED,
            ZoneSynced(
                zone=zone.name,
                serial=serial,
                change_sets=list(change_sets),
                state=state.value,
                error=zone.sync_error,
                drift=settled,
            ),
            scope=zone.key,
        )


def record_failures(zone: Zone, failures: Mapping[int | None, NameServerError]) -> None:
    """Write down why, when to try again, and tell; the same reason again is not told again."""
    error = next((error for error in failures.values() if error.retry), next(iter(failures.values())))
    state = SyncState.PENDING if error.retry else SyncState.FAILED
    waits = RETRY_S if error.retry else RETRY_FAILED_S
    wait_s = waits[min(zone.attempts, len(waits) - 1)]
    is_news = error.message != zone.sync_error
    if is_news:
        logger.log(logging.INFO if error.retry else logging.WARNING, "%s is not served: %s", zone.name, error)
    with transaction.atomic():
        if not hold(zone):
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
        if is_news:
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


def record_comparison(zone: Zone, comparison: Comparison) -> None:
    """A zone that should be in step was compared: it is (only the serial moved), or somebody changed it at the server."""
    if not comparison.changes:
        if (zone.serial, zone.sync_state) != (comparison.serial, SyncState.SERVED) or zone.drift:
            zone.drift = None
            record_served(zone, comparison.serial, [])
        return
    message = f"{DRIFTED}{named(comparison.changes)}"
    with transaction.atomic():
        if not hold(zone):
            return
        drift = keep_drift(zone, comparison)
        Zone.objects.filter(pk=zone.pk).update(
            serial=comparison.serial, sync_state=SyncState.FAILED, sync_error=message, retry_at=None
        )
        if (zone.serial, zone.sync_error) != (comparison.serial, message):
            emit(EventType.ZONE_DRIFT_DETECTED, drift, scope=zone.key, severity=EventSeverity.WARNING)


def keep_drift(zone: Zone, comparison: Comparison) -> ZoneDrift:
    """Keep with the zone what is served otherwise than wanted, so that people can look at it and decide."""
    drift = ZoneDrift(
        zone=zone.name,
        serial=comparison.serial,
        count=len(comparison.changes),
        differences=[difference(change) for change in comparison.changes[:SHOWN]],
    )
    kept = msgspec.to_builtins(drift) | {"found_at": timezone.now().isoformat(timespec="seconds")}
    Zone.objects.filter(pk=zone.pk, lease=zone.lease).update(drift=kept if comparison.changes else None)
    return drift


def named(changes: Sequence[RRsetChange]) -> str:
    """The first few RRsets in a sentence."""
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return f"{', '.join(f'{change.name} {change.type}' for change in changes[:3])}{more}"


def difference(change: RRsetChange) -> RRsetDifference:
    return RRsetDifference(
        name=change.name, type=change.type, wanted=values(change.after), served=values(change.before)
    )


def values(rrset: RRset | None) -> dict[str, Any] | None:
    return {"ttl": rrset.ttl, "rdata": list(rrset.rdata)} if rrset else None
