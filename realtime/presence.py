"""Presence: one row per live connection of all processes, and which of them may stay.

The slot of a connection is its user and client name. The newest rows of a slot stay, as many as the setting allows;
newer is the greater row id, so that no clock takes part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone

from realtime.audience import Audience
from realtime.connections import WebSocketConnection
from realtime.departures import departed
from realtime.models import Presence
from realtime.subscriptions import Wants, subscriptions

FRESH_S = 75.0
"""Seconds after which a row that was not refreshed belongs to a process that died."""


def enter(connections: Iterable[WebSocketConnection], node: str) -> None:
    """Write the rows of new connections, and give each its presence id."""
    now = timezone.now()
    members = list(connections)
    rows = Presence.objects.bulk_create(_row(member, node, now) for member in members)
    for member, row in zip(members, rows, strict=True):
        member.presence_id = row.pk


def _row(member: WebSocketConnection, node: str, now: datetime) -> Presence:
    return Presence(
        connection_id=member.id,
        user_id=member.user_id,
        client=member.client,
        node=node,
        address=member.address,
        user_agent=member.user_agent,
        subscriptions=subscriptions.listed(member.wants, member.audience),
        last_seen=now,
    )


def oldest_staying(slots: Iterable[tuple[int, str]], limit: int) -> Mapping[tuple[int, str], int]:
    """For each slot (user id, client name) the lowest presence id that may stay; 0 where nobody has to go."""
    return {slot: _oldest(ids, limit) for slot, ids in _newest_first(slots).items()}


def make_way(slots: Iterable[tuple[int, str]], limit: int) -> Mapping[tuple[int, str], int]:
    """As `oldest_staying`; and the rows of those who have to go are struck out, also where the process that would do so
    has died: who comes back after its end is not listed twice until its rows run out."""
    found = _newest_first(slots)
    _strike_out(Presence.objects.filter(pk__in=[pk for ids in found.values() for pk in ids[limit:]]))
    return {slot: _oldest(ids, limit) for slot, ids in found.items()}


def _newest_first(slots: Iterable[tuple[int, str]]) -> dict[tuple[int, str], list[int]]:
    """The presence ids of each slot."""
    found: dict[tuple[int, str], list[int]] = {slot: [] for slot in slots}
    rows = live().filter(user_id__in={user for user, _ in found})
    for user_id, client, pk in rows.order_by("-pk").values_list("user_id", "client", "pk"):
        if (user_id, client) in found:
            found[user_id, client].append(pk)
    return found


def _oldest(ids: list[int], limit: int) -> int:
    return ids[limit - 1] if len(ids) > limit else 0


def newcomers(after: int) -> tuple[int, set[tuple[int, str]]]:
    """The highest presence id (or `after`), and the slots into which somebody came with one greater than `after`."""
    arrived = list(Presence.objects.filter(pk__gt=after).values_list("pk", "user_id", "client"))
    return max((pk for pk, _, _ in arrived), default=after), {(user_id, client) for _, user_id, client in arrived}


def leave(presence_ids: Iterable[int]) -> None:
    """Delete the rows of connections that ended."""
    _strike_out(Presence.objects.filter(pk__in=list(presence_ids)))


def refresh(connections: Iterable[WebSocketConnection], node: str) -> None:
    """Say that these connections are alive and how they are, and clear away those whose process died."""
    now = timezone.now()
    members = {member.presence_id: member for member in connections if member.presence_id}
    if Presence.objects.filter(pk__in=members).update(last_seen=now) < len(members):
        _return(members, node, now)
    _write_figures(members.values())
    _strike_out(Presence.objects.filter(last_seen__lt=_fresh_since()))


def _return(members: Mapping[int, WebSocketConnection], node: str, now: datetime) -> None:
    """This process stood still for so long that others struck its connections out; they take their old places again."""
    present = set(Presence.objects.filter(pk__in=members).values_list("pk", flat=True))
    rows = []
    for pk, member in members.items():
        if pk not in present and not member.closing:
            row = _row(member, node, now)
            row.pk = pk
            rows.append(row)
            member.told = None
    Presence.objects.bulk_create(rows, ignore_conflicts=True)


class Told(msgspec.Struct, frozen=True):
    """What the row of a connection says of it."""

    figures: tuple[str, int, int, int]
    wants: Wants
    audience: Audience


def _write_figures(members: Iterable[WebSocketConnection]) -> None:
    """Bring the rows of those up to date of whom there is news since the last time; mostly that are figures only."""
    figures, listed, news = [], [], []
    for member in members:
        before, now = member.told, Told(_figures(member), member.wants, member.audience)
        if before is None or before.figures != now.figures:
            figures.append((*now.figures, member.presence_id))
        if before is None or before.wants is not now.wants or before.audience is not now.audience:
            types = subscriptions.listed(now.wants, now.audience)
            listed.append((msgspec.json.encode(types).decode(), member.presence_id))
        news.append((member, now))
    if figures or listed:
        table = connection.ops.quote_name(Presence._meta.db_table)
        with transaction.atomic(), connection.cursor() as cursor:  # in one: SQLite would commit each row to the disk
            cursor.executemany(
                f"UPDATE {table} SET health = %s, frames = %s, bytes = %s, dropped = %s WHERE id = %s",  # noqa: S608  # the table's own name
                figures,
            )
            cursor.executemany(f"UPDATE {table} SET subscriptions = %s WHERE id = %s", listed)  # noqa: S608
    for member, told in news:  # now that it is written: the database may have been away
        member.told = told


def _figures(member: WebSocketConnection) -> tuple[str, int, int, int]:
    return member.health.value, member.frames, member.sent, member.dropped


def clear(node: str) -> None:
    """Delete the rows of a node that has stopped."""
    _strike_out(Presence.objects.filter(node=node))


def _strike_out(rows: QuerySet[Presence]) -> None:
    found = dict(rows.values_list("pk", "connection_id"))
    if found:
        with transaction.atomic():  # who hears of it may fail: then the rows are still there for the next time
            Presence.objects.filter(pk__in=found).delete()
            departed.send(sender=None, connection_ids=list(found.values()))


def _fresh_since() -> datetime:
    return timezone.now() - timedelta(seconds=FRESH_S)


def live() -> QuerySet[Presence]:
    """The rows of live connections, of all processes."""
    return Presence.objects.filter(last_seen__gte=_fresh_since())


def everyone() -> list[dict[str, Any]]:
    """All live connections, newest first, as administrators see them."""
    rows = live().select_related("user").order_by("-pk")
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
            "health": row.health,
            "subscriptions": row.subscriptions,
            "frames": row.frames,
            "bytes": row.bytes,
            "dropped": row.dropped,
        }
        for row in rows
    ]


def exists(connection_id: str) -> bool:
    """Whether there is a connection of that id, on any node."""
    return live().filter(connection_id=connection_id).exists()


def cluster() -> dict[str, Any]:
    """All nodes together, by their presence rows: how many are connected where, and what they were sent. The figures of
    a connection are some seconds old."""
    fresh = live()
    totals = {"connections": Count("pk"), "frames": Sum("frames"), "bytes": Sum("bytes"), "dropped": Sum("dropped")}
    nodes = {
        row["node"]: {name: row[name] or 0 for name in totals}  # type: ignore[literal-required]
        for row in fresh.order_by("node").values("node").annotate(**totals)
    }
    health = fresh.order_by("health").values_list("health").annotate(Count("pk"))
    return {
        "nodes": nodes,
        **{name: sum(node[name] for node in nodes.values()) for name in totals},
        "users": fresh.values("user").distinct().count(),
        "health": dict(health),
    }
