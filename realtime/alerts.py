"""Alerts: what needs somebody, from the moment it is noticed until it is over. Part of the front door for other apps.

    alerts.raise_alert(key="forwarder-down:7", event_type=EventType.HEALTH_ALERT, severity=EventSeverity.CRITICAL,
                       title="The forwarder 192.0.2.1 does not answer", evidence={"probes_failed": 3})
    alerts.resolve("forwarder-down:7", reason="It answers again.")

An alert is open until somebody acknowledges it, which is seen by all and stops its escalation (`realtime.escalation`), and
it is over when somebody, or whoever raised it, resolves it. Raising a key that is not resolved counts it: no second alert.
Texts are kept without control characters; titles name no client addresses, which not everybody may see.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from realtime import audience, filters, log
from realtime.actors import current_actor
from realtime.alert_models import Alert, AlertEntry, AlertMute, AlertState
from realtime.audience import Audience
from realtime.broadcasting import emit
from realtime.events import Event, EventCategory, EventPriority, EventSeverity, EventType
from realtime.filters import Seen
from realtime.models import LogEvent
from realtime.plain import plain, plain_json
from realtime.registry import VIEW_CLIENT_ADDRESSES, VIEW_THREAT_EVIDENCE, EventSpec, registry

VIEW = "realtime.view_alert"
ACKNOWLEDGE = "realtime.acknowledge_alert"
"""The permissions to see all alerts, and to acknowledge, resolve and mute those that one sees."""

RAISING = frozenset({EventType.SECURITY_ALERT, EventType.HEALTH_ALERT, EventType.PERFORMANCE_ALERT})
"""The events that announce an alert."""

LONGEST_COMMENT = 2000

Deed = AlertEntry.Deed


class AlertIsResolved(Exception):
    """There is nothing to acknowledge or to mute any more."""


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it is after the event.

    alert: its id. kind: the event that announced it. comment: of the person who acknowledged or resolved it, or the reason.
    step, group, channel: of an escalation: its number, whose screens it is for, and what else it is sent to.
    muted_until: from then on the same may be announced again.
    """

    alert: int
    kind: str
    title: str
    severity: str
    state: str
    count: int
    raised_at: str
    detail: str = ""
    zone: str | None = None
    client: str | None = None
    evidence: dict[str, Any] | None = None
    acknowledged_by: str | None = None
    acknowledged_at: str | None = None
    resolved_by: str | None = None
    resolved_at: str | None = None
    comment: str = ""
    step: int | None = None
    group: str | None = None
    channel: str | None = None
    muted_until: str | None = None

    @classmethod
    def of(cls, alert: Alert, **more: Any) -> AlertEvent:
        return cls(
            alert=alert.pk,
            kind=alert.event_type,
            title=alert.title,
            severity=alert.severity,
            state=alert.state,
            count=alert.count,
            raised_at=alert.raised_at.isoformat(),
            detail=alert.detail,
            zone=alert.zone or None,
            client=alert.client or None,
            evidence=alert.evidence or None,
            acknowledged_by=alert.acknowledged_by if alert.acknowledged_at else None,
            acknowledged_at=_moment(alert.acknowledged_at),
            resolved_by=alert.resolved_by if alert.resolved_at else None,
            resolved_at=_moment(alert.resolved_at),
            **more,
        )


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


_alert = partial(
    EventSpec,
    payload=AlertEvent,
    permission=VIEW,
    scope="zone",
    sensitive={
        "evidence": VIEW_THREAT_EVIDENCE,
        "client": VIEW_CLIENT_ADDRESSES,
        "evidence.client": VIEW_CLIENT_ADDRESSES,
        "evidence.client_ip": VIEW_CLIENT_ADDRESSES,
        "evidence.clients": VIEW_CLIENT_ADDRESSES,
        "evidence.queries.*.client": VIEW_CLIENT_ADDRESSES,
    },
)
_step = partial(_alert, category=EventCategory.ALERT)

registry.declare(
    _alert(
        EventType.SECURITY_ALERT,
        "Something threatens the network or its name service, and needs somebody.",
        category=EventCategory.SECURITY,
        priority=EventPriority.CRITICAL,
        scope=None,
    ),
    _alert(
        EventType.HEALTH_ALERT,
        "Something does not work as it should, and needs somebody.",
        category=EventCategory.HEALTH,
        priority=EventPriority.CRITICAL,
    ),
    _alert(
        EventType.PERFORMANCE_ALERT,
        "Something is slower or fuller than it should be.",
        category=EventCategory.HEALTH,
        priority=EventPriority.HIGH,
    ),
    _step(EventType.ALERT_ACKNOWLEDGED, "Somebody looks after an alert.", priority=EventPriority.HIGH),
    _step(EventType.ALERT_RESOLVED, "What an alert was about is over.", priority=EventPriority.HIGH),
    _step(
        EventType.ALERT_ESCALATED,
        "Nobody has acknowledged a critical alert: it goes to the next who may. Never escalated itself.",
        priority=EventPriority.CRITICAL,
    ),
)


# -- raising ------------------------------------------------------------------------------------------------------------


def raise_alert(
    *,
    key: str,
    event_type: EventType,
    severity: EventSeverity,
    title: str,
    detail: str = "",
    evidence: Mapping[str, Any] | None = None,
    scope: str | None = None,
    zone: str | None = None,
    client: str | None = None,
) -> Alert:
    """Raise an alert, or count it when one of this key is not resolved. Returns it.

    key: what it is about; the same matter must have the same key. scope, zone: key and name of the zone that it is about.
    evidence: plain JSON; addresses of clients stand under `client`, `client_ip`, `clients` or `queries[].client`, which
    are masked with `client`. A more severe one than before is announced again, and open again. A muted key is not announced.
    Raises `ValueError` for another event type than those of alerts.
    """
    if event_type not in RAISING:
        raise ValueError(f"{event_type} announces no alert")
    said: dict[str, Any] = {
        "title": plain(title, 200),
        "detail": plain(detail, 2000, lines=True),
        "evidence": plain_json(dict(evidence or {})),
        "client": plain(client or "", 64),
    }
    now = timezone.now()
    key = key[:200]
    with transaction.atomic():
        known = _unresolved(key)
        if known is None:
            fresh = Alert(
                key=key, event_type=event_type, severity=severity, scope=scope, zone=plain(zone or "", 255), **said
            )
            try:
                with transaction.atomic():
                    return _announce_new(fresh, now)
            except IntegrityError:  # another process was faster
                known = _unresolved(key)
        assert known is not None
        return _count(known, severity, said, now)


def _unresolved(key: str) -> Alert | None:
    return Alert.objects.filter(key=key).exclude(state=AlertState.RESOLVED).first()


def _announce_new(alert: Alert, now: datetime) -> Alert:
    alert.raised_at = alert.seen_at = now
    alert.critical_since = now if alert.severity == EventSeverity.CRITICAL else None
    alert.muted = AlertMute.objects.filter(key=alert.key, until__gt=now).exists()
    alert.save()
    _enter(alert, Deed.RAISED, "" if not alert.muted else "Nobody was told: it is muted.")
    _emit(EventType(alert.event_type), alert, severity=EventSeverity(alert.severity))
    return alert


def _count(alert: Alert, severity: EventSeverity, said: dict[str, Any], now: datetime) -> Alert:
    """Count an alert that is there already, and tell everybody where it is worse than they were told."""
    mine = Alert.objects.filter(pk=alert.pk)
    mine.update(count=F("count") + 1, seen_at=now, **said)
    before = EventSeverity(alert.severity)
    worse = severity.rank > before.rank
    unmuted = alert.muted and not AlertMute.objects.filter(key=alert.key, until__gt=now).exists()
    if not (worse or unmuted):
        alert.refresh_from_db()
        return alert
    new = severity if worse else before
    changed = mine.filter(severity=alert.severity, muted=alert.muted).update(
        severity=new,
        muted=alert.muted and not unmuted,
        state=AlertState.OPEN,
        acknowledged_at=None,
        acknowledged_by="",
        critical_since=now if new == EventSeverity.CRITICAL else None,
        step=0,
    )
    alert.refresh_from_db()
    if changed:  # otherwise another process has told it
        _enter(
            alert, Deed.WORSENED if worse else Deed.RAISED, f"Now {alert.severity}." if worse else "No longer muted."
        )
        _emit(EventType(alert.event_type), alert, severity=EventSeverity(alert.severity))
    return alert


# -- what becomes of it -----------------------------------------------------------------------------------------------------


def acknowledge(alert: Alert, comment: str = "") -> Alert:
    """Say that somebody looks after it, on behalf of the current actor; again does nothing. Returns it as it is now.

    Raises `AlertIsResolved`.
    """
    with transaction.atomic():
        now, comment = timezone.now(), plain(comment.strip(), LONGEST_COMMENT, lines=True)
        mine = Alert.objects.filter(pk=alert.pk, state=AlertState.OPEN)
        changed = mine.update(state=AlertState.ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=_who())
        alert.refresh_from_db()
        if changed:
            _enter(alert, Deed.ACKNOWLEDGED, comment)
            _emit(EventType.ALERT_ACKNOWLEDGED, alert, comment=comment)
        elif alert.state == AlertState.RESOLVED and alert.acknowledged_at is None:
            raise AlertIsResolved(f"This is over already: {alert.title}")
    return alert


def resolve(key: str, reason: str = "") -> Alert | None:
    """End the alert of this key, on behalf of the current actor or the system. Returns it; `None` when there is none."""
    alert = _unresolved(key[:200])
    return end(alert, reason) if alert else None


def resolve_unseen(prefix: str, *, before: datetime, reason: str) -> int:
    """End the alerts whose key begins with `prefix` and which nobody has raised again since `before`; answers how many."""
    unseen = Alert.objects.filter(key__startswith=prefix, seen_at__lt=before).exclude(state=AlertState.RESOLVED)
    ended = list(unseen[:1000])
    for alert in ended:
        end(alert, reason)
    return len(ended)


def end(alert: Alert, comment: str = "") -> Alert:
    """Resolve an alert; again does nothing. Returns it as it is now."""
    with transaction.atomic():
        now, comment = timezone.now(), plain(comment.strip(), LONGEST_COMMENT, lines=True)
        mine = Alert.objects.filter(pk=alert.pk).exclude(state=AlertState.RESOLVED)
        changed = mine.update(state=AlertState.RESOLVED, resolved_at=now, resolved_by=_who())
        alert.refresh_from_db()
        if changed:
            _enter(alert, Deed.RESOLVED, comment)
            _emit(EventType.ALERT_RESOLVED, alert, comment=comment)
    return alert


def mute(alert: Alert, time: timedelta, reason: str = "") -> Alert:
    """Acknowledge an alert, and announce none of its key for `time`. Raises `AlertIsResolved`."""
    with transaction.atomic():
        now, reason = timezone.now(), plain(reason.strip(), LONGEST_COMMENT, lines=True)
        until = now + time
        mine = Alert.objects.filter(pk=alert.pk).exclude(state=AlertState.RESOLVED)
        if not mine.update(state=AlertState.ACKNOWLEDGED):
            raise AlertIsResolved(f"This is over already: {alert.title}")
        mine.filter(acknowledged_at=None).update(acknowledged_at=now, acknowledged_by=_who())
        alert.refresh_from_db()
        AlertMute.objects.update_or_create(
            key=alert.key, defaults={"title": alert.title, "until": until, "who": _who(), "reason": reason}
        )
        _enter(alert, Deed.MUTED, f"Until {until:%Y-%m-%d %H:%M} UTC. {reason}".strip())
        _emit(EventType.ALERT_ACKNOWLEDGED, alert, comment=reason, muted_until=until.isoformat())
    return alert


def announce_step(alert: Alert, step: int, *, group: str | None, channel: str | None) -> None:
    """Tell that an alert went on to the next who may look after it (`realtime.escalation`), in the caller's transaction."""
    places = [f"the screens of {group}" if group else "all screens", *([channel] if channel else [])]
    _enter(alert, Deed.ESCALATED, f"Step {step}: to {' and '.join(places)}.")
    _emit(
        EventType.ALERT_ESCALATED,
        alert,
        severity=EventSeverity.CRITICAL,
        step=step,
        group=group,
        channel=channel,
    )


def _who() -> str:
    user = current_actor().user
    return user.username if user else ""


def _enter(alert: Alert, deed: Deed, text: str = "") -> None:
    AlertEntry.objects.create(alert=alert, at=timezone.now(), deed=deed, who=_who(), text=text)


def _emit(event_type: EventType, alert: Alert, *, severity: EventSeverity = EventSeverity.INFO, **more: Any) -> None:
    """Announce what became of an alert; of one that is muted nobody hears. What is about security is for no zone owner."""
    if alert.muted:
        return
    scope = None if alert.event_type == EventType.SECURITY_ALERT else alert.scope
    emit(event_type, AlertEvent.of(alert, **more), scope=scope, severity=severity)


# -- who sees them ------------------------------------------------------------------------------------------------------


def visible_to(viewer: Audience) -> QuerySet[Alert]:
    """The alerts that an audience may see: all, or those about the zones granted, as with their events."""
    everything: QuerySet[Alert] = Alert.objects.all()
    if viewer.has(VIEW):
        return everything
    granted = Q(pk__in=())
    for kind, keys in viewer.scopes:
        if kind == "zone":
            granted |= Q(scope__isnull=False) if keys is None else Q(scope__in=keys)
    return everything.filter(granted).exclude(event_type=EventType.SECURITY_ALERT)


def matching(
    rows: QuerySet[Alert],
    *,
    state: str = "",
    severity: str = "",
    kind: str = "",
    search: str = "",
    muted: bool | None = None,
) -> QuerySet[Alert]:
    """Those of `rows` that fit all that is given, newest first. state: also `unresolved`. search: part of title or zone."""
    if state == "unresolved":
        rows = rows.exclude(state=AlertState.RESOLVED)
    elif state:
        rows = rows.filter(state=state)
    exact = {"severity": severity, "event_type": kind}
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if muted is not None:
        rows = rows.filter(muted=muted)
    if search:
        rows = rows.filter(Q(title__icontains=search) | Q(zone__icontains=search))
    return rows.order_by("-raised_at", "-pk")


def as_seen_by(viewer: Audience, alert: Alert) -> Seen:
    """The payload of an alert, with what the audience may not see masked; whether it may see it at all is decided above."""
    data: dict[str, Any] = msgspec.to_builtins(AlertEvent.of(alert))
    event = Event(id="", event_type=EventType(alert.event_type), timestamp=alert.raised_at, data=data)
    seen = filters.DataSensitivityFilter().apply(Seen(event), viewer)
    assert seen is not None  # it masks, and keeps nothing back
    return seen


def of_event(event_id: str, user_id: int) -> Alert | None:
    """The alert that an event is about, if `user_id` may see that event; `None` for any other event.

    Raises `LogEvent.DoesNotExist`, `audience.NotAllowed`.
    """
    viewer = audience.load(user_id)[1]
    event = log.as_event(LogEvent.objects.get(event_id=event_id))
    if filters.view(event, viewer) is None:
        raise LogEvent.DoesNotExist
    return Alert.objects.filter(pk=event.data["alert"]).first() if "alert" in event.data else None
