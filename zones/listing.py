"""The records of a zone as pages and the API list them: each page costs about the same, whatever the zone's size.

Every order has an index with all of it, so that of the records before a page no more than the index is read. A search looks
at the first two thousand records in that order; where they do not fill the page, an index of the text names the few that can.
"""

from __future__ import annotations

from typing import Any

import msgspec
from django.core.paginator import EmptyPage, Page, Paginator
from django.db.models import BooleanField, Case, Count, F, Func, IntegerField, Q, QuerySet, Subquery, When, Window
from django.db.models.lookups import GreaterThan

from zones.models import BEGINNING, Record, Zone
from zones.names import sought
from zones.rrsets import APEX
from zones.searching import likely, matching, some_likely, spellings

PAGE_SIZE = 100

ORDERS: dict[str, tuple[Any, ...]] = {
    "name": ("rank", "name", "type", "pk"),
    "type": ("type", "rank", "name", "pk"),
    "ttl": ("ttl", "rank", "name", "pk"),
    "content": (BEGINNING, "pk"),
    "changed": ("updated_at", "rank", "name", "pk"),
}
"""What records are sorted by -> all of the order. A minus turns all of it round, so that the same index has it."""

LOOKED_AT = 2000
"""Records that a search looks at one by one."""
COUNTED = 1000
"""Records found that are counted; beyond that, there are more. Whoever goes on from page to page reaches them all."""


class Part(msgspec.Struct, frozen=True):
    """A page of a list. count: how many records all of the list has, or where that is not `exact`, the least."""

    records: list[Record]
    count: int
    exact: bool = True


class Listing:
    """Records in an order, for `Pages`. `total`: how many they are."""

    def __init__(self, zone: Zone, records: QuerySet[Record], sort: str, total: int) -> None:
        self._zone, self._records, self._total = zone, records, total
        self._order = _order(sort)

    def part(self, number: int, size: int) -> Part:
        """A page of so many, from 1; beyond the last, it is empty."""
        start = (number - 1) * size
        wanted = slice(start, start + size)
        return Part(self._rows(self._keys(self._records, wanted)) if start < self._total else [], self._total)

    def count(self) -> int:
        """How many there are, or the least."""
        return self.part(1, 1).count

    def _keys(self, records: QuerySet[Record], wanted: slice) -> QuerySet[Record, int]:
        """Of so many of `records`."""
        return records.order_by(*self._order).values_list("pk", flat=True)[wanted]

    def _rows(self, keys: QuerySet[Record, int] | list[int], most: int | None = None, **more: Any) -> list[Any]:
        """The records that have these keys, or the first of them: found by an index alone, they are read now, with `more`
        about each."""
        rows = Record.rows.filter(pk__in=keys).select_related("updated_by").order_by(*self._order).annotate(**more)
        found = list(rows[:most])
        for record in found:
            record.zone = self._zone
        return found


class _Among(Func):
    """Whether a key is among those of a query, which is asked for them first. Left to itself, PostgreSQL looks at every
    record and asks afterwards."""

    template, arg_joiner, output_field = "%(expressions)s", " IN ", BooleanField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="%(expressions)s)", arg_joiner=" = ANY(ARRAY", **context)


class _Count(Func):
    """How many rows a query has: read together with other rows."""

    template, output_field = "(SELECT COUNT(*) FROM %(expressions)s AS counted)", IntegerField()


class Found(Listing):
    """Those of some records that match, as `narrowed` has them beside others, of which `some` are sooner counted. Two queries
    for a page: the first finds the keys of those that match among the first in the order."""

    def __init__(
        self,
        zone: Zone,
        records: QuerySet[Record],
        sort: str,
        total: int,
        condition: Q,
        narrowed: QuerySet[Record],
        some: QuerySet[Record] | None,
    ) -> None:
        super().__init__(zone, records, sort, total)
        self._condition, self._narrowed = condition, narrowed.filter(condition)
        self._some = some.filter(condition) if some is not None else None

    def part(self, number: int, size: int) -> Part:
        start = min((number - 1) * size, self._total)
        enough = start + size + 1
        looked_at = max(LOOKED_AT, 2 * enough)
        first = Subquery(self._keys(self._records, slice(looked_at)))
        near = Record.rows.filter(_Among(F("pk"), first)).filter(self._condition)
        most = max(enough, COUNTED + 1)
        keys = list(self._keys(near, slice(most)))
        if self._total <= looked_at or len(keys) == most:
            found, least = self._rows(keys[start:enough]), len(keys)
        elif len(keys) >= enough:
            found = self._rows(keys[start:enough], found=self._counted())
            least = found[0].found if found else 0  # somebody may have deleted them all meanwhile
        else:
            rest = self._keys(self._narrowed, slice(start, most))
            found = self._rows(rest, size + 1, found=Window(Count("*")))
            least = start + found[0].found if found else self._narrowed[:start].count()
        exact = least <= COUNTED or len(found) <= size
        return Part(found[:size], least if exact else max(COUNTED, start + len(found)), exact)

    def _counted(self) -> Any:
        """How many are found, as far as is counted."""
        *some, every = [
            _Count(Subquery(each.order_by().values("pk")[: COUNTED + 1]))
            for each in (self._some, self._narrowed)
            if each is not None
        ]
        return Case(*(When(GreaterThan(part, COUNTED), then=part) for part in some), default=every)


class Pages(Paginator):
    """Pages of a `Listing`, which says with each page how many there are."""

    object_list: Any
    exact: bool
    """Whether `count` is how many there are, or the least."""

    def page(self, number: Any) -> Page[Record]:
        wanted = int(number) if str(number).isdecimal() else 1
        part = self.object_list.part(max(wanted, 1), self.per_page)
        self.count, self.exact = part.count, part.exact
        self.__dict__.pop("num_pages", None)  # that of the page before
        return Page(part.records, self.validate_number(number), self)

    def get_page(self, number: Any) -> Page[Record]:
        try:
            return self.page(number if str(number).isdecimal() else 1)
        except EmptyPage:
            return self.page(self.num_pages)


def of(zone: Zone, *, query: str = "", kind: str = "", sort: str = "name", private: bool) -> Listing:
    """The records that have `query` in their name, content or comment, and are of type `kind`, where these are not empty.
    sort: one of `ORDERS`, turned round by a minus. private: look into comments for editors, too."""
    records: QuerySet[Record] = zone.records.all()
    total = zone.record_count
    if kind:
        records, total = records.filter(type=kind), zone.record_counts.get(kind, 0)
    if not query:
        return Listing(zone, records, sort, total)
    texts = spellings(query)
    condition, name = matching(texts, private=private), _inside(sought(query), zone)
    at_the_apex = Q(pk__in=zone.records.filter(name=APEX).values("pk"))
    if name == APEX:
        condition |= Q(name=APEX)
    elif name:
        condition |= Q(name__icontains=name)
        texts = (*texts[:-1], name)  # the whole name has it in it, too

    def narrowed(found: QuerySet[Record]) -> QuerySet[Record]:
        if name == APEX:
            found = Record.rows.filter(Q(pk__in=found.values("pk")) | at_the_apex)
        return found.filter(type=kind) if kind else found

    some = some_likely(texts, [zone.pk], most=2 * COUNTED)
    return Found(
        zone,
        records,
        sort,
        total,
        condition,
        narrowed(likely(texts, [zone.pk])),
        narrowed(some) if some is not None else None,
    )


def _inside(query: str, zone: Zone) -> str:
    """A name as people write it with the zone's name behind it, as the records have it; else nothing."""
    whole = query.lower().rstrip(".")
    if whole == zone.name:
        return APEX
    relative = whole.removesuffix(f".{zone.name}")
    return relative if relative != whole else ""


def _order(sort: str) -> list[Any]:
    columns = ORDERS[sort.removeprefix("-")]
    if not sort.startswith("-"):
        return [F(column) if isinstance(column, str) else column for column in columns]
    return [F(column).desc() if isinstance(column, str) else column.desc() for column in columns]
