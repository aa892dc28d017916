"""The records of a zone as pages show them, a hundred at a time: each page costs about the same, whatever the zone's size.

In the order of names, which is how people look at a zone, the rows come along an index of the database, the apex before the
others; no page sorts the whole zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from zones.models import Record, Zone
from zones.rrsets import APEX

PAGE_SIZE = 100

ORDERS = {"name": "name", "type": "type", "ttl": "ttl", "content": "content", "changed": "updated_at"}
"""What records are sorted by -> the column."""

_SOA_FIRST = Case(
    When(type="SOA", then=Value(0)), When(type="NS", then=Value(1)), default=Value(2), output_field=IntegerField()
)


def types_of(zone: Zone) -> list[tuple[str, int]]:
    """The record types of a zone, with how many there are of each."""
    return list(zone.records.order_by("type").values_list("type").annotate(count=Count("pk")))


def page_of(
    zone: Zone, *, query: str, kind: str, sort: str, number: Any, private: bool, total: int | None = None
) -> Page[Record]:
    """A page of the records that have `query` in their name, content or comment, and are of type `kind`, where these are not
    empty. sort: one of `ORDERS`, turned round by a minus. private: look into comments for editors, too. total: how many
    there are of the type, or in all, where that is known."""
    records: QuerySet[Record] = zone.records.select_related("updated_by")
    if query:
        records = records.filter(matching(query, private=private) | _by_whole_name(query, zone))
    if kind:
        records = records.filter(type=kind)
    down, column = sort.startswith("-"), ORDERS[sort.removeprefix("-")]
    rows: Any
    if column == "name":
        rows = _ByName(records, down=down)
    else:
        rows = records.order_by(f"-{column}" if down else column, "name", "type", "content", "pk")
    if query:
        # Looking for it is what takes time: once, and not once more to count.
        rows = _Found(records, rows.values_list("pk", flat=True))
    return _Counted(rows, PAGE_SIZE, total=None if query else total).get_page(number)


def matching(text: str, *, private: bool) -> Q:
    """Records with `text` in their name, content or comment; of private comments only where `private`."""
    comment = Q(comment__icontains=text) if private else Q(comment__icontains=text, private=False)
    return Q(name__icontains=text) | Q(content__icontains=text) | comment


def _by_whole_name(query: str, zone: Zone) -> Q:
    """A name as people write it with the zone's name behind it."""
    whole = query.lower().rstrip(".")
    if whole == zone.name:
        return Q(name=APEX)
    return Q(name__icontains=relative) if (relative := whole.removesuffix(f".{zone.name}")) != whole else Q(pk=None)


class _Counted(Paginator):
    """Pages of rows whose number may be known already."""

    def __init__(self, rows: Any, size: int, *, total: int | None) -> None:
        super().__init__(rows, size)
        self._total = total

    @cached_property
    def count(self) -> int:
        return super().count if self._total is None else self._total


class _Found:
    """Records by their keys."""

    def __init__(self, records: QuerySet[Record], keys: Iterable[int]) -> None:
        self._records, self._keys = records, list(keys)

    def count(self) -> int:
        return len(self._keys)

    def __getitem__(self, wanted: slice) -> list[Record]:
        keys = self._keys[wanted]
        found = self._records.in_bulk(keys)
        return [found[key] for key in keys if key in found]


class _ByName:
    """Records by name, the apex first, or last when turned round: two ranges of an index, behind one another."""

    def __init__(self, records: QuerySet[Record], *, down: bool) -> None:
        sign = "-" if down else ""
        columns = [f"{sign}{column}" for column in ("name", "type", "content", "pk")]
        apex = records.filter(name=APEX).order_by(_SOA_FIRST.desc() if down else _SOA_FIRST, *columns)
        others = records.exclude(name=APEX).order_by(*columns)
        self._ranges = (others, apex) if down else (apex, others)
        self._records = records

    def count(self) -> int:
        return self._records.count()

    def values_list(self, *fields: str, flat: bool) -> Iterator[Any]:
        return chain.from_iterable(rows.values_list(*fields, flat=flat) for rows in self._ranges)

    def __getitem__(self, wanted: slice) -> list[Record]:
        first, second = self._ranges
        found = list(first[wanted])
        if missing := wanted.stop - wanted.start - len(found):
            start = 0 if found or not wanted.start else max(wanted.start - first.count(), 0)
            found += second[start : start + missing]
        return found
