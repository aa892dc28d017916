"""Zones as JSON. What a value may be is decided in `zones.lifecycle`, not here."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from zones.api.peers import PeerField, TsigField
from zones.models import GrantLevel, SyncState, Zone, ZoneKind
from zones.names import readable
from zones.nameserver.peers import MOST


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


class ZoneFilter(serializers.Serializer):
    """What a list of zones can be narrowed to."""

    search = serializers.CharField(required=False, max_length=255, help_text="Part of the name.")
    kind = serializers.ChoiceField(required=False, choices=ZoneKind.choices)
    sync_state = serializers.ChoiceField(required=False, choices=SyncState.choices)
