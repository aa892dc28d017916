"""Who has which zone open, and who edits which record: told to each other, never kept as history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from realtime.broadcasting import stream
from realtime.events import EventType, SourceUser
from zones.events import RecordEditing, ZoneViewers
from zones.models import Zone, ZoneVisit

KEPT_S = 50
"""Seconds after which a visit that was not renewed is over; clients renew it every 20."""


def visit(zone: Zone, connection_id: str, user: SourceUser, *, record_id: int | None) -> list[dict[str, Any]]:
    """Note that a connection has `zone` open, and `record_id` in its hands, if any. Returns who else is there."""
    until = timezone.now() + timedelta(seconds=KEPT_S)
    with transaction.atomic():
        before = ZoneVisit.objects.filter(zone=zone, connection_id=connection_id).first()
        ZoneVisit.objects.update_or_create(
            zone=zone,
            connection_id=connection_id,
            defaults={"user_id": user.id, "record_id": record_id, "until": until},
        )
        over = _end(ZoneVisit.objects.filter(zone=zone, until__lt=timezone.now()))
    held = before.record_id if before is not None else None
    if held is not None and held != record_id:
        _tell_editing(zone, held, user, "left")
    if record_id is not None and held != record_id:
        _tell_editing(zone, record_id, user, "editing")
    if before is None or over:
        _tell_viewers([zone])
    others = _present(zone).exclude(user_id=user.id).select_related("user")
    return [
        {
            "user": {"id": other.user_id, "username": other.user.get_username()},
            "record": other.record_id,
            "state": "editing" if other.record_id is not None else "viewing",
        }
        for other in others
    ]


def leave(visits: Q) -> None:
    """End visits, and tell those who stay."""
    with transaction.atomic():
        ended = _end(ZoneVisit.objects.filter(visits))
    for one in ended:
        if one.record_id is not None:
            user = SourceUser(id=one.user_id, username=one.user.get_username())
            _tell_editing(one.zone, one.record_id, user, "left")
    _tell_viewers({one.zone for one in ended})


def _end(visits: QuerySet[ZoneVisit]) -> list[ZoneVisit]:
    ended = list(visits.select_related("zone", "user"))
    ZoneVisit.objects.filter(pk__in=[one.pk for one in ended]).delete()
    return ended


def _present(zone: Zone) -> QuerySet[ZoneVisit]:
    return ZoneVisit.objects.filter(zone=zone, until__gte=timezone.now()).order_by("pk")


def _tell_viewers(zones: Iterable[Zone]) -> None:
    for zone in zones:
        users = {one.user_id: one.user.get_username() for one in _present(zone).select_related("user")}
        payload = ZoneViewers(zone=zone.name, users=[{"id": pk, "username": name} for pk, name in users.items()])
        stream(EventType.ZONE_VIEWERS, payload, scope=zone.key)


def _tell_editing(zone: Zone, record_id: int, user: SourceUser, state: str) -> None:
    who = {"id": user.id, "username": user.username}
    payload = RecordEditing(zone=zone.name, record=record_id, user=who, state=state)
    stream(EventType.RECORD_EDITING, payload, scope=zone.key)
