"""Zones of a server that was there before the site: found, shown as they are served, and taken over one by one.

An adopted zone keeps its configuration: the site never adds it to the server nor takes it away. While it is watched its
records only follow the server (`zones.mirroring`); once it is taken over, people change it here, by signed updates.
"""

from __future__ import annotations

import re

import msgspec
from django.db import IntegrityError, transaction

from zones import mirroring
from zones.models import ChangeSet, Zone
from zones.nameserver.comparison import RRsetChange
from zones.nameserver.endpoint import Endpoint, endpoint
from zones.nameserver.errors import BadName, NameServerError, NotHosted, Refused
from zones.nameserver.hosting import checked_name, is_ours, zone_status
from zones.nameserver.includes import written
from zones.nameserver.private import RPZ_ZONES
from zones.nameserver.statistics import fetch
from zones.nameserver.transfer import transfer
from zones.nameserver.updates import update
from zones.plan import note
from zones.refusals import InvalidChange
from zones.rrsets import RRset
from zones.standing import patiently
from zones.validation import Problem

_KINDS = {"primary": "primary", "master": "primary", "secondary": "secondary", "slave": "secondary"}
_PROBE = "_dnsadmin-check"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A zone that the server has and that is not managed here. kind: what it is there."""

    name: str
    kind: str
    serial: int


def found() -> list[Found]:
    """The zones of the server that could be adopted, by name. Raises `NameServerError`, also without a statistics channel,
    which is the only thing that lists zones."""
    where = endpoint()
    ours = set(Zone.objects.filter(hosted=True).values_list("name", flat=True))
    ours |= set(Zone.objects.living().values_list("name", flat=True))
    ours |= set(re.findall(r'\bzone "([^"]+)"', written(where, RPZ_ZONES)))
    there = []
    for view, content in fetch(where, "zones").get("views", {}).items():
        for zone in content.get("zones", ()) if view != "_bind" else ():
            name = zone["name"].lower().removesuffix(".")
            kind = _KINDS.get(zone.get("type", ""))
            if kind and "serial" in zone and name not in ours and _hostable(name):
                there.append(Found(name=name, kind=kind, serial=zone["serial"]))
    return sorted(there, key=lambda each: each.name)


def adopt(name: str) -> Zone:
    """Show a zone of the server here, and follow it. Raises `NameServerError` when it has none, or does not let us
    transfer it, `InvalidChange` when one of that name is managed here."""
    where, plain = endpoint(), checked_name(name)
    if is_ours(where, plain, zone_status(where, plain)):
        raise Refused("ours", f"the zone {plain} was put on the name server by this site; there is nothing to adopt")
    served = transfer(where, plain)
    with transaction.atomic():
        zone = Zone(name=plain, adopted=True, watched=True, hosted=True, serial=served.serial)
        try:
            with transaction.atomic():
                zone.write()
        except IntegrityError as error:
            problem = Problem(code="exists", message=f"there is a zone {plain} here already", field="name")
            raise InvalidChange([problem]) from error
        mirroring.take_over(zone, served, comment="adopted from the name server")
    zone.refresh_from_db()
    return zone


def take_charge(zone: Zone) -> None:
    """From here on the records of a watched zone are changed here. The server is tried first: an update that leaves
    nothing behind. Raises `NameServerError` with what its configuration lacks."""
    where = endpoint()
    with patiently(zone.pk, 20.0) as held:
        _try_updates(where, held)
        mirroring.take_over(held, transfer(where, held.name), comment="as it was when it was taken over")
        _set_watched(held, watched=False)
    zone.refresh_from_db()


def watch(zone: Zone) -> None:
    """Only watch an adopted zone again, as before it was taken over. Raises `InvalidChange` for a zone of our own, or one
    with changes that are not served yet."""
    with patiently(zone.pk, 20.0) as held:
        if not held.adopted:
            raise _problem(
                "not_adopted", f"{held.name} was put on the name server by this site; it is not just watched"
            )
        if ChangeSet.objects.waiting(held).exists():
            raise _problem("waiting", f"changes of {held.name} are not served yet; wait for them, or take them back")
        _set_watched(held, watched=True)
    zone.refresh_from_db()


def _problem(code: str, message: str) -> InvalidChange:
    return InvalidChange([Problem(code=code, message=message, field="watched")])


def _try_updates(where: Endpoint, zone: Zone) -> None:
    status = zone_status(where, zone.name)
    grant = f'update-policy {{ grant "{where.tsig.name}" zonesub any; }};'
    if status.kind != "primary":
        raise Refused("secondary", f"{zone.name} is a {status.kind} zone on the name server; change it at its primary")
    if not status.dynamic:
        raise Refused(
            "not_dynamic",
            f"{zone.name} does not take updates: add “{grant}” to its clause in named.conf, then “rndc reconfig”",
        )
    probe = RRset(_PROBE, "TXT", 60, ('"tried by dnsadmin"',))
    try:
        update(where, zone.name, [RRsetChange(_PROBE, "TXT", None, probe)], timeout_s=3.0)
        update(where, zone.name, [RRsetChange(_PROBE, "TXT", probe, None)], timeout_s=3.0)
    except NotHosted:
        raise
    except NameServerError as error:
        if error.code == "refused":
            raise Refused("refused", f"{error.message}. Add “{grant}” to its clause in named.conf") from error
        raise


def _set_watched(zone: Zone, *, watched: bool) -> None:
    with transaction.atomic():
        present = Zone.objects.get(pk=zone.pk)
        if present.watched == watched:
            return
        present.watched, present.version = watched, present.version + 1
        present.field_changes = [{"field": "watched", "old": not watched, "new": watched}]
        present.write("watched", "version", "updated_at")
        note(present, "only watched" if watched else "taken over", present.field_changes)


def _hostable(name: str) -> bool:
    try:
        checked_name(name)
    except BadName:
        return False
    return True
