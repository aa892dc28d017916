"""What an alert is: raised once, counted, acknowledged by one, over when it is resolved."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction

from realtime import alerts, audience, log
from realtime.actors import acting
from realtime.alert_models import Alert, AlertMute, AlertState
from realtime.events import EventSeverity, EventType
from realtime.filters import view
from realtime.models import LogEvent

pytestmark = pytest.mark.django_db(transaction=True)


def flood(**more: Any) -> Alert:
    given: dict[str, Any] = {
        "key": "flood:192.0.2.7",
        "event_type": EventType.SECURITY_ALERT,
        "severity": EventSeverity.WARNING,
        "title": "One client floods the name server",
        "evidence": {"client": "192.0.2.7", "per_s": 900},
        "client": "192.0.2.7",
    }
    return alerts.raise_alert(**given | more)


def person(name: str, role: str) -> User:
    user = User.objects.create_user(name)
    user.groups.set([Group.objects.get(name=role)])
    return user


def told() -> list[str]:
    return list(
        LogEvent.objects.order_by("id").filter(event_type__contains="alert").values_list("event_type", flat=True)
    )


def test_an_open_alert_is_counted_and_told_once() -> None:
    first = flood()
    again = flood(title="One client floods the name server still", evidence={"per_s": 1200})
    assert (again.pk, again.count, again.evidence) == (first.pk, 2, {"per_s": 1200})
    assert told() == ["security_alert"]


def test_one_that_gets_worse_is_told_again_and_is_open_again() -> None:
    alerts.acknowledge(flood())
    worse = flood(severity=EventSeverity.CRITICAL)
    assert (worse.state, worse.severity, worse.acknowledged_by) == (AlertState.OPEN, "critical", "")
    assert flood(severity=EventSeverity.WARNING).severity == "critical"
    assert told() == ["security_alert", "alert_acknowledged", "security_alert"]


def test_what_comes_back_after_it_was_over_is_a_new_alert() -> None:
    first = flood()
    assert alerts.resolve("flood:192.0.2.7", reason="It has stopped.") is not None
    assert alerts.resolve("flood:192.0.2.7") is None
    assert flood().pk != first.pk
    assert told() == ["security_alert", "alert_resolved", "security_alert"]


def test_who_acknowledges_first_is_named_whoever_else_does() -> None:
    alert = flood()
    for name in ("olivia", "sam"):
        with acting(User.objects.create_user(name), origin="page"):
            alert = alerts.acknowledge(alert, "I am on it")
    assert alert.acknowledged_by == "olivia"
    assert told() == ["security_alert", "alert_acknowledged"]
    assert [(e.deed, e.who, e.text) for e in alert.entries.order_by("pk")] == [
        ("raised", "", ""),
        ("acknowledged", "olivia", "I am on it"),
    ]


def test_what_is_over_without_anybody_cannot_be_acknowledged() -> None:
    alert = alerts.end(flood())
    with pytest.raises(alerts.AlertIsResolved):
        alerts.acknowledge(alert)


def test_a_muted_key_is_counted_and_listed_but_nobody_is_told() -> None:
    alerts.mute(flood(), timedelta(hours=1), "a load test of ours")
    alerts.resolve("flood:192.0.2.7")
    before = told()
    quiet = flood()
    flood()
    alerts.acknowledge(quiet)
    assert quiet.muted
    assert told() == before

    AlertMute.objects.all().delete()
    loud = flood()
    assert (loud.pk, loud.muted, loud.state) == (quiet.pk, False, AlertState.OPEN)
    assert told() == [*before, "security_alert"]


def test_a_rolled_back_alert_is_never_announced() -> None:
    with transaction.atomic():
        flood()
        transaction.set_rollback(True)
    assert not Alert.objects.exists()
    assert told() == []


def test_texts_are_kept_without_anything_that_acts() -> None:
    alert = flood(title="\x1b[31mred\u202egpj", detail="one\ntwo\x07", evidence={"names": ["a\x00b"], "k\x1b": 1})
    assert alert.title == "\\x1b[31mred\\u202egpj"
    assert alert.detail == "one\ntwo\\x07"
    assert alert.evidence == {"names": ["a\\x00b"], "k\\x1b": 1}


def test_other_events_announce_no_alert() -> None:
    with pytest.raises(ValueError):
        flood(event_type=EventType.ZONE_UPDATED)


# -- who sees what ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "client", "evidence"),
    [
        ("Security analysts", "192.0.2.7", {"client": "192.0.2.7", "per_s": 900}),
        ("DNS operators", None, {"client": None, "per_s": 900}),
        ("Viewers", None, None),
    ],
)
def test_evidence_and_addresses_are_for_those_who_may(role: str, client: Any, evidence: Any) -> None:
    alert = flood()
    viewer = audience.of(person("somebody", role))
    event = log.as_event(LogEvent.objects.get(event_type="security_alert"))
    live, read = view(event, viewer), alerts.as_seen_by(viewer, alert)
    assert live is not None
    for seen in (live, read):
        assert (seen.event.data["client"], seen.event.data["evidence"]) == (client, evidence)
        assert ("client" in seen.redacted, "evidence" in seen.redacted) == (client is None, evidence is None)
        assert "192.0.2.7" not in str(seen) or client


def test_an_owner_sees_what_is_about_the_own_zones_and_nothing_of_security() -> None:
    owner = audience.of(person("somebody", "Zone owners"))
    owner = audience.Audience(
        is_admin=False, permissions=owner.permissions, scopes=(("zone", frozenset({"mine"})),), user_id=owner.user_id
    )
    mine = flood(key="a", event_type=EventType.HEALTH_ALERT, scope="mine", zone="mine.example")
    for key, kind, scope in (
        ("b", EventType.HEALTH_ALERT, "other"),
        ("c", EventType.HEALTH_ALERT, None),
        ("d", EventType.SECURITY_ALERT, "mine"),
    ):
        alerts.acknowledge(flood(key=key, event_type=kind, scope=scope))
    alerts.acknowledge(mine)
    assert list(alerts.visible_to(owner)) == [mine]
    rows = LogEvent.objects.filter(event_type__contains="alert")
    seen = [event for event in map(log.as_event, rows) if view(event, owner)]
    assert [event.data["alert"] for event in seen] == [mine.pk, mine.pk]


def test_nobody_without_a_right_sees_any() -> None:
    flood()
    nobody = audience.of(User.objects.create_user("nobody"))
    assert not alerts.visible_to(nobody).exists()
