"""Zones, records and their history as JSON. What a value may be is decided in `zones.changes` and `zones.lifecycle`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from zones import rdata
from zones.api.peers import PeerField, TsigField
from zones.changes import BULK, Changes, Problem
from zones.history import shown_settings
from zones.models import (
    Change,
    ChangeKind,
    ChangeSet,
    GrantLevel,
    Operation,
    Record,
    SyncState,
    Zone,
    ZoneKind,
)
from zones.names import readable
from zones.nameserver.peers import MOST
from zones.validation import MAX_TTL

MAX_CONTENT = 400_000
"""Characters: 65,535 octets of rdata, each as `\\DDD`, and the quotes."""

TYPES_HELP = (
    f"{', '.join(sorted(rdata.TYPES))}, or any other in the form of RFC 3597 (TYPE65280, with \\# 2 abcd as content). "
    "What each takes: /api/record-types/."
)

CHANGES_SHOWN = 100
"""Changes of one change set that a list of change sets shows."""


def _ttl(**more: Any) -> serializers.IntegerField:
    """A TTL in seconds (RFC 2181, section 8), whose refusals say what it is."""
    words = f"a TTL is a whole number of seconds, from 0 to {MAX_TTL}"
    refusals: dict[str, Any] = dict.fromkeys(("invalid", "min_value", "max_value", "max_string_length"), words)
    return serializers.IntegerField(min_value=0, max_value=MAX_TTL, error_messages=refusals, **more)


class WarningSerializer(serializers.Serializer):
    """What is allowed but looks wrong."""

    code = serializers.CharField()
    message = serializers.CharField()
    field = serializers.CharField(allow_blank=True)
    index = serializers.IntegerField(allow_null=True)


def warnings(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Warnings as JSON."""
    return [msgspec.to_builtins(problem) for problem in problems]


class ZoneSerializer(serializers.ModelSerializer):
    """A zone. `access`: the most that the asker may do with it. `primaries` of a secondary zone, `forwarders` of a forward
    one; `transfer`: how a secondary stands beside them. `watched`: it is changed at the server, and only shown here.
    `misleading`: why people might be misled by its name."""

    name_unicode = serializers.SerializerMethodField()
    record_count = serializers.IntegerField(read_only=True)
    access = serializers.SerializerMethodField()
    primaries = serializers.SerializerMethodField()
    forwarders = serializers.SerializerMethodField()
    transfer = serializers.JSONField(read_only=True)
    drift_count = serializers.SerializerMethodField()
    misleading = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Zone
        fields = (
            "name",
            "name_unicode",
            "kind",
            "comment",
            "serial",
            "sync_state",
            "sync_error",
            "synced_at",
            "record_count",
            "version",
            "access",
            "primaries",
            "forwarders",
            "forward_only",
            "follows_addresses",
            "adopted",
            "watched",
            "signed",
            "transfer",
            "drift_count",
            "misleading",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_name_unicode(self, zone: Zone) -> str:
        return readable(zone.name)

    @extend_schema_field(serializers.ListField(child=PeerField()))
    def get_primaries(self, zone: Zone) -> list[dict[str, Any]]:
        return zone.servers if zone.kind == ZoneKind.SECONDARY else []

    @extend_schema_field(serializers.ListField(child=PeerField()))
    def get_forwarders(self, zone: Zone) -> list[dict[str, Any]]:
        return zone.servers if zone.kind == ZoneKind.FORWARD else []

    def get_drift_count(self, zone: Zone) -> int:
        return zone.drift["count"] if zone.drift else 0

    def get_access(self, zone: Zone) -> str:
        level: str = self.context["levels"].get(zone.pk, GrantLevel.VIEW)
        return level


class ZoneServers(serializers.Serializer):
    """Where the records of a secondary zone come from, or where questions for a forward zone go.

    `tsig`: a key for all primaries that name none; it is kept for the name server, and never shown."""

    primaries = serializers.ListField(child=PeerField(), required=False, max_length=MOST)
    forwarders = serializers.ListField(child=PeerField(), required=False, max_length=MOST)
    forward_only = serializers.BooleanField(required=False)
    follows_addresses = serializers.BooleanField(required=False)
    tsig = TsigField(required=False, allow_null=True)


class NewZoneSerializer(ZoneServers):
    """What a new zone is made of. `nameservers`: names for its NS records, the first also for its SOA. `clone_of`: the name
    of a zone whose records a primary zone begins with."""

    name = serializers.CharField(max_length=1016)
    kind = serializers.ChoiceField(choices=ZoneKind.choices, default=ZoneKind.PRIMARY)
    comment = serializers.CharField(allow_blank=True, default="")
    nameservers = serializers.ListField(child=serializers.CharField(max_length=1016), default=list, max_length=20)
    clone_of = serializers.CharField(max_length=1016, required=False)

    def validate(self, zone: dict[str, Any]) -> dict[str, Any]:
        if "clone_of" in zone and (zone["kind"] != ZoneKind.PRIMARY or zone["nameservers"]):
            raise serializers.ValidationError(
                {"clone_of": "Only a primary zone has records, and these name the servers."}
            )
        return zone


class ZoneChangeSerializer(ZoneServers):
    """The zone's own fields that may change; what is not sent stays."""

    comment = serializers.CharField(allow_blank=True, required=False)
    watched = serializers.BooleanField(required=False, help_text="False takes an adopted zone over.")
    version = serializers.IntegerField(min_value=1, required=False)


class FieldSerializer(serializers.Serializer):
    """One part of a content. `choices`: values and what they mean."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # that is what it is called
    kind = serializers.ChoiceField(choices=get_args(rdata.FieldKind))
    help = serializers.CharField()
    least = serializers.IntegerField(allow_null=True)
    most = serializers.IntegerField(allow_null=True)
    choices = serializers.ListField(child=serializers.ListField(child=serializers.CharField()), allow_null=True)
    quoted = serializers.BooleanField()


class RecordTypeSerializer(serializers.Serializer):
    """A record type, with the fields of its content in their order."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # that is what it is called
    help = serializers.CharField()
    example = serializers.CharField()
    fields = FieldSerializer(many=True)  # type: ignore[assignment]  # that is what it is called
    targets = serializers.BooleanField()


class RecordSerializer(serializers.ModelSerializer):
    """A record. The serial in an SOA is that which the name server last reported. A private comment is null for those
    who may not edit the zone."""

    name_unicode = serializers.SerializerMethodField()
    updated_by = serializers.SerializerMethodField()

    class Meta:
        model = Record
        fields = (
            "id",
            "name",
            "name_unicode",
            "type",
            "ttl",
            "content",
            "comment",
            "private",
            "version",
            "created_at",
            "updated_at",
            "updated_by",
        )
        read_only_fields = fields

    def get_name_unicode(self, record: Record) -> str:
        return readable(record.name)

    def get_updated_by(self, record: Record) -> str | None:
        return record.updated_by.get_username() if record.updated_by is not None else None

    def to_representation(self, record: Record) -> dict[str, Any]:
        return visible(super().to_representation(record), may_edit=self.context["may_edit"], zone=self.context["zone"])


def visible(values: Mapping[str, Any], *, may_edit: bool, zone: Zone) -> dict[str, Any]:
    """A record's values as the asker may see them, and an SOA with the serial that is served."""
    shown = dict(values)
    if shown["private"] and not may_edit:
        shown["comment"] = None
    if shown["type"] == "SOA":
        words = shown["content"].split(" ")
        words[2] = str(zone.serial or 0)
        shown["content"] = " ".join(words)
    return shown


class RecordFields(serializers.Serializer):
    """What people set of a record. `name`: relative to the zone, `@` for the apex. `content`: presentation format."""

    name = serializers.CharField(max_length=1016)
    type = serializers.CharField(max_length=16, help_text=TYPES_HELP)
    ttl = _ttl(required=False, help_text="Seconds. Without it, that of the RRset or else of the zone's SOA.")
    content = serializers.CharField(max_length=MAX_CONTENT)
    comment = serializers.CharField(allow_blank=True, required=False)
    private = serializers.BooleanField(required=False)


class RecordChange(RecordFields):
    """All fields of a record; `version`: the one that the change starts from."""

    ttl = _ttl()
    version = serializers.IntegerField(min_value=1, required=False)


class ChangeRequest(serializers.Serializer):
    """One change of a set: `create` takes the fields of a new record, `update` an `id` and what changes, `delete` an `id`."""

    op = serializers.ChoiceField(choices=ChangeKind.choices)
    id = serializers.IntegerField(min_value=1, required=False)
    version = serializers.IntegerField(min_value=1, required=False)
    name = serializers.CharField(max_length=1016, required=False)
    type = serializers.CharField(max_length=16, required=False)
    ttl = _ttl(required=False)
    content = serializers.CharField(max_length=MAX_CONTENT, required=False)
    comment = serializers.CharField(allow_blank=True, required=False)
    private = serializers.BooleanField(required=False)

    def validate(self, change: dict[str, Any]) -> dict[str, Any]:
        needed = ("name", "type", "content") if change["op"] == ChangeKind.CREATE else ("id",)
        if missing := {field: "This field is required." for field in needed if field not in change}:
            raise serializers.ValidationError(missing, code="required")
        return change


def ask(changes: Changes, change: Mapping[str, Any]) -> None:
    """Pass one validated change on."""
    fields = {name: value for name, value in change.items() if name not in ("op", "id", "version")}
    if change["op"] == ChangeKind.CREATE:
        changes.create(**fields)
    elif change["op"] == ChangeKind.UPDATE:
        changes.update(change["id"], version=change.get("version"), **fields)
    else:
        changes.delete(change["id"], version=change.get("version"))


class ChangeSetRequest(serializers.Serializer):
    """Changes that are made together or not at all. `dry_run`: only say what they would do."""

    changes = ChangeRequest(many=True, allow_empty=False, max_length=BULK)  # type: ignore[call-arg]
    comment = serializers.CharField(allow_blank=True, default="")
    dry_run = serializers.BooleanField(default=False)


class RevertRequest(serializers.Serializer):
    """How to take a change set back. `dry_run`: only say what that would do."""

    comment = serializers.CharField(allow_blank=True, default="")
    dry_run = serializers.BooleanField(default=False)


class RestoreRequest(serializers.Serializer):
    """To which serial a zone is taken back. `dry_run`: only say what that would do. `based_on`: of such an answer, to do just
    that: where somebody has changed the zone since, 409 and nothing is changed."""

    serial = serializers.IntegerField(min_value=0, max_value=2**32 - 1)
    comment = serializers.CharField(allow_blank=True, default="")
    dry_run = serializers.BooleanField(default=False)
    based_on = serializers.IntegerField(allow_null=True, default=None)


class HistoryFilter(serializers.Serializer):
    """What a list of change sets can be narrowed to."""

    author = serializers.CharField(required=False, max_length=150, help_text="The user name of who made them.")
    origin = serializers.CharField(required=False, max_length=16, help_text="The way in: page, api, import, command.")
    sync_state = serializers.ChoiceField(required=False, choices=SyncState.choices)
    serial = serializers.IntegerField(required=False, help_text="First served with this serial.")
    name = serializers.CharField(required=False, max_length=1016, help_text="A record's name that they touched.")
    since = serializers.DateTimeField(required=False, help_text="Made then or later.")
    until = serializers.DateTimeField(required=False, help_text="Made before then.")


class ChangeSerializer(serializers.ModelSerializer):
    """What happened to one record: its values before and after, null where there was none."""

    id = serializers.IntegerField(source="record_id", allow_null=True)

    class Meta:
        model = Change
        fields = ("op", "id", "before", "after")

    def to_representation(self, change: Change) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(change)
        may_edit, zone = self.context["may_edit"], self.context["zone"]
        for side in ("before", "after"):
            if shown[side] is not None:
                shown[side] = visible(shown[side], may_edit=may_edit, zone=zone)
        return shown


class SettingSerializer(serializers.Serializer):
    """What changed about the zone itself: a field of it, `grant` (who may do what: for those who manage it), or `deleted`."""

    field = serializers.CharField()
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class ChangeSetSerializer(serializers.ModelSerializer):
    """A change set. `changes`: in lists the first hundred of `change_count`. `settings`: what changed about the zone itself.
    `sync_state`: how far it has come on its way to the name server; `serial`: the one with which it was first served.
    `address`: of the network, that it was made from; null for others than administrators."""

    author = serializers.CharField(source="author_name")
    sync_state = serializers.ChoiceField(source="state", choices=SyncState.choices)
    sync_error = serializers.CharField(source="error")
    change_count = serializers.IntegerField(read_only=True)
    changes = serializers.SerializerMethodField()
    settings = serializers.SerializerMethodField()
    address = serializers.SerializerMethodField()
    reverts = serializers.IntegerField(source="reverts_id", allow_null=True)
    warnings = WarningSerializer(many=True, required=False)

    class Meta:
        model = ChangeSet
        fields: tuple[str, ...] = (
            "id",
            "comment",
            "author",
            "origin",
            "address",
            "created_at",
            "changes",
            "change_count",
            "settings",
            "sync_state",
            "sync_error",
            "serial",
            "reverts",
            "warnings",
        )
        read_only_fields = fields

    @extend_schema_field(ChangeSerializer(many=True))
    def get_changes(self, change_set: ChangeSet) -> Any:
        shown = change_set.first_changes  # type: ignore[attr-defined]  # the view puts there what it shows
        return ChangeSerializer(shown, many=True, context=self.context).data

    @extend_schema_field(SettingSerializer(many=True))
    def get_settings(self, change_set: ChangeSet) -> Any:
        return shown_settings(change_set.settings, rights=self.context["may_manage"])

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_address(self, change_set: ChangeSet) -> str | None:
        return change_set.address or None if self.context["request"].user.is_superuser else None


class RestoreSerializer(ChangeSetSerializer):
    """A change set that takes a zone back, or would. `based_on`: the zone's newest change before."""

    based_on = serializers.IntegerField()

    class Meta(ChangeSetSerializer.Meta):
        fields = (*ChangeSetSerializer.Meta.fields, "based_on")
        read_only_fields = fields


class OperationSerializer(serializers.ModelSerializer):
    """How far a long operation is."""

    zone = serializers.CharField(source="zone.name", allow_null=True, default=None)
    created_by = serializers.CharField(source="created_by.username", allow_null=True, default=None)

    class Meta:
        model = Operation
        fields = (
            "id",
            "kind",
            "zone",
            "state",
            "done",
            "total",
            "errors",
            "result",
            "cancel_requested",
            "created_by",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class VersionSerializer(serializers.Serializer):
    """The version that a deletion starts from."""

    version = serializers.IntegerField(min_value=1, required=False)


class ZoneFilter(serializers.Serializer):
    """What a list of zones can be narrowed to."""

    search = serializers.CharField(required=False, max_length=255, help_text="Part of the name.")
    kind = serializers.ChoiceField(required=False, choices=ZoneKind.choices)
    sync_state = serializers.ChoiceField(required=False, choices=SyncState.choices)


class RecordFilter(serializers.Serializer):
    """What a list of records can be narrowed to."""

    type = serializers.CharField(required=False, max_length=16, help_text="The record type.")
    name = serializers.CharField(
        required=False, max_length=1016, help_text="The name: relative, or whole with final dot."
    )
    search = serializers.CharField(required=False, max_length=255, help_text="Part of the name, content or comment.")


class BulkEditRequest(serializers.Serializer):
    """Which records of `zones` to change, and how: `find` and `replace` text, or set a `ttl`, or both.

    `type`, `name` (part of it) and `find` select; without `find`, all that the others select are meant.
    """

    zones = serializers.ListField(child=serializers.CharField(max_length=255), min_length=1, max_length=1000)
    find = serializers.CharField(allow_blank=True, default="", max_length=1000, trim_whitespace=False)
    replace = serializers.CharField(allow_blank=True, default="", max_length=1000, trim_whitespace=False)
    field = serializers.ChoiceField(choices=("content", "name", "comment"), default="content")
    type = serializers.CharField(allow_blank=True, default="", max_length=16)
    name = serializers.CharField(allow_blank=True, default="", max_length=1016)
    ttl = _ttl(allow_null=True, default=None)
    comment = serializers.CharField(allow_blank=True, default="")
    dry_run = serializers.BooleanField(default=False)
    based_on = serializers.DictField(
        child=serializers.IntegerField(),
        default=dict,
        help_text="By zone, as the preview says: where somebody has changed the zone since, 409 and nothing is changed.",
    )

    def validate(self, edit: dict[str, Any]) -> dict[str, Any]:
        if not edit["find"] and edit["ttl"] is None:
            raise serializers.ValidationError("Say what to find, or which TTL to set.", code="nothing_to_do")
        return edit


class ZoneEditSerializer(serializers.Serializer):
    """What becomes of one zone. `changes`: the first hundred of `change_count`."""

    zone = serializers.CharField(source="zone.name")
    change_count = serializers.IntegerField(source="count")
    changes = serializers.SerializerMethodField()
    change_set = serializers.IntegerField(allow_null=True)
    warnings = WarningSerializer(many=True)
    problems = WarningSerializer(many=True)
    based_on = serializers.IntegerField(allow_null=True)

    @extend_schema_field(ChangeSerializer(many=True))
    def get_changes(self, edited: Any) -> Any:
        context = {"may_edit": True, "zone": edited.zone}
        return ChangeSerializer(edited.changes[:CHANGES_SHOWN], many=True, context=context).data


class BulkEditSerializer(serializers.Serializer):
    """What an edit of several zones does. `operation`: null for a preview."""

    zones = ZoneEditSerializer(many=True)
    change_count = serializers.IntegerField(source="count")
    operation = serializers.CharField(allow_null=True)
