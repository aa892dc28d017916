"""Policies and rules as JSON. What a value may be is decided in `security.rules`, not here."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from security.models import Mode, Policy, PolicyKind, Rule
from security.triggers import Action, TriggerType
from zones.models import SyncState


class PolicySerializer(serializers.ModelSerializer):
    """A response policy. `zone`: its name at the name server. `sync_state`: `served` is in force."""

    rule_count = serializers.IntegerField(read_only=True)

    class Meta:
        model = Policy
        fields = (
            "id", "name", "zone", "kind", "mode", "position", "comment", "serial", "sync_state", "sync_error",
            "synced_at", "rule_count", "hits", "last_hit_at", "version", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class NewPolicySerializer(serializers.Serializer):
    """What a new policy is made of."""

    name = serializers.CharField(max_length=100)
    mode = serializers.ChoiceField(choices=Mode.choices, default=Mode.ENFORCED)
    comment = serializers.CharField(allow_blank=True, default="")


class PolicyChangeSerializer(serializers.Serializer):
    """Fields of a policy that may change. `position`: its place among its kind, from 1; the others make room."""

    name = serializers.CharField(max_length=100, required=False)
    mode = serializers.ChoiceField(choices=Mode.choices, required=False)
    position = serializers.IntegerField(min_value=1, max_value=1000, required=False)
    comment = serializers.CharField(allow_blank=True, required=False)
    version = serializers.IntegerField(min_value=1, required=False)


class RuleSerializer(serializers.ModelSerializer):
    """A rule. `trigger` of a rule on client addresses is null for those who may not see them. `sync_state`: `served` is in
    force, or out of force as wanted. `active`: it is to be in force (or on trial) now."""

    policy_name = serializers.CharField(source="policy.name", read_only=True)
    active = serializers.BooleanField(read_only=True)
    created_by = serializers.SerializerMethodField()
    updated_by = serializers.SerializerMethodField()

    class Meta:
        model = Rule
        fields = (
            "id", "policy", "policy_name", "trigger_type", "trigger", "action", "target", "category", "comment",
            "enabled", "trial", "expires_at", "active", "sync_state", "sync_error", "hits", "last_hit_at", "version",
            "created_at", "created_by", "updated_at", "updated_by",
        )  # fmt: skip
        read_only_fields = fields

    def get_created_by(self, rule: Rule) -> str | None:
        return rule.created_by.get_username() if rule.created_by is not None else None

    def get_updated_by(self, rule: Rule) -> str | None:
        return rule.updated_by.get_username() if rule.updated_by is not None else None

    def to_representation(self, rule: Rule) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(rule)
        if rule.trigger_type == TriggerType.CLIENT_IP and not self.context["clients"]:
            shown["trigger"] = None
        return shown


class RuleFields(serializers.Serializer):
    """What people set of a rule. `policy`: without one, the site's default for the action. `expires_in`: seconds from now,
    in place of `expires_at`. `confirm`: needed for rules that would block much, such as a top-level domain."""

    policy = serializers.PrimaryKeyRelatedField(queryset=Policy.objects.all(), required=False)
    trigger_type = serializers.ChoiceField(choices=TriggerType.choices, default=TriggerType.QNAME)
    trigger = serializers.CharField(max_length=1016)
    action = serializers.ChoiceField(choices=Action.choices, default=Action.NXDOMAIN)
    target = serializers.CharField(max_length=1000, allow_blank=True, allow_null=True, required=False)
    category = serializers.CharField(max_length=50, allow_blank=True, required=False)
    comment = serializers.CharField(allow_blank=True, required=False)
    enabled = serializers.BooleanField(required=False)
    trial = serializers.BooleanField(required=False)
    expires_at = serializers.DateTimeField(allow_null=True, required=False)
    expires_in = serializers.IntegerField(min_value=1, max_value=366 * 86400, required=False, write_only=True)
    confirm = serializers.BooleanField(required=False, write_only=True)

    def validate_target(self, target: str | None) -> str:
        return target or ""


class RuleChange(RuleFields):
    """As for a new rule; `version`: the one that the change starts from."""

    trigger_type = serializers.ChoiceField(choices=TriggerType.choices, required=False)
    trigger = serializers.CharField(max_length=1016, required=False)
    action = serializers.ChoiceField(choices=Action.choices, required=False)
    version = serializers.IntegerField(min_value=1, required=False)


class RuleFilter(serializers.Serializer):
    """Which rules: `search` in trigger, target, category and comment."""

    policy = serializers.IntegerField(required=False)
    trigger_type = serializers.ChoiceField(choices=TriggerType.choices, required=False)
    trigger = serializers.CharField(required=False)
    action = serializers.ChoiceField(choices=Action.choices, required=False)
    category = serializers.CharField(required=False)
    enabled = serializers.BooleanField(required=False, allow_null=True, default=None)
    trial = serializers.BooleanField(required=False, allow_null=True, default=None)
    sync_state = serializers.ChoiceField(choices=SyncState.choices, required=False)
    search = serializers.CharField(required=False)


class PolicyFilter(serializers.Serializer):
    """Which policies."""

    kind = serializers.ChoiceField(choices=PolicyKind.choices, required=False)
    mode = serializers.ChoiceField(choices=Mode.choices, required=False)


class RuleAnswer(RuleSerializer):
    """A rule that was just made or changed. `warnings`: what is allowed, and worth a second look."""

    warnings = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta(RuleSerializer.Meta):
        fields = (*RuleSerializer.Meta.fields, "warnings")  # type: ignore[assignment]
