"""The change sets of a zone, as people look for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property, reduce
from operator import or_
from typing import Any

import msgspec
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from zones import names
from zones.grants import GRANT
from zones.models import Change, ChangeKind, ChangeSet, Zone
from zones.nameserver.peers import peers
from zones.plan import chunks


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a history is narrowed to: all that is not `None` must fit. name: of a record that was touched, before or after.
    since, until: when it was made, the end excluded."""

    author: str | None = None
    origin: str | None = None
    sync_state: str | None = None
    serial: int | None = None
    name: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class History:
    """The change sets of a zone that are wanted, newest first, for a `Paginator`: each with the first of its changes as
    `first_changes`, at most `most`, also of what was `overwritten` at the name server; without what that has to do, which may
    be large.

    authors, origins: who made change sets of the zone, wanted or not, and by which ways; read together with the count.
    """

    def __init__(self, zone: Zone, wanted: Wanted, most: int) -> None:
        self._zone, self._most = zone, most
        self._condition = _condition(zone, wanted)

    def count(self) -> int:
        return sum(number for _, _, number in self._made_by)

    @property
    def authors(self) -> list[str]:
        return sorted({author for author, _, _ in self._made_by if author})

    @property
    def origins(self) -> list[str]:
        return sorted({origin for _, origin, _ in self._made_by})

    @cached_property
    def _made_by(self) -> list[tuple[str, str, int]]:
        rows = self._zone.change_sets.order_by().values_list("author_name", "origin")
        return list(rows.annotate(number=Count("pk", filter=self._condition)))

    def __getitem__(self, wanted: slice) -> list[Any]:
        return self._with_changes(self._rows()[wanted])

    def get(self, pk: int) -> Any:
        """One of them. Raises `ChangeSet.DoesNotExist`."""
        (found,) = self._with_changes(self._rows().filter(pk=pk)) or [None]
        if found is None:
            raise ChangeSet.DoesNotExist
        return found

    def _rows(self) -> QuerySet[ChangeSet]:
        # The last change that is shown of each, so that of a large one no more is read than that.
        nth = Change.objects.filter(change_set=OuterRef("pk")).order_by("id").values("id")[self._most - 1 : self._most]
        rows = self._zone.change_sets.filter(self._condition).defer("rrsets").order_by("-id")
        return rows.annotate(last_shown=Subquery(nth))

    def _with_changes(self, rows: QuerySet[ChangeSet]) -> list[Any]:
        found: list[Any] = list(rows)
        whole = Q(change_set__in=[each.pk for each in found if each.last_shown is None])
        parts = [Q(change_set=each.pk, id__lte=each.last_shown) for each in found if each.last_shown is not None]
        by_set: dict[int, list[Change]] = {each.pk: [] for each in found}
        # Databases take only so many conditions in a statement.
        for some in chunks([whole, *parts], 100):
            for change in Change.objects.filter(reduce(or_, some)).order_by("id"):
                by_set[change.change_set_id].append(change)
        unseen = [each.pk for each in found if not (each.change_count or each.settings)]
        rrsets = dict(self._zone.change_sets.filter(pk__in=unseen).values_list("pk", "rrsets")) if unseen else {}
        for each in found:
            each.overwritten = bool(rrsets.get(each.pk))
            if each.overwritten:  # at the name server: no record here was changed, its RRsets alone are known
                changes = [change for entry in rrsets[each.pk] for change in _of_rrset(entry)]
                each.change_count, by_set[each.pk] = len(changes), changes[: self._most]
            each.first_changes = by_set[each.pk]
        return found


def _condition(zone: Zone, wanted: Wanted) -> Q:
    conditions = {
        "author_name": wanted.author,
        "origin": wanted.origin,
        "state": wanted.sync_state,
        "serial": wanted.serial,
        "created_at__gte": wanted.since,
        "created_at__lt": wanted.until,
    }
    condition = Q(**{key: value for key, value in conditions.items() if value is not None})
    if wanted.name:
        try:
            name = names.relative(wanted.name, zone.name)
        except ValueError:
            return Q(pk=None)
        touching = Change.objects.filter(Q(was_named=name) | Q(now_named=name))
        condition &= Q(pk__in=touching.values("change_set"))
    return condition


def _of_rrset(entry: Mapping[str, Any]) -> Iterator[Change]:
    """An entry of `ChangeSet.rrsets` as changes of its records, which have neither an id nor a comment."""
    before, after = (
        {
            value: {"id": None, "name": entry["name"], "type": entry["type"], "ttl": side["ttl"], "content": value}
            | {"comment": "", "private": False, "version": None}
            for value in side["rdata"]
        }
        if side
        else {}
        for side in (entry["before"], entry["after"])
    )
    for value in [*before, *(after.keys() - before.keys())]:
        was, now = before.get(value), after.get(value)
        if was != now:
            op = ChangeKind.CREATE if was is None else ChangeKind.DELETE if now is None else ChangeKind.UPDATE
            yield Change(op=op, before=was, after=now)


class Line(msgspec.Struct, frozen=True):
    """A resource record that went (`-`) or came (`+`), or whose comment changed (`~`)."""

    op: str
    text: str


def lines(changes: Iterable[Change], *, private: bool) -> list[Line]:
    """Changes for people, one line per resource record. private: with the comments for editors only, too."""
    found: list[Line] = []
    for change in changes:
        was, now = (_text(side) for side in (change.before, change.after))
        if was == now and change.after is not None:
            hidden = not private and (change.after["private"] or (change.before or {}).get("private"))
            comment = "" if hidden else f": “{change.after['comment']}”"
            found.append(Line("~", f"{now}, comment{comment}"))
            continue
        found += [Line(op, text) for op, text in (("-", was), ("+", now)) if text]
    return found


_NAMES = {
    "forward_only": "forwarded only",
    "follows_addresses": "PTRs follow addresses",
    "watched": "only watched",
    "grant": "right",
    "tsig": "another secret of the TSIG key",
}
"""What people call a field of `ChangeSet.settings`, where it is not its name."""


def shown_settings(changed: Iterable[Mapping[str, Any]], *, rights: bool) -> list[Mapping[str, Any]]:
    """`ChangeSet.settings` as somebody may see them. rights: also who may do what, which those know who manage the zone."""
    return [each if rights or each["field"] != GRANT else {**each, "old": None, "new": None} for each in changed]


def setting_lines(changed: Iterable[Mapping[str, Any]]) -> list[Line]:
    """What changed about the zone itself, for people."""
    return [Line("~", _change_of(each)) for each in changed]


def _change_of(each: Mapping[str, Any]) -> str:
    name = _NAMES.get(each["field"], each["field"])
    old, new = _setting(each["old"]), _setting(each["new"])
    return f"{name}: {old or 'none'} → {new or 'none'}" if old or new else name


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, peers(value))) if isinstance(value, list) else str(value or "")


def _text(side: Mapping[str, Any] | None) -> str:
    return "" if side is None else f"{side['name']} {side['ttl']} {side['type']} {side['content']}"
