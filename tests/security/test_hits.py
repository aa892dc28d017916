"""Hits: found for the rule behind them, wildcards included, and written down exactly once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from security.hits import HitCounter
from security.models import Hits, Policy
from security.rules import create_policy, create_rule
from zones.nameserver.query_log import Batch, Queries, Unreadable, parse_hits

pytestmark = pytest.mark.django_db

LINE = (
    "2026-11-22T21:36:32.078Z rpz: info: client @0x7f873bc50098 127.0.0.9#54887 ({name}): "
    "{disabled}rpz {trigger} {action} rewrite {name}/A/IN via {via}\n"
)


def heard(counter: HitCounter, name: str, via: str, trigger="QNAME", action="NXDOMAIN", disabled="") -> None:
    line = LINE.format(name=name, via=via, trigger=trigger, action=action, disabled=disabled)
    counter.hear(Batch(Queries(), parse_hits(line.encode(), Unreadable())))


@pytest.fixture
def told(monkeypatch) -> list:
    """What was told live."""
    events: list = []
    monkeypatch.setattr("security.hits.stream", lambda kind, payload: events.extend(payload.hits))
    return events


@pytest.mark.django_db(transaction=True)
def test_the_rule_behind_a_hit_is_found_and_counted(told):
    policy = create_policy("House rules")
    exact = create_rule(policy, trigger="www.evil.test")
    wild = create_rule(policy, trigger="*.evil.test")
    address = create_rule(policy, trigger_type="client_ip", trigger="127.0.0.9", action="drop")
    trial = create_rule(policy, trigger="*.games.test", trial=True)
    counter = HitCounter()
    heard(counter, "www.evil.test", "www.evil.test.house-rules.rpz")
    heard(counter, "a.b.Evil.test", "a.b.evil.test.house-rules.rpz")
    heard(counter, "a.b.evil.test", "a.b.evil.test.house-rules.rpz")
    heard(counter, "any.test", "32.9.0.0.127.rpz-client-ip.house-rules.rpz", trigger="CLIENT-IP", action="DROP")
    heard(counter, "x.games.test", "x.games.test.trial.house-rules.rpz", disabled="disabled ")
    heard(counter, "x.test", "x.test.another.rpz")
    assert [(hit.rule, hit.trigger, hit.trial) for hit in told] == [
        (exact.pk, "www.evil.test", False),
        (wild.pk, "*.evil.test", False),
        (wild.pk, "*.evil.test", False),
        (address.pk, "127.0.0.9/32", False),
        (trial.pk, "*.games.test", True),
    ]
    assert [hit.of_rule for hit in told] == [1, 1, 2, 1, 1]
    assert [hit.of_policy for hit in told] == [1, 2, 3, 4, 5]
    counter.save()
    counter.save()
    heard(counter, "again.evil.test", "again.evil.test.house-rules.rpz")
    assert (told[-1].of_rule, told[-1].of_policy) == (3, 6)
    policy.refresh_from_db()
    wild.refresh_from_db()
    assert (policy.hits, wild.hits) == (5, 2)
    assert wild.last_hit_at.isoformat() == "2026-11-22T21:36:32.078000+00:00"
    hours = Hits.objects.filter(rule=wild).values_list("hour", "count")
    assert [(hour.hour, count) for hour, count in hours] == [(21, 2)]


@pytest.mark.django_db(transaction=True)
def test_hits_whose_saving_fails_are_saved_with_the_next_ones(told):
    policy = create_policy("House rules")
    create_rule(policy, trigger="www.evil.test")
    counter = HitCounter()
    heard(counter, "www.evil.test", "www.evil.test.house-rules.rpz")
    with transaction.atomic():
        counter.save()
        transaction.set_rollback(True)
    heard(counter, "www.evil.test", "www.evil.test.house-rules.rpz")
    counter.save()
    policy.refresh_from_db()
    assert policy.hits == 2
    assert told[-1].of_policy == 2


def test_hits_over_time_are_answered_with_a_point_for_each_span(django_user_model):
    policy = create_policy("House rules")
    rule = create_rule(policy, trigger="www.evil.test")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for ago, count in ((0, 2), (3, 5), (30, 7)):
        Hits.objects.create(policy=policy, rule=rule, hour=hour - timedelta(hours=ago), count=count)
    client = APIClient()
    client.force_authenticate(django_user_model.objects.create_superuser("ada"))

    def values(**asked) -> list[int]:
        return [point["value"] for point in client.get("/api/rpz/hits/", asked).json()["points"]]

    assert values(**{"metric": f"rule:{rule.pk}", "from": -4 * 3600}) == [0, 5, 0, 0, 2]
    assert sum(values(metric=f"policy:{policy.pk}")) == sum(values(metric="all", step=7200)) == 14
    assert set(values(metric="rule:4711")) == {0}
    for wrong in ({"metric": "rule:x"}, {"metric": "all", "step": 60}, {"metric": "all", "from": 5}):
        assert client.get("/api/rpz/hits/", wrong).status_code == 400


def test_hits_of_what_is_deleted_meanwhile_are_forgotten(told):
    policy = create_policy("House rules")
    create_rule(policy, trigger="www.evil.test")
    counter = HitCounter()
    heard(counter, "www.evil.test", "www.evil.test.house-rules.rpz")
    Policy.objects.all().delete()
    counter.save()
    assert not Hits.objects.exists()
