"""A whole zone made what somebody wants, in one change set: for imports, which bring records by the hundred thousand.

It keeps the same rules, history and versions as `zones.plan`, in plain values and with prepared statements: an object per
record and one more per line of its history would take four times as long as `named` takes to read the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from realtime.actors import current_actor
from zones import bulk, validation
from zones.models import Change, ChangeKind, ChangeSet, Record, Zone
from zones.names import is_below
from zones.plan import BULK, announce, begin, chunks, field_changes, pend, revive, tally
from zones.refusals import InvalidChange
from zones.rrsets import APEX, RR, RRset
from zones.signals import announce_change
from zones.validation import Entry, Problem


class Snapshot(msgspec.Struct, gc=False):
    """A record as history keeps it (`zones.plan.snapshot`). id: `None` until it is written."""

    id: int | None
    name: str
    type: str
    ttl: int
    content: str
    comment: str
    private: bool
    version: int


class Served(msgspec.Struct, frozen=True, gc=False):
    """One side of an entry of `ChangeSet.rrsets`."""

    ttl: int
    rdata: Sequence[str]


class Entered(msgspec.Struct, frozen=True, gc=False):
    """An entry of `ChangeSet.rrsets`: a fifth of the memory of dictionaries."""

    name: str
    type: str
    before: Served | None
    after: Served | None


class Replacement:
    """The records of `zone` as they are, beside those that `rrsets` want.

    Records with an equal value stay, with their id, comment and version; a new TTL changes them, the others go or come.
    keep_others: RRsets that are not named stay as they are. comments: of records, by name, type and content; others keep
    theirs. as_served: the name server serves it already, so that no rule has a say; of that, a few records are announced one
    by one, as activity.
    """

    def __init__(
        self,
        zone: Zone,
        rrsets: Iterable[RRset],
        *,
        keep_others: bool,
        comments: Mapping[tuple[str, str, str], str],
        as_served: bool = False,
    ) -> None:
        self.zone = zone
        self._as_served = as_served
        self.warnings: list[Problem] = []
        self._wanted = {(rrset.name, rrset.type): rrset for rrset in rrsets}
        columns = Record.rows.filter(zone=zone).values_list(*Snapshot.__struct_fields__)
        present = [Snapshot(*values) for values in columns.iterator(chunk_size=5000)]
        if keep_others:
            present = [was for was in present if (was.name, was.type) in self._wanted]
        self._before = {(was.name, was.type, was.content): was for was in present}
        self._keep_others = keep_others
        self.pushes = False
        self._come: list[Snapshot] = []
        self._differ: list[tuple[Snapshot, Snapshot]] = []
        left = dict(self._before)
        for rr in self._records():
            value = rr.name, rr.type, rr.content
            was = left.pop(value, None)
            comment = comments.get(value, was.comment if was else "")
            if was is None:
                self._come.append(Snapshot(None, rr.name, rr.type, rr.ttl, rr.content, comment, False, 1))
            elif (was.ttl, was.comment) != (rr.ttl, comment):
                now = msgspec.structs.replace(was, ttl=rr.ttl, comment=comment, version=was.version + 1)
                self._differ.append((was, now))
        self._go = list(left.values())

    def changes(self) -> Iterator[Change]:
        """What there is to do, or was done, in the order of history. New records have no id before they are written."""
        for was in self._go:
            yield Change(op=ChangeKind.DELETE, record_id=was.id, before=_plain(was))
        for was, now in self._differ:
            yield Change(op=ChangeKind.UPDATE, record_id=was.id, before=_plain(was), after=_plain(now))
        for now in self._come:
            yield Change(op=ChangeKind.CREATE, record_id=now.id, after=_plain(now))

    # whether it is good

    def check(self) -> None:
        """Raises `InvalidChange` where rules between records are broken."""
        if self._as_served:
            return
        touched = (
            {rr.name for rr in self._come} | {was.name for was in self._go} | {was.name for was, _ in self._differ}
        )
        if self._touches_the_apex(touched):
            touched.add(APEX)
        entries = self._entries(touched)
        verdict = validation.judge(self.zone.name, entries, self._types_at, lambda _: (), self._aliased, self._below)
        self.warnings = verdict.warnings
        if verdict.errors:
            raise InvalidChange(verdict.errors, verdict.warnings)

    def _touches_the_apex(self, touched: Collection[str]) -> bool:
        """Whether the address of a name server of the apex changes, without which `named` does not load the zone."""
        servers = self._wanted.get((APEX, "NS"))
        suffix = f".{self.zone.name}."
        return servers is not None and any(server.removesuffix(suffix) in touched for server in servers.rdata)

    def _entries(self, touched: Collection[str]) -> Mapping[str, list[Entry]]:
        entries: dict[str, list[Entry]] = {name: [] for name in touched}
        changed = {(now.name, now.type, now.content) for _, now in self._differ}
        for index, rr in enumerate(self._records()):
            if (here := entries.get(rr.name)) is not None:
                value = (rr.name, rr.type, rr.content) if self._before else None
                stays = value in self._before and value not in changed
                here.append(Entry(rr, None if stays else index))
        if self._keep_others:
            for name, kind, ttl, content in self._others(touched):
                entries[name].append(Entry(RR(name, kind, ttl, content)))
        return entries

    def _others(self, names: Iterable[str]) -> Iterator[tuple[str, str, int, str]]:
        """Records at these names of RRsets that stay as they are."""
        for some in chunks(names):
            rows = Record.rows.filter(zone=self.zone, name__in=some).values_list("name", "type", "ttl", "content")
            yield from (row for row in rows if row[:2] not in self._wanted)

    def _types_at(self, names: Collection[str]) -> Mapping[str, set[str]]:
        types: dict[str, set[str]] = {}
        for name, kind in self._wanted:
            if name in names:
                types.setdefault(name, set()).add(kind)
        for name, kind, _, _ in self._others(names) if self._keep_others else ():
            types.setdefault(name, set()).add(kind)
        return types

    def _aliased(self) -> Collection[str]:
        here = {name for name, kind in self._wanted if kind == "DNAME"}
        if not self._keep_others:
            return here
        there = Record.rows.filter(zone=self.zone, type="DNAME").values_list("name", flat=True)
        return here | {name for name in there if (name, "DNAME") not in self._wanted}

    def _below(self, name: str) -> Collection[str]:
        here = {owner for owner, _ in self._wanted if is_below(owner, name)}
        if not self._keep_others:
            return here
        there = Record.rows.filter(zone=self.zone).values_list("name", "type").iterator()
        return here | {owner for owner, kind in there if is_below(owner, name) and (owner, kind) not in self._wanted}

    # writing it

    def write(self, *, comment: str, reverts: ChangeSet | None = None) -> ChangeSet | None:
        """Write rows and history, and one event for all. `None` when there is nothing to do."""
        if not (self._come or self._go or self._differ):
            return None
        count = len(self._come) + len(self._differ) + len(self._go)
        rrsets = self._rrsets()
        self.pushes = bool(rrsets)
        # What is not read again makes room for what is written next; the database gives the RRsets to whoever asks.
        self._wanted.clear()
        made = begin(self.zone, comment, rrsets, reverts=reverts, served=self._as_served, change_count=count)
        del made.rrsets, rrsets
        user = current_actor().user
        author = user.id if user else None
        for some in chunks(was.id for was in self._go):
            gone = Record.rows.filter(pk__in=some)
            gone._raw_delete(gone.db)  # noqa: SLF001  # delete() would load each row to send its signals
        moment = bulk.moment(Record)
        rows = ((now.ttl, now.comment, now.version, moment, author, now.id) for _, now in self._differ)
        bulk.update(Record, ("ttl", "comment", "version", "updated_at", "updated_by_id"), rows)
        for now, key in zip(self._come, bulk.reserved_keys(Record, len(self._come)), strict=True):
            now.id = key
        written = (*Snapshot.__struct_fields__, "zone_id", "created_at", "updated_at", "updated_by_id")
        always = self.zone.pk, moment, moment, author
        bulk.write(Record, written, ((*msgspec.structs.astuple(now), *always) for now in self._come), together=True)
        bulk.write(Change, ("change_set_id", "op", "record_id", "before", "after"), self._history(made.pk))
        tally(self.zone, came=(now.type for now in self._come), went=(was.type for was in self._go))
        one_by_one = self._as_served and bool(self._before) and count <= BULK
        if one_by_one:
            self._announce_records(made)
        announce(made, created=len(self._come), updated=len(self._differ), deleted=len(self._go), announced=one_by_one)
        if self.pushes and not self._as_served:
            pend(self.zone)
        return made

    def _announce_records(self, made: ChangeSet) -> None:
        for change in self.changes():
            told = change.after or change.before
            assert told is not None
            record = revive(self.zone, told)
            record.change_set_id = made.pk
            record.field_changes = field_changes(change.before, change.after)
            announce_change(ChangeKind(change.op), record)

    def _history(self, change_set: int) -> Iterator[tuple[Any, ...]]:
        encode = msgspec.json.Encoder().encode
        for was in self._go:
            yield change_set, "delete", was.id, encode(was).decode(), None
        for was, now in self._differ:
            yield change_set, "update", was.id, encode(was).decode(), encode(now).decode()
        for now in self._come:
            yield change_set, "create", now.id, None, encode(now).decode()

    def _records(self) -> Iterator[RR]:
        return (RR(rrset.name, rrset.type, rrset.ttl, each) for rrset in self._wanted.values() for each in rrset.rdata)

    def _rrsets(self) -> list[Entered]:
        """The RRsets that change, as `ChangeSet.rrsets` keeps them for the name server."""
        before: dict[tuple[str, str], list[Snapshot]] = {}
        for was in self._before.values():
            before.setdefault((was.name, was.type), []).append(was)
        changed = {(was.name, was.type) for was in self._go} | {(now.name, now.type) for now in self._come}
        changed |= {(was.name, was.type) for was, now in self._differ if was.ttl != now.ttl}
        entered = []
        # Those wanted are sorted already, which makes this quick.
        for name, kind in sorted([*(key for key in self._wanted if key in changed), *(changed - self._wanted.keys())]):
            wanted = self._wanted.get((name, kind))
            after = Served(wanted.ttl, wanted.rdata) if wanted else None
            entered.append(Entered(name, kind, _served(before.get((name, kind))), after))
        return entered


def _served(records: Collection[Snapshot] | None) -> Served | None:
    if records is None:
        return None
    return Served(min(was.ttl for was in records), sorted(was.content for was in records))


def _plain(was: Snapshot) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(was)
    return plain
