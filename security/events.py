"""The events of response policies and feeds. Operators, analysts and viewers see them; owners of single zones do not.

The trigger of a rule on client addresses is shown to those who may see client addresses.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from realtime.events import EventCategory, EventPriority, EventType
from realtime.registry import VIEW_CLIENT_ADDRESSES, EventSpec, registry

if TYPE_CHECKING:
    from security.detection.models import HitWatch
    from security.models import Feed, Policy, Rule

SEES_SECURITY = "security.view_rule"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an object before and after."""

    field: str
    old: Any = None
    new: Any = None


class RuleData(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is after the event (before it, when deleted). policy: id. expires_at: ISO 8601.
    sync_state: `pending`, `served` (in force, or out of force as wanted) or `failed`."""

    id: int
    policy: int
    policy_name: str
    trigger_type: str
    trigger: str
    action: str
    target: str
    category: str
    comment: str
    enabled: bool
    trial: bool
    expires_at: str | None
    version: int
    sync_state: str
    sync_error: str = ""

    @classmethod
    def of(cls, rule: Rule) -> RuleData:
        return cls(
            id=rule.pk,
            policy=rule.policy_id,
            policy_name=rule.policy.name,
            trigger_type=rule.trigger_type,
            trigger=rule.trigger,
            action=rule.action,
            target=rule.target,
            category=rule.category,
            comment=rule.comment,
            enabled=rule.enabled,
            trial=rule.trial,
            expires_at=_moment(rule.expires_at),
            version=rule.version,
            sync_state=rule.sync_state,
            sync_error=rule.sync_error,
        )


class RuleEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A rule was created, updated or deleted by people, or ran out."""

    rule: RuleData
    changes: list[Change] = []


class PolicyData(msgspec.Struct, frozen=True, kw_only=True):
    """A policy as it is after the event. serial: of its zone, as last seen at the name server."""

    id: int
    name: str
    zone: str
    kind: str
    mode: str
    position: int
    comment: str
    version: int
    serial: int | None
    sync_state: str
    sync_error: str

    @classmethod
    def of(cls, policy: Policy) -> PolicyData:
        return cls(
            id=policy.pk,
            name=policy.name,
            zone=policy.zone,
            kind=policy.kind,
            mode=policy.mode,
            position=policy.position,
            comment=policy.comment,
            version=policy.version,
            serial=policy.serial,
            sync_state=policy.sync_state,
            sync_error=policy.sync_error,
        )


class WatchData(msgspec.Struct, frozen=True, kw_only=True):
    """Hits of a policy (null: of any) in a category (empty: in any) raise an alert of this severity."""

    id: int
    policy: int | None
    category: str
    severity: str

    @classmethod
    def of(cls, watch: HitWatch) -> WatchData:
        return cls(id=watch.pk, policy=watch.policy_id, category=watch.category, severity=watch.severity)


class PolicyUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a policy. what: `created`, `changed` or `deleted` by people; `accepted` (the name server has the rules),
    `in_force` (it acts by them), `failed` (it does not, and why), `drifted` (somebody changed it there), `imported`;
    `retried` (a rule that was refused is brought there again); `watched` or `unwatched` (hits raise an alert, or none).
    policy: null for a watch over all. rules: ids of those concerned. rule: the one, where it is one."""

    policy: PolicyData | None
    what: str
    changes: list[Change] = []
    rules: list[int] = []
    rule: RuleData | None = None
    count: int | None = None
    watch: WatchData | None = None


class HitData(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, or an entry of a feed (`rule` is null), acted on a query for `name`, or would have (`trial`), `count` times.
    action: as `named` calls it, in lower case; a redirect to a name or to data of ours is `cname` or `local_data`.
    of_rule, of_policy: how often each ever did, these included."""

    policy: int
    policy_name: str
    rule: int | None
    trigger_type: str
    trigger: str
    name: str
    action: str
    trial: bool
    count: int
    of_rule: int | None
    of_policy: int


class RuleHits(msgspec.Struct, frozen=True, kw_only=True):
    """What policies did in about a quarter of a second. hits: the most frequent of it; total: all of it."""

    hits: list[HitData]
    total: int


_CLIENT_TRIGGERS = {"rule[trigger_type=client_ip].trigger": VIEW_CLIENT_ADDRESSES}
_security = partial(EventSpec, category=EventCategory.SECURITY, permission=SEES_SECURITY)


registry.declare(
    _security(
        EventType.RPZ_UPDATE,
        "A response policy was changed, or is (or is not) in force at the name server.",
        PolicyUpdate,
        sensitive=_CLIENT_TRIGGERS,
    ),
    _security(EventType.RPZ_RULE_CREATED, "A policy rule was created.", RuleEvent, sensitive=_CLIENT_TRIGGERS),
    _security(
        EventType.RPZ_RULE_UPDATED,
        "A policy rule was changed, or ran out: the values before and after.",
        RuleEvent,
        sensitive=_CLIENT_TRIGGERS,
    ),
    _security(EventType.RPZ_RULE_DELETED, "A policy rule was deleted.", RuleEvent, sensitive=_CLIENT_TRIGGERS),
)


class FeedData(msgspec.Struct, frozen=True, kw_only=True):
    """A feed as it is after the event. error: why the last refresh was refused; the entries of before stay in force."""

    id: int
    policy: int
    name: str
    url: str
    format: str
    mode: str
    category: str
    confidence: int
    reference: str
    state: str
    error: str
    error_code: str
    failures: int
    entries: int
    bad: int
    guarded: int
    checked_at: str | None
    changed_at: str | None
    next_at: str | None
    version: int

    @classmethod
    def of(cls, feed: Feed) -> FeedData:
        return cls(
            id=feed.pk,
            policy=feed.policy_id,
            name=feed.policy.name,
            url=feed.url,
            format=feed.format,
            mode=feed.policy.mode,
            category=feed.category,
            confidence=feed.confidence,
            reference=feed.reference,
            state=feed.state,
            error=feed.error,
            error_code=feed.error_code,
            failures=feed.failures,
            entries=feed.entries,
            bad=feed.bad,
            guarded=feed.guarded,
            checked_at=_moment(feed.checked_at),
            changed_at=_moment(feed.changed_at),
            next_at=_moment(feed.next_at),
            version=feed.version,
        )


class FeedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A feed was made, changed, deleted, refreshed, or could not be. what: `created`, `changed`, `deleted`, or empty for a
    refresh. changed: its entries are others now; added, removed: how many, with some of them."""

    feed: FeedData
    what: str = ""
    changes: list[Change] = []
    changed: bool = False
    added: int = 0
    removed: int = 0
    added_samples: list[str] = []
    removed_samples: list[str] = []


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


registry.declare(
    _security(EventType.THREAT_FEED_UPDATE, "A threat feed was made, changed, or brought up to date.", FeedEvent),
    _security(
        EventType.THREAT_FEED_FAILED,
        "A threat feed could not be refreshed; its entries of before stay in force.",
        FeedEvent,
        priority=EventPriority.HIGH,
    ),
)
registry.declare(
    _security(
        EventType.RPZ_HITS,
        "Policies acted on queries: which rule, on which name, how often.",
        RuleHits,
        sensitive={"hits.*[trigger_type=client_ip].trigger": VIEW_CLIENT_ADDRESSES},
        durable=False,
        default=False,
    ),
)
