"""Processors: work that follows from events and must not be lost, such as notifications. Each has a cursor on the log.

    @processor("mail", EventType.SECURITY_ALERT)
    def mail(event: Event) -> None: ...

A processor is called for each of its events in order of position, at least once: the cursor moves in the same
transaction as what `handle` writes to the database, so only effects outside it can repeat, and those can go by the
event's id. What fails is tried again with back-off; what keeps failing becomes a dead letter, which an administrator can
read and retry, and the cursor goes on. One process at a time works on a processor, by a lease on its row.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import traceback
from collections.abc import Callable, Iterable
from datetime import timedelta

import msgspec
from django.db import transaction
from django.db.models import F, Min, Q
from django.utils import timezone

from realtime import log
from realtime.database import in_database
from realtime.events import Event, EventType
from realtime.feed import Feed
from realtime.models import DeadLetter, ProcessorCursor

logger = logging.getLogger(__name__)

ATTEMPTS = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LEASE_S = 30.0
LOOK_EVERY_S = 1.0
LOOK_AGAIN_S = 5.0
"""While nothing happens: for what waits to be tried again, or what a process that died has left."""
CHUNK = 100

Handle = Callable[[Event], None]


class Processor(msgspec.Struct, frozen=True):
    """Its name, which keeps its cursor; the events it is called for; and what it does, outside the event loop.

    expires_after_s: age from which on an event is not worth it any more, as a mail about what is long over. It becomes a
    dead letter, so that somebody may still decide otherwise.
    """

    name: str
    event_types: frozenset[EventType]
    handle: Handle
    expires_after_s: float | None = None

    def concerned(self, events: Iterable[Event], after: int) -> bool:
        """Whether it is called for any of the events that follow position `after`."""
        return any(event.event_type in self.event_types and (event.position or 0) > after for event in events)

    def too_late_for(self, event: Event) -> bool:
        """Whether the event is too old to be handled."""
        limit = self.expires_after_s
        return limit is not None and (timezone.now() - event.timestamp).total_seconds() > limit


PROCESSORS: dict[str, Processor] = {}


def processor(name: str, *event_types: EventType, expires_after_s: float | None = None) -> Callable[[Handle], Handle]:
    """Register a processor. It begins with the first event after its registration is first run."""

    def register(handle: Handle) -> Handle:
        PROCESSORS[name] = Processor(name, frozenset(event_types), handle, expires_after_s)
        return handle

    return register


class ProcessorRunner:
    """Runs the registered processors, those of them that no other process runs."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._holder = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End after the event under way, and give the leases back."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await in_database(release, self._holder)

    async def _run(self) -> None:
        while True:
            seen, busy = self._feed.position, False
            for each in await self._called():
                try:
                    busy |= await in_database(work, each, self._holder)
                except Exception:
                    logger.exception("processor %s cannot work; trying again", each.name)
            if not busy:
                await asyncio.sleep(LOOK_EVERY_S)
                await self._feed.beyond(seen, LOOK_AGAIN_S)

    async def _called(self) -> list[Processor]:
        try:
            return await in_database(called_for, self._holder)
        except Exception:
            logger.exception("the processors cannot look what there is to do; trying again")
            return []


def called_for(holder: str) -> list[Processor]:
    """The processors that have something to do now.

    Most events concern none of them: over those their cursors go together, with one read and one write.
    """
    while True:
        cursors = _ready_cursors()
        if not cursors:
            return []
        try:
            ahead = log.read(min(cursor.position for cursor in cursors))
        except log.TooOld:
            return [PROCESSORS[cursor.name] for cursor in cursors]
        if not ahead:
            return []
        called = [each for cursor in cursors if (each := PROCESSORS[cursor.name]).concerned(ahead, cursor.position)]
        passing = ProcessorCursor.objects.filter(_free_for(holder), pk__in=[cursor.pk for cursor in cursors])
        passing = passing.exclude(name__in=[each.name for each in called])
        last = ahead[-1].position
        moved = passing.filter(position__lt=last).update(position=last)
        if called or not moved or len(ahead) < log.CHUNK:
            return called


def _ready_cursors() -> list[ProcessorCursor]:
    """The cursors of all processors but of those that wait to try again; made at the end of the log where there is none."""
    known = {cursor.name: cursor for cursor in ProcessorCursor.objects.filter(name__in=PROCESSORS)}
    now = timezone.now()
    cursors = [known.get(name) or _cursor(name) for name in list(PROCESSORS)]
    return [cursor for cursor in cursors if cursor.retry_at is None or cursor.retry_at <= now]


def work(each: Processor, holder: str) -> bool:
    """Handle a piece of the log, if the lease can be had. Returns whether there may be more to do at once."""
    cursor = _claim(each.name, holder)
    if cursor is None or (cursor.retry_at is not None and cursor.retry_at > timezone.now()):
        return False
    try:
        events = log.read(cursor.position, CHUNK)
    except log.TooOld:  # pruning never passes a cursor; somebody cleared the log by hand
        logger.error("processor %s: events after %d are gone", each.name, cursor.position)
        events = []
        cursor.position = log.head().floor
    for event in events:
        if event.event_type not in each.event_types:
            cursor.position = event.position or cursor.position
        elif not _handle(each, cursor, event, holder):
            return False
    ProcessorCursor.objects.filter(pk=cursor.pk, holder=holder).update(position=cursor.position)
    return len(events) == CHUNK


def _cursor(name: str) -> ProcessorCursor:
    return ProcessorCursor.objects.get_or_create(name=name, defaults={"position": log.head().position})[0]


def _free_for(holder: str) -> Q:
    """Nobody else has the lease."""
    return Q(holder=holder) | Q(leased_until=None) | Q(leased_until__lt=timezone.now())


def _claim(name: str, holder: str) -> ProcessorCursor | None:
    until = timezone.now() + timedelta(seconds=LEASE_S)
    cursor = _cursor(name)
    if not ProcessorCursor.objects.filter(_free_for(holder), pk=cursor.pk).update(holder=holder, leased_until=until):
        return None
    cursor.refresh_from_db()
    return cursor


def _handle(each: Processor, cursor: ProcessorCursor, event: Event, holder: str) -> bool:
    """Handle one event and move the cursor over it. Returns whether to go on with the next."""
    if each.too_late_for(event):
        _put_aside(each, cursor, event, f"expired: older than {each.expires_after_s} s when its turn came")
        return True
    mine = ProcessorCursor.objects.filter(pk=cursor.pk, holder=holder)
    try:
        with transaction.atomic():
            if not mine.update(position=event.position, attempts=0, retry_at=None):
                return False  # the lease went to another process, which goes on from the cursor
            each.handle(event)
    except Exception as problem:  # noqa: BLE001  # whatever a processor raises, it is tried again
        return _failed(each, cursor, event, problem)
    cursor.position, cursor.attempts = event.position or cursor.position, 0
    return True


def _failed(each: Processor, cursor: ProcessorCursor, event: Event, problem: Exception) -> bool:
    cursor.attempts += 1
    logger.warning("processor %s: attempt %d at event %s failed: %s", each.name, cursor.attempts, event.id, problem)
    row = ProcessorCursor.objects.filter(pk=cursor.pk)
    if cursor.attempts < ATTEMPTS:
        pause = min(FIRST_PAUSE_S * 2 ** (cursor.attempts - 1), LONGEST_PAUSE_S)
        row.update(attempts=F("attempts") + 1, retry_at=timezone.now() + timedelta(seconds=pause))
        return False
    _put_aside(each, cursor, event, "".join(traceback.format_exception(problem))[-4000:])
    return True


def _put_aside(each: Processor, cursor: ProcessorCursor, event: Event, error: str) -> None:
    """Make a dead letter of the event, and move the cursor over it."""
    with transaction.atomic():
        DeadLetter.objects.create(
            processor=each.name,
            event_id=event.id,
            event_type=event.event_type,
            event=msgspec.json.encode(event).decode(),
            error=error,
            attempts=cursor.attempts,
        )
        ProcessorCursor.objects.filter(pk=cursor.pk).update(position=event.position, attempts=0, retry_at=None)
    cursor.position, cursor.attempts = event.position or cursor.position, 0


def retry(letter: DeadLetter) -> None:
    """Try a dead letter again; it is gone when that succeeds. Raises what the processor raises, and `LookupError` when there
    is nothing to try."""
    each = PROCESSORS.get(letter.processor)
    if each is None:
        raise LookupError(f"there is no processor {letter.processor} any more")
    with transaction.atomic():
        if not letter.delete()[0]:
            raise LookupError("somebody else has dealt with it")
        each.handle(msgspec.json.decode(letter.event, type=Event))


def release(holder: str) -> None:
    """Give up the leases of a process that ends."""
    ProcessorCursor.objects.filter(holder=holder).update(leased_until=None)


def slowest() -> int | None:
    """The lowest cursor of a registered processor: pruning stops before it. `None` without any."""
    return ProcessorCursor.objects.filter(name__in=PROCESSORS).aggregate(lowest=Min("position"))["lowest"]  # type: ignore[no-any-return]
