"""How often each rule and feed acts: counted from what `named` writes, told at once, written down with the place in the log.

The names of the queries are in the event, the clients are not: who asked stands in the query stream.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from realtime.broadcasting import stream
from realtime.events import EventType
from security.events import HitData, RuleHits
from security.matching import HitRule, rule_of_hit
from security.models import Hits, Policy, Rule
from zones.nameserver.query_log import Batch, Listener, PolicyHit, moment, register_listener

KNOWN_FOR_S = 5.0
"""How long it is remembered which rule is behind a name; a new rule may come between."""
TOLD_AT_ONCE = 100

_Key = tuple[int, int | None]
"""Policy and rule; no rule for an entry of a feed."""


class HitCounter(Listener):
    """Counts between two saves. Called in one thread, that of the log's follower."""

    def __init__(self) -> None:
        self._unsaved: Counter[tuple[_Key, datetime]] = Counter()
        self._last: dict[_Key, datetime] = {}
        self._totals: dict[tuple[type[Policy | Rule], int], int] = {}
        self._rules: dict[tuple[str, str], HitRule | None] = {}
        self._policies: list[Policy] = []
        self._known_until = 0.0

    def hear(self, batch: Batch) -> None:
        """Count a batch, and tell what is in it."""
        if not batch.hits:
            return
        if time.monotonic() > self._known_until:
            self._policies, self._rules = list(Policy.objects.all()), {}
            self._known_until = time.monotonic() + KNOWN_FOR_S
        told: Counter[tuple[HitRule, str, str, bool]] = Counter()
        for hit in batch.hits:
            rule = self._rule(hit)
            if rule is None:
                continue
            at = moment(hit.time)
            key = rule.policy_id, rule.rule_id
            self._unsaved[key, at.replace(minute=0, second=0, microsecond=0)] += 1
            self._last[key] = at
            self._count(Policy, rule.policy_id)
            if rule.rule_id is not None:
                self._count(Rule, rule.rule_id)
            told[rule, hit.name, hit.action.lower().replace("-", "_"), hit.trial] += 1
        if told:
            self._tell(told)

    def save(self) -> None:
        """Write down what was counted, in the transaction of the caller; it is kept until that has been committed."""
        totals: Counter[_Key] = Counter()
        there = set(Policy.objects.values_list("pk", flat=True))
        rules = set(
            Rule.objects.filter(pk__in={key[1] for key, _ in self._unsaved if key[1]}).values_list("pk", flat=True)
        )
        for (key, hour), count in self._unsaved.items():
            policy_id, rule_id = key
            if policy_id not in there or (rule_id is not None and rule_id not in rules):
                continue  # deleted meanwhile
            totals[key] += count
            row, _ = Hits.objects.get_or_create(policy_id=policy_id, rule_id=rule_id, hour=hour)  # type: ignore[misc]
            Hits.objects.filter(pk=row.pk).update(count=F("count") + count)
        for (policy_id, rule_id), count in totals.items():
            at = self._last.get((policy_id, rule_id), timezone.now())
            Policy.objects.filter(pk=policy_id).update(hits=F("hits") + count, last_hit_at=at)
            if rule_id is not None:
                Rule.objects.filter(pk=rule_id).update(hits=F("hits") + count, last_hit_at=at)
        transaction.on_commit(self._saved)

    def _saved(self) -> None:
        self._unsaved.clear()
        self._last.clear()
        self._totals.clear()

    def _count(self, kind: type[Policy | Rule], pk: int) -> None:
        """One more. Until the next save, the row has what there was before."""
        if (kind, pk) not in self._totals:
            before = kind._default_manager.filter(pk=pk).values_list("hits", flat=True).first()
            self._totals[kind, pk] = before or 0
        self._totals[kind, pk] += 1

    def _rule(self, hit: PolicyHit) -> HitRule | None:
        key = hit.via, hit.trigger
        if key not in self._rules:
            if len(self._rules) > 100_000:
                self._rules.clear()
            self._rules[key] = rule_of_hit(hit, self._policies)
        return self._rules[key]

    def _tell(self, told: Counter[tuple[HitRule, str, str, bool]]) -> None:
        some = told.most_common(TOLD_AT_ONCE)
        stream(
            EventType.RPZ_HITS,
            RuleHits(
                hits=[
                    HitData(
                        policy=rule.policy_id,
                        policy_name=rule.policy,
                        rule=rule.rule_id,
                        trigger_type=rule.trigger_type,
                        trigger=rule.trigger,
                        name=name,
                        action=action,
                        trial=trial,
                        count=count,
                        of_rule=self._totals.get((Rule, rule.rule_id or 0)),
                        of_policy=self._totals[Policy, rule.policy_id],
                    )
                    for (rule, name, action, trial), count in some
                ],
                total=told.total(),
            ),
        )


register_listener(HitCounter)
