"""Zone files brought in: what one would change, a new zone from one, an existing zone made as one says.

The file is read first (`zones.zonefile`), outside any transaction. Then everything is written in one: the records, one
change set of origin `import`, and its events. Nothing is ever half imported. An `Operation` tells how far it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count
from django.template.defaultfilters import pluralize

from realtime.actors import acting, current_actor
from realtime.broadcasting import emit
from realtime.events import EventType
from zones import bulk, names, validation
from zones.changes import change_set, newest_change
from zones.events import ZoneTransferred
from zones.lifecycle import create_zone
from zones.models import ChangeSet, Operation, Record, Zone, ZoneKind
from zones.nameserver.errors import BadName
from zones.nameserver.hosting import checked_name
from zones.operations import Cancelled, operation
from zones.plan import chunks
from zones.refusals import InvalidChange, Outdated
from zones.replacement import Replacement
from zones.rrsets import APEX, RR, RRset, group, ungroup
from zones.validation import Entry
from zones.zonefile.difference import Difference, difference
from zones.zonefile.problems import MAX_PROBLEMS, Problem, ZoneFileError
from zones.zonefile.read import DEFAULT_TTL, ZoneFile
from zones.zonefile.tables import Form, read

__all__ = (
    "Cancelled",
    "Import",
    "Preview",
    "ZoneDiffers",
    "import_zone",
    "preview",
    "summary",
)

OPERATION = "zone_import"


class ZoneDiffers(Exception):
    """There is a zone of that name with other records, and nobody said that they may be replaced."""

    def __init__(self, zone: str, would: Difference) -> None:
        super().__init__(
            f"the zone {zone} is there already with other records: {summary(would)}. Replace it if that is meant."
        )
        self.zone = zone
        self.difference = would


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an import would do. new: there is no such zone yet. records, serial: of the file. based_on: the zone's
    `newest_change`, for an import that shall do just this."""

    zone: str
    new: bool
    records: int
    serial: int
    difference: Difference
    warnings: tuple[Problem, ...]
    based_on: int


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did. change_set: `None` when the zone was like that already. created, updated, deleted: records."""

    zone: Zone
    new: bool
    records: int
    serial: int
    change_set: ChangeSet | None
    created: int
    updated: int
    deleted: int
    warnings: tuple[Problem, ...]
    operation: Operation


def preview(text: bytes, name: str, *, form: Form = "dns", merge: bool = False) -> Preview:
    """What importing a file as the zone `name` would change. Writes nothing. Raises `ZoneFileError`."""
    zone_name = _checked_name(name)
    zone = _present(zone_name)
    zone_file = _read(text, zone_name, form, zone, merge=merge)
    based_on = newest_change(zone) if zone is not None else 0  # read first: what comes meanwhile makes it outdated
    present = _rrsets(zone)
    rrsets = _wanted(group(zone_file.records), present, merge=merge)
    if zone is not None:
        warnings = _judged(Replacement(zone, rrsets, keep_others=False, comments=zone_file.comments))
    else:
        warnings = _judge(zone_name, ungroup(rrsets)) if form == "dns" else ()
    return Preview(
        zone=zone_name,
        new=zone is None,
        records=len(zone_file.records),
        serial=zone_file.serial,
        difference=difference(present, rrsets),
        warnings=(*zone_file.warnings, *warnings),
        based_on=based_on,
    )


def import_zone(
    text: bytes,
    name: str,
    *,
    user: Any = None,
    form: Form = "dns",
    replace: bool = False,
    merge: bool = False,
    comment: str = "",
    based_on: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Import:
    """Make the zone `name` what a file says. It is served as soon as the synchronizer has pushed it.

    user: on whose behalf, where no actor says so already. form: of the file, a zone file or a table.
    replace: an existing zone may be changed; otherwise it has to be the same already, or to have only its SOA and NS.
    merge: RRsets that the file does not name stay as they are.
    based_on: of the preview that this shall do; `None` does not look.
    progress: called with the records done and to be done, now and then; everybody else hears it as events.
    Raises `ZoneFileError` (also for what only rules between records forbid), `ZoneDiffers`, `Outdated`, `Cancelled`.
    """
    zone_name = _checked_name(name)
    present = _present(zone_name)
    lines = text.count(b"\n")
    with (
        _acting_for(user),
        operation(OPERATION, present, lines, progress, _messages) as watched,
        bulk.many(Record),
    ):
        zone_file = _read(text, zone_name, form, present, merge=merge)
        watched.reached(0, len(zone_file.records))
        with watched.counting_rows(), transaction.atomic():
            zone, made = _write(zone_name, zone_file, replace, merge, comment, based_on)
            done = _import(zone, made, zone_file, watched.row, new=present is None)
            _tell(done)
            result = {"created": done.created, "updated": done.updated, "deleted": done.deleted}
            watched.completed(zone, done.records, result | {"change_set": made.pk if made else None})
    return done


def summary(changes: Difference) -> str:
    """A difference in one line: `2 RRsets added, 1 removed, 3 changed`."""
    counts = ((changes.added, "added"), (changes.removed, "removed"), (changes.changed, "changed"))
    parts = [f"{len(rrsets)} {what}" for rrsets, what in counts if rrsets]
    if not parts:
        return "no change"
    first, _, rest = parts[0].partition(" ")
    return ", ".join([f"{first} RRset{pluralize(first)} {rest}", *parts[1:]])


# -- the steps ------------------------------------------------------------------------------------------------------------


def _read(text: bytes, name: str, form: Form, zone: Zone | None, *, merge: bool) -> ZoneFile:
    """What the file holds, all of the zone or, to be merged into `zone`, a piece of it."""
    if zone is not None and merge:
        return _with_ttls(read(text, name, form, piece=True), zone)
    try:
        zone_file = read(text, name, form)
        return zone_file if zone is None else _with_ttls(zone_file, zone)
    except ZoneFileError as error:
        if zone is None or form != "dns" or b"SOA" in text.upper():
            raise
        raise ZoneFileError([*error.problems, Problem(None, _A_PIECE)]) from error


def _with_ttls(zone_file: ZoneFile, zone: Zone) -> ZoneFile:
    """Records that came without a TTL get that of their RRset, or else that of the zone's SOA."""
    unsaid = zone_file.without_ttl
    if not unsaid:
        return zone_file
    ttls: dict[tuple[str, str], int] = {}
    for some in chunks({APEX, *(record.name for record in unsaid)}):
        rows = Record.rows.filter(zone=zone, name__in=some).values_list("name", "type", "ttl")
        ttls |= {(name, kind): ttl for name, kind, ttl in rows}
    said = [record for record in zone_file.records if record not in unsaid]
    ttls |= {(record.name, record.type): record.ttl for record in said}
    of_the_zone = ttls.get((APEX, "SOA"), DEFAULT_TTL)
    filled = (
        msgspec.structs.replace(record, ttl=ttls.get((record.name, record.type), of_the_zone)) for record in unsaid
    )
    return msgspec.structs.replace(zone_file, records=(*said, *filled), without_ttl=frozenset())


_A_PIECE = (
    "this is no whole zone: to add or change only what the file names, keep the other records of the zone (merge)"
)


def _checked_name(name: str) -> str:
    try:
        return checked_name(names.zone_name(name))
    except (ValueError, BadName) as error:
        raise ZoneFileError([Problem(None, f"{name}: {error}")]) from error


def _present(name: str) -> Zone | None:
    """The living zone of that name. Raises `ZoneFileError` for one whose records come from elsewhere."""
    zone = Zone.objects.living().filter(name=name).first()
    if zone is not None and zone.kind != ZoneKind.PRIMARY:
        raise ZoneFileError([Problem(None, f"{name} is a {zone.kind} zone: its records come from another server")])
    return zone


def _records(zone: Zone) -> Iterable[RR]:
    values = Record.objects.filter(zone=zone).values_list("name", "type", "ttl", "content")
    return (RR(*row) for row in values.iterator())


def _rrsets(zone: Zone | None) -> list[RRset]:
    return [] if zone is None else group(_records(zone))


def _apex(zone: Zone) -> list[RRset]:
    return group(record.rr for record in Record.objects.filter(zone=zone, name=APEX, type__in=("SOA", "NS")))


def _judge(name: str, records: Iterable[RR]) -> tuple[Problem, ...]:
    """What the rules between records say about a whole zone: raises `ZoneFileError`, or returns what looks wrong."""
    touched: dict[str, list[Entry]] = {APEX: []}
    for index, record in enumerate(records):
        touched.setdefault(record.name, []).append(Entry(record, index))
    types = {owner: {entry.rr.type for entry in entries} for owner, entries in touched.items()}
    aliased = [owner for owner, kinds in types.items() if "DNAME" in kinds]
    verdict = validation.judge(name, touched, lambda _: types, lambda _: (), lambda: aliased, lambda _: ())
    if verdict.errors:
        raise ZoneFileError(_told(verdict.errors))
    return tuple(_told(verdict.warnings))


def _judged(replacement: Replacement) -> tuple[Problem, ...]:
    """The same about what would change in a zone that is there; what stays as it is, is nobody's news."""
    try:
        replacement.check()
    except InvalidChange as error:
        raise ZoneFileError(_told(error.problems)) from error
    return tuple(_told(replacement.warnings))


def _told(problems: Iterable[validation.Problem]) -> list[Problem]:
    return [Problem(None, problem.message) for problem in problems][:MAX_PROBLEMS]


def _wanted(rrsets: list[RRset], present: list[RRset], *, merge: bool) -> list[RRset]:
    """What the zone shall be: what the file says, and what it leaves open. Tables seldom name the SOA and NS."""
    named = {(rrset.name, rrset.type) for rrset in rrsets}
    left_open = {(rrset.name, rrset.type) for rrset in present} if merge else _ITS_OWN
    kept = [rrset for rrset in present if (rrset.name, rrset.type) in left_open - named]
    return sorted([*rrsets, *kept], key=lambda rrset: (rrset.name, rrset.type))


_ITS_OWN = {(APEX, "SOA"), (APEX, "NS")}
"""What every zone has from the beginning."""


def _has_only_its_own(rrsets: Iterable[RRset]) -> bool:
    """Whether nobody has put anything into a zone yet, so that nothing is lost when a file takes its place."""
    return {(rrset.name, rrset.type) for rrset in rrsets} <= _ITS_OWN


def _write(
    name: str, zone_file: ZoneFile, replace: bool, merge: bool, comment: str, based_on: int | None
) -> tuple[Zone, ChangeSet | None]:
    """The records in the database: a new zone, or the old one changed."""
    zone = _present(name)
    rrsets = group(zone_file.records)
    try:
        if zone is None and based_on:
            raise ZoneFileError([Problem(None, f"the zone {name} was deleted since the difference was made")])
        if zone is None:
            return _new_zone(name, zone_file, rrsets, comment)
        if not merge:
            rrsets = _wanted(rrsets, _apex(zone), merge=False)
        if not replace:
            present = _rrsets(zone)
            would = difference(present, _wanted(rrsets, present, merge=merge))
            if would and not _has_only_its_own(present):
                raise ZoneDiffers(name, would)
        with change_set(zone, comment=comment or "import of a file", based_on=based_on) as changes:
            changes.replace(rrsets, keep_others=merge, comments=zone_file.comments)
        return zone, changes.result
    except InvalidChange as error:
        raise ZoneFileError(_told(error.problems)) from error


def _new_zone(name: str, zone_file: ZoneFile, rrsets: list[RRset], comment: str) -> tuple[Zone, ChangeSet | None]:
    zone = create_zone(name, comment=comment, rrsets=rrsets, comments=zone_file.comments)
    # The name server goes on counting from the serial in the file, so that secondaries see that it is newer.
    if serial := zone_file.serial:
        Zone.objects.filter(pk=zone.pk).update(serial=serial)
        zone.serial = serial
    return zone, ChangeSet.objects.filter(zone=zone).defer("rrsets").first()


def _import(zone: Zone, made: ChangeSet | None, zone_file: ZoneFile, operation: Operation, *, new: bool) -> Import:
    counts = (
        Counter(dict(made.changes.order_by().values_list("op").annotate(n=Count("pk"))))
        if made is not None
        else Counter()
    )
    return Import(
        zone=zone,
        new=new,
        records=len(zone_file.records),
        serial=zone_file.serial,
        change_set=made,
        created=counts["create"],
        updated=counts["update"],
        deleted=counts["delete"],
        warnings=zone_file.warnings,
        operation=operation,
    )


def _tell(done: Import) -> None:
    emit(
        EventType.ZONE_IMPORTED,
        ZoneTransferred(
            zone=done.zone.name,
            records=done.records,
            created=done.created,
            updated=done.updated,
            deleted=done.deleted,
            serial=done.serial,
            change_set=done.change_set.pk if done.change_set else None,
        ),
        scope=done.zone.key,
    )


@contextmanager
def _acting_for(user: Any) -> Iterator[None]:
    """History says that the change came from a file, and who brought it."""
    actor = current_actor()
    if user is None and actor.user is not None:
        user = get_user_model().objects.filter(pk=actor.user.id).first()
    with acting(user, origin="import", address=actor.address, trace_id=actor.trace_id or None):
        yield


def _messages(error: Exception) -> list[str]:
    if isinstance(error, ZoneFileError):
        return [str(problem) for problem in error.problems]
    return [str(error)] if isinstance(error, (ZoneDiffers, Outdated)) else []
