"""The single road of every write to zones and records.

    with change_set(zone, comment="move the web server") as changes:
        changes.update(record_id, version=3, content="192.0.2.2")
        changes.create(name="new", type="A", ttl=300, content="192.0.2.3")
    changes.result        # the ChangeSet; changes.warnings: what is allowed but looks wrong

What is asked inside the block is carried out when it ends, in one transaction: versions compared, the rules of the RRsets
that are touched checked (`zones.validation`), rows, history and events written, and the synchronizer woken on commit.
An exception inside the block, or a broken rule, leaves nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from zones import access, grants, names, rdata, reverse
from zones.models import Change, ChangeKind, ChangeSet, GrantLevel, Record, Zone, ZoneKind
from zones.nameserver.errors import BadName
from zones.nameserver.forwarding import Forwarding
from zones.nameserver.hosting import checked_name
from zones.nameserver.peers import MOST, peers
from zones.plan import BULK, FIELDS, Asked, Plan, by_id, differing, note, pend, snapshot
from zones.refusals import ChangeError, Conflict, InvalidChange, Outdated, StaleVersion, UnknownRecord
from zones.replacement import Replacement
from zones.rrsets import APEX, RRset
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
    "create_zone",
    "delete_zone",
    "newest_change",
    "restore",
    "revert",
    "snapshot",
    "takes_back",
    "update_zone",
    "where_from",
)

DEFAULT_TTL = 3600
"""Seconds; of the SOA and NS that a new zone gets."""

SOA_TIMERS = "0 10800 3600 604800 3600"
"""Serial (kept by `named`), refresh, retry, expire, negative TTL of a new SOA, in seconds (RFC 1912, section 2.2)."""


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
        _lock(zone)
        if not (zone.writable or as_served):
            message = f"the records of {zone.name} come from elsewhere ({where_from(zone)}); change them there"
            raise InvalidChange([Problem(code="not_writable", message=message)])
        if based_on is not None:
            _refuse_outdated(zone, based_on)
        changes.carry_out(comment=_comment(comment), dry_run=dry_run, reverts=reverts)


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
        _lock(zone)
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
        _lock(made.zone)
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
        _lock(zone)
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


# -- zones ---------------------------------------------------------------------------------------------------------------


def create_zone(
    name: str,
    *,
    kind: str = ZoneKind.PRIMARY,
    comment: str = "",
    rrsets: Iterable[RRset] = (),
    nameservers: Iterable[str] = (),
    comments: Mapping[tuple[str, str, str], str] | None = None,
    owner: Any = None,
    **fields: Any,
) -> Zone:
    """Make a zone with its records, as one change set, announced as `zone_created`.

    rrsets: canonical records; where the SOA or the apex NS are not among them, sensible ones are added.
    nameservers: names for those NS, the first also for the SOA; this machine's name when there are none.
    comments: of records, by name, type and content.
    owner: a user who gets a grant to manage the zone. fields: further fields of `Zone`, as `servers`, which secondary and
    forward zones need; those get no records. Raises `InvalidChange`.
    """
    zone = Zone(name=_hostable(name), kind=kind, comment=_comment(comment), **fields)
    check_settings(zone)
    found(zone, rrsets=rrsets, nameservers=nameservers, comments=comments, owner=owner)
    return zone


def check_settings(zone: Zone) -> None:
    """Whether the zone's own fields fit its kind, after bringing its servers to their one form. Raises `InvalidChange`."""
    needs = {ZoneKind.SECONDARY: "primaries", ZoneKind.FORWARD: "forwarders"}.get(ZoneKind(zone.kind))
    try:
        known = peers(zone.servers)
        if needs and not known:
            raise BadName("required", f"name the {needs} of the zone: addresses, with a port where it is not 53")
        if not needs and known:
            raise BadName("unwanted", "a primary zone has no servers of its own")
        if len(known) > MOST:
            raise BadName("too_many", f"a zone has at most {MOST} {needs}")
        if zone.kind == ZoneKind.FORWARD:
            Forwarding(zone=zone.name, servers=known).clause()
    except BadName as error:
        raise InvalidChange([Problem(code=error.code, message=error.message, field=needs or "servers")]) from error
    if zone.follows_addresses and not names.has_pointers(zone.name):
        message = f"{zone.name} is not a zone of addresses (in-addr.arpa, ip6.arpa)"
        if names.is_reverse(zone.name):
            message = f"in {zone.name} there are no PTR records of whole addresses (RFC 2317); they are left to you"
        raise InvalidChange([Problem(code="not_reverse", message=message, field="follows_addresses")])
    zone.servers = [msgspec.to_builtins(server) for server in known]


def _hostable(name: str) -> str:
    """The stored form of a zone's name, if `named` can host one of that name. Raises `InvalidChange`."""
    try:
        return checked_name(names.zone_name(name))
    except (ValueError, BadName) as error:
        raise InvalidChange([Problem(code="invalid_name", message=str(error), field="name")]) from error


def found(
    zone: Zone,
    *,
    rrsets: Iterable[RRset] = (),
    nameservers: Iterable[str] = (),
    comments: Mapping[tuple[str, str, str], str] | None = None,
    owner: Any = None,
) -> None:
    """Write a new zone object whose fields are good, and its first records."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                zone.write()
        except IntegrityError as error:
            problem = Problem(code="exists", message=f"there is a zone {zone.name} already", field="name")
            raise InvalidChange([problem]) from error
        if zone.writable:
            given = list(rrsets)
            with change_set(zone, comment="new zone", unlimited=True) as changes:
                changes.replace([*given, *_apex(zone.name, given, nameservers)], comments=comments)
        else:
            made_of = [
                {"field": field, "old": None, "new": value} for field in SETTINGS if (value := getattr(zone, field))
            ]
            note(zone, f"new {zone.kind} zone", made_of)
        if zone.follows_addresses:
            reverse.fill(zone)
        pend(zone)
        if owner is not None:
            grants.open_grant(zone, level=GrantLevel.MANAGE, user=owner)


SETTINGS = ("comment", "servers", "forward_only", "follows_addresses")
"""What people may set of a zone."""

KEY = "tsig"
"""In what changed about a zone: its TSIG key has another secret, which nobody is shown."""

_PUSHED = {"servers", "forward_only"}
"""Settings that the name server has to hear of."""


def update_zone(
    zone: Zone,
    *,
    version: int | None = None,
    said: str = "settings of the zone",
    reverts: ChangeSet | None = None,
    rekeyed: bool = False,
    **fields: Any,
) -> ChangeSet | None:
    """Change the zone's own fields (`SETTINGS`), in place. said: for the history. rekeyed: its TSIG key has another secret,
    which is told, but not shown. Returns the change set, if anything changed. Raises `StaleVersion`, with the fields as they
    are, and `InvalidChange`."""
    made = None
    with transaction.atomic():
        _lock(zone)
        present = Zone.objects.get(pk=zone.pk)
        _compare(present, version, fields)
        before = {field: getattr(present, field) for field in SETTINGS}
        for field in SETTINGS:
            setattr(zone, field, fields.get(field, before[field]))
        zone.comment = _comment(zone.comment)
        check_settings(zone)
        changed = [field for field in SETTINGS if getattr(zone, field) != before[field]]
        if changed or rekeyed:
            zone.version = present.version + 1
            zone.field_changes = [
                {"field": field, "old": before[field], "new": getattr(zone, field)} for field in changed
            ]
            if rekeyed:
                zone.field_changes.append({"field": KEY, "old": None, "new": None})
            if rekeyed or (zone.kind == ZoneKind.SECONDARY and "servers" in changed):
                zone.hosted = False  # it was told of others
                changed.append("hosted")
            zone.write(*changed, "version", "updated_at")
            made = note(zone, said, zone.field_changes, reverts=reverts)
        if "follows_addresses" in changed and zone.follows_addresses:
            reverse.fill(zone)
        if rekeyed or _PUSHED.intersection(changed):
            pend(zone)
    return made


def delete_zone(zone: Zone, *, version: int | None = None) -> None:
    """Delete a zone softly: its name is free, nobody sees it any more, and the name server is told to forget it.

    Its grants stay open, so that those who had it may still read in the log that it was deleted. The PTRs of its addresses
    go where they follow (`zones.reverse`). Raises `StaleVersion`.
    """
    with transaction.atomic():
        _lock(zone)
        present = Zone.objects.get(pk=zone.pk)
        _compare(present, version, {})
        zone.deleted_at, zone.version = timezone.now(), present.version + 1
        zone.field_changes = ()
        zone.write("deleted_at", "version", "updated_at")
        reverse.forget(zone)
        note(zone, "deleted", [{"field": "deleted", "old": False, "new": True}])
        pend(zone)


def save_zone(zone: Zone) -> None:
    """`Zone.save()`: a new zone gets its first records; of an old one only the settings can change."""
    if zone.pk is not None:
        update_zone(zone, version=zone.version, **{field: getattr(zone, field) for field in SETTINGS})
        return
    zone.name = _hostable(zone.name)
    check_settings(zone)
    found(zone)


def zone_snapshot(zone: Zone) -> dict[str, Any]:
    """The zone's own fields as plain values."""
    return {
        "name": zone.name,
        "kind": zone.kind,
        **{field: getattr(zone, field) for field in SETTINGS},
        "version": zone.version,
    }


def _apex(zone: str, given: Iterable[RRset], nameservers: Iterable[str]) -> list[RRset]:
    """The SOA and NS that `given` lacks."""
    there = {rrset.type: rrset for rrset in given if rrset.name == APEX}
    missing = []
    if "NS" in there:
        servers = list(there["NS"].rdata)
    else:
        typed = list(nameservers) or [_this_machine(zone)]
        try:
            servers = [rdata.canonical("NS", server.removesuffix(".") + ".", zone) for server in typed]
        except ValueError as error:
            raise InvalidChange([Problem(code="invalid_name", message=str(error), field="nameservers")]) from error
        missing.append(RRset(APEX, "NS", DEFAULT_TTL, tuple(sorted(servers))))
    if "SOA" not in there:
        soa = rdata.canonical("SOA", f"{servers[0]} hostmaster {SOA_TIMERS}", zone)
        missing.append(RRset(APEX, "SOA", DEFAULT_TTL, (soa,)))
    return missing


def _this_machine(zone: str) -> str:
    """A name for the name server of zones made without one; never inside the zone, where it would need an address."""
    name = socket.getfqdn().lower()
    try:
        outside = "." in name and names.within(rdata.canonical("NS", f"{name}.", zone), zone) is None
    except ValueError:
        outside = False
    return name if outside else "localhost"


def _lock(zone: Zone) -> None:
    """Hold the zone for this transaction, on every database. Raises `Zone.DoesNotExist` when it was deleted."""
    if not Zone.objects.living().filter(pk=zone.pk).update(updated_at=timezone.now(), version=F("version")):
        raise Zone.DoesNotExist(f"the zone {zone.name} was deleted")


def where_from(zone: Zone) -> str:
    """Why the records of a zone that is not `writable` are not changed here, in a few words."""
    return "the name server, where it is only watched" if zone.watched else f"it is a {zone.kind} zone"


def _compare(present: Zone, version: int | None, sent: dict[str, Any]) -> None:
    if version not in (None, present.version):
        raise StaleVersion(zone_snapshot(present), {"version": version, **sent})


def _comment(text: str) -> str:
    if len(text) > MAX_COMMENT or "\0" in text:
        message = f"a comment has at most {MAX_COMMENT} characters and no NUL"
        raise InvalidChange([Problem(code="invalid_comment", message=message, field="comment")])
    return text


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


def _id(record: Record | int) -> int:
    if isinstance(record, int):
        return record
    if record.pk is None:
        raise ValueError("the record is not saved yet")
    return record.pk
