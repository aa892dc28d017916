"""The tables of zones: what people want served, who may see or change it, and the history of every change.

The database is what people want; `named` is what is served. `zones.synchronizer` brings the second to the first.
Rows of `Record` are written by `zones.changes` only, which keeps rules, history and events; `Record.save()` and
`Record.delete()` go through it by themselves, and the default manager refuses the bulk writes that would not.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import msgspec
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Case, F, Func, Q, Value, When

from zones.names import has_pointers, readable, suspicious
from zones.rrsets import APEX, RR


def random_key() -> str:
    """64 random bits as hexadecimal text: never reused, and safe in the names of channel-layer groups."""
    return secrets.token_hex(8)


class SyncState(models.TextChoices):
    """How far a zone, or a change set, has come on its way to the name server."""

    PENDING = "pending", "waiting to be pushed"
    PUSHING = "pushing", "being pushed"
    SERVED = "served", "served"
    FAILED = "failed", "not served"


class ZoneKind(models.TextChoices):
    """What the name server does with a zone."""

    PRIMARY = "primary", "primary"
    SECONDARY = "secondary", "secondary"
    FORWARD = "forward", "forward"


class ZoneQuerySet(models.QuerySet["Zone"]):
    def living(self) -> ZoneQuerySet:
        """Zones that are not deleted."""
        return self.filter(deleted_at=None)


class Zone(models.Model):
    """A zone that people manage here.

    key: random, immutable, never reused: what events and grants refer to, so that a new zone of an old name inherits
        nothing. name: ASCII, lower case, without the final dot; immutable, unique among the living.
    version: raised by each change of the zone's own fields (not of its records), for optimistic locking.
    serial: SOA serial that the name server last reported. sync_state, sync_error: see `zones.synchronizer`.
    hosted: the name server has been told of this zone (`rndc addzone`) and not been told to forget it.
    lease, lease_until: the one process that pushes this zone now, and until when it may. attempts, retry_at: failed
        pushes in a row, and when to try next.
    deleted_at: deletion is soft; the row stays for history, and for the name server until `hosted` is false.

    servers: `[{address, port, key}]`: of a secondary zone its primaries, of a forward zone where questions go.
    forward_only: of a forward zone: never look elsewhere. follows_addresses: of a reverse zone, see `zones.reverse`.
    adopted: the server had it before us, so its configuration is not ours. watched: adopted, and changed elsewhere still.
    signed: the server makes DNSSEC records for it. drift: what is served otherwise than wanted, see `zones.pushing`.
    transfer: of a secondary, how its copy stands, see `zones.secondaries`.
    record_counts: how many records there are of each type, kept by whoever writes them (`zones.plan.tally`), so that nothing
        that is looked at counts a large zone.
    """

    key = models.CharField(max_length=32, unique=True, default=random_key, editable=False)
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=16, choices=ZoneKind.choices, default=ZoneKind.PRIMARY)
    comment = models.TextField(blank=True)
    version = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, editable=False)

    serial = models.PositiveBigIntegerField(null=True, editable=False)
    sync_state = models.CharField(max_length=8, choices=SyncState.choices, default=SyncState.PENDING, editable=False)
    sync_error = models.TextField(blank=True, editable=False)
    synced_at = models.DateTimeField(null=True, editable=False)
    hosted = models.BooleanField(default=False, editable=False)
    lease = models.CharField(max_length=64, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveIntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)

    servers = models.JSONField(default=list, blank=True)
    forward_only = models.BooleanField(default=True)
    follows_addresses = models.BooleanField(default=False)
    adopted = models.BooleanField(default=False, editable=False)
    watched = models.BooleanField(default=False, editable=False)
    signed = models.BooleanField(default=False, editable=False)
    drift = models.JSONField(null=True, editable=False)
    transfer = models.JSONField(null=True, editable=False)
    record_counts = models.JSONField(default=dict, editable=False)

    objects = ZoneQuerySet.as_manager()

    # What is being done to the zone, for the signal that announces it.
    field_changes: Sequence[Mapping[str, Any]] = ()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=["name"], condition=Q(deleted_at=None), name="one_living_zone_per_name"),
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Create the zone (with an SOA and NS, if need be) or change its own fields, with history and events."""
        from zones import lifecycle

        lifecycle.save_zone(self)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the zone softly: its name is free, the name server forgets it, its history stays."""
        from zones import lifecycle

        lifecycle.delete_zone(self)
        return 1, {self._meta.label: 1}

    def write(self, *fields: str) -> None:
        """Write the row itself, or some fields of it: for `zones.lifecycle` alone."""
        super().save(force_insert=self._state.adding, update_fields=fields or None)

    @property
    def name_unicode(self) -> str:
        """Its name as people read it."""
        return readable(self.name)

    @property
    def mirrored(self) -> bool:
        """Whether its records come from elsewhere, and are shown here only."""
        return self.kind == ZoneKind.SECONDARY or self.watched

    @property
    def record_count(self) -> int:
        """How many records it has."""
        return sum(self.record_counts.values())

    @property
    def reverse(self) -> bool:
        """Whether PTR records in it stand for addresses."""
        return has_pointers(self.name)

    @property
    def misleading(self) -> list[str]:
        """Why people might be misled by its name."""
        return suspicious(self.name)

    @property
    def writable(self) -> bool:
        """Whether its records are changed here."""
        return self.kind == ZoneKind.PRIMARY and not self.watched


class TransferKey(models.Model):
    """A TSIG key shared with other servers, for transfers from them (RFC 8945). secret: base64; never shown again."""

    name = models.CharField(max_length=255, unique=True)
    algorithm = models.CharField(max_length=32, default="hmac-sha256")
    secret = models.CharField(max_length=512)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class GrantLevel(models.TextChoices):
    """What a grant allows. Each level includes those before it."""

    VIEW = "view", "see the zone"
    EDIT = "edit", "change its records"
    MANAGE = "manage", "delete it and say who may do what"


class ZoneGrant(models.Model):
    """Somebody's right to one zone, for those whose role does not show them all.

    A grant is closed, never deleted: the owner of a zone still gets to know that it was deleted.
    names, types, actions: words that a grant to edit is limited to (`*.dev`, `A AAAA`, `create update`); empty: all.
    """

    zone = models.ForeignKey(Zone, models.CASCADE, related_name="grants")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="zone_grants"
    )
    group = models.ForeignKey(Group, models.CASCADE, null=True, blank=True, related_name="zone_grants")
    level = models.CharField(max_length=8, choices=GrantLevel.choices, default=GrantLevel.VIEW)
    names = models.CharField(max_length=1000, blank=True, default="")
    types = models.CharField(max_length=500, blank=True, default="")
    actions = models.CharField(max_length=32, blank=True, default="")
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(user=None, group__isnull=False) | Q(user__isnull=False, group=None),
                name="grant_to_a_user_or_a_group",
            ),
            models.UniqueConstraint(
                fields=["zone", "user", "names", "types", "actions"],
                condition=Q(closed_at=None),
                name="one_open_user_grant",
            ),
            models.UniqueConstraint(
                fields=["zone", "group", "names", "types", "actions"],
                condition=Q(closed_at=None),
                name="one_open_group_grant",
            ),
        )

    def __str__(self) -> str:
        return f"{self.user or self.group}: {self.level} {self.zone}"


class GuardedQuerySet(models.QuerySet["Record"]):
    """Refuses the writes that would leave no history, no events, and nothing to push."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("records are written through zones.changes.change_set(), which keeps history and events")

    update = delete = create = bulk_create = bulk_update = get_or_create = update_or_create = _refuse


BEGINNING = Func(F("content"), template="SUBSTR(%(expressions)s, 1, 64)", output_field=models.TextField())
"""What contents are sorted by: an index takes no more. Without parameters, by which SQLite would not know it again."""


class Record(models.Model):
    """One resource record of a zone.

    name: relative to the zone, lower case, A-labels, `"@"` for the apex. content: canonical rdata
    (`zones.rdata.canonical`). ttl in seconds, the same for all records of an RRset. private: the comment is for those
    who may edit the zone. version: raised by each change, for optimistic locking.
    rank: SOA, NS and the rest of the apex stand before all other names (0, 1, 2, 3).

    There is an index for each order that `zones.listing` shows, with all of the order in it, and one of the text
    (`zones.searching`), which a migration makes.
    """

    zone = models.ForeignKey(Zone, models.CASCADE, related_name="records", db_index=False)  # see `Meta`
    name = models.CharField(max_length=1016, default="@")
    type = models.CharField(max_length=16)
    ttl = models.PositiveBigIntegerField(default=3600, verbose_name="TTL")
    content = models.TextField()
    comment = models.TextField(blank=True)
    private = models.BooleanField(default=False)
    version = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+", db_index=False
    )
    rank = models.GeneratedField(
        expression=Case(
            When(name=APEX, type="SOA", then=Value(0)),
            When(name=APEX, type="NS", then=Value(1)),
            When(name=APEX, then=Value(2)),
            default=Value(3),
        ),
        output_field=models.PositiveSmallIntegerField(),
        db_persist=True,
    )

    objects = GuardedQuerySet.as_manager()
    rows: ClassVar[models.Manager[Record]] = models.Manager()
    """The unguarded manager, for `zones.changes` alone."""

    # What is being done to the record, for the signal that announces it.
    field_changes: Sequence[Mapping[str, Any]] = ()
    change_set_id: int | None = None

    class Meta:
        ordering = ("name", "type", "content", "id")
        indexes = (
            models.Index(fields=["zone", "name", "type"], name="record_by_rrset"),
            models.Index(fields=["zone", "rank", "name", "type", "id"], name="record_in_order"),
            models.Index(fields=["zone", "type", "rank", "name", "id"], name="record_by_type"),
            models.Index(fields=["zone", "ttl", "rank", "name", "id"], name="record_by_ttl"),
            models.Index(fields=["zone", "updated_at", "rank", "name", "id"], name="record_by_change"),
            models.Index(F("zone"), BEGINNING, F("id"), name="record_by_content"),
        )
        base_manager_name = "rows"

    def __str__(self) -> str:
        return f"{self.name} {self.ttl} {self.type} {self.content}"

    @property
    def rr(self) -> RR:
        """The record as a plain value."""
        return RR(self.name, self.type, self.ttl, self.content)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save as a change set of one. Raises what `zones.changes` raises: stale version, broken rules."""
        from zones import changes

        changes.save(self)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete as a change set of one. Raises what `zones.changes` raises."""
        from zones import changes

        changes.delete(self)
        return 1, {self._meta.label: 1}

    def write(self) -> None:
        """Write the row itself: for `zones.changes` alone."""
        super().save(force_insert=self._state.adding, force_update=not self._state.adding)

    def erase(self) -> None:
        """Delete the row itself: for `zones.changes` alone."""
        super().delete()


class QuickJson(json.JSONEncoder):
    """JSON of many plain values, ten times as fast as the standard library's."""

    def encode(self, o: Any) -> str:
        return msgspec.json.encode(o).decode()


class ChangeSetQuerySet(models.QuerySet["ChangeSet"]):
    def waiting(self, zone: Zone) -> ChangeSetQuerySet:
        """Those that are still to be pushed, oldest first. One that was given up has nothing left to push."""
        states = (SyncState.PENDING, SyncState.PUSHING, SyncState.FAILED)
        return self.filter(zone=zone, state__in=states).exclude(rrsets=[]).order_by("id")


class ChangeSet(models.Model):
    """Changes of one zone that were made, and reach the name server, together.

    author_name: copied, so that history stays readable when the account is gone. origin: `page`, `api`, `import`, …
    address: of the network, that the request came from; empty where there was none.
    settings: what changed about the zone itself, `[{field, old, new}]`: its own fields, `grant` for who may do what with it,
        `deleted`.
    rrsets: what the name server has to do, `[{name, type, before: {ttl, rdata} | null, after: {ttl, rdata} | null}]`;
        `before` is also the prerequisite of the update. serial: the zone's serial with which it was first served.
    reverts: the change set that this one takes back. change_count: of `changes`, which are many after an import.
    """

    zone = models.ForeignKey(Zone, models.CASCADE, related_name="change_sets")
    comment = models.TextField(blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    author_name = models.CharField(max_length=150, blank=True)
    origin = models.CharField(max_length=16)
    address = models.CharField(max_length=45, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    settings = models.JSONField(default=list)
    state = models.CharField(max_length=8, choices=SyncState.choices, default=SyncState.PENDING)
    error = models.TextField(blank=True)
    serial = models.PositiveBigIntegerField(null=True)
    rrsets = models.JSONField(default=list, encoder=QuickJson)
    reverts = models.ForeignKey("self", models.SET_NULL, null=True, related_name="reverted_by")
    change_count = models.PositiveBigIntegerField(default=0)

    objects = ChangeSetQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["zone", "state", "id"], name="changeset_to_push"),)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.zone}: {self.comment or 'change'} ({self.state})"


class ChangeKind(models.TextChoices):
    """What a change did to its record."""

    CREATE = "create", "created"
    UPDATE = "update", "changed"
    DELETE = "delete", "deleted"


def named_in(side: str) -> Func:
    """The name in a snapshot, in words that both databases know. Django's own take SQLite three times as long."""
    return Func(F(side), template="(%(expressions)s ->> 'name')", output_field=models.TextField())


class Change(models.Model):
    """What happened to one record in a change set.

    before, after: `{id, name, type, ttl, content, comment, private, version}`, or null where there was none.
    record_id: not a foreign key, because the record may be gone. was_named, now_named: to find it by.
    """

    change_set = models.ForeignKey(ChangeSet, models.CASCADE, related_name="changes", db_index=False)  # see `Meta`
    op = models.CharField(max_length=8, choices=ChangeKind.choices)
    record_id = models.BigIntegerField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    was_named = models.GeneratedField(
        expression=named_in("before"), output_field=models.TextField(null=True), db_persist=True
    )
    now_named = models.GeneratedField(
        expression=named_in("after"), output_field=models.TextField(null=True), db_persist=True
    )

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(fields=["change_set", "id"], name="change_in_order"),
            models.Index(fields=["was_named"], name="change_by_old_name", condition=Q(was_named__isnull=False)),
            models.Index(fields=["now_named"], name="change_by_name", condition=Q(now_named__isnull=False)),
        )
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.op} {self.record_id}"


class OperationState(models.TextChoices):
    """How a long operation stands."""

    RUNNING = "running", "running"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


class Operation(models.Model):
    """A long operation, such as an import, that people watch and may cancel.

    id: random. done, total: in items of the kind (records). errors: messages, the first hundred. result: what it
    made, by kind. cancel_requested: whoever works on it looks at this between two chunks and stops.
    """

    id = models.CharField(max_length=32, primary_key=True, default=random_key, editable=False)
    kind = models.CharField(max_length=32)
    zone = models.ForeignKey(Zone, models.CASCADE, null=True, related_name="operations")
    state = models.CharField(max_length=16, choices=OperationState.choices, default=OperationState.RUNNING)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    errors = models.JSONField(default=list)
    result = models.JSONField(null=True)
    cancel_requested = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.kind} {self.done}/{self.total} ({self.state})"


class RepeatableRequest(models.Model):
    """A request that came with an `Idempotency-Key`, and its answer (`zones.api.repeating`).

    request: method, address and a hash of the body, to tell a repeat from another use of the same key.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=4096)
    status = models.PositiveSmallIntegerField(default=0)
    answer = models.JSONField(null=True)
    headers = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("user", "key"), name="one_request_per_key"),)
        default_permissions = ()

    def __str__(self) -> str:
        return self.key


class ZoneVisit(models.Model):
    """A connection has a zone open, and perhaps a record of it in its hands. Renewed by the client; gone with it."""

    connection_id = models.CharField(max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    zone = models.ForeignKey(Zone, models.CASCADE, related_name="visits")
    record_id = models.BigIntegerField(null=True)
    until = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("connection_id", "zone"), name="one_visit_per_connection"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user} in {self.zone}"
