"""Presence: one row per live connection of all processes, and which of them may stay.

The slot of a connection is its user and client name. The newest rows of a slot stay, as many as the setting allows;
newer is the greater row id, so that no clock takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from realtime.connections import WebSocketConnection
from realtime.departures import departed
from realtime.models import Presence

FRESH_S = 75.0
"""Seconds after which a row that was not refreshed belongs to a process that died."""


def enter(connections: Iterable[WebSocketConnection], node: str) -> None:
    """Write the rows of new connections, and give each its presence id."""
    now = timezone.now()
    members = list(connections)
    rows = Presence.objects.bulk_create(
        Presence(
            connection_id=member.id,
            user_id=member.user_id,
            client=member.client,
            node=node,
            address=member.address,
            user_agent=member.user_agent,
            last_seen=now,
        )
        for member in members
    )
    for member, row in zip(members, rows, strict=True):
        member.presence_id = row.pk


def oldest_staying(slots: Iterable[tuple[int, str]], limit: int) -> Mapping[tuple[int, str], int]:
    """For each slot (user id, client name) the lowest presence id that may stay; 0 where nobody has to go."""
    wanted = set(slots)
    newest: dict[tuple[int, str], list[int]] = {slot: [] for slot in wanted}
    rows = Presence.objects.filter(user_id__in={user for user, _ in wanted}, last_seen__gte=_fresh_since())
    for user_id, client, pk in rows.order_by("-pk").values_list("user_id", "client", "pk"):
        ids = newest.get((user_id, client))
        if ids is not None and len(ids) <= limit:
            ids.append(pk)
    return {slot: ids[limit - 1] if len(ids) > limit else 0 for slot, ids in newest.items()}


def leave(presence_ids: Iterable[int]) -> None:
    """Delete the rows of connections that ended."""
    _strike_out(Presence.objects.filter(pk__in=list(presence_ids)))


def refresh(presence_ids: Iterable[int]) -> None:
    """Say that these connections are alive, and clear away those whose process died."""
    now = timezone.now()
    ids = list(presence_ids)
    Presence.objects.filter(pk__in=ids).update(last_seen=now)
    _strike_out(Presence.objects.filter(last_seen__lt=_fresh_since()))


def clear(node: str) -> None:
    """Delete the rows of a node that has stopped."""
    _strike_out(Presence.objects.filter(node=node))


def _strike_out(rows: QuerySet[Presence]) -> None:
    found = dict(rows.values_list("pk", "connection_id"))
    if found:
        Presence.objects.filter(pk__in=found).delete()
        departed.send(sender=None, connection_ids=list(found.values()))


def _fresh_since() -> datetime:
    return timezone.now() - timedelta(seconds=FRESH_S)


def everyone() -> list[dict[str, object]]:
    """All live connections, newest first, as administrators see them."""
    rows = Presence.objects.filter(last_seen__gte=_fresh_since()).select_related("user").order_by("-pk")
    return [
        {
            "connection_id": row.connection_id,
            "user": {"id": row.user_id, "username": row.user.get_username()},
            "client": row.client,
            "node": row.node,
            "address": row.address,
            "user_agent": row.user_agent,
            "since": row.since.isoformat(),
            "last_seen": row.last_seen.isoformat(),
        }
        for row in rows
    ]
