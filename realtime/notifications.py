"""What leaves the site because of alerts: which events become deliveries, and how each kind of delivery is sent.

Two parts, so that nothing is lost and nothing is sent in a transaction. A processor turns events into rows, one for each
event and way out, in the transaction that moves its cursor. `send_due()` sends what is due: a row is leased, sent, and
marked; a process that dies in between leaves it to the next, which sends it again under the same id. What keeps failing
becomes a dead letter of the processor; trying that again makes the same row wait once more.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import random
from collections.abc import Iterable
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, Q
from django.dispatch import Signal
from django.utils import timezone

from realtime import log, outbound
from realtime.alert_models import Alert, AlertState
from realtime.alerts import RAISING
from realtime.audience import Audience
from realtime.broadcasting import broadcasting
from realtime.conf import conf
from realtime.database import in_database
from realtime.events import Event, EventSeverity, EventType
from realtime.filters import DataSensitivityFilter, Seen
from realtime.models import DeadLetter, LogEvent
from realtime.notification_models import Delivery, NotificationChannel
from realtime.plain import plain

logger = logging.getLogger(__name__)

PROCESSOR = "notifications"
ATTEMPTS = 8
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 3600.0

_OUTSIDE = Audience(is_admin=False, permissions=frozenset(), scopes=())
"""What goes to where rights do not reach has nothing in it that needs one."""

_URGENT = RAISING | {EventType.ALERT_ESCALATED}
"""Events that ask for somebody: pointless once somebody has acknowledged the alert."""


delivery_waits = Signal()
"""Sent after the commit that made a delivery, or one that was given up, wait to be sent."""


class NotDelivered(Exception):
    """It could not be sent. retry: whether trying again may help."""

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry


# -- from events to deliveries ---------------------------------------------------------------------------------------------


@broadcasting.register(PROCESSOR, *_URGENT, EventType.ALERT_ACKNOWLEDGED, EventType.ALERT_RESOLVED)
def plan(event: Event) -> None:
    """Make a delivery for each way out that is to hear of an event; what was given up waits anew."""
    data = event.data
    for channel in NotificationChannel.objects.filter(enabled=True):
        severe = EventSeverity(data["severity"]).rank >= EventSeverity(channel.least_severity).rank
        if severe and any(fnmatchcase(event.event_type, pattern) for pattern in channel.events.split()):
            _deliver(event, channel)
    if event.event_type == EventType.ALERT_ESCALATED:
        further = NotificationChannel.objects.filter(name=data["channel"] or "").first()
        if further is None:
            _on_screen(event)
        else:
            _deliver(event, further, _members(data["group"]) if further.kind == further.Kind.EMAIL else ())


def _deliver(event: Event, channel: NotificationChannel, more: Iterable[str] = ()) -> None:
    seen = Seen(event) if channel.whole else DataSensitivityFilter().apply(Seen(event), _OUTSIDE)
    assert seen is not None
    body = {
        "type": event.event_type,
        "timestamp": event.timestamp,
        "data": seen.event.data | {"event_id": event.id, "url": _address(event.data["alert"])},
    }
    target = channel.target
    if channel.kind == channel.Kind.EMAIL:
        target = ", ".join(dict.fromkeys([*channel.addresses(), *more]))
    _wait(
        f"{event.id}:{channel.pk}",
        alert_id=_known(event),
        event_type=event.event_type,
        step=event.data.get("step"),
        channel=channel,
        channel_name=channel.name,
        target=target,
        body=msgspec.json.encode(body).decode(),
    )


def _on_screen(event: Event) -> None:
    """A step that goes to screens only is done with its event; the row says so in the log of deliveries."""
    now = timezone.now()
    Delivery.objects.get_or_create(
        key=f"{event.id}:screen",
        defaults={
            "alert_id": _known(event),
            "event_type": event.event_type,
            "step": event.data["step"],
            "channel_name": "screens",
            "target": event.data["group"] or "everybody",
            "body": "{}",
            "state": Delivery.State.SENT,
            "due_at": now,
            "ended_at": now,
            "attempts": 1,
        },
    )


def _wait(key: str, **values: Any) -> Delivery:
    now = timezone.now()
    row, made = Delivery.objects.get_or_create(key=key, defaults=values | {"due_at": now})
    if made:
        transaction.on_commit(_tell_waiting, robust=True)
    else:
        revive(row)
    return row


def _tell_waiting() -> None:
    delivery_waits.send(sender=None)


def revive(delivery: Delivery) -> None:
    """Let a delivery that was given up wait again, under its id."""
    given_up = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.DEAD)
    given_up.update(state=Delivery.State.WAITING, due_at=timezone.now(), attempts=0, ended_at=None, leased_until=None)
    transaction.on_commit(_tell_waiting, robust=True)


def _known(event: Event) -> int | None:
    return Alert.objects.filter(pk=event.data["alert"]).values_list("pk", flat=True).first()


def _members(group: str | None) -> list[str]:
    """The e-mail addresses of the members of a group; of administrators, when there is no group."""
    people = get_user_model().objects.filter(is_active=True).exclude(email="")
    who = Q(groups__name=group) if group else Q(is_superuser=True)
    return list(people.filter(who).order_by("pk").values_list("email", flat=True).distinct())


def _address(alert_id: int) -> str:
    origin = (settings.SITE_ORIGINS or settings.OWN_ORIGINS or [""])[0]
    return f"{origin}/alerts/?state=all#alert-{alert_id}"


def test(channel: NotificationChannel) -> Delivery:
    """Have a notification sent that says that it is a test. Returns the delivery, which waits to be sent."""
    now = timezone.now()
    data = {"title": f"Test of the channel {channel.name}", "detail": "Nothing has happened.", "severity": "info"}
    body = {"type": "test", "timestamp": now, "data": data}
    return _wait(
        f"test:{channel.pk}:{now.timestamp()}",
        event_type="test",
        channel=channel,
        channel_name=channel.name,
        target=channel.target,
        body=msgspec.json.encode(body).decode(),
    )


# -- sending -------------------------------------------------------------------------------------------------------------


async def send_due(holder: str) -> bool:
    """Send one delivery that is due, if there is one. Returns whether there was."""
    delivery = await in_database(_claim, holder)
    if delivery is None:
        return False
    try:
        if delivery.channel is None:
            raise NotDelivered("The channel is gone.", retry=False)
        if delivery.channel.kind == NotificationChannel.Kind.WEBHOOK:
            await _call(delivery, delivery.channel)
        else:
            await asyncio.to_thread(_mail, delivery)
    except NotDelivered as problem:
        await in_database(_failed, delivery, holder, problem)
    else:
        await in_database(_sent, delivery, holder)
    return True


def anything_waits() -> bool:
    """Whether there is a delivery that is not sent yet, due or not."""
    return Delivery.objects.filter(state=Delivery.State.WAITING).exists()


def _claim(holder: str) -> Delivery | None:
    """Take one delivery that is due, for as long as a lease lasts."""
    now = timezone.now()
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    due = Delivery.objects.filter(free, state=Delivery.State.WAITING, due_at__lte=now)
    pk = due.order_by("due_at").values_list("pk", flat=True).first()
    if pk is None:
        return None
    lease = {
        "holder": holder,
        "leased_until": now + timedelta(seconds=conf().delivery_lease_s),
        "attempts": F("attempts") + 1,
    }
    if not due.filter(pk=pk).update(**lease):
        return None
    row = Delivery.objects.select_related("alert", "channel").get(pk=pk)
    if row.event_type in _URGENT and row.alert is not None and row.alert.state != AlertState.OPEN:
        _end(row, holder, Delivery.State.DROPPED, f"Somebody looks after it: {row.alert.acknowledged_by}".rstrip(": "))
        return None
    return row


async def _call(delivery: Delivery, channel: NotificationChannel) -> None:
    """POST the body, signed as Standard Webhooks say: HMAC-SHA256 of id, time and body."""
    at = str(int(timezone.now().timestamp()))
    body = delivery.body.encode()
    headers = {
        "Content-Type": "application/json",
        "webhook-id": delivery.pk,
        "webhook-timestamp": at,
        "webhook-signature": signature(channel.secret, delivery.pk, at, body),
    }
    try:
        status, answer = await outbound.post(
            delivery.target, body, headers=headers, allow_private=channel.allow_private
        )
    except outbound.OutboundError as error:
        raise NotDelivered(error.message, retry=error.retry) from error
    if not 200 <= status < 300:
        said = plain(answer[:200].decode("utf-8", "replace"))
        raise NotDelivered(f"It answered {status}: {said}".rstrip(": "), retry=status != 410)  # RFC 9110: gone for good


def signature(secret: str, delivery_id: str, at: str, body: bytes) -> str:
    """The value of `webhook-signature`. Raises `NotDelivered` for a secret that is none."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError as error:
        raise NotDelivered("The channel's secret is not base64.", retry=False) from error
    digest = hmac.digest(key, b".".join((delivery_id.encode(), at.encode(), body)), hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def _mail(delivery: Delivery) -> None:
    to = [address for address in delivery.target.split(", ") if address]
    if not to:
        raise NotDelivered("There is nobody to send it to.", retry=False)
    message = msgspec.json.decode(delivery.body)
    subject, text = letter(message["type"], message["data"])
    mail = EmailMessage(
        subject, text, settings.DEFAULT_FROM_EMAIL, to, headers={"Message-ID": f"<{delivery.pk}@dnsadmin.invalid>"}
    )
    try:
        mail.send()
    except Exception as error:  # whatever the back end raises, it is tried again
        raise NotDelivered(f"{type(error).__name__}: {plain(str(error), 300)}") from error


def letter(event_type: str, data: dict[str, Any]) -> tuple[str, str]:
    """Subject and text of an e-mail about an event."""
    lead = {
        EventType.ALERT_ESCALATED.value: "Nobody looks after: ",
        EventType.ALERT_ACKNOWLEDGED.value: f"{data.get('acknowledged_by') or 'Somebody'} looks after: ",
        EventType.ALERT_RESOLVED.value: "Over: ",
    }.get(event_type, "")
    lines = [data["title"], ""]
    if data.get("detail"):
        lines += [data["detail"], ""]
    names = {"severity": "Severity", "zone": "Zone", "raised_at": "Since", "count": "Times", "comment": "Comment"}
    lines += [f"{label}: {data[name]}" for name, label in names.items() if data.get(name)]
    lines += [f"{name.replace('_', ' ')}: {value}" for name, value in (data.get("evidence") or {}).items()]
    if data.get("url"):
        lines += ["", data["url"]]
    severity = data["severity"].upper()
    return plain(f"[{severity}] {lead}{data['title']}", 200), plain("\n".join(lines), 20_000, lines=True)


def _sent(delivery: Delivery, holder: str) -> None:
    _end(delivery, holder, Delivery.State.SENT, "")


def _failed(delivery: Delivery, holder: str, problem: NotDelivered) -> None:
    logger.warning("delivery %s to %s failed: %s", delivery.pk, delivery.channel_name, problem)
    if problem.retry and delivery.attempts < ATTEMPTS:
        pause = min(FIRST_PAUSE_S * 2 ** (delivery.attempts - 1), LONGEST_PAUSE_S) * random.uniform(0.8, 1.2)
        mine = Delivery.objects.filter(pk=delivery.pk, holder=holder)
        mine.update(error=str(problem), leased_until=None, due_at=timezone.now() + timedelta(seconds=pause))
        return
    with transaction.atomic():
        if _end(delivery, holder, Delivery.State.DEAD, str(problem)) and delivery.event_type != "test":
            _bury(delivery, problem)


def _bury(delivery: Delivery, problem: NotDelivered) -> None:
    event_id = delivery.key.partition(":")[0]
    row = LogEvent.objects.filter(event_id=event_id).first()
    if row is not None:  # otherwise it was pruned, and the row of the delivery is all there is
        DeadLetter.objects.create(
            processor=PROCESSOR,
            event_id=event_id,
            event_type=delivery.event_type,
            event=msgspec.json.encode(log.as_event(row)).decode(),
            error=f"To {delivery.channel_name}: {problem}",
            attempts=delivery.attempts,
        )


def _end(delivery: Delivery, holder: str, state: Delivery.State, error: str) -> bool:
    """Mark a delivery that is still ours."""
    mine = Delivery.objects.filter(pk=delivery.pk, holder=holder, state=Delivery.State.WAITING)
    return bool(mine.update(state=state, error=error, ended_at=timezone.now(), leased_until=None))
