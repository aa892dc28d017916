"""What a change set makes of the records that it touches: thought through in memory, then written in one go. For changes
that are asked for one by one; a whole zone is replaced by `zones.replacement`.

Behind `zones.changes`, which is the front door.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from django.db.models import Q
from django.utils import timezone

from realtime.actors import current_actor
from realtime.broadcasting import emit
from realtime.events import EventType
from zones import bulk, rdata, validation
from zones.events import ChangeSetEvent
from zones.models import Change, ChangeKind, ChangeSet, Record, SyncState, Zone
from zones.names import absolute, is_below
from zones.refusals import InvalidChange, StaleVersion, UnknownRecord
from zones.rrsets import APEX, RR, group
from zones.validation import Entry, Problem
from zones.zonefile.values import refused

FIELDS = ("name", "type", "ttl", "content", "comment", "private")
"""What people may set of a record."""

BULK = 1000
"""Changes that people ask for one by one at most, and that are announced one by one."""

FEW = 20
"""Names that are looked up to be told of."""

CHUNK = 500
"""Rows written, or names asked for, in one statement."""


class Asked(msgspec.Struct, kw_only=True):
    """One change as it was asked for. record: the new one of a creation. version: the one that the asker saw, or `None`."""

    op: ChangeKind
    record: Record | None = None
    record_id: int | None = None
    version: int | None = None
    fields: dict[str, Any] = {}

    def sent(self) -> dict[str, Any]:
        """What the asker sent, for the answer to a stale version."""
        return {"op": self.op.value, "id": self.record_id, "version": self.version, **self.fields}


class Plan:
    """The records at every name that is touched, as they would be.

    before: id -> the record as it was. index: of the change that asked, by `id()` of the record object (new ones have no
    key yet). without_ttl: the new records that came without one, in the same way. quiet: written in bulk, with one event
    for all. pushes: once written, that the name server hears of it: RRsets changed, not comments alone.
    """

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.records: list[Record] = []
        self.before: dict[int, dict[str, Any]] = {}
        self.index: dict[int, int] = {}
        self.without_ttl: set[int] = set()
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.done: list[tuple[Change, Record]] = []
        self.quiet = False
        self.pushes = False

    # what was asked

    def ask(self, asked: Sequence[Asked]) -> None:
        """Apply single changes. Raises `StaleVersion`, `UnknownRecord`, and `InvalidChange` for values wrong on their own."""
        self.quiet = len(asked) > BULK
        mentioned = by_id(self.zone, [one.record_id for one in asked if one.record_id is not None])
        cleaned = [self._clean(index, one, mentioned) for index, one in enumerate(asked)]
        self._refuse_what_bind_would(cleaned)
        if self.errors:
            raise InvalidChange(self.errors)
        names = {record.name for record in mentioned.values()} | {str(fields.get("name", APEX)) for fields in cleaned}
        rows = {record.pk: record for record in self._load(names | {APEX})}
        self.before = {pk: snapshot(record) for pk, record in rows.items()}
        created = []
        for index, (one, fields) in enumerate(zip(asked, cleaned, strict=True)):
            if one.record is not None:
                created.append(self._set(one.record, fields, index))
                if "ttl" not in fields:
                    self.without_ttl.add(id(one.record))
            elif one.record_id not in rows:  # deleted by an earlier change of the same set
                raise StaleVersion(None, one.sent(), index)
            elif one.op is ChangeKind.DELETE:
                del rows[one.record_id]
            else:
                self._set(rows[one.record_id], fields, index)
        self.records = [*rows.values(), *created]

    def _clean(self, index: int, one: Asked, mentioned: Mapping[int, Record]) -> dict[str, Any]:
        given = dict(one.fields)
        if one.record_id is not None:
            present = mentioned.get(one.record_id)
            if present is None and not self._was_there(one.record_id):
                raise UnknownRecord(one.record_id, index)
            if present is None or one.version not in (None, present.version):
                raise StaleVersion(snapshot(present) if present else None, one.sent(), index)
            # What stays is not judged again: an imported record may keep what nobody would be let type today.
            given = {field: value for field, value in given.items() if value != getattr(present, field)}
            if "type" in given or "content" in given:
                given = {"type": present.type, "content": present.content} | given
        fields, problems = validation.clean(self.zone.name, given, index)
        self.errors += problems
        return fields

    def _refuse_what_bind_would(self, cleaned: Sequence[Mapping[str, Any]]) -> None:
        if self.errors:
            return
        given = [(index, fields) for index, fields in enumerate(cleaned) if "content" in fields]
        found = refused(self.zone.name, [(fields["type"], fields["content"]) for _, fields in given])
        self.errors += [
            Problem(code="invalid_content", message=reason, field="content", index=given[place][0])
            for place, reason in found.items()
        ]

    def _was_there(self, record_id: int) -> bool:
        """Whether the history of the zone knows the record. It has no index by record: few ask for one that is gone."""
        return Change.objects.filter(change_set__zone=self.zone, record_id=record_id).exists()

    def _set(self, record: Record, fields: Mapping[str, Any], index: int) -> Record:
        for field, value in fields.items():
            setattr(record, field, value)
        record.zone = self.zone
        self.index[id(record)] = index
        return record

    # whether it is good

    def check(self) -> None:
        """Bring RRsets to one TTL, find what changes, and judge it. Raises `InvalidChange`."""
        self._one_ttl_per_rrset()
        self.done = self._differences()
        verdict = validation.judge(
            self.zone.name, self._touched(), self._types_at, self._referrers, self._aliased, self._below
        )
        self.errors += verdict.errors
        self.warnings += verdict.warnings
        if self.errors:
            raise InvalidChange(self.errors, self.warnings)

    def _one_ttl_per_rrset(self) -> None:
        """Bring each RRset to one TTL (RFC 2181, 5.2): the one that was asked for, for all of its records."""
        rrsets: dict[tuple[str, str], list[Record]] = {}
        for record in self.records:
            rrsets.setdefault((record.name, record.type), []).append(record)
        for (name, kind), members in rrsets.items():
            self._fill_in_ttl(name, kind, members)
            if len({record.ttl for record in members}) == 1:
                continue
            asked = [record for record in members if self._asks_for_ttl(record)]
            wanted = {record.ttl for record in asked}
            index = self.index.get(id((asked or members)[-1]))
            if len(wanted) > 1:
                text = f"the {kind} records of {name} are one RRset and have one TTL (RFC 2181)"
                self.errors.append(Problem(code="ttl_differs", message=text, field="ttl", index=index))
                continue
            there = [record.ttl for record in members if id(record) not in self.index]
            ttl = wanted.pop() if wanted else (there or [members[0].ttl])[0]
            for record in members:
                record.ttl = ttl
            text = f"all {len(members)} {kind} records of {name} now have the TTL {ttl}: an RRset has one (RFC 2181)"
            self.warnings.append(Problem(code="ttl_of_rrset", message=text, field="ttl", index=index))

    def _fill_in_ttl(self, name: str, kind: str, members: Sequence[Record]) -> None:
        """Give those of an RRset that came without a TTL the one that it has or had, or else that of the zone's SOA."""
        without = [record for record in members if id(record) in self.without_ttl]
        if not without:
            return
        others = [record for record in members if id(record) not in self.without_ttl]
        asked = [record.ttl for record in others if self._asks_for_ttl(record)]
        had = [was["ttl"] for was in self.before.values() if (was["name"], was["type"]) == (name, kind)]
        soa = [record.ttl for record in self.records if (record.name, record.type) == (APEX, "SOA")]
        for ttl in [*asked, *(record.ttl for record in others), *had, *soa][:1]:
            for record in without:
                record.ttl = ttl

    def _asks_for_ttl(self, record: Record) -> bool:
        before = self.before.get(record.pk)
        return id(record) in self.index and (before is None or before["ttl"] != record.ttl)

    def _differences(self) -> list[tuple[Change, Record]]:
        """What there is to do: deletions first, then creations and updates in the order they were asked for."""
        left = {record.pk for record in self.records}
        done: list[tuple[Change, Record]] = []
        for pk, before in self.before.items():
            if pk not in left:
                done.append((Change(op=ChangeKind.DELETE, record_id=pk, before=before), revive(self.zone, before)))
        for record in sorted(self.records, key=lambda record: self.index.get(id(record), len(self.index))):
            earlier = self.before.get(record.pk)
            if earlier is None:
                done.append((Change(op=ChangeKind.CREATE, record_id=record.pk, after=snapshot(record)), record))
            elif differing(earlier, snapshot(record)):
                record.version = earlier["version"] + 1
                done.append(
                    (Change(op=ChangeKind.UPDATE, record_id=record.pk, before=earlier, after=snapshot(record)), record)
                )
        return done

    def _touched(self) -> dict[str, list[Entry]]:
        """Every name at which something changes, with all that would be there. The apex comes along when what its name
        servers are named changes, because without their addresses `named` does not load the zone."""
        names = {side["name"] for change, _ in self.done for side in (change.before, change.after) if side}
        here: dict[str, list[Entry]] = {name: [] for name in names}
        entries = [Entry(record.rr, self.index.get(id(record))) for record in self.records]
        servers = {entry.rr.content for entry in entries if entry.rr.type == "NS" and entry.rr.name == APEX}
        if servers & {absolute(name, self.zone.name) for name in names}:
            here.setdefault(APEX, [])
        for entry in entries:
            if entry.rr.name in here:
                here[entry.rr.name].append(entry)
        return here

    def _types_at(self, names: Collection[str]) -> Mapping[str, set[str]]:
        types: dict[str, set[str]] = {}
        for record in self.records:
            types.setdefault(record.name, set()).add(record.type)
        in_memory = types.keys() | {before["name"] for before in self.before.values()}
        for some in chunks(set(names) - in_memory):
            for name, kind in Record.rows.filter(zone=self.zone, name__in=some).values_list("name", "type"):
                types.setdefault(name, set()).add(kind)
        return types

    def _aliased(self) -> Collection[str]:
        here = {record.name for record in self.records if record.type == "DNAME"}
        if not self.zone.record_counts.get("DNAME"):
            return here
        there = Record.rows.filter(zone=self.zone, type="DNAME").exclude(pk__in=list(self.before))
        return here | set(there.values_list("name", flat=True))

    def _below(self, name: str) -> Collection[str]:
        here = {record.name for record in self.records if is_below(record.name, name)}
        there = Record.rows.filter(zone=self.zone).exclude(pk__in=list(self.before)).exclude(name=APEX)
        if name != APEX:
            there = there.filter(name__endswith=f".{name}")
        return here | set(there.values_list("name", flat=True)[:FEW])

    def _referrers(self, names: Collection[str]) -> Iterable[tuple[str, str, str]]:
        if len(names) > 20:  # for a few names that go, a look is cheap and worth it
            return []
        pointing = Q(pk__in=[])
        for target in (absolute(name, self.zone.name) for name in names):
            pointing |= Q(content=target) | Q(content__endswith=f" {target}")
        rows = Record.rows.filter(pointing, zone=self.zone, type__in=rdata.POINTING).exclude(pk__in=list(self.before))[
            :20
        ]
        return [(record.name, record.type, rdata.target(record.type, record.content) or "") for record in rows]

    def _load(self, names: Iterable[str]) -> list[Record]:
        return [record for some in chunks(names) for record in Record.rows.filter(zone=self.zone, name__in=some)]

    # writing it

    def changes(self) -> list[Change]:
        """What there is to do, in the order of history."""
        return [change for change, _ in self.done]

    def write(self, *, comment: str, reverts: ChangeSet | None = None) -> ChangeSet | None:
        """Write rows, history and events. `None` when there is nothing to do."""
        if not self.done:
            return None
        rrsets = self._rrsets()
        self.pushes = bool(rrsets)
        made = begin(self.zone, comment, rrsets, reverts=reverts, change_count=len(self.done))
        for _, record in self.done:
            record.updated_by_id = made.author_id
        (self._write_rows if self.quiet else self._write_one_by_one)(made)
        for change, record in self.done:
            change.change_set = made
            if change.after is not None:
                change.record_id = record.pk
                change.after = snapshot(record)
        bulk.insert(self.changes())
        sides = [(change.before, change.after) for change in self.changes()]
        tally(
            self.zone,
            came=(after["type"] for _, after in sides if after),
            went=(before["type"] for before, _ in sides if before),
        )
        announce(
            made,
            created=self._count(ChangeKind.CREATE),
            updated=self._count(ChangeKind.UPDATE),
            deleted=self._count(ChangeKind.DELETE),
            announced=not self.quiet,
        )
        if self.pushes:
            pend(self.zone)
        return made

    def _write_one_by_one(self, made: ChangeSet) -> None:
        """With Django's signals, which announce each record (`zones.signals`)."""
        for change, record in self.done:
            record.change_set_id = made.pk
            record.field_changes = field_changes(change.before, change.after)
            if change.op is ChangeKind.DELETE:
                record.erase()
            else:
                record.write()

    def _write_rows(self, made: ChangeSet) -> None:
        """In bulk, which sends no signals."""
        gone = [change.record_id for change, _ in self.done if change.op is ChangeKind.DELETE]
        for some in chunks(gone):
            rows = Record.rows.filter(pk__in=some)
            rows._raw_delete(rows.db)  # noqa: SLF001  # delete() would load each row to send its signals
        changed = [record for change, record in self.done if change.op is ChangeKind.UPDATE]
        for record in changed:
            record.updated_at = timezone.now()
        Record.rows.bulk_update(changed, [*FIELDS, "version", "updated_at", "updated_by"], batch_size=CHUNK)
        bulk.insert([record for change, record in self.done if change.op is ChangeKind.CREATE])

    def _rrsets(self) -> list[dict[str, Any]]:
        """The RRsets that change, as `ChangeSet.rrsets` keeps them for the name server."""
        before = _rrsets(RR(was["name"], was["type"], was["ttl"], was["content"]) for was in self.before.values())
        after = _rrsets(record.rr for record in self.records)
        return [
            {"name": name, "type": kind, "before": before.get((name, kind)), "after": after.get((name, kind))}
            for name, kind in sorted(before.keys() | after.keys())
            if before.get((name, kind)) != after.get((name, kind))
        ]

    def _count(self, op: ChangeKind) -> int:
        return sum(change.op is op for change, _ in self.done)


def begin(
    zone: Zone,
    comment: str,
    rrsets: Sequence[Any],
    *,
    reverts: ChangeSet | None = None,
    served: bool = False,
    settings: Sequence[Mapping[str, Any]] = (),
    change_count: int = 0,
) -> ChangeSet:
    """Write the row of a new change set, by whoever acts now. served: the name server has it already."""
    to_push = bool(rrsets) and not served  # where only comments or settings change, it has nothing to do
    actor = current_actor()
    made = ChangeSet(
        zone=zone,
        comment=comment,
        author_id=actor.user.id if actor.user else None,
        author_name=actor.user.username if actor.user else "",
        origin=actor.origin,
        address=actor.address or "",
        reverts=reverts,
        rrsets=rrsets,
        settings=list(settings),
        change_count=change_count,
        state=SyncState.PENDING if to_push else SyncState.SERVED,
        serial=None if to_push or settings else zone.serial,
    )
    made.save()
    return made


def note(
    zone: Zone, comment: str, settings: Sequence[Mapping[str, Any]], *, reverts: ChangeSet | None = None
) -> ChangeSet:
    """Keep in the history what changed about the zone itself (`ChangeSet.settings`), which has an event of its own, too."""
    made = begin(zone, comment, [], settings=settings, reverts=reverts)
    announce(made, created=0, updated=0, deleted=0, announced=True)
    return made


def tally(zone: Zone, *, came: Iterable[str], went: Iterable[str]) -> None:
    """Keep count of a zone's records, by the types of those that came and went. Whoever writes them holds the zone."""
    counts = Counter(Zone.objects.values_list("record_counts", flat=True).get(pk=zone.pk))
    counts.update(came)
    counts.subtract(Counter(went))
    zone.record_counts = {kind: number for kind, number in counts.items() if number}
    Zone.objects.filter(pk=zone.pk).update(record_counts=zone.record_counts)


def announce(made: ChangeSet, *, created: int, updated: int, deleted: int, announced: bool) -> None:
    """The one event that every change set has. announced: each of its records had one, too."""
    emit(
        EventType.CHANGE_SET_REVERTED if made.reverts_id else EventType.CHANGE_SET_APPLIED,
        ChangeSetEvent(
            zone=made.zone.name,
            change_set=made.pk,
            comment=made.comment,
            created=created,
            updated=updated,
            deleted=deleted,
            reverts=made.reverts_id,
            announced=announced,
            to_push=made.state == SyncState.PENDING,
        ),
        scope=made.zone.key,
    )


def pend(zone: Zone) -> None:
    """Mark a zone as waiting for the name server, and wake the synchronizer when the transaction commits."""
    from zones import synchronizer

    Zone.objects.filter(pk=zone.pk).update(sync_state=SyncState.PENDING, retry_at=None)
    zone.sync_state = SyncState.PENDING
    synchronizer.wake_on_commit()


def snapshot(record: Record) -> dict[str, Any]:
    """A record as plain values: `{id, name, type, ttl, content, comment, private, version}`."""
    return {"id": record.pk, **{field: getattr(record, field) for field in FIELDS}, "version": record.version}


def revive(zone: Zone, values: Mapping[str, Any]) -> Record:
    """A record object, unsaved, of what `snapshot()` gave."""
    return Record(zone=zone, **values)


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields in which two snapshots differ."""
    return [field for field in FIELDS if before[field] != after[field]]


def field_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """`[{field, old, new}]` of an update. That a private comment changed is told here, not to what."""
    if before is None or after is None:
        return []
    private = before["private"] or after["private"]
    return [
        {"field": field, "old": None, "new": None}
        if field == "comment" and private
        else {"field": field, "old": before[field], "new": after[field]}
        for field in differing(before, after)
    ]


def by_id(zone: Zone, ids: Iterable[int | None]) -> dict[int, Record]:
    """The records of `zone` that have these ids, by id."""
    wanted = [pk for pk in ids if pk is not None]
    return {record.pk: record for some in chunks(wanted) for record in Record.rows.filter(zone=zone, pk__in=some)}


def chunks(values: Iterable[Any], size: int = CHUNK) -> Iterator[tuple[Any, ...]]:
    """`values` in tuples of at most `size`, so that a statement has no more parameters than databases take."""
    rest = iter(values)
    while some := tuple(islice(rest, size)):
        yield some


def _rrsets(records: Iterable[RR]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(rrset.name, rrset.type): {"ttl": rrset.ttl, "rdata": list(rrset.rdata)} for rrset in group(records)}
