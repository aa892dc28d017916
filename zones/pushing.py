"""One zone on its way to the name server: hosted, changed, compared, repaired, always by one process at a time.

The database is what people want, the name server is what is served. What waits for a zone are its change sets, pushed
oldest first. A push may be cut off at any point and done again: what is served already counts as done.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from zones import forwarding, mirroring, secondaries
from zones.models import ChangeSet, Record, SyncState, Zone, ZoneKind
from zones.nameserver.comparison import RRsetChange, differences, same
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import Drifted, NameServerError, NotHosted
from zones.nameserver.hosting import add_zone, delete_zone
from zones.nameserver.transfer import transfer
from zones.nameserver.updates import update
from zones.plan import announce, begin
from zones.refusals import Outdated
from zones.rrsets import RR, RRset, group
from zones.standing import (
    Comparison,
    difference,
    hold,
    keep_drift,
    lease,
    named,
    next_serial,
    patiently,
    record_comparison,
    record_failures,
    record_served,
    values,
)
from zones.zonefile.export import export, soa_first

__all__ = ("Comparison", "accept", "compare", "difference", "examine", "push", "repair")

logger = logging.getLogger(__name__)

TIMEOUT_S = 3.0
"""Seconds that the server may be silent, so that people read why their change is not served before they wonder."""


def push(pk: int) -> NameServerError | None:
    """Bring what waits for one zone to the name server; returns why it did not get there, which is also recorded and
    announced. Does nothing when another process is at it."""
    with lease(pk) as zone:
        return None if zone is None else _push_or_record(zone)


def _push_or_record(zone: Zone) -> NameServerError | None:
    try:
        failures = _push(zone, endpoint())
    except NameServerError as error:
        failures = {None: error}
    if failures:
        record_failures(zone, failures)
    return next(iter(failures.values()), None)


def examine(pk: int) -> None:
    """Look whether a zone that should be in step still is, and record and announce when it is not."""
    with lease(pk) as zone:
        if zone is None or zone.deleted_at or not zone.hosted:
            return
        if zone.mirrored:
            _push_or_record(zone)
            return
        if zone.sync_state != SyncState.SERVED:
            return
        try:
            comparison = compare(zone)
        except NotHosted as error:
            if zone.adopted:
                record_failures(zone, {None: error})
                return
            logger.warning("%s: %s; it is put there again", zone.name, error)
            _host(zone, endpoint())
            return
        if not comparison.waiting:
            record_comparison(zone, comparison)


def compare(zone: Zone) -> Comparison:
    """Fetch the zone as served and set it beside the database. Raises `NameServerError`."""
    served = transfer(endpoint(), zone.name)
    if bool(served.generated) != zone.signed:
        Zone.objects.filter(pk=zone.pk).update(signed=bool(served.generated))
    wanted, waiting = _wanted(zone)
    return Comparison(
        serial=served.serial,
        changes=tuple(differences(served.rrsets, group(wanted), zone.name)),
        waiting=bool(waiting),
    )


def repair(
    pk: int,
    *,
    seen: int | None = None,
    wait_s: float = 20.0,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Make the name server serve exactly what the database says, whatever it serves now, and settle all that waits.

    Returns what was different. seen: the serial that was served when somebody looked at the difference. wait_s: how long to
    wait for another process that pushes the zone. Raises `NameServerError` (`busy` when that takes too long), after recording
    it, and `Outdated` when another serial is served by now.
    """
    with patiently(pk, wait_s) as zone:
        try:
            return _repair(zone, endpoint(), seen, progress)
        except NameServerError as error:
            record_failures(zone, {None: error})
            raise


def accept(pk: int, *, seen: int | None = None, based_on: int | None = None, wait_s: float = 20.0) -> ChangeSet | None:
    """Take what the name server serves into the database, as a change set of whoever acts, and give up what waits to be
    pushed against it. Returns that change set; `None` when there was no difference. seen: as of `repair`. based_on: the
    `newest_change` then, so that no later one is given up unseen.

    Raises `NameServerError` (`busy` when another process pushes the zone for too long), `PermissionDenied`, `Outdated`.
    """
    with patiently(pk, wait_s) as zone:
        served = transfer(endpoint(), zone.name)
        _refuse_unless_seen(zone, served.serial, seen)
        comment = "accepted from the name server"
        return mirroring.take_over(zone, served, comment=comment, settled="accepted", based_on=based_on)


# -- the steps ------------------------------------------------------------------------------------------------------------


def _push(zone: Zone, where: Endpoint) -> Mapping[int | None, NameServerError]:
    """Returns why change sets were not served; `None` stands for the zone as a whole."""
    if zone.deleted_at is not None:
        _leave(zone, where)
        return {}
    if zone.kind != ZoneKind.PRIMARY or zone.watched:
        _settle(zone, where)
        return {}
    if not zone.hosted:
        _host(zone, where)
        return {}
    try:
        failures = _push_change_sets(zone, where)
    except NotHosted as error:
        if zone.adopted:
            raise
        logger.warning("%s: %s; it is put there again", zone.name, error)
        _host(zone, where)
        return {}
    if zone.drift or any(isinstance(failure, Drifted) for failure in failures.values()):
        comparison = compare(zone)
        (keep_drift if failures else record_comparison)(zone, comparison)
    return failures


def _settle(zone: Zone, where: Endpoint) -> None:
    """Bring about what there is to do for a zone whose records are not changed here."""
    if zone.kind == ZoneKind.FORWARD:
        forwarding.apply_all(where)
        record_served(zone, None, [], last=True)
    elif zone.kind == ZoneKind.SECONDARY:
        secondaries.host(zone, where)
    else:
        mirroring.follow(zone, where)


def _push_change_sets(zone: Zone, where: Endpoint) -> dict[int | None, NameServerError]:
    """Oldest first. One that cannot be served holds up those that touch the same names, not the others; they may put right
    what was wrong with it, so in the end they are tried together."""
    failures: dict[int | None, NameServerError] = {}
    stuck: list[list[ChangeSet]] = []  # one that was refused, and those behind it
    sets = list(ChangeSet.objects.waiting(zone))
    for change_set in sets:
        ahead = [those for those in stuck if any(_names(each) & _names(change_set) for each in those)]
        if not ahead:
            try:
                changes = [_rrset_change(entry) for entry in change_set.rrsets]
                serial = update(where, zone.name, changes, timeout_s=TIMEOUT_S)
            except NotHosted:
                raise
            except NameServerError as error:
                failures[change_set.pk] = error
                if error.retry:
                    return failures
            else:
                last = change_set is sets[-1] and not failures and not zone.drift
                record_served(zone, serial, [change_set.pk], last=last)
                continue
        stuck = [those for those in stuck if those not in ahead]
        stuck.append([*itertools.chain(*ahead), change_set])
    for those in stuck:
        serial_together = _push_together(zone, where, those) if len(those) > 1 else None
        if serial_together is not None:
            pks = [each.pk for each in those]
            failures = {pk: error for pk, error in failures.items() if pk not in pks}
            record_served(zone, serial_together, pks)
    if not sets:
        record_served(zone, update(where, zone.name, [], timeout_s=TIMEOUT_S), [])
    return failures


def _push_together(zone: Zone, where: Endpoint, sets: Sequence[ChangeSet]) -> int | None:
    """Bring about what the last of `sets` leads to, of which the first was refused. Returns the serial; `None` when that is
    refused as well, or the name server has what none of them knows of, which is not ours to overwrite."""
    known: dict[tuple[str, str], list[RRset | None]] = {}
    for change in (_rrset_change(entry) for change_set in sets for entry in change_set.rrsets):
        known.setdefault((change.name, change.type), [change.before]).append(change.after)
    try:
        served = {(rrset.name, rrset.type): rrset for rrset in transfer(where, zone.name).rrsets}
        changes = [RRsetChange(*key, served.get(key), states[-1]) for key, states in known.items()]
        for change in changes:
            states = known[change.name, change.type]
            if not any(same(change.before, state, zone.name, ttl=False) for state in states):
                return None
        return update(where, zone.name, changes, timeout_s=TIMEOUT_S)
    except NameServerError as error:
        logger.info("%s: what was refused is not put right by what came after it: %s", zone.name, error)
        return None


def _host(zone: Zone, where: Endpoint) -> int:
    """Put the whole zone on the server, as it is wanted now, with all that waits for it. Returns the serial."""
    wanted, waiting = _wanted(zone)
    serial = next_serial(zone.serial)
    try:
        text = "".join(export(zone.name, serial, soa_first(wanted)))
    except ValueError as error:
        raise NameServerError("bad_zone", str(error)) from error
    if not add_zone(where, zone.name, text):
        # We have put it there before, and did not get to writing that down.
        served = transfer(where, zone.name).rrsets
        serial = update(where, zone.name, differences(served, group(wanted), zone.name))
    record_served(zone, serial, waiting, last=True)
    return serial


def _leave(zone: Zone, where: Endpoint) -> None:
    """Take a deleted zone from the server."""
    if zone.kind == ZoneKind.FORWARD:
        forwarding.apply_all(where)
    elif (zone.hosted or zone.kind == ZoneKind.SECONDARY) and not zone.adopted:
        delete_zone(where, zone.name)
    with transaction.atomic():
        if hold(zone):
            ChangeSet.objects.waiting(zone).update(
                state=SyncState.FAILED, error="the zone was deleted before this was served"
            )
            Zone.objects.filter(pk=zone.pk).update(
                hosted=False, sync_state=SyncState.SERVED, sync_error="", synced_at=timezone.now(), attempts=0
            )


def _refuse_unless_seen(zone: Zone, serial: int, seen: int | None) -> None:
    """What somebody changed at the server after the difference was shown is neither accepted nor overwritten unseen: it is
    shown, too."""
    if seen in (None, serial):
        return
    comparison = compare(zone)
    (keep_drift if comparison.waiting else record_comparison)(zone, comparison)
    raise Outdated(zone.name, "somebody at the name server")


def _repair(zone: Zone, where: Endpoint, seen: int | None, progress: Callable[[int, int], None] | None) -> Comparison:
    if not zone.writable:
        _settle(zone, where)
        return Comparison(serial=zone.serial or 0, changes=(), waiting=False)
    try:
        served = transfer(where, zone.name) if zone.hosted else None
    except NotHosted:
        if zone.adopted:
            raise
        served = None
    if served is None:
        return Comparison(serial=_host(zone, where), changes=(), waiting=False)
    _refuse_unless_seen(zone, served.serial, seen)
    wanted, waiting = _wanted(zone)
    changes = differences(served.rrsets, group(wanted), zone.name)
    serial = update(where, zone.name, changes, timeout_s=TIMEOUT_S, progress=progress) if changes else served.serial
    with transaction.atomic():
        zone.drift, had_drifted = None, zone.drift is not None
        overwritten = _note_overwritten(zone, changes, serial) if changes and (had_drifted or not waiting) else []
        settled = "overwritten" if overwritten else ""
        record_served(zone, serial, [*waiting, *overwritten], settled=settled)
    return Comparison(serial=serial, changes=tuple(changes), waiting=bool(waiting))


def _note_overwritten(zone: Zone, changes: Sequence[RRsetChange], serial: int) -> list[int]:
    """Keep in the history what somebody had changed at the server and is gone there now. Returns the id of the entry."""
    rrsets = [
        {"name": change.name, "type": change.type, "before": values(change.before), "after": values(change.after)}
        for change in changes
    ]
    made = begin(zone, f"overwritten at the name server: {named(changes)}", rrsets, served=True)
    announce(made, created=0, updated=0, deleted=0, announced=True)
    return [made.pk]


def _wanted(zone: Zone) -> tuple[list[RR], list[int]]:
    """The records of a zone and the change sets that wait, as of one moment: whoever changes the zone waits for its row."""
    with transaction.atomic():
        hold(zone)
        waiting = ChangeSet.objects.waiting(zone).values_list("pk", flat=True)
        records = Record.rows.filter(zone=zone).values_list("name", "type", "ttl", "content")
        return [RR(*values) for values in records.iterator()], list(waiting)


def _names(change_set: ChangeSet) -> set[str]:
    return {entry["name"] for entry in change_set.rrsets}


def _rrset_change(entry: Mapping[str, Any]) -> RRsetChange:
    """An entry of `ChangeSet.rrsets` as a change."""
    name, kind = entry["name"], entry["type"]
    before, after = (
        RRset(name, kind, side["ttl"], tuple(side["rdata"])) if side else None
        for side in (entry["before"], entry["after"])
    )
    return RRsetChange(name, kind, before, after)
