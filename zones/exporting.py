"""Zones written out: as zone files and as tables, in an order that is always the same.

The database sorts and hands over a few thousand records at a time, so that a large zone takes no more memory than a small
one. A single statement reads it, so that what is changed meanwhile is either all there or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Collate

from realtime.broadcasting import emit
from realtime.events import EventType
from zones.events import ZoneTransferred
from zones.models import Record, Zone
from zones.rrsets import RR
from zones.zonefile.export import export
from zones.zonefile.tables import Row, as_row

_AT_ONCE = 2000
"""Records that are in memory at a time."""


def export_zone(zone: Zone) -> Iterator[str]:
    """The lines of a zone as a zone file, with the serial that is served; announced as `zone_exported`.

    The database is asked while the lines are taken. Raises `ValueError` for a zone without an SOA, such as a secondary.
    """
    rows = in_file_order(zone).values_list("name", "type", "ttl", "content")
    list(_lines(zone, rows[:1]))
    # Told before the rows are read: SQLite would let nobody write while it reads what somebody else has changed since.
    _announce(zone)
    return _lines(zone, rows.iterator(_AT_ONCE))


def export_table(zone: Zone, *, private: bool) -> Iterator[Row]:
    """The records of a zone as rows of a table, in the order of a zone file; announced as `zone_exported`.

    private: with the comments for editors only, too. The database is asked while the rows are taken.
    """
    _announce(zone)
    values = in_file_order(zone).values("name", "type", "ttl", "content", "comment", "private")
    return (
        as_row(row if private or not row["private"] else row | {"comment": ""}, zone.serial or 0)
        for row in values.iterator(_AT_ONCE)
    )


def in_file_order(zone: Zone) -> QuerySet[Record]:
    """The records of a zone as they stand in a file: SOA, apex NS, the rest of the apex, then by name, type and content,
    octet by octet, whatever language the database sorts in."""
    records = Record.objects.filter(zone=zone)
    columns: list[Any] = [F("name"), F("type"), F("content")]
    if connections[records.db].vendor == "postgresql":
        columns = [Collate(column, "C") for column in columns]
    return records.order_by("rank", *columns)


def _lines(zone: Zone, rows: Iterable[tuple[str, str, int, str]]) -> Iterator[str]:
    return export(zone.name, zone.serial or 0, (RR(*row) for row in rows))


def _announce(zone: Zone) -> None:
    with transaction.atomic():
        emit(
            EventType.ZONE_EXPORTED,
            ZoneTransferred(zone=zone.name, records=zone.record_count, serial=zone.serial),
            scope=zone.key,
        )
