"""The change sets of a zone, as people look for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
from django.db.models import Count, Q, QuerySet

from zones import names
from zones.models import Change, ChangeSet, Zone


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
    """The change sets of `zone`, newest first, each with its `change_count`; without what the name server has to do, which
    may be large."""
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
    return found.defer("rrsets").annotate(change_count=Count("changes")).order_by("-id")


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


def _text(side: Mapping[str, Any] | None) -> str:
    return "" if side is None else f"{side['name']} {side['ttl']} {side['type']} {side['content']}"
