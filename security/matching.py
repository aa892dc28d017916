"""Which rules and feed entries a query meets, in the order in which `named` looks; and which rules get in each other's way.

Only what the question itself tells, the name and the client, is known here; rules on answers and name servers depend on what
the resolver finds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

import msgspec
from django.db.models import Q

from security import triggers
from security.feeds.entries import find
from security.models import Mode, Policy, PolicyKind, Rule
from security.triggers import Action, TriggerType
from zones.nameserver.query_log import PolicyHit


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, or an entry of a feed, that a query meets. rule_id: `None` for an entry. What a feed says about it follows."""

    policy_id: int
    policy: str
    rule_id: int | None
    trigger_type: str
    trigger: str
    action: str
    target: str = ""
    trial: bool = False
    category: str = ""
    comment: str = ""
    expires_at: str | None = None
    feed: int | None = None
    first_seen: str | None = None
    confidence: int | None = None
    reference: str = ""


def acting(name: str, client: str | None) -> list[Match]:
    """What `name` meets, asked by `client`: at most one match of each policy, and one of those on trial, in order."""
    found: list[Match] = []
    wanted = Q(trigger_type=TriggerType.QNAME, trigger__in=[name, *triggers.ancestors(name)])
    if client:
        wanted |= Q(trigger_type=TriggerType.CLIENT_IP)
    by_policy: dict[int, list[Rule]] = {}
    for rule in Rule.objects.active().filter(wanted):
        by_policy.setdefault(rule.policy_id, []).append(rule)
    for policy in Policy.objects.exclude(mode=Mode.OFF).select_related("feed"):
        if policy.kind == PolicyKind.FEED:
            found += _entry(policy, name)
            continue
        rules = by_policy.get(policy.pk, [])
        for trial in (False, True):
            if best := _best([rule for rule in rules if rule.trial is trial], name, client):
                found.append(_match(policy, best))
    return found


def _best(rules: list[Rule], name: str, client: str | None) -> Rule | None:
    """The rule that `named` takes within one policy zone: the client's address first, by longest prefix; then the name."""
    if client:
        address = ipaddress.ip_address(client)
        about_client = [
            (network.prefixlen, rule)
            for rule in rules
            if rule.trigger_type == TriggerType.CLIENT_IP
            and address.version == (network := ipaddress.ip_network(rule.trigger)).version
            and address in network
        ]
        if about_client:
            return max(about_client, key=lambda pair: pair[0])[1]
    by_name = {rule.trigger: rule for rule in rules if rule.trigger_type == TriggerType.QNAME}
    best: Rule | None = triggers.nearest(name, by_name.get)
    return best


def _match(policy: Policy, rule: Rule) -> Match:
    return Match(
        policy_id=policy.pk,
        policy=policy.name,
        rule_id=rule.pk,
        trigger_type=rule.trigger_type,
        trigger=rule.trigger,
        action=rule.action,
        target=rule.target,
        trial=rule.trial or policy.mode == Mode.TRIAL,
        category=rule.category,
        comment=rule.comment,
        expires_at=rule.expires_at.isoformat(timespec="seconds") if rule.expires_at else None,
    )


def _entry(policy: Policy, name: str) -> list[Match]:
    feed = getattr(policy, "feed", None)
    entry = find(feed.pk, name, subdomains=feed.subdomains) if feed else None
    if feed is None or entry is None:
        return []
    kind, _, rdata = entry.rdata.partition(" ")
    action, target = triggers.from_records([(kind, [rdata])]) if kind else (Action.NXDOMAIN, "")
    return [
        Match(
            policy_id=policy.pk,
            policy=policy.name,
            rule_id=None,
            trigger_type=TriggerType.QNAME,
            trigger=entry.key,
            action=action,
            target=target,
            trial=policy.mode == Mode.TRIAL,
            category=feed.category,
            feed=feed.pk,
            first_seen=entry.since.isoformat(),
            confidence=feed.confidence,
            reference=feed.reference,
        )
    ]


class HitRule(msgspec.Struct, frozen=True, kw_only=True):
    """Whose hit it was. rule_id: `None` for an entry of a feed, or a rule that is gone."""

    policy_id: int
    policy: str
    rule_id: int | None
    trigger_type: str
    trigger: str


def rule_of_hit(hit: PolicyHit, policies: Iterable[Policy] | None = None) -> HitRule | None:
    """The rule behind a line of the log. Of a wildcard's hit the log names the query, so its rule is found here.
    `None` when no policy of ours acted."""
    for policy in Policy.objects.all() if policies is None else policies:
        zone = policy.trial_zone if hit.via.endswith(f".{policy.trial_zone}") else policy.zone
        if not hit.via.endswith(f".{zone}"):
            continue
        owner = hit.via.removesuffix(f".{zone}")
        kind: str = triggers.OF_LOG.get(hit.trigger, TriggerType.QNAME)
        found = HitRule(policy_id=policy.pk, policy=policy.name, rule_id=None, trigger_type=kind, trigger=owner)
        if policy.kind == PolicyKind.FEED:
            return found
        try:
            kind, stored = triggers.from_owner(owner)
        except ValueError:
            stored = owner  # a name that no rule could have; the rule of a wildcard may be behind it
        named = [stored]
        if kind in (TriggerType.QNAME, TriggerType.NSDNAME):
            named += triggers.ancestors(stored)
        trial = zone != policy.zone
        rules = {rule.trigger: rule for rule in policy.rules.filter(trigger_type=kind, trigger__in=named, trial=trial)}
        rule = next((rules[trigger] for trigger in named if trigger in rules), None)
        return HitRule(
            policy_id=policy.pk,
            policy=policy.name,
            rule_id=rule.pk if rule else None,
            trigger_type=kind,
            trigger=rule.trigger if rule else stored,
        )
    return None


def conflicts_of(rules: list[Rule]) -> dict[int, list[str]]:
    """For each of `rules` that is active: sentences about others that act instead of it, or make exceptions from it."""
    order = {policy.pk: place for place, policy in enumerate(Policy.objects.exclude(mode=Mode.OFF))}
    said: dict[int, list[str]] = {}
    for rule in rules:
        if not rule.active or rule.policy_id not in order:
            continue
        same_kind = Rule.objects.active().filter(trigger_type=rule.trigger_type, trial=False).exclude(pk=rule.pk)
        if rule.trigger_type in (TriggerType.QNAME, TriggerType.NSDNAME):
            same_kind = same_kind.filter(trigger__in=[rule.trigger, *triggers.ancestors(rule.trigger)])
        for other in same_kind.select_related("policy")[:500]:
            if (other.action, other.target) == (rule.action, rule.target) or other.policy_id not in order:
                continue
            earlier = order[other.policy_id] < order[rule.policy_id]
            if earlier and triggers.covers(rule.trigger_type, other.trigger, rule.trigger):
                said.setdefault(rule.pk, []).append(
                    f"never acts: {other.policy}, which comes before, has “{other.get_action_display()}” "
                    f"for {other.trigger}"
                )
            elif other.policy_id == rule.policy_id and triggers.covers(rule.trigger_type, other.trigger, rule.trigger):
                said.setdefault(rule.pk, []).append(
                    f"is an exception from {other.trigger}: {other.get_action_display()}"
                )
    return said
