"""Critical alerts that nobody acknowledges go on, step by step: to the screens of the next group, by mail, to a webhook.

Each step is one transaction that begins by comparing and setting the alert's step, so that of any number of processes one
takes it, and a process that dies in the middle has not taken it. What is to be sent follows from the event of the step
(`realtime.notifications`). The steps are rows, read anew each time: who changes them need restart nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from realtime import alerts
from realtime.alert_models import Alert, AlertState
from realtime.notification_models import EscalationStep


def advance(now: datetime | None = None) -> int:
    """Take each step that is due; answers how many were taken."""
    now = now or timezone.now()
    waiting = list(_waiting())
    if not waiting:
        return 0
    steps = list(EscalationStep.objects.select_related("group", "channel").order_by("number"))
    return sum(_take(alert, step) for alert in waiting if (step := _due(alert, steps, now)))


def anything_waits() -> bool:
    """Whether there is an alert that has to be looked at again as time goes by."""
    return _waiting().exists()


def _waiting() -> QuerySet[Alert]:
    return Alert.objects.filter(state=AlertState.OPEN, muted=False, critical_since__isnull=False)


def _due(alert: Alert, steps: list[EscalationStep], now: datetime) -> EscalationStep | None:
    following = next((step for step in steps if step.number > alert.step), None)
    if following is None or alert.critical_since is None:
        return None
    return following if now >= alert.critical_since + timedelta(seconds=following.after_s) else None


def _take(alert: Alert, step: EscalationStep) -> bool:
    """Take a step, unless somebody has acknowledged the alert or another process was faster."""
    with transaction.atomic():
        still = Alert.objects.filter(pk=alert.pk, state=AlertState.OPEN, muted=False, step=alert.step)
        if not still.update(step=step.number):
            return False
        alert.refresh_from_db()
        alerts.announce_step(
            alert,
            step.number,
            group=step.group.name if step.group else None,
            channel=step.channel.name if step.channel else None,
        )
    return True
