"""Long operations: watched by everybody who may see them, cancelled between two steps, ended in one of three ways."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from realtime.actors import current_actor
from realtime.broadcasting import emit, stream
from realtime.events import EventSeverity, EventType
from zones import bulk
from zones.events import BulkOperation
from zones.models import Change, Operation, OperationState, Zone
from zones.zonefile.tables import safe_csv

PROGRESS_EVERY_S = 0.25


class Cancelled(Exception):
    """Somebody asked for the operation to stop; nothing of it was kept."""


class Progress:
    """How far one operation is, told to whoever watches."""

    def __init__(self, row: Operation, listener: Callable[[int, int], None] | None) -> None:
        self.row = row
        self._listener = listener
        self._told_at = float("-inf")

    def reached(self, done: int, total: int) -> None:
        """Tell how far it is, four times a second at most. Raises `Cancelled` when that was asked for."""
        self.row.done, self.row.total = done, total
        if time.monotonic() - self._told_at < PROGRESS_EVERY_S:
            return
        self._told_at = time.monotonic()
        if self._listener is not None:
            self._listener(done, total)
        stream(EventType.BULK_OPERATION_PROGRESS, BulkOperation.of(self.row), scope=self._scope)
        if Operation.objects.filter(pk=self.row.pk, cancel_requested=True).exists():
            raise Cancelled

    @contextmanager
    def counting_rows(self) -> Iterator[None]:
        """Follow how far the writing is by the rows that are inserted: of each record its own, and that of its history."""
        rows = 0

        def count(more: int) -> None:
            nonlocal rows
            rows += more
            self.reached(min(rows // 2, self.row.total), self.row.total)

        with bulk.heard_by(count):
            yield

    def completed(self, zone: Zone | None, done: int, result: dict[str, Any]) -> None:
        """Write down and tell what it made, in the transaction that made it."""
        self.row.zone, self.row.done, self.row.result = zone, done, result
        self._ended(OperationState.COMPLETED, EventType.BULK_OPERATION_COMPLETED)

    def failed(self, zone: Zone | None, errors: list[str]) -> None:
        """Nothing of it was kept. zone: as before; a new one is gone again."""
        self.row.zone, self.row.done, self.row.errors, self.row.result = zone, 0, errors, None
        self._ended(OperationState.FAILED, EventType.BULK_OPERATION_FAILED, EventSeverity.WARNING)

    def cancelled(self, zone: Zone | None) -> None:
        """Nothing of it was kept, as somebody wished."""
        self.row.zone, self.row.done, self.row.result = zone, 0, None
        self._ended(OperationState.CANCELLED, EventType.BULK_OPERATION_CANCELLED)

    def _ended(
        self, state: OperationState, event_type: EventType, severity: EventSeverity = EventSeverity.INFO
    ) -> None:
        with transaction.atomic():
            self.row.state, self.row.finished_at = state, timezone.now()
            self.row.save()
            emit(event_type, BulkOperation.of(self.row), scope=self._scope, severity=severity)

    @property
    def _scope(self) -> str | None:
        """Of a zone that is only being made, or of several, those hear who may see all."""
        return self.row.zone.key if self.row.zone else None


@contextmanager
def operation(
    kind: str,
    zone: Zone | None,
    total: int,
    listener: Callable[[int, int], None] | None,
    explain: Callable[[Exception], list[str]],
) -> Iterator[Progress]:
    """An operation that is there from the beginning, and ends with the block, however that ends.

    total: as far as it is known. listener: called with what is done and what is to be done, now and then.
    explain: what is told of an error that ends it.
    """
    actor = current_actor()
    row = Operation(kind=kind, zone=zone, total=total, created_by_id=actor.user.id if actor.user else None)
    progress = Progress(row, listener)
    with transaction.atomic():
        row.save(force_insert=True)
        emit(EventType.BULK_OPERATION_STARTED, BulkOperation.of(row), scope=zone.key if zone else None)
    try:
        yield progress
    except Cancelled:
        progress.cancelled(zone)
        raise
    except Exception as error:
        progress.failed(zone, explain(error) or ["it was ended by a fault of this site"])
        raise


def result_lines(operation: Operation, zones: QuerySet[Zone]) -> Iterator[str]:
    """What an operation changed in `zones`, as the lines of a CSV file. The database is asked while they are taken."""
    result = operation.result or {}
    made = [pk for pk in (*result.get("change_sets", {}).values(), result.get("change_set")) if pk]
    changes = Change.objects.filter(change_set__in=made, change_set__zone__in=zones).select_related("change_set__zone")
    rows = (
        (change.change_set.zone.name, change.change_set_id, change.op, *_values(change.before), *_values(change.after))
        for change in changes.defer("change_set__rrsets").order_by("change_set_id", "id").iterator()
    )
    heads = [f"{field}_{side}" for side in ("before", "after") for field in _SHOWN]
    return safe_csv(chain([("zone", "change_set", "op", *heads)], rows))


_SHOWN = ("name", "type", "ttl", "content")


def _values(side: dict[str, Any] | None) -> tuple[Any, ...]:
    return tuple(side[field] if side else "" for field in _SHOWN)
