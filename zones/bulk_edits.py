"""One edit of many records, in one zone or in several: find and replace, and new TTLs.

Each zone gets a change set of its own, with its rules, history and events; all of them are made or none is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, Literal

import msgspec
from django.db import transaction
from django.db.models import Q, QuerySet

from zones import rdata
from zones.changes import Changes, change_set, newest_change
from zones.models import Change, Record, Zone
from zones.names import sought
from zones.operations import operation
from zones.refusals import InvalidChange
from zones.validation import Problem

OPERATION = "bulk_edit"


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """Which records, and what becomes of them.

    find, replace: plain text in `field`. Names are found in either case, and by their U-labels (RFC 4343, RFC 5890), also
    where they are all of a value; other text as it is written. type, name: what else must fit, `name` as part of it. records:
    ids of those that are meant, where not all are. ttl: seconds, or `None`.
    """

    find: str = ""
    replace: str = ""
    field: Literal["content", "name", "comment"] = "content"
    type: str = ""
    name: str = ""
    records: Collection[int] = ()
    ttl: int | None = None

    def found_in(self, record: Record) -> str:
        """What is found, as this record has it written."""
        names = self.field == "name" or (self.field == "content" and not rdata.minds_case(record.type))
        return self._as_names_are if names else self.find

    @property
    def spellings(self) -> set[str]:
        """What may be found, in any record."""
        return {"name": {self._as_names_are}, "content": {self.find, self._as_names_are}, "comment": {self.find}}[
            self.field
        ]

    @property
    def _as_names_are(self) -> str:
        return sought(self.find.lower())


class ZoneEdit(msgspec.Struct, kw_only=True):
    """What an edit does to one zone. problems: why it cannot; then nothing is changed anywhere. based_on: in a preview, the
    zone's `newest_change`."""

    zone: Any
    count: int = 0
    changes: list[Change] = []
    change_set: int | None = None
    warnings: list[Problem] = []
    problems: list[Problem] = []
    based_on: int | None = None


class Edited(msgspec.Struct, kw_only=True):
    """What an edit does, zone by zone; zones in which nothing matches are left out. operation: its id, once carried out."""

    zones: list[ZoneEdit]
    operation: str | None = None

    @property
    def count(self) -> int:
        return sum(edited.count for edited in self.zones)


def preview(zones: Iterable[Zone], edit: Edit) -> Edited:
    """What an edit would do. Writes nothing; what is wrong is told by zone."""
    found = []
    for zone in zones:
        edited, matched = ZoneEdit(zone=zone, based_on=newest_change(zone)), 0
        try:
            with change_set(zone, dry_run=True) as changes:
                matched = _ask(changes, zone, edit)
            edited.changes, edited.warnings = changes.done, changes.warnings
            edited.count = len(edited.changes)
        except InvalidChange as error:
            edited.problems, edited.count = error.problems, matched
        if edited.count:
            found.append(edited)
    return Edited(zones=found)


def carry_out(
    zones: Sequence[Zone], edit: Edit, *, comment: str = "", based_on: Mapping[str, int] | None = None
) -> Edited:
    """Make an edit. based_on: by the names of the zones that a preview showed, what it was based on.

    Raises `InvalidChange`, `StaleVersion`, `Outdated`, `Cancelled`; then nothing of it is kept.
    """
    total = sum(_matching(zone, edit).count() for zone in zones)
    alone = zones[0] if len(zones) == 1 else None
    if not total:
        return Edited(zones=[])
    with operation(OPERATION, alone, total, None, lambda error: [str(error)]) as watched, transaction.atomic():
        done = Edited(zones=[], operation=watched.row.pk)
        for zone in zones:
            watched.reached(done.count, total)
            with change_set(
                zone, comment=comment or _in_words(edit), based_on=(based_on or {}).get(zone.name)
            ) as changes:
                _ask(changes, zone, edit)
            if changes.result is not None:
                made = changes.done
                done.zones.append(
                    ZoneEdit(
                        zone=zone,
                        count=len(made),
                        changes=made,
                        change_set=changes.result.pk,
                        warnings=changes.warnings,
                    )
                )
        change_sets = {edited.zone.name: edited.change_set for edited in done.zones}
        watched.completed(alone, done.count, {"change_sets": change_sets})
    return done


def _ask(changes: Changes, zone: Zone, edit: Edit) -> int:
    """Ask for the changes of one zone; returns how many records match."""
    matched = 0
    for record in _matching(zone, edit).iterator():
        found, text = edit.found_in(record), getattr(record, edit.field)
        if found not in text:  # SQLite finds it in either case
            continue
        fields: dict[str, Any] = {} if edit.ttl is None else {"ttl": edit.ttl}
        if edit.find:
            fields[edit.field] = text.replace(found, edit.replace)
        changes.update(record.pk, version=record.version, **fields)
        matched += 1
    return matched


def _matching(zone: Zone, edit: Edit) -> QuerySet[Record]:
    """Records that match; the SOA has a serial that is the name server's, and is edited by itself."""
    records = Record.objects.filter(zone=zone).exclude(type="SOA")
    if edit.records:
        records = records.filter(pk__in=edit.records)
    if edit.type:
        records = records.filter(type=edit.type.upper())
    if edit.name:
        records = records.filter(name__contains=sought(edit.name.lower()))
    if edit.find:
        records = records.filter(reduce(or_, (Q(**{f"{edit.field}__contains": text}) for text in edit.spellings)))
    return records


def _in_words(edit: Edit) -> str:
    parts = []
    if edit.find:
        parts.append(f"replaced “{edit.find}” by “{edit.replace}” in the {edit.field}")
    if edit.ttl is not None:
        parts.append(f"set the TTL to {edit.ttl}")
    return " and ".join(parts)[:500]
