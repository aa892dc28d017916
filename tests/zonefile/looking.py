"""How the tests look at a zone: in the database, at the name server, and in the log of events."""

from __future__ import annotations

from realtime.models import LogEvent
from zones import pushing
from zones.models import Record, Zone
from zones.nameserver.endpoint import Endpoint
from zones.nameserver.transfer import transfer
from zones.rrsets import RR, RRset, group


def rows(zone: Zone) -> list[RRset]:
    """The zone as the database has it."""
    return group(RR(*row) for row in Record.rows.filter(zone=zone).values_list("name", "type", "ttl", "content"))


def served(endpoint: Endpoint, name: str) -> list[RRset]:
    """The zone as the name server transfers it (AXFR)."""
    return list(transfer(endpoint, name).rrsets)


def push(zone: Zone) -> None:
    """Bring the zone to the name server now. Raises what keeps it from being served."""
    if error := pushing.push(zone.pk):
        raise error


def events(*types: str) -> list[LogEvent]:
    """The durable events of these types, oldest first; of all without any."""
    found = LogEvent.objects.order_by("pk")
    return list(found.filter(event_type__in=types) if types else found)
