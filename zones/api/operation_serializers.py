"""Long operations, and the edits of several zones that are such, as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from zones.api.change_serializers import CHANGES_SHOWN, ChangeSerializer
from zones.api.record_serializers import WarningSerializer, ttl_field
from zones.models import Operation


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


class BulkEditRequest(serializers.Serializer):
    """Which records of `zones` to change, and how: `find` and `replace` text, or set a `ttl`, or both.

    `type`, `name` (part of it), `records` (ids) and `find` select; without `find`, all that the others select are meant.
    """

    zones = serializers.ListField(child=serializers.CharField(max_length=255), min_length=1, max_length=1000)
    find = serializers.CharField(allow_blank=True, default="", max_length=1000, trim_whitespace=False)
    replace = serializers.CharField(allow_blank=True, default="", max_length=1000, trim_whitespace=False)
    field = serializers.ChoiceField(choices=("content", "name", "comment"), default="content")
    type = serializers.CharField(allow_blank=True, default="", max_length=16)
    name = serializers.CharField(allow_blank=True, default="", max_length=1016)
    records = serializers.ListField(child=serializers.IntegerField(), default=list, max_length=1000)
    ttl = ttl_field(allow_null=True, default=None)
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
