"""The event log: durable events in commit order, and the one place that numbers them.

A row is written without a position in the transaction of the change it tells of. After commit `sequence()` numbers the
rows that are visible and unnumbered: a transaction that is still open is numbered later, when it has committed, so that
positions are gapless, in commit order, and never point at something that was rolled back. Any process may do it; each
feed does it on its tick too, for the case that a process died between its commit and the numbering.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
from django.db import connection, transaction
from django.db.models import F

from realtime import doorbell
from realtime.actors import current_actor
from realtime.events import Event, EventSeverity, EventType, SourceUser
from realtime.models import LogEvent, LogHead

CHUNK = 1000
"""Rows that are numbered, or read, in one go."""


class Position(msgspec.Struct, frozen=True):
    """A place in the log: comparable only within an epoch. Written `<epoch>:<position>`."""

    epoch: str
    position: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.position}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read `<epoch>:<position>`. Raises `ValueError` for anything else."""
        epoch, _, number = text.partition(":")
        if not epoch or len(epoch) > 16 or not number.isascii() or not number.isdigit() or len(number) > 18:
            raise ValueError(f"not a position: {text[:40]!r}")
        return cls(epoch, int(number))


class TooOld(Exception):
    """The log no longer reaches back that far (it was pruned)."""


# -- writing: in plain SQL, as every change waits for it, and building the queries took longer than running them ---------

_LOG, _HEAD = LogEvent._meta.db_table, LogHead._meta.db_table
_UNNUMBERED = f"SELECT 1 FROM {_LOG} WHERE position IS NULL LIMIT 1"  # noqa: S608  # names of our own, as all below
_LOCK_HEAD = f"UPDATE {_HEAD} SET position = position WHERE id = {LogHead.SINGLETON} RETURNING position"  # noqa: S608
_MOVE_HEAD = f"UPDATE {_HEAD} SET position = %s WHERE id = {LogHead.SINGLETON}"  # noqa: S608
_NUMBER = f"""
    WITH next AS (
        SELECT id AS row_id, row_number() OVER (ORDER BY id) AS number FROM {_LOG}
        WHERE position IS NULL ORDER BY id LIMIT %s
    )
    UPDATE {_LOG} SET position = %s + number FROM next WHERE id = row_id RETURNING *
"""  # noqa: S608


def write(event: Event, *, key: str | None = None) -> None:
    """Add an event to the log in the current transaction, and have it numbered and announced on commit."""
    row = {
        "event_id": event.id,
        "event_type": event.event_type.value,
        "severity": event.severity.value,
        "timestamp": connection.ops.adapt_datetimefield_value(event.timestamp),
        "source_user_id": event.source_user.id if event.source_user else None,
        "source_username": event.source_user.username if event.source_user else "",
        "origin": current_actor().origin,
        "trace_id": event.trace_id,
        "scope": event.scope,
        "subject_id": event.subject_id,
        "key": key,
        "data": msgspec.json.encode(event.data).decode(),
    }
    with connection.cursor() as cursor:
        columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
        cursor.execute(
            f"INSERT INTO {_LOG} ({columns}) VALUES ({places}) ON CONFLICT (key) DO NOTHING",  # noqa: S608  # our own
            list(row.values()),
        )
    # Once per transaction is enough. A rolled-back savepoint takes its callback along, but also the events it was for.
    if not any(callback[1] is publish for callback in transaction.get_connection().run_on_commit):
        transaction.on_commit(publish, robust=True)


def publish() -> None:
    """Number what is committed and tell every process; safe to call at any time, from any thread."""
    while events := sequence():
        doorbell.ring(events)
        if len(events) < CHUNK:
            break


def sequence() -> list[Event]:
    """Number at most `CHUNK` committed events, oldest first, and return them. Empty when there is nothing to number."""
    with connection.cursor() as cursor:
        cursor.execute(_UNNUMBERED)
        if not cursor.fetchall():  # the usual answer on a tick; taking the head's lock for it would stall writers
            return []
        with transaction.atomic():
            # An UPDATE takes the row's lock on every database; SQLite has no SELECT … FOR UPDATE.
            cursor.execute(_LOCK_HEAD)
            locked = cursor.fetchall()
            start = locked[0][0] if locked else head().position
            rows = sorted(LogEvent.objects.raw(_NUMBER, [CHUNK, start]), key=lambda row: row.position or 0)
            cursor.execute(_MOVE_HEAD, [start + len(rows)])
    return [as_event(row) for row in rows]


# -- reading --------------------------------------------------------------------------------------------------------


def head() -> LogHead:
    """The head of the log; made, with a fresh epoch, when there is none."""
    row, _ = LogHead.objects.get_or_create(pk=LogHead.SINGLETON, defaults={"epoch": new_epoch()})
    return row


def position() -> Position:
    """The current position. Read it before the data of a snapshot, so that later events can only repeat it."""
    row = head()
    return Position(row.epoch, row.position)


def read(after: int, limit: int = CHUNK) -> list[Event]:
    """The events that follow position `after`, in order. Raises `TooOld` when some of them were pruned."""
    rows = list(LogEvent.objects.filter(position__gt=after).order_by("position")[:limit])
    if after < ((rows[0].position or 0) - 1 if rows else head().floor):
        raise TooOld(after)
    return [as_event(row) for row in rows]


def as_event(row: LogEvent) -> Event:
    """The event that a row of the log holds."""
    data: dict[str, Any] = msgspec.json.decode(row.data)
    source = SourceUser(row.source_user_id, row.source_username) if row.source_user_id is not None else None
    return Event(
        id=row.event_id,
        event_type=EventType.of_any_release(row.event_type),
        timestamp=row.timestamp,
        data=data,
        position=row.position,
        severity=EventSeverity(row.severity),
        source_user=source,
        trace_id=row.trace_id,
        scope=row.scope,
        subject_id=row.subject_id,
    )


# -- keeping ----------------------------------------------------------------------------------------------------------


def new_epoch() -> str:
    """A name for a new life of the log, which no earlier one had."""
    return secrets.token_hex(4)


def renew_epoch() -> str:
    """Give the log a new epoch, so that no client takes its positions for those that it knew. Returns it."""
    known = head().epoch
    # Several processes may find out at once; the first to write it decides.
    LogHead.objects.filter(pk=LogHead.SINGLETON, epoch=known).update(epoch=new_epoch())
    return head().epoch


def guard_against_rollback(memory: Path, reached: Position | None = None) -> LogHead:
    """The head, with a new epoch if it lies below the position that the file `memory` remembers of this epoch, or below
    `reached`, which somebody has seen of it.

    That happens when a database was restored from a backup: positions would be given out a second time.
    """
    known = [reached, _remembered(memory)]  # before the head, which goes on meanwhile
    row = head()
    if any(seen is not None and seen.epoch == row.epoch and seen.position > row.position for seen in known):
        row.epoch = renew_epoch()
    return row


def _remembered(memory: Path) -> Position | None:
    try:
        return Position.parse(memory.read_text().strip())
    except (OSError, ValueError):
        return None


def remember(memory: Path, reached: Position) -> None:
    """Note outside the database how far the log was."""
    draft = memory.with_suffix(f".{os.getpid()}")  # every web process of the site notes it in the same directory
    draft.write_text(str(reached))
    draft.replace(memory)


def prune(before: Any, *, keep_from: int | None = None) -> int:
    """Delete numbered events older than the time `before`, but none at or after position `keep_from`.

    Moves the floor in the same transaction. Returns how many were deleted.
    """
    with transaction.atomic():
        if not LogHead.objects.filter(pk=LogHead.SINGLETON).update(position=F("position")):
            return 0
        old = LogEvent.objects.filter(position__isnull=False, timestamp__lt=before)
        if keep_from is not None:
            old = old.filter(position__lt=keep_from)
        last = old.order_by("-position").values_list("position", flat=True).first()
        if last is None:
            return 0
        # By position, not by time: clocks may differ by a little, and the floor must leave no hole above it.
        deleted, _ = LogEvent.objects.filter(position__lte=last).delete()
        LogHead.objects.filter(pk=LogHead.SINGLETON).update(floor=last)
        return deleted
