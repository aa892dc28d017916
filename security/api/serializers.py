"""Policies and rules as JSON. What a value may be is decided in `security.rules`, not here."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from security.models import Feed, FeedFormat, Mode, Policy, PolicyKind, Rule
from security.triggers import Action, TriggerType
from zones.api.peers import TsigField
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


class FeedSerializer(serializers.ModelSerializer):
    """A threat feed with its policy. `state`: `failed` means that the last refresh was refused and that the entries of before
    stay in force. `samples`: some of the lines that could not be read, or were held back, and of what came and went."""

    name = serializers.CharField(source="policy.name", read_only=True)
    zone = serializers.CharField(source="policy.zone", read_only=True)
    mode = serializers.CharField(source="policy.mode", read_only=True)
    position = serializers.IntegerField(source="policy.position", read_only=True)
    comment = serializers.CharField(source="policy.comment", read_only=True)
    sync_state = serializers.CharField(source="policy.sync_state", read_only=True)
    hits = serializers.IntegerField(source="policy.hits", read_only=True)
    last_hit_at = serializers.DateTimeField(source="policy.last_hit_at", read_only=True)

    class Meta:
        model = Feed
        fields = (
            "id", "policy", "name", "zone", "mode", "position", "comment", "url", "format", "column", "subdomains",
            "category", "confidence", "reference", "interval_s", "allow_private", "key", "state", "error", "error_code",
            "failures", "checked_at", "changed_at", "next_at", "entries", "bad", "skipped", "guarded", "added",
            "removed", "samples", "sync_state", "hits", "last_hit_at", "version",
        )  # fmt: skip
        read_only_fields = fields


class FeedFields(serializers.Serializer):
    """What people set of a feed. `url`: http, https, or axfr://host:port/zone. `column`: of a CSV, from 1. `subdomains`:
    block all below each name as well. `allow_private`: it may come from loopback and private networks. `tsig`: a key that
    signs a transfer, kept and never shown; `key`: the name of one that is kept already, empty for none."""

    name = serializers.CharField(max_length=100)
    url = serializers.CharField(max_length=2000)
    format = serializers.ChoiceField(choices=FeedFormat.choices, required=False)
    mode = serializers.ChoiceField(choices=Mode.choices, required=False)
    comment = serializers.CharField(allow_blank=True, required=False)
    column = serializers.IntegerField(min_value=1, max_value=50, required=False)
    subdomains = serializers.BooleanField(required=False)
    category = serializers.CharField(max_length=50, allow_blank=True, required=False)
    confidence = serializers.IntegerField(min_value=0, max_value=100, required=False)
    reference = serializers.CharField(max_length=2000, allow_blank=True, required=False)
    interval_s = serializers.IntegerField(min_value=60, max_value=30 * 86_400, required=False)
    allow_private = serializers.BooleanField(required=False)
    tsig = TsigField(required=False, allow_null=True, write_only=True)
    key = serializers.CharField(max_length=255, allow_blank=True, required=False)


class FeedChange(FeedFields):
    """As for a new feed, and its `position` among feeds, from 1; `version`: the one that the change starts from."""

    position = serializers.IntegerField(min_value=1, max_value=1000, required=False)

    name = serializers.CharField(max_length=100, required=False)
    url = serializers.CharField(max_length=2000, required=False)
    version = serializers.IntegerField(min_value=1, required=False)


class RefreshFields(serializers.Serializer):
    """`accept`: take it even though it has lost more than a fifth of its entries."""

    accept = serializers.BooleanField(default=False)


class CheckFields(serializers.Serializer):
    """A name, and the address of the client that asks for it."""

    name = serializers.CharField(max_length=1016)
    client = serializers.IPAddressField(required=False, allow_null=True)


class MatchSerializer(serializers.Serializer):
    """A rule, or an entry of a feed, that the query meets. `rule`: its id, null for an entry."""

    policy = serializers.IntegerField(source="policy_id")
    policy_name = serializers.CharField(source="policy")
    rule = serializers.IntegerField(source="rule_id", allow_null=True)
    trigger_type = serializers.CharField()
    trigger = serializers.CharField()
    action = serializers.CharField()
    target = serializers.CharField()
    trial = serializers.BooleanField()
    category = serializers.CharField()
    comment = serializers.CharField()
    expires_at = serializers.CharField(allow_null=True)
    feed = serializers.IntegerField(allow_null=True)
    first_seen = serializers.CharField(allow_null=True)
    confidence = serializers.IntegerField(allow_null=True)
    reference = serializers.CharField()


class RunningSerializer(serializers.Serializer):
    """What the running name server did with the question. `agrees`: whether that is what the rules say; null where its log
    cannot be read."""

    asked = serializers.BooleanField()
    as_client = serializers.CharField()
    rcode = serializers.CharField()
    answer = serializers.ListField(child=serializers.CharField())
    policy = serializers.CharField(allow_null=True)
    agrees = serializers.BooleanField(allow_null=True)
    hits = serializers.ListField(child=serializers.DictField(), allow_null=True)
    note = serializers.CharField()


class CheckAnswer(serializers.Serializer):
    """What would happen to a query. `acts`: the match that decides, null for none; its main fields stand beside it too.
    `trials`: what would only be logged. `later`: what would act if that did not; `explanation`: a sentence."""

    name = serializers.CharField()
    client = serializers.CharField(allow_null=True)
    policy = serializers.IntegerField(allow_null=True)
    policy_name = serializers.CharField(allow_null=True)
    rule = serializers.IntegerField(allow_null=True)
    trigger_type = serializers.CharField(allow_null=True)
    trigger = serializers.CharField(allow_null=True)
    action = serializers.CharField(allow_null=True)
    target = serializers.CharField(allow_null=True)
    explanation = serializers.CharField()
    acts = MatchSerializer(allow_null=True)
    trials = MatchSerializer(many=True)
    later = MatchSerializer(many=True)
    named = RunningSerializer(source="running")


class RefusedSerializer(serializers.Serializer):
    """A record that became no rule."""

    name = serializers.CharField()
    reason = serializers.CharField()


class ImportAnswer(serializers.Serializer):
    """What an import did, or with `dry_run` would do. `present`: triggers that have a rule already, which stays."""

    created = serializers.IntegerField()
    present = serializers.IntegerField()
    refused = RefusedSerializer(many=True)
