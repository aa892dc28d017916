"""The feed of a process: follows the log from position to position and hands on each event once, in order, no holes.

A ring brings the events at once. What no ring brought is found on the tick: rings are a convenience, the log is the
truth. The most recent events stay in memory, so that connections that come back together don't each ask the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from channels.layers import get_channel_layer
from django.conf import settings

from realtime import groups, log
from realtime.database import in_database
from realtime.doorbell import decode_event, ringer
from realtime.events import Event, EventType
from realtime.models import LogHead

logger = logging.getLogger(__name__)

KEPT = 2000
"""Events that stay in memory."""
REJOIN_S = 600.0
"""Seconds between two renewals of the group memberships: layers let them expire after a day."""


class Feed:
    """Follows the log. `on_event` gets durable events in order, `on_flow` streams, `on_order` orders to the process.

    rings: how often the doorbell rang. found: events that no ring brought. source: what brought those that are being handed
    on, `doorbell` or `log`.
    `on_break` is called when the feed has to go on elsewhere: the log was restored, or pruned beyond where the feed was.
    """

    def __init__(
        self,
        tick_s: float,
        on_event: Callable[[Event], None],
        on_flow: Callable[[Event], None],
        on_order: Callable[[dict[str, Any]], None],
        on_break: Callable[[], None],
    ) -> None:
        self.epoch = ""
        self.position = 0
        self.rings = 0
        self.found = 0
        self.source = "log"
        self._tick_s = tick_s
        self._memory = settings.DATA_DIR / "log_position"
        self._remembered = 0
        self._on_event, self._on_flow, self._on_order, self._on_break = on_event, on_flow, on_order, on_break
        self._recent: deque[Event] = deque(maxlen=KEPT)
        self._behind = asyncio.Event()
        self._streams: set[str] = set()
        self._membership = asyncio.Event()
        self._moved: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.ready = asyncio.Event()

    async def start(self) -> None:
        """Begin at the present end of the log."""
        head = await in_database(log.guard_against_rollback, self._memory)
        self.epoch, self.position = head.epoch, head.position
        ringer.adopt(asyncio.get_running_loop())
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._follow())]

    async def stop(self) -> None:
        ringer.adopt(None)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def want_streams(self, types: frozenset[EventType]) -> None:
        """Say which flow events somebody in this process listens to."""
        self._streams = {groups.flow(event_type) for event_type in types}
        self._membership.set()

    # -- hearing

    async def _listen(self) -> None:
        """Hear the doorbell; when the layer fails, try again until it is back. The tick covers what is missed.

        A receive is never cut short: the layers take that for the end of the channel.
        """
        layer = get_channel_layer()
        while True:
            members: asyncio.Task[None] | None = None
            try:
                channel = await layer.new_channel()
                members = asyncio.create_task(self._keep_membership(layer, channel))
                while True:
                    self._hear(await layer.receive(channel))
            except Exception as error:  # noqa: BLE001  # whatever a layer raises, the log goes on
                logger.warning("feed: the channel layer is out of reach: %s", error or type(error).__name__)
                await asyncio.sleep(1.0)
            finally:
                if members is not None:
                    members.cancel()

    async def _keep_membership(self, layer: Any, channel: str) -> None:
        """Be in the groups that are wanted; again now and then, and when a ring was missed: memberships get lost."""
        joined: set[str] = set()
        while True:
            self._membership.clear()
            wanted = {groups.LOG, groups.CONTROL, *self._streams}
            try:
                async with asyncio.timeout(2.0):
                    for group in wanted - joined:
                        await layer.group_add(group, channel)
                        joined.add(group)
                    for group in joined - wanted:
                        await layer.group_discard(group, channel)
                        joined.discard(group)
                pause = REJOIN_S
            except Exception as error:  # noqa: BLE001  # whatever a layer raises, the log goes on
                logger.warning("feed: cannot join the channel layer's groups: %s", error or type(error).__name__)
                pause = 1.0
            if not self.ready.is_set():
                self.ready.set()
                self._behind.set()  # for what was rung before
            try:
                await asyncio.wait_for(self._membership.wait(), pause)
            except TimeoutError:
                joined.clear()

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ring":
                self.rings += 1
                try:
                    events = [decode_event(text) for text in message.get("events", ())]
                except msgspec.ValidationError:  # of a later release, which is being introduced; the log can be read
                    events = []
                if not events or message["first"] > self.position + 1:
                    self._behind.set()
                else:
                    self.source = "doorbell"
                    self._advance(events)
            case "flow":
                for text in message["events"]:
                    self._on_flow(decode_event(text))
            case "control":
                self._on_order(message)

    # -- following

    async def _follow(self) -> None:
        """Number what others left unnumbered, and read what no ring brought: now and then, and when behind."""
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._behind.wait(), self._tick_s)
            self._behind.clear()
            try:
                await self._catch_up_or_break()
                if self.position > self._remembered:
                    self._remembered = self.position
                    await in_database(log.remember, self._memory, log.Position(self.epoch, self.position))
            except Exception:
                logger.exception("feed: the log cannot be read; trying again")
                await asyncio.sleep(self._tick_s)

    async def _catch_up_or_break(self) -> None:
        here = log.Position(self.epoch, self.position)
        head = await in_database(self._publish_and_look, here)
        try:
            if head.epoch == self.epoch:
                if head.position > self.position:
                    await self._catch_up()
                return
            logger.error("feed: the log was set back to %s, a new epoch", head)
        except log.TooOld:
            logger.error("feed: the log was pruned beyond %s; going on at %s", here, head)
        self.epoch, self.position = head.epoch, head.position
        self._recent.clear()
        self._remembered = 0
        self._on_break()

    def _publish_and_look(self, here: log.Position) -> LogHead:
        log.publish()
        return log.guard_against_rollback(self._memory, here)

    async def _catch_up(self) -> None:
        while events := await in_database(log.read, self.position):
            before = self.position
            self.source = "log"
            self._advance(events)
            self.found += self.position - before
            if len(events) < log.CHUNK:
                return

    def _advance(self, events: list[Event]) -> None:
        # No await in here: a ring and a catch-up may bring the same events, and each is handed on once.
        for event in events:
            if event.position == self.position + 1:
                self.position = event.position
                self._recent.append(event)
                self._on_event(event)
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)

    async def beyond(self, position: int, within_s: float) -> None:
        """Wait until the feed is beyond `position`, but for so many seconds at most."""
        if self.position <= position:
            if self._moved is None or self._moved.done():
                self._moved = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._moved], timeout=within_s)

    # -- reading back

    async def reach(self, position: int) -> bool:
        """Come to `position`, if the log goes that far. Another process, and an answer that was read from the
        database, may be ahead of this feed by a moment."""
        if position > self.position:
            await self._catch_up()
        return position <= self.position

    async def read(self, after: int, limit: int = 500) -> list[Event]:
        """Events after position `after`, up to the feed's own position. Raises `log.TooOld` when they were pruned."""
        if after >= self.position:
            return []
        if self._recent and (first := self._recent[0].position or 0) <= after + 1:
            start = after + 1 - first
            return [self._recent[i] for i in range(start, min(start + limit, len(self._recent)))]
        events = await in_database(log.read, after, limit)
        return [event for event in events if (event.position or 0) <= self.position]
