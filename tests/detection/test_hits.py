"""Hits as threats: told once an hour, bounded in number; alerts where somebody watches or a feed is on trial."""

from __future__ import annotations

from typing import Any

import pytest

from realtime import log
from realtime.alert_models import Alert
from realtime.models import LogEvent
from security.detection.hits import MOST_LOOKED_AT, MOST_TOLD, HitTeller
from security.detection.models import HitWatch
from security.models import Feed, Policy, PolicyKind, Rule
from zones.nameserver.query_log import PolicyHit

pytestmark = pytest.mark.django_db(transaction=True)


def hit(name: str, policy: Policy, client: str = "192.0.2.7", trial: bool = False) -> PolicyHit:
    return PolicyHit(
        "2026-01-02T03:04:05.678Z", client, "5353", name, "A", "QNAME", "NXDOMAIN", f"{name}.{policy.zone}", trial
    )


@pytest.fixture
def house() -> Policy:
    policy = Policy.objects.create(name="House", zone="house.rpz")
    Rule.objects.create(policy=policy, trigger_type="qname", trigger="*.bad.example", action="nxdomain", category="c2")
    return policy


@pytest.fixture
def feed() -> Policy:
    policy = Policy.objects.create(name="Bad names", zone="bad.rpz", kind=PolicyKind.FEED)
    Feed.objects.create(policy=policy, url="https://feed.example/", category="malware", confidence=80)
    return policy


def told() -> list[dict[str, Any]]:
    rows = LogEvent.objects.filter(event_type="threat_detected").order_by("id")
    return [log.as_event(row).data for row in rows]


def test_a_hit_is_told_once_with_its_rule_and_raises_no_alert_unasked(house: Policy) -> None:
    teller = HitTeller()
    for now in (0.0, 10.0, 3500.0):
        teller.tell([hit("a.bad.example", house)], now)
    assert [(each["name"], each["category"], each["client"]) for each in told()] == [
        ("a.bad.example", "c2", "192.0.2.7")
    ]
    assert not Alert.objects.exists()
    teller.tell([hit("a.bad.example", house)], 3700.0)
    assert len(told()) == 2


def test_a_watched_hit_is_one_alert_for_each_client(house: Policy) -> None:
    HitWatch.objects.create(policy=house, category="c2", severity="critical")
    teller = HitTeller()
    names = [f"n{number}.bad.example" for number in range(5)]
    teller.tell([hit(name, house, client) for name in names for client in ("192.0.2.7", "192.0.2.8")], 0.0)
    assert sorted(Alert.objects.values_list("client", "count", "severity")) == [
        ("192.0.2.7", 5, "critical"),
        ("192.0.2.8", 5, "critical"),
    ]
    assert not Alert.objects.filter(title__contains="192.0.2").exists()


def test_another_category_is_not_watched(house: Policy) -> None:
    HitWatch.objects.create(category="phishing")
    HitTeller().tell([hit("a.bad.example", house)], 0.0)
    assert not Alert.objects.exists()


def test_names_of_a_feed_on_trial_are_one_alert_that_says_whose_they_are(feed: Policy) -> None:
    teller = HitTeller()
    teller.tell([hit(f"n{number}.example", feed, trial=True) for number in range(3)], 0.0)
    alert = Alert.objects.get()
    assert (alert.count, alert.evidence["feed"], alert.evidence["category"]) == (3, "Bad names", "malware")
    assert alert.evidence["names"] == ["n2.example", "n1.example", "n0.example"]
    assert {each["trial"] for each in told()} == {True}


def test_a_flood_of_blocked_names_floods_neither_the_log_nor_the_database(house: Policy) -> None:
    HitWatch.objects.create()
    HitTeller().tell([hit(f"n{number}.bad.example", house) for number in range(3000)], 0.0)
    assert len(told()) == MOST_TOLD
    assert told()[-1]["more"] == 3000 - MOST_TOLD
    assert Alert.objects.get().count == MOST_LOOKED_AT


def test_a_name_that_no_rule_could_have_is_still_of_the_wildcards_rule(house: Policy) -> None:
    HitTeller().tell([hit(r"<script>\032x.bad.example", house)], 0.0)
    assert told()[0]["rule"] == Rule.objects.get().pk


def test_hits_of_policies_that_are_not_ours_are_nobodys(house: Policy) -> None:
    other = Policy(zone="elsewhere.rpz")
    HitTeller().tell([hit("a.bad.example", other)], 0.0)
    assert told() == []
