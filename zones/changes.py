"""The single road of every write to records.

    with change_set(zone, comment="move the web server") as changes:
        changes.update(record_id, version=3, content="192.0.2.2")
        changes.create(name="new", type="A", ttl=300, content="192.0.2.3")
    changes.result        # the ChangeSet; changes.warnings: what is allowed but looks wrong

What is asked inside the block is carried out when it ends, in one transaction: versions compared, the rules of the RRsets
that are touched checked (`zones.validation`), rows, history and events written, and the synchronizer woken on commit.
An exception inside the block, or a broken rule, leaves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from zones import access, reverse
from zones.models import Change, ChangeKind, ChangeSet, Record, Zone
from zones.plan import BULK, FIELDS, Asked, Plan, snapshot
from zones.refusals import ChangeError, Conflict, InvalidChange, Outdated, StaleVersion, UnknownRecord
from zones.replacement import Replacement
from zones.rrsets import RRset
from zones.validation import MAX_COMMENT, Problem

__all__ = (
    "BULK",
    "FIELDS",
    "ChangeError",
    "Changes",
    "Conflict",
    "InvalidChange",
    "Outdated",
    "Problem",
    "StaleVersion",
    "UnknownRecord",
    "change_set",
    "checked_comment",
    "delete",
    "lock",
    "newest_change",
    "save",
    "snapshot",
    "where_from",
)


class Changes:
    """The changes of one block; carried out when it ends.

    result: the change set, after the block; `None` when nothing changed or it was a dry run.
    warnings: what is allowed but looks wrong.
    """

    def __init__(self, zone: Zone, *, unlimited: bool = False, as_served: bool = False) -> None:
        self.zone = zone
        self.unlimited = unlimited
        self.as_served = as_served
        self.result: ChangeSet | None = None
        self.warnings: list[Problem] = []
        self._plan: Plan | Replacement | None = None
        self._asked: list[Asked] = []
        self._replacement: tuple[Iterable[RRset], bool, Mapping[tuple[str, str, str], str]] | None = None

    def create(
        self,
        *,
        name: str,
        type: str,
        content: str,
        ttl: int | None = None,
        comment: str = "",
        private: bool = False,
        restore: Mapping[str, Any] | None = None,
    ) -> Record:
        """Add a record. The object returned has its id and canonical values after the block.

        ttl: `None` for that of the RRset which it joins, or else of the zone's SOA.
        restore: the snapshot of a deleted record, whose id comes back with the version after its last.
        """
        record = Record(zone=self.zone)
        if restore is not None:
            record.pk, record.version = restore["id"], restore["version"] + 1
        fields = {"name": name, "type": type, "content": content, "comment": comment, "private": private}
        if ttl is not None:
            fields["ttl"] = ttl
        self._asked.append(Asked(op=ChangeKind.CREATE, record=record, fields=fields))
        return record

    def update(self, record: Record | int, *, version: int | None = None, **fields: Any) -> None:
        """Change fields (`name, type, ttl, content, comment, private`) of a record. A `version` other than the present one
        raises `StaleVersion` when the block ends; `None` does not look."""
        if unknown := fields.keys() - set(FIELDS):
            raise TypeError(f"a record has no {', '.join(sorted(unknown))} to change")
        self._asked.append(Asked(op=ChangeKind.UPDATE, record_id=_id(record), version=version, fields=fields))

    def delete(self, record: Record | int, *, version: int | None = None) -> None:
        """Delete a record; `version` as for `update`."""
        self._asked.append(Asked(op=ChangeKind.DELETE, record_id=_id(record), version=version))

    def replace(
        self,
        rrsets: Iterable[RRset],
        *,
        keep_others: bool = False,
        comments: Mapping[tuple[str, str, str], str] | None = None,
    ) -> None:
        """Make the zone's records those of `rrsets`, for imports. They are canonical already; only the rules that hold
        between records are checked.

        Records that stay keep their id, comment and version, but for `comments` (by name, type, content). With
        `keep_others` only the RRsets named are replaced.
        No event per record is emitted, but one `change_set_applied` for all. In place of single changes, not beside them.
        """
        self._replacement = rrsets, keep_others, comments or {}

    def carry_out(self, *, comment: str, dry_run: bool, reverts: ChangeSet | None) -> None:
        """Do it, in the transaction that holds the zone: for `change_set()` alone."""
        plan: Plan | Replacement
        if self._replacement is not None:
            rrsets, keep_others, comments = self._replacement
            plan = Replacement(self.zone, rrsets, keep_others=keep_others, comments=comments, as_served=self.as_served)
        else:
            plan = Plan(self.zone)
            plan.ask(self._asked)
        plan.check()
        if not self.unlimited:
            access.refuse_unless_permitted(self.zone, plan.changes())
        self.warnings = plan.warnings
        self._plan = plan
        if not dry_run:
            self.result = plan.write(comment=comment, reverts=reverts)
            if self.result is not None and plan.pushes:
                reverse.follow(self.zone, plan.changes(), comment=f"follows the addresses of {self.zone.name}")

    @property
    def done(self) -> list[Change]:
        """What was, or in a dry run would be, done, in order; empty before the block has ended."""
        return list(self._plan.changes()) if self._plan is not None else []


@contextmanager
def change_set(
    zone: Zone,
    *,
    comment: str = "",
    dry_run: bool = False,
    reverts: ChangeSet | None = None,
    unlimited: bool = False,
    as_served: bool = False,
    based_on: int | None = None,
) -> Iterator[Changes]:
    """Collect changes of `zone` and carry them out together when the block ends; with `dry_run`, only check them.

    The author and origin are those of `realtime.actors.current_actor()`, whose rights count for each record
    (`zones.access`). reverts: the change set that this one takes back. unlimited: for what follows from something that the
    author was allowed to do. as_served: for `replace` by what the name server serves already: rules have no say about it,
    and it needs no push. based_on: the `newest_change` when somebody looked at what this would do.
    Raises `StaleVersion`, `UnknownRecord`, `InvalidChange`, `PermissionDenied`, `Outdated` when it has another newest change
    by now, or `Zone.DoesNotExist` when the zone was deleted meanwhile.
    """
    changes = Changes(zone, unlimited=unlimited, as_served=as_served)
    yield changes
    with transaction.atomic():
        lock(zone)
        if not (zone.writable or as_served):
            message = f"the records of {zone.name} come from elsewhere ({where_from(zone)}); change them there"
            raise InvalidChange([Problem(code="not_writable", message=message)])
        if based_on is not None:
            _refuse_outdated(zone, based_on)
        changes.carry_out(comment=checked_comment(comment), dry_run=dry_run, reverts=reverts)


def newest_change(zone: Zone) -> int:
    """The newest change set of the zone's records: what a preview of more changes is based on. 0 when there is none."""
    newest = _newest(zone)
    return newest.pk if newest is not None else 0


def _refuse_outdated(zone: Zone, based_on: int) -> None:
    newest = _newest(zone)
    if newest is not None and newest.pk != based_on:
        raise Outdated(zone.name, newest.author_name)


def _newest(zone: Zone) -> ChangeSet | None:
    return zone.change_sets.filter(change_count__gt=0).defer("rrsets").order_by("-id").first()


def save(record: Record) -> None:
    """`Record.save()`: a change set of one."""
    fields = {field: getattr(record, field) for field in FIELDS}
    if record.pk is None:
        with change_set(record.zone) as changes:
            saved = changes.create(**fields)
        vars(record).update(vars(saved))
    else:
        with change_set(record.zone) as changes:
            changes.update(record, version=record.version, **fields)
        record.refresh_from_db()


def delete(record: Record) -> None:
    """`Record.delete()`: a change set of one."""
    with change_set(record.zone) as changes:
        changes.delete(record, version=record.version)


def lock(zone: Zone) -> None:
    """Hold the zone for this transaction, on every database. Raises `Zone.DoesNotExist` when it was deleted."""
    if not Zone.objects.living().filter(pk=zone.pk).update(updated_at=timezone.now(), version=F("version")):
        raise Zone.DoesNotExist(f"the zone {zone.name} was deleted")


def where_from(zone: Zone) -> str:
    """Why the records of a zone that is not `writable` are not changed here, in a few words."""
    return "the name server, where it is only watched" if zone.watched else f"it is a {zone.kind} zone"


def checked_comment(text: str) -> str:
    """A comment that can be kept. Raises `InvalidChange`."""
    if len(text) > MAX_COMMENT or "\0" in text:
        message = f"a comment has at most {MAX_COMMENT} characters and no NUL"
        raise InvalidChange([Problem(code="invalid_comment", message=message, field="comment")])
    return text


def _id(record: Record | int) -> int:
    if isinstance(record, int):
        return record
    if record.pk is None:
        raise ValueError("the record is not saved yet")
    return record.pk
