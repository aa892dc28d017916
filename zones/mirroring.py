"""Zones whose records come from the name server: shown here as it serves them, with every change there as activity.

Those are secondary zones, and zones of an existing server that are only watched so far.
"""

from __future__ import annotations

import msgspec
from django.db import transaction

from realtime.actors import acting
from zones.changes import change_set
from zones.models import ChangeSet, Zone
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.transfer import Transfer, transfer
from zones.standing import hold, record_served

ORIGIN = "nameserver"
"""Of change sets that nobody made here."""


def follow(zone: Zone, where: Endpoint) -> None:
    """Bring the database to what the server serves of a zone that one has to oneself. Raises `NameServerError`."""
    served = transfer(where, zone.name)
    with acting(None, origin=ORIGIN):
        take_over(zone, served, comment="changed at the name server")


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """A change set that waits to be pushed. rrsets: its names and types, as `www A`."""

    change_set: int
    author: str
    comment: str
    rrsets: list[str]


def given_up(zone: Zone) -> list[GivenUp]:
    """What `take_over` would make void, oldest first."""
    return [
        GivenUp(
            change_set=waiting.pk,
            author=waiting.author_name,
            comment=waiting.comment,
            rrsets=[f"{entry['name']} {entry['type']}" for entry in waiting.rrsets],
        )
        for waiting in ChangeSet.objects.waiting(zone)
    ]


def take_over(
    zone: Zone, served: Transfer, *, comment: str, settled: str = "", based_on: int | None = None
) -> ChangeSet | None:
    """Make the records those that are served, as one change set, and what waits to be pushed void.

    Returns the change set, `None` where nothing differed. settled: how that is told to end a drift.
    Raises `PermissionDenied` when whoever acts may not change them all, and `Outdated` as `change_set` does.
    """
    with transaction.atomic():
        if not hold(zone):
            return None
        zone.serial = served.serial
        Zone.objects.filter(pk=zone.pk).update(serial=served.serial, signed=bool(served.generated))
        overtaken = list(ChangeSet.objects.waiting(zone).values_list("pk", flat=True))
        with change_set(zone, comment=comment, as_served=True, based_on=based_on) as changes:
            changes.replace(served.rrsets)
        made = changes.result
        if overtaken:
            by = f"change {made.pk}" if made else "nothing else"
            ChangeSet.objects.filter(pk__in=overtaken).update(
                rrsets=[], error=f"given up: what the name server serves was accepted instead ({by})"
            )
        record_served(zone, served.serial, [made.pk] if made else [], settled=settled)
    return made
