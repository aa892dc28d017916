"""Forwarders as JSON. What a value may be is decided in `monitoring.forwarding.changes`, beyond what stands here."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from monitoring.forwarding.changes import MOST_TARGETS
from monitoring.models import Forwarder, ForwarderTarget, ForwarderUse, Transport


class TargetSerializer(serializers.ModelSerializer):
    """A target with its state; `in_use`: the name server has been given it."""

    class Meta:
        model = ForwarderTarget
        fields = (
            "id",
            "address",
            "port",
            "transport",
            "tls_name",
            "state",
            "since",
            "reason",
            "latency_ms",
            "loss_percent",
            "probed_at",
            "in_use",
        )
        read_only_fields = fields


class ForwarderSerializer(serializers.ModelSerializer):
    """A forwarder with its targets, in order."""

    targets = TargetSerializer(many=True, read_only=True)

    class Meta:
        model = Forwarder
        fields = (
            "id",
            "domain",
            "comment",
            "enabled",
            "only",
            "use",
            "probe_name",
            "probe_type",
            "expected",
            "slow_ms",
            "state",
            "since",
            "reason",
            "apply_error",
            "version",
            "targets",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class TargetFields(serializers.Serializer):
    """What a target is made of. The port is 53 unless given, 853 over TLS."""

    address = serializers.CharField(max_length=64)
    port = serializers.IntegerField(min_value=1, max_value=65_535, required=False)
    transport = serializers.ChoiceField(choices=Transport.choices, default=Transport.UDP)
    tls_name = serializers.CharField(max_length=255, allow_blank=True, default="")


class ForwarderFields(serializers.Serializer):
    """What a forwarder is made of. domain: `.` for everything that the server does not know itself."""

    domain = serializers.CharField(max_length=1016)
    targets = serializers.ListField(child=TargetFields(), max_length=MOST_TARGETS + 1)
    comment = serializers.CharField(max_length=2000, allow_blank=True, required=False)
    enabled = serializers.BooleanField(required=False)
    only = serializers.BooleanField(required=False)
    use = serializers.ChoiceField(choices=ForwarderUse.choices, required=False)
    probe_name = serializers.CharField(max_length=255, allow_blank=True, required=False)
    probe_type = serializers.CharField(max_length=16, required=False)
    expected = serializers.CharField(max_length=4000, allow_blank=True, required=False)
    slow_ms = serializers.IntegerField(min_value=1, max_value=60_000, required=False)


class ForwarderChange(ForwarderFields):
    """What may change, all of it optional; `version` as in `If-Match`."""

    version = serializers.IntegerField(min_value=1, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "partial": True})


class ProbedSerializer(serializers.Serializer):
    """What came of one question to one target."""

    target = serializers.IntegerField()
    address = serializers.CharField()
    port = serializers.IntegerField()
    transport = serializers.CharField()
    ok = serializers.BooleanField()
    latency_ms = serializers.FloatField(allow_null=True)
    rcode = serializers.CharField(allow_null=True)
    records = serializers.ListField(child=serializers.CharField())
    error = serializers.CharField(allow_blank=True)
    wrong = serializers.BooleanField()


class TrialSerializer(serializers.Serializer):
    """A test of a forwarder. ok: every target answers, over every transport, and none is wrong."""

    forwarder = serializers.IntegerField()
    question = serializers.CharField()
    ok = serializers.BooleanField()
    results = ProbedSerializer(many=True)
