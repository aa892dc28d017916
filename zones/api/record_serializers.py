"""Records as JSON. What a value may be is decided in `zones.changes`, not here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec
from rest_framework import serializers

from zones import rdata
from zones.changes import Problem
from zones.models import Record, Zone
from zones.names import readable
from zones.validation import MAX_TTL

MAX_CONTENT = 400_000
"""Characters: 65,535 octets of rdata, each as `\\DDD`, and the quotes."""

TYPES_HELP = (
    f"{', '.join(sorted(rdata.TYPES))}, or any other in the form of RFC 3597 (TYPE65280, with \\# 2 abcd as content). "
    "What each takes: /api/record-types/."
)


def ttl_field(**more: Any) -> serializers.IntegerField:
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
    ttl = ttl_field(required=False, help_text="Seconds. Without it, that of the RRset or else of the zone's SOA.")
    content = serializers.CharField(max_length=MAX_CONTENT)
    comment = serializers.CharField(allow_blank=True, required=False)
    private = serializers.BooleanField(required=False)


class RecordChange(RecordFields):
    """All fields of a record; `version`: the one that the change starts from."""

    ttl = ttl_field()
    version = serializers.IntegerField(min_value=1, required=False)


class RecordFilter(serializers.Serializer):
    """What a list of records can be narrowed to."""

    type = serializers.CharField(required=False, max_length=16, help_text="The record type.")
    name = serializers.CharField(
        required=False, max_length=1016, help_text="The name: relative, or whole with final dot."
    )
    search = serializers.CharField(required=False, max_length=255, help_text="Part of the name, content or comment.")


class VersionSerializer(serializers.Serializer):
    """The version that a deletion starts from."""

    version = serializers.IntegerField(min_value=1, required=False)
