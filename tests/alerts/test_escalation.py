"""Nobody acknowledges: step by step the alert goes on. Somebody does: it stops everywhere."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from realtime import alerts, escalation, log, notifications
from realtime.alert_models import Alert
from realtime.audience import of
from realtime.events import EventSeverity, EventType
from realtime.filters import view
from realtime.models import LogEvent
from realtime.notification_models import Delivery, EscalationStep, NotificationChannel

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)


def down(severity: EventSeverity = EventSeverity.CRITICAL, key: str = "down") -> Alert:
    return alerts.raise_alert(
        key=key, event_type=EventType.HEALTH_ALERT, severity=severity, title="It is down", client="192.0.2.7",
        evidence={"probes": 3},
    )  # fmt: skip


@pytest.fixture(autouse=True)
def steps() -> None:
    EscalationStep.objects.all().delete()
    group = Group.objects.get(name="DNS operators")
    User.objects.create_user("olivia", email="olivia@example.com").groups.add(group)
    mail = NotificationChannel.objects.create(name="duty", kind="email", target="duty@example.com", events="")
    hook = NotificationChannel.objects.create(name="hook", kind="webhook", target="http://192.0.2.1/", events="")
    EscalationStep.objects.create(number=10, after_s=60, group=group)
    EscalationStep.objects.create(number=20, after_s=120, group=group, channel=mail)
    EscalationStep.objects.create(number=30, after_s=180, channel=hook)


def escalations() -> list[LogEvent]:
    return list(LogEvent.objects.filter(event_type="alert_escalated").order_by("id"))


def plan_all() -> None:
    for row in LogEvent.objects.filter(event_type__contains="alert").order_by("id"):
        notifications.plan(log.as_event(row))


def test_each_step_is_one_event_and_one_delivery_however_often_it_is_looked_at() -> None:
    alert = down()
    now = timezone.now()
    assert escalation.advance(now) == 0
    for minutes in (1, 1, 2, 2, 3, 3, 9):
        escalation.advance(now + minutes * MINUTE + timedelta(seconds=1))
        plan_all()
    assert [log.as_event(row).data["step"] for row in escalations()] == [10, 20, 30]
    assert list(Delivery.objects.order_by("step").values_list("step", "channel_name", "target")) == [
        (10, "screens", "DNS operators"),
        (20, "duty", "duty@example.com, olivia@example.com"),
        (30, "hook", "http://192.0.2.1/"),
    ]
    assert list(alert.entries.values_list("deed", flat=True)) == ["raised", "escalated", "escalated", "escalated"]


@pytest.mark.parametrize("how", ["acknowledge", "end", "mute"])
def test_acknowledged_resolved_or_muted_it_goes_on_no_further(how: str) -> None:
    alert = down()
    later = timezone.now() + 2 * MINUTE
    assert escalation.advance(later) == 1
    arguments = (timedelta(hours=1),) if how == "mute" else ()
    getattr(alerts, how)(alert, *arguments)
    assert escalation.advance(later + 10 * MINUTE) == 0
    plan_all()
    assert notifications._claim("somebody") is None


def test_what_waits_to_be_sent_is_dropped_when_somebody_acknowledges_meanwhile() -> None:
    alert = down()
    escalation.advance(timezone.now() + 3 * MINUTE)
    escalation.advance(timezone.now() + 3 * MINUTE)
    plan_all()
    alerts.acknowledge(alert)
    assert notifications._claim("somebody") is None
    assert Delivery.objects.get(channel_name="duty").state == Delivery.State.DROPPED


def test_only_critical_alerts_go_on_and_one_that_becomes_critical_does_from_then() -> None:
    down(EventSeverity.ERROR)
    assert escalation.advance(timezone.now() + 10 * MINUTE) == 0
    down()
    assert escalation.advance(timezone.now() + 10 * MINUTE) == 1


def test_an_escalation_is_not_escalated_itself() -> None:
    down()
    for minutes in range(1, 9):
        escalation.advance(timezone.now() + minutes * MINUTE + timedelta(seconds=1))
    assert len(escalations()) == 3
    assert Alert.objects.count() == 1


def test_steps_that_are_changed_meanwhile_count_at_once() -> None:
    down()
    EscalationStep.objects.filter(number=10).update(after_s=1)
    assert escalation.advance(timezone.now() + timedelta(seconds=2)) == 1


def test_a_step_is_seen_by_those_who_may_see_the_alert() -> None:
    down()
    escalation.advance(timezone.now() + MINUTE + timedelta(seconds=1))
    event = log.as_event(escalations()[0])
    viewer = User.objects.create_user("vera")
    viewer.groups.add(Group.objects.get(name="Viewers"))
    seen = view(event, of(viewer))
    assert seen is not None
    assert (seen.event.data["group"], seen.event.data["evidence"], seen.event.data["client"]) == (
        "DNS operators",
        None,
        None,
    )
    assert view(event, of(User.objects.create_user("nobody"))) is None
