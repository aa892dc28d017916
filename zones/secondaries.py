"""Secondary zones: fetched by the name server from their primaries, shown here with how the copy stands.

`Zone.transfer`: `{serial, primaries: [{server, serial, error}], expires, refresh, checked_at}`; serial: of the copy, null
while there is none; expires, refresh: as `named` says when the copy ends and when it asks next.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from zones import mirroring, transfer_keys
from zones.models import SyncState, Zone
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.errors import NameServerError, NotHosted
from zones.nameserver.hosting import add_secondary, zone_status
from zones.nameserver.peers import Peer, peers, serial_at
from zones.nameserver.rndc import Rndc
from zones.nameserver.transfer import refuses_transfer
from zones.standing import newer


def host(zone: Zone, where: Endpoint) -> None:
    """Make the server fetch a zone that one has to oneself, as it is wanted now, and look how its copy stands.

    Raises `NameServerError` while there is no copy, or an older one than a primary has: with the reason, as far as it shows.
    """
    primaries = peers(zone.servers)
    if not zone.hosted:
        transfer_keys.apply_all(where)
        add_secondary(where, zone.name, primaries)
        Zone.objects.filter(pk=zone.pk).update(hosted=True)
    look(zone, where, primaries)


def look(zone: Zone, where: Endpoint, primaries: tuple[Peer, ...]) -> None:
    """How the copy stands beside its primaries, written down; newer records are shown here. Raises as `host` does."""
    try:
        status = zone_status(where, zone.name)
    except NotHosted:
        Zone.objects.filter(pk=zone.pk).update(hosted=False)
        raise
    seen = [_asked(primary, zone.name) for primary in primaries]
    state = {
        "serial": status.serial,
        "primaries": seen,
        "expires": status.expires,
        "refresh": status.refresh,
        "checked_at": timezone.now().isoformat(timespec="seconds"),
    }
    _tell(zone, state)
    if status.serial is not None and (status.serial != zone.serial or zone.sync_state != SyncState.SERVED):
        mirroring.follow(zone, where)
        zone.serial = status.serial
    if trouble := _trouble(zone, status.serial, primaries, seen):
        if any(one["serial"] is not None for one in seen):
            Rndc(where).call(f'refresh "{zone.name}"')  # now, instead of when its timers say so
        raise NameServerError("not_transferred", trouble, retry=True)


def _tell(zone: Zone, state: dict[str, Any]) -> None:
    """Write down how a copy stands, and tell it where a primary has stopped to answer, or does again."""
    before, now = (
        {one["server"]: one["error"] for one in each.get("primaries", ())} for each in (zone.transfer or {}, state)
    )
    turned = [server for server, error in now.items() if server in before and bool(before[server]) != bool(error)]
    with transaction.atomic():
        Zone.objects.filter(pk=zone.pk).update(transfer=state)
        if turned:
            present = Zone.objects.get(pk=zone.pk)
            present.field_changes = [
                {"field": f"primary {server}", "old": before[server] or "answers", "new": now[server] or "answers"}
                for server in turned
            ]
            present.write("transfer")


def _asked(primary: Peer, zone: str) -> dict[str, Any]:
    try:
        serial: int | None = serial_at(primary, zone, transfer_keys.known(primary.key))
        error = ""
    except NameServerError as problem:
        serial, error = None, problem.message
    return {"server": str(primary), "serial": serial, "error": error}


def _trouble(zone: Zone, copy: int | None, primaries: tuple[Peer, ...], seen: list[dict[str, Any]]) -> str:
    """What is wrong with the copy, in words; empty when it is as new as the newest primary that answers.

    A copy that is served goes on being served while no primary answers, until it expires.
    """
    for primary, one in zip(primaries, seen, strict=True):
        serial = one["serial"]
        if serial is None or (copy is not None and not newer(serial, copy)):
            continue
        stands = "no copy has come yet" if copy is None else f"the copy is at serial {copy}"
        refusal = refuses_transfer(primary, transfer_keys.known(primary.key), zone.name)
        return f"{stands}, {primary} is at {serial}: {refusal or 'the transfer is under way'}"
    if copy is None:
        return f"no copy has come yet: {'; '.join(one['error'] for one in seen)}"
    return ""
