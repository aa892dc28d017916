"""Taking back: one change set, or all since a serial; by a new change set, never by rewriting history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from zones.changes import Changes, change_set, lock
from zones.lifecycle import SETTINGS, update_zone
from zones.models import Change, ChangeSet, Record, Zone
from zones.plan import FIELDS, by_id, differing, snapshot
from zones.refusals import Conflict, InvalidChange
from zones.validation import MAX_COMMENT, Problem


def revert(made: ChangeSet, *, comment: str = "", dry_run: bool = False) -> Changes:
    """Take a change set back by a new one, if what it changed is still as it left it (other fields may have changed).

    Raises `Conflict` with both states where it is not, `InvalidChange` when the rules forbid it by now, or it was about
    rights, about where the zone comes from, or its end.
    """
    zone = made.zone
    text = (comment or f"undo of change {made.pk}" + (f": {made.comment}" if made.comment else ""))[:MAX_COMMENT]
    if made.settings:
        return _revert_settings(made, text, dry_run=dry_run)
    undone = list(made.changes.order_by("-id"))
    with transaction.atomic():
        lock(zone)
        present = by_id(zone, [change.record_id for change in undone])
        if conflicts := [conflict for change in undone if (conflict := _conflict(change, present))]:
            raise Conflict(conflicts)
        with change_set(zone, comment=text, dry_run=dry_run, reverts=made) as changes:
            for change in undone:
                before, after = change.before, change.after
                if before is None:
                    changes.delete(_record_id(change))
                elif after is None:
                    changes.create(**{field: before[field] for field in FIELDS}, restore=before)
                else:
                    changes.update(_record_id(change), **{field: before[field] for field in differing(before, after)})
    return changes


def _revert_settings(made: ChangeSet, comment: str, *, dry_run: bool) -> Changes:
    """The same for a change of the zone's own fields (`SETTINGS`)."""
    if not takes_back(made.settings):
        message = "this changed who may do what, or the zone as a whole: set it as it was among the zone's settings"
        raise InvalidChange([Problem(code="not_taken_back", message=message)])
    changes = Changes(made.zone)
    with transaction.atomic():
        lock(made.zone)
        present = Zone.objects.get(pk=made.zone_id)
        if conflicts := [
            {"expected": {field: left}, "current": {field: now}}
            for field, left in ((each["field"], each["new"]) for each in made.settings)
            if (now := getattr(present, field)) != left
        ]:
            raise Conflict(conflicts)
        if not dry_run:
            before = {each["field"]: each["old"] for each in made.settings}
            changes.result = update_zone(made.zone, said=comment, reverts=made, **before)
    return changes


def takes_back(settings: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a change of these (`ChangeSet.settings`) can be taken back: not what a zone was made with, nor rights."""
    return all(each["field"] in SETTINGS and each["old"] is not None for each in settings)


def restore(
    zone: Zone, *, serial: int, comment: str = "", dry_run: bool = False, based_on: int | None = None
) -> Changes:
    """Take a zone back to what it was when `serial` was served, by a new change set. Comments and privacy come back too.

    based_on: as for `change_set`. Raises `InvalidChange` when the history does not know that serial, or the rules forbid it
    by now, and `Outdated`.
    """
    with transaction.atomic():
        lock(zone)
        then = zone.change_sets.filter(serial__lte=serial).order_by("-serial", "-id").first()
        if then is None:
            message = f"nothing of this zone was served at serial {serial} or before"
            raise InvalidChange([Problem(code="unknown_serial", message=message, field="serial")])
        before, versions = _undone(zone, then)
        present = by_id(zone, before)
        said = comment or f"back to serial {serial}"
        with change_set(zone, comment=said, dry_run=dry_run, based_on=based_on) as changes:
            for pk, was in before.items():
                if was is None:
                    if pk in present:
                        changes.delete(pk)
                elif pk in present:
                    changes.update(pk, **{field: was[field] for field in differing(snapshot(present[pk]), was)})
                else:
                    fields = {field: was[field] for field in FIELDS}
                    changes.create(**fields, restore={**was, "version": versions[pk]})
    return changes


def _undone(zone: Zone, then: ChangeSet) -> tuple[dict[int, dict[str, Any] | None], dict[int, int]]:
    """What each record that was changed after `then` was at that time, and the last version that it has had."""
    before: dict[int, dict[str, Any] | None] = {}
    versions: dict[int, int] = {}
    later = Change.objects.filter(change_set__zone=zone, change_set_id__gt=then.pk, record_id__isnull=False)
    for change in later.order_by("id").iterator():
        pk = _record_id(change)
        before.setdefault(pk, change.before)
        versions[pk] = (change.after or change.before or {})["version"]
    return before, versions


def _conflict(change: Change, present: Mapping[int, Record]) -> dict[str, Any] | None:
    """What keeps `change` from being taken back: how the record was left, and how it is."""
    record = present.get(_record_id(change))
    current = snapshot(record) if record is not None else None
    if change.after is None or current is None:
        as_left = current is None and change.after is None
    else:
        ours = FIELDS if change.before is None else differing(change.before, change.after)
        as_left = all(current[field] == change.after[field] for field in ours)
    return None if as_left else {"expected": change.after, "current": current}


def _record_id(change: Change) -> int:
    assert change.record_id is not None, "only changes of a dry run name no record"
    return change.record_id
