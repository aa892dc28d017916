"""Records by a part of their text: name, content, comment. What is sought is given as it may be spelled there.

`matching` says which records those are. It alone reads every record of a zone; `likely` narrows a search beforehand to few
records too many, by an index of trigrams: runs of three characters of the whole text (a table of SQLite's FTS5, an index of
PostgreSQL's pg_trgm; migrations 0007, 0010, 0012). Of two characters, SQLite knows the trigrams that begin with them, and
PostgreSQL is asked for all that may. What is sought without such an index, as a single character is, is found all the same,
only later.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import reduce
from operator import or_
from typing import Any

from django.db import connections
from django.db.models import BooleanField, F, Func, Q, QuerySet
from django.db.models.expressions import RawSQL

from zones.models import Record
from zones.names import sought

MOST_TRIGRAMS = 40
"""Of what is sought; more of them find nothing more narrowly."""

_LAST = "\U0010ffff"


def spellings(text: str) -> tuple[str, ...]:
    """What people seek, as it may be written in a record: as they typed it, and with its U-labels as names have them."""
    return tuple(dict.fromkeys((text, sought(text))))


def matching(texts: Sequence[str], *, private: bool) -> Q:
    """Records with one of `texts` in their name, content or comment; of private comments only where `private`."""
    seen = Q() if private else Q(private=False)
    return reduce(
        or_,
        (Q(name__icontains=text) | Q(content__icontains=text) | (Q(comment__icontains=text) & seen) for text in texts),
    )


def likely(texts: Sequence[str], zones: QuerySet[Any] | Collection[int]) -> QuerySet[Record]:
    """The records in whose text the trigrams of one of `texts` are: those that match, and perhaps some that do not. zones:
    their keys."""
    if len(texts) == 1:
        return _likely(texts[0], zones)
    return Record.rows.filter(reduce(or_, (Q(pk__in=_likely(text, zones).values("pk")) for text in texts)))


def _likely(text: str, zones: QuerySet[Any] | Collection[int]) -> QuerySet[Record]:
    connection = connections[Record.rows.db]
    if connection.vendor == "sqlite" and (found := _with_trigrams(text)):
        return _among(found, zones)
    records = Record.rows.filter(zone__in=zones)
    if connection.vendor == "postgresql":
        if len(text) == 2 and text.isascii() and text.isalnum():
            pair = text.upper()
            return records.filter(_TextOf(_HAS_PAIR, [pair + _ANY_OF_ASCII, f"%{pair}", f"%{pair}%"]))
        return records.filter(_TextOf(_HAS_PART, [f"%{connection.ops.prep_for_like_query(text)}%"]))
    return records


def some_likely(texts: Sequence[str], zones: QuerySet[Any] | Collection[int], most: int) -> QuerySet[Record] | None:
    """Of `most` that the index names first, those that `likely` has, to see how many there are at least; `None` where they
    are no sooner counted. SQLite lists all that its index names before it looks at the first."""
    if len(texts) > 1 or connections[Record.rows.db].vendor != "sqlite":
        return None
    if (found := _with_trigrams(texts[0], most)) is None:
        return None
    return _among(found, zones)


def _among(found: RawSQL, zones: QuerySet[Any] | Collection[int]) -> QuerySet[Record]:
    # `+ 0` keeps SQLite from going through all records of the zone, to look each of them up in the other table.
    return Record.rows.alias(its_zone=F("zone_id") + 0).filter(pk__in=found, its_zone__in=zones)


def _with_trigrams(text: str, most: int = -1) -> RawSQL | None:
    """The keys of the records whose text has the trigrams of `text`; of a single character there are too many. most: so many
    at most, or where it is below zero all."""
    if len(text) == 2 and text.isascii():
        first = text.lower()
        return RawSQL(
            """
            SELECT rowid FROM zones_record_text WHERE zones_record_text MATCH (
                SELECT COALESCE(group_concat('"' || replace(term, '"', '""') || '"', ' OR '), %s)
                FROM zones_record_trigram WHERE term >= %s AND term < %s
            ) LIMIT %s
            """,
            [_quoted(first), first, first + _LAST, most],
        )
    if (last := len(text) - 3) >= 0:
        # Every second and the last: those between cost as much, and name hardly fewer.
        words = dict.fromkeys(text[at : at + 3] for at in (*range(0, last, 2), last))
        wanted = " AND ".join(map(_quoted, list(words)[:MOST_TRIGRAMS]))
        return RawSQL(
            "SELECT rowid FROM zones_record_text WHERE zones_record_text MATCH %s LIMIT %s",
            [wanted, most],
        )
    return None


def _quoted(word: str) -> str:
    """As FTS5 takes it. What has no trigram is found nowhere."""
    return '"' + word.replace('"', '""') + '"'


_HAS_PART = "UPPER({text}) LIKE UPPER(%s)"
_HAS_PAIR = r"UPPER({text}) ~ %s OR UPPER({text}) LIKE %s OR (UPPER({text}) ~ '[^\x01-\x7f]' AND UPPER({text}) LIKE %s)"
"""Two characters have no trigram of their own. With what follows they have: one of ASCII, or the end of the text. Where
other characters are in the text there is an index of such records, which are few."""
_ANY_OF_ASCII = r"[\x01-\x7f]"


class _TextOf(Func):
    """Whether the text of a record, in the very words of PostgreSQL's indexes, fits a condition with `values` in it."""

    output_field = BooleanField()

    def __init__(self, condition: str, values: list[str]) -> None:
        super().__init__(F("name"), F("content"), F("comment"))
        self._condition, self._values = condition, values

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[str]]:
        columns = [compiler.compile(each)[0] for each in self.get_source_expressions()]
        text = r" || E'\n' || ".join(columns)
        return f"({self._condition.format(text=text)})", self._values
