"""The change sets of a zone, as people look for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

import msgspec
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from zones import names
from zones.grants import GRANT
from zones.models import Change, ChangeSet, Zone
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


def of(zone: Zone, wanted: Wanted) -> QuerySet[ChangeSet]:
    """The change sets of `zone`, newest first, each with its `change_count`; without
    what the name server has to do, which may be large."""
    conditions = {
        "author_name": wanted.author,
        "origin": wanted.origin,
        "state": wanted.sync_state,
        "serial": wanted.serial,
        "created_at__gte": wanted.since,
        "created_at__lt": wanted.until,
    }
    found = zone.change_sets.filter(**{key: value for key, value in conditions.items() if value is not None})
    if wanted.name:
        try:
            name = names.relative(wanted.name, zone.name)
        except ValueError:
            return zone.change_sets.none()
        touching = Change.objects.filter(Q(before__name=name) | Q(after__name=name), change_set__zone=zone)
        found = found.filter(pk__in=touching.values("change_set"))
    # Counted for those that are looked at only: a subquery, not a join of everything.
    count = Change.objects.filter(change_set=OuterRef("pk")).order_by().values("change_set").annotate(n=Count("pk"))
    return found.defer("rrsets").annotate(change_count=Coalesce(Subquery(count.values("n")), 0)).order_by("-id")


def with_changes(change_sets: Iterable[ChangeSet], most: int) -> list[Any]:
    """Change sets with the first of their changes as `first_changes`, at most so many of each, in two queries."""
    found: list[Any] = list(change_sets)
    # The last one that is shown of each, so that of a large one no more is read than that.
    nth = Change.objects.filter(change_set=OuterRef("pk")).order_by("id").values("id")[most - 1 : most]
    ends = (
        ChangeSet.objects.filter(pk__in=[each.pk for each in found])
        .annotate(end=Subquery(nth))
        .values_list("pk", "end")
    )
    whole = Q(change_set__in=[pk for pk, end in ends if end is None])
    parts = [Q(change_set=pk, id__lte=end) for pk, end in ends if end is not None]
    by_set: dict[int, list[Change]] = {each.pk: [] for each in found}
    # Databases take only so many conditions in a statement.
    for some in (whole, *(reduce(or_, few) for few in chunks(parts, 100))):
        for change in Change.objects.filter(some).order_by("id"):
            by_set[change.change_set_id].append(change)
    for each in found:
        each.first_changes = by_set[each.pk]
    return found


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
