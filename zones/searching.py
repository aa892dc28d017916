"""Records by a part of their text: name, content, comment.

`matching` says which records those are. It alone reads every record of a zone; `likely` narrows a search beforehand to few
records too many, by an index of trigrams: runs of three characters of the whole text (a table of SQLite's FTS5, an index of
PostgreSQL's pg_trgm; migration 0007). One or two characters, and what is sought without either of them, are found all the
same, only later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections
from django.db.models import BooleanField, F, Func, Q, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL

from zones.models import Record, Zone

MOST_TRIGRAMS = 40
"""Of what is sought; more of them find nothing more narrowly."""


def matching(text: str, *, private: bool) -> Q:
    """Records with `text` in their name, content or comment; of private comments only where `private`."""
    comment = Q(comment__icontains=text) if private else Q(comment__icontains=text, private=False)
    return Q(name__icontains=text) | Q(content__icontains=text) | comment


def likely(text: str, zones: QuerySet[Any] | Iterable[Zone]) -> QuerySet[Record]:
    """The records of `zones` in whose text all trigrams of `text` are: those that match, and perhaps some that do not."""
    connection = connections[Record.rows.db]
    if connection.vendor == "sqlite" and (wanted := _trigrams(text)):
        # `+ 0` keeps SQLite from going through all records of the zone, to look each of them up in the other table.
        found = RawSQL("SELECT rowid FROM zones_record_text WHERE zones_record_text MATCH %s", [" AND ".join(wanted)])
        of = zones if isinstance(zones, QuerySet) else [zone.pk for zone in zones]
        return Record.rows.alias(its_zone=F("zone_id") + 0).filter(pk__in=found, its_zone__in=of)
    records = Record.rows.filter(zone__in=zones)
    if connection.vendor == "postgresql":
        part = Value(f"%{connection.ops.prep_for_like_query(text)}%", output_field=TextField())
        return records.filter(_HasPart(part))
    return records


def _trigrams(text: str) -> list[str]:
    """Those of `text`, as FTS5 takes them. One or two characters have none."""
    words = dict.fromkeys(text[at : at + 3].replace('"', '""') for at in range(len(text) - 2))
    return [f'"{word}"' for word in words][:MOST_TRIGRAMS]


class _HasPart(Func):
    """Whether the text of a record, in the very words of PostgreSQL's index, has a part."""

    output_field = BooleanField()

    def __init__(self, part: Value) -> None:
        super().__init__(F("name"), F("content"), F("comment"), part)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:
        sides = [compiler.compile(each) for each in self.get_source_expressions()]
        *columns, part = (sql for sql, _ in sides)
        text = r" || E'\n' || ".join(columns)
        return f"(UPPER({text}) LIKE UPPER({part}))", [value for _, values in sides for value in values]
