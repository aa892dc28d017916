"""The events of zones: what they carry, who sees them. Imported when the site starts (`realtime.registry`).

Every event about a zone is shown to those who may view all zones and, by scope, to those with a grant on it. The comment
of a record marked private is masked for those who may not change records, everywhere or, by a grant, in its zone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from realtime.events import EventCategory, EventPriority, EventType
from realtime.registry import EventSpec, registry
from zones.access import edited_zone_keys, visible_zone_keys

if TYPE_CHECKING:
    from zones.models import Operation, Record, Zone

SEES_ALL_ZONES = "zones.view_zone"
SEES_PRIVATE_COMMENTS = "zones.change_record"


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an object before and after."""

    field: str
    old: Any = None
    new: Any = None


class RecordData(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it is after the event (before it, when deleted). `comment` of a `private` one: for editors."""

    id: int
    name: str
    type: str
    ttl: int
    content: str
    comment: str | None
    private: bool
    version: int

    @classmethod
    def of(cls, record: Record) -> RecordData:
        return cls(
            id=record.pk,
            name=record.name,
            type=record.type,
            ttl=record.ttl,
            content=record.content,
            comment=record.comment,
            private=record.private,
            version=record.version,
        )


class RecordEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A record was created, updated or deleted. zone: its name without the final dot. change_set: id."""

    zone: str
    record: RecordData
    changes: list[FieldChange] = []
    change_set: int | None = None


class ZoneData(msgspec.Struct, frozen=True, kw_only=True):
    """A zone was created, updated or deleted."""

    zone: str
    kind: str
    comment: str
    version: int
    serial: int | None = None
    changes: list[FieldChange] = []

    @classmethod
    def of(cls, zone: Zone, changes: list[FieldChange] | None = None) -> ZoneData:
        return cls(
            zone=zone.name,
            kind=zone.kind,
            comment=zone.comment,
            version=zone.version,
            serial=zone.serial,
            changes=changes or [],
        )


class ZoneTransferred(msgspec.Struct, frozen=True, kw_only=True):
    """A zone file went in or out. records: how many it has; created, updated, deleted: what the import changed."""

    zone: str
    records: int
    created: int = 0
    updated: int = 0
    deleted: int = 0
    serial: int | None = None
    change_set: int | None = None


class ChangeSetEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A change set was committed here; that it is served is told by `zone_synced`.

    Counts are of records. reverts: id of the change set that it takes back. announced: each record had an event of its
    own; after a bulk write (import) it had not, and what shows the zone has to fetch it again. to_push: the name server has
    something to do; not where only comments or settings changed.
    """

    zone: str
    change_set: int
    comment: str
    created: int
    updated: int
    deleted: int
    reverts: int | None = None
    announced: bool = True
    to_push: bool = True


class ZoneSynced(msgspec.Struct, frozen=True, kw_only=True):
    """The name server answers what people want. change_sets: ids of those that are now served. state, error: how the zone as
    a whole stands: not `served` while other changes wait or were refused, or something was changed at the server. serial: of
    a forward zone null. drift: how a difference was settled, `accepted` or `overwritten`, if there was one."""

    zone: str
    serial: int | None
    change_sets: list[int] = []
    state: str = "served"
    error: str = ""
    drift: str = ""


class ZoneSyncFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A push did not succeed. error: in plain words. code: of `NameServerError`. retrying: it will be tried again."""

    zone: str
    error: str
    code: str
    retrying: bool
    state: str = "failed"
    change_sets: list[int] = []


class RRsetDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One RRset that the name server serves otherwise than wanted. Values: `{ttl, rdata}`, null where there is none."""

    name: str
    type: str
    wanted: dict[str, Any] | None
    served: dict[str, Any] | None


class ZoneDrift(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody changed the zone at the name server. differences: the first fifty of `count`."""

    zone: str
    serial: int
    count: int
    differences: list[RRsetDifference] = []


class ZoneViewers(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the zone open now. users: `{id, username}` each, once."""

    zone: str
    users: list[dict[str, Any]]


class RecordEditing(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody began (`editing`) or ended (`left`) to edit a record."""

    zone: str
    record: int
    user: dict[str, Any]
    state: str


class OperationData(msgspec.Struct, frozen=True, kw_only=True):
    """How far a long operation is, in items of its kind. errors: the first few messages."""

    id: str
    kind: str
    done: int
    total: int
    errors: list[str] = []


class BulkOperation(msgspec.Struct, frozen=True, kw_only=True):
    """A long operation started, went on or ended. result: what it made, by kind of operation."""

    operation: OperationData
    zone: str | None = None
    result: dict[str, Any] | None = None

    @classmethod
    def of(cls, operation: Operation) -> BulkOperation:
        return cls(
            operation=OperationData(
                id=operation.pk,
                kind=operation.kind,
                done=operation.done,
                total=operation.total,
                errors=[str(error) for error in operation.errors[:5]],
            ),
            zone=operation.zone.name if operation.zone else None,
            result=operation.result,
        )


_dns = partial(EventSpec, category=EventCategory.DNS, permission=SEES_ALL_ZONES, scope="zone")


_bulk = partial(
    EventSpec, category=EventCategory.BULK_OPERATION, payload=BulkOperation, permission=SEES_ALL_ZONES, scope="zone"
)


_record = partial(
    _dns,
    payload=RecordEvent,
    priority=EventPriority.HIGH,
    sensitive={"record[private=true].comment": SEES_PRIVATE_COMMENTS},
    granted={SEES_PRIVATE_COMMENTS: "zone editor"},
)

registry.declare_scope("zone", visible_zone_keys)
registry.declare_scope("zone editor", edited_zone_keys)
registry.declare(
    _dns(EventType.ZONE_CREATED, "A zone was created.", ZoneData),
    _dns(EventType.ZONE_UPDATED, "Fields of a zone were changed (not its records).", ZoneData),
    _dns(EventType.ZONE_DELETED, "A zone was deleted.", ZoneData),
    _dns(EventType.ZONE_IMPORTED, "Records were imported from a zone file or a transfer.", ZoneTransferred),
    _dns(EventType.ZONE_EXPORTED, "A zone was exported as a zone file.", ZoneTransferred),
    _dns(EventType.ZONE_SYNCED, "The name server serves what people want, at this serial.", ZoneSynced),
    _dns(
        EventType.ZONE_SYNC_FAILED,
        "Changes could not be pushed to the name server.",
        ZoneSyncFailed,
        priority=EventPriority.HIGH,
    ),
    _dns(
        EventType.ZONE_DRIFT_DETECTED,
        "The name server serves something else than is wanted.",
        ZoneDrift,
        priority=EventPriority.HIGH,
    ),
    _record(EventType.RECORD_CREATED, "A record was created."),
    _record(EventType.RECORD_UPDATED, "A record was changed: the values before and after."),
    _record(EventType.RECORD_DELETED, "A record was deleted."),
    _dns(EventType.CHANGE_SET_APPLIED, "Changes of a zone were saved together.", ChangeSetEvent),
    _dns(EventType.CHANGE_SET_REVERTED, "A change set was taken back by a new one.", ChangeSetEvent),
    _dns(
        EventType.ZONE_VIEWERS,
        "Who has the zone open.",
        ZoneViewers,
        priority=EventPriority.LOW,
        durable=False,
    ),
    _dns(
        EventType.RECORD_EDITING,
        "Somebody edits a record, or has left it.",
        RecordEditing,
        priority=EventPriority.LOW,
        durable=False,
    ),
    _bulk(EventType.BULK_OPERATION_STARTED, "A long operation started."),
    _bulk(EventType.BULK_OPERATION_PROGRESS, "A long operation went on (at most four a second).", durable=False),
    _bulk(EventType.BULK_OPERATION_COMPLETED, "A long operation ended well."),
    _bulk(EventType.BULK_OPERATION_FAILED, "A long operation failed; nothing of it was kept."),
    _bulk(EventType.BULK_OPERATION_CANCELLED, "A long operation was cancelled; nothing of it was kept."),
)
