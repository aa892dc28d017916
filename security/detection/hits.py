"""Hits of response policies as threats: told once an hour for each policy, name and client, with what the feed knows.

Names on a feed that is on trial raise an alert of that feed; hits that somebody watches (`HitWatch`) one for each policy
and client.
"""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Iterable

from django.db import transaction

from realtime import alerts
from realtime.broadcasting import emit
from realtime.events import EventSeverity, EventType
from security.detection.events import Threat
from security.detection.models import HitWatch
from security.matching import HitRule, acting, rule_of_hit
from security.models import Policy, PolicyKind, Rule
from zones.nameserver.query_log import PolicyHit, moment

logger = logging.getLogger(__name__)

TOLD_AGAIN_S = 3600
MOST_REMEMBERED = 20_000
MOST_LOOKED_AT = 50
"""Hits of one round that are looked up and may raise an alert, so that a flood of blocked names floods nothing else."""
MOST_TOLD = 10
"""Threats that are told one by one, of those that come within a quarter of a second."""
SHOWN = 20


class HitTeller:
    """Turns hits into events and alerts. Remembers a bounded number of what it told."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._names: OrderedDict[str, deque[str]] = OrderedDict()

    def tell(self, hits: Iterable[PolicyHit], now: float) -> None:
        """Tell what is new among `hits`. now: of a steady clock, in seconds."""
        policies = list(Policy.objects.all())
        by_id = {policy.pk: policy for policy in policies}
        watches = list(HitWatch.objects.order_by("pk"))
        fresh: list[tuple[PolicyHit, HitRule]] = []
        left = 0
        for hit in hits:
            what = hit.via, hit.name, hit.client
            if self._is_told(what, now):
                continue
            if len(fresh) == MOST_LOOKED_AT:
                left += 1  # told when it is asked for again
                continue
            self._remember(what, now)
            if rule := rule_of_hit(hit, policies):
                fresh.append((hit, rule))
        for place, (hit, rule) in enumerate(fresh):
            more = left + len(fresh) - MOST_TOLD if place == MOST_TOLD - 1 else 0
            try:
                with transaction.atomic():
                    self._tell_one(hit, rule, by_id[rule.policy_id], watches, loud=place < MOST_TOLD, more=more)
            except Exception:  # the others are told all the same
                logger.exception("a hit of %s cannot be told", rule.policy)

    def _tell_one(
        self, hit: PolicyHit, rule: HitRule, policy: Policy, watches: list[HitWatch], *, loud: bool, more: int
    ) -> None:
        known = knowledge(hit, rule, policy)
        is_feed = policy.kind == PolicyKind.FEED
        alert = None
        if is_feed and hit.trial:
            alert = self._alert_of_trial(hit, policy, known)
        for watch in watches:
            if watch.policy_id in (None, policy.pk) and watch.category in ("", known.category):
                alert = self._alert_of_watch(hit, policy, known, EventSeverity(watch.severity))
                break
        if loud and (is_feed or known.category or alert is not None):
            told = {field: getattr(known, field) for field in known.__struct_fields__}
            told |= {"alert": alert, "more": more}
            emit(EventType.THREAT_DETECTED, Threat(**told), severity=EventSeverity.WARNING)

    def _alert_of_trial(self, hit: PolicyHit, policy: Policy, known: Threat) -> int:
        key = f"trial:{policy.zone}"
        return alerts.raise_alert(
            key=key,
            event_type=EventType.SECURITY_ALERT,
            severity=EventSeverity.WARNING,
            title=f"Names of the feed {policy.name}, which is on trial, are asked for",
            detail="Nothing is blocked. Look whether these names should be, then enforce the feed or switch it off.",
            evidence={"names": self._lately(key, hit.name), "client": hit.client, **_intelligence(known)},
            client=hit.client,
        ).pk

    def _alert_of_watch(self, hit: PolicyHit, policy: Policy, known: Threat, severity: EventSeverity) -> int:
        key = f"hit:{policy.zone}:{hit.client}"
        return alerts.raise_alert(
            key=key,
            event_type=EventType.SECURITY_ALERT,
            severity=severity,
            title=f"Somebody asked for {hit.name[:80]}, which {policy.name} {'would stop' if hit.trial else 'stopped'}",
            detail=f"What the name server did: {hit.action.lower()}. Look at the machine that asked.",
            evidence={"names": self._lately(key, hit.name), "client": hit.client, **_intelligence(known)},
            client=hit.client,
        ).pk

    def _lately(self, key: str, name: str) -> list[str]:
        """The last names of an alert, the newest first."""
        names = self._names.setdefault(key, deque(maxlen=SHOWN))
        self._names.move_to_end(key)
        if name not in names:
            names.appendleft(name)
        if len(self._names) > MOST_REMEMBERED // SHOWN:
            self._names.popitem(last=False)
        return list(names)

    def _is_told(self, what: tuple[str, str, str], now: float) -> bool:
        at = self._told.get(what)
        return at is not None and now - at < TOLD_AGAIN_S

    def _remember(self, what: tuple[str, str, str], now: float) -> None:
        self._told[what] = now
        self._told.move_to_end(what)
        if len(self._told) > MOST_REMEMBERED:
            self._told.popitem(last=False)


def knowledge(hit: PolicyHit, rule: HitRule, policy: Policy) -> Threat:
    """What is known about the name that was asked for: of the rule that acted, or of the feed that brought it."""
    entry = category = None
    if policy.kind == PolicyKind.FEED:
        entry = next((each for each in acting(hit.name, None) if each.policy_id == policy.pk), None)
        category = entry.category if entry else policy.feed.category
    else:
        category = Rule.objects.filter(pk=rule.rule_id or 0).values_list("category", flat=True).first()
    return Threat(
        title=f"{hit.name[:200]} was asked for",
        category=category or "",
        name=hit.name,
        client=hit.client,
        feed=policy.name if policy.kind == PolicyKind.FEED else None,
        policy=policy.name,
        rule=rule.rule_id,
        first_seen=(entry.first_seen if entry else None) or moment(hit.time).isoformat(),
        confidence=entry.confidence if entry else None,
        reference=(entry.reference if entry else "") or None,
        action=hit.action.lower(),
        trial=hit.trial,
        evidence={"client": hit.client, "type": hit.type, "trigger": rule.trigger, "time": hit.time},
    )


def _intelligence(known: Threat) -> dict[str, object]:
    """What of it belongs into the evidence of an alert."""
    fields = ("feed", "policy", "rule", "category", "first_seen", "confidence", "reference", "action")
    return {field: value for field in fields if (value := getattr(known, field)) not in (None, "")}
