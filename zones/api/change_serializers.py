"""The history of a zone, and what is asked to become of it, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from zones.api.record_serializers import MAX_CONTENT, WarningSerializer, ttl_field, visible
from zones.changes import BULK, Changes
from zones.history import shown_settings
from zones.models import Change, ChangeKind, ChangeSet, SyncState

CHANGES_SHOWN = 100
"""Changes of one change set that a list of change sets shows."""


class ChangeRequest(serializers.Serializer):
    """One change of a set: `create` takes the fields of a new record, `update` an `id` and what changes, `delete` an `id`."""

    op = serializers.ChoiceField(choices=ChangeKind.choices)
    id = serializers.IntegerField(min_value=1, required=False)
    version = serializers.IntegerField(min_value=1, required=False)
    name = serializers.CharField(max_length=1016, required=False)
    type = serializers.CharField(max_length=16, required=False)
    ttl = ttl_field(required=False)
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
