"""Readers: connections that catch up from the log at their own pace, until they can join their route.

One mechanism for everyone who is not level with the feed: who comes back with a position, rewinds, has other rights or
subscriptions than before, is to see an event of their own, or reads too slowly. It sends what the connection may see
*now*, and goes on only as fast as the client confirms.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from realtime.audience import NotAllowed
from realtime.connections import WebSocketConnection
from realtime.events import Event
from realtime.log import TooOld
from realtime.protocol import (
    MOST_IN_BATCH,
    PARTING,
    ROOM_IN_BATCH,
    CloseCode,
    batch_frame,
    event_frame,
    frame,
    gap_frame,
    is_critical,
)
from realtime.registry import registry
from realtime.routes import Encodings
from realtime.subscriptions import subscriptions

if TYPE_CHECKING:
    from realtime.feed import Feed
    from realtime.frontdesk import FrontDesk
    from realtime.routes import Router

logger = logging.getLogger(__name__)

KEPT = 2000
"""Events whose encodings are kept for others who read the same."""
PATIENCE_S = 60.0
"""Seconds that a lagging client may take to confirm anything, before it is closed (4002)."""


class Look:
    """What one connection may see and wants, for as long as neither changes: worked out once for a piece of the log."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._wants = connection.wants
        self._audience = connection.audience
        self._shared = connection.audience.shared()
        self._types = subscriptions.types(connection.wants, connection.audience)

    def shows(self, event: Event) -> bool:
        """Whether the event is for this connection."""
        if event.event_type not in self._types or not event.concerns(self._wants.zones):
            return False
        return self._audience.may_see(event, registry[event.event_type])

    def body(self, event: Event, replays: Replays) -> bytes | None:
        """The event as this connection sees it, encoded, or `None`. Fails closed."""
        if not self.shows(event):
            return None
        # Own events apart, everybody with the same rights sees the same.
        return replays.of(event).body(self._shared) or replays.of(event).body(self._audience)


class Replays:
    """Events that are being read again, each encoded at most once for those who see the same: after a restart everybody
    reads the same piece of the log."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Encodings] = OrderedDict()

    def of(self, event: Event) -> Encodings:
        """The encodings of an event."""
        kept = self._kept.get(event.id)
        if kept is None:
            kept = self._kept[event.id] = Encodings(event)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return kept


class LogReader:
    """Brings connections level with the feed and onto their routes."""

    def __init__(self, feed: Feed, router: Router, desk: FrontDesk) -> None:
        self._feed = feed
        self._router = router
        self._desk = desk
        self._replays = Replays()
        self.on_read: Callable[[WebSocketConnection, int, int], None] = lambda connection, start, upto: None

    def settle(self, connection: WebSocketConnection) -> None:
        """Put the connection where it belongs: on its route if it is level with the feed, else to reading."""
        if connection.closing or connection.entering or connection.reader is not None or connection.route is not None:
            return
        if self._level(connection):
            self._join(connection)
        else:
            self._router.leave(connection)
            connection.reader = asyncio.create_task(self._read(connection))

    def rewind(self, connection: WebSocketConnection, position: int | None = None) -> None:
        """Take the connection off its route and let it read: from `position`, or from where it is."""
        self._router.leave(connection)
        if position is not None:
            connection.upto = position
        self.settle(connection)

    def _level(self, connection: WebSocketConnection) -> bool:
        return connection.upto == self._router.position and not connection.stale and not connection.lagging

    def _join(self, connection: WebSocketConnection) -> None:
        for event_type, dropped in connection.left_out.items():
            connection.deliver(gap_frame(event_type, dropped, "slow_consumer"))
            connection.dropped += dropped
        connection.left_out.clear()
        while connection.on_level:
            connection.on_level.pop(0)()
        if not connection.lagging:  # the frames above may have been the last straw
            self._router.join(connection)

    async def _read(self, connection: WebSocketConnection) -> None:
        try:
            while not connection.closing:
                if connection.stale:
                    await self._reload_rights(connection)
                elif connection.lagging:
                    await self._wait_for_room(connection)
                elif self._level(connection):
                    break
                else:
                    await self._send_some(connection)
        except NotAllowed:
            await connection.close(CloseCode.NOT_ALLOWED, "this account may no longer connect")
        except TooOld:
            await connection.close(CloseCode.TOO_SLOW, "the log no longer reaches back that far")
        except Exception:
            logger.exception("reader of connection %s failed", connection.id)
            await connection.close(CloseCode.TOO_SLOW, "internal error; resume from your position")
        finally:
            connection.reader = None
        # Nothing is awaited between the last look at the position and this.
        self.settle(connection)

    async def _reload_rights(self, connection: WebSocketConnection) -> None:
        # Stale until the end of the look, because a critical event overtakes; and still, if they changed during it.
        changes = connection.stale
        account, audience = await self._desk.identify(connection.user_id)
        connection.stale -= changes
        if connection.claim is not None and not connection.claim.holds_for(account):
            await connection.close(CloseCode.NOT_SIGNED_IN, "the password was changed: sign in again")
            return
        if audience != connection.audience:
            connection.audience = audience
            connection.deliver(frame("notice", code="permissions_changed", message="Your rights changed.", data={}))

    async def _wait_for_room(self, connection: WebSocketConnection) -> None:
        connection.room = asyncio.Event()
        connection.ping()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await connection.room.wait()
        except TimeoutError:
            await connection.close(CloseCode.TOO_SLOW, "too slow: resume from your position", 1000)
        finally:
            connection.room = None

    async def _send_some(self, connection: WebSocketConnection) -> None:
        """Read a piece of the log and send what the connection may see of it, batched, critical events alone."""
        bodies: list[bytes] = []
        size = 0
        start = upto = connection.upto
        events = await self._feed.read(start, MOST_IN_BATCH)  # a piece that leaves others their turn
        if connection.upto != start:
            return  # it was rewound meanwhile; from here to the end nothing is awaited
        look = Look(connection)  # what it wants now: it may have subscribed to more while the log was read

        def send() -> None:
            nonlocal bodies, size
            if bodies:
                connection.upto = upto
                frame = event_frame(bodies[0], upto) if len(bodies) == 1 else batch_frame(bodies, upto)
                bodies, size = [], 0
                connection.deliver(frame)

        for event in events:
            if connection.stale or connection.lagging:
                break
            encoded = look.body(event, self._replays)
            more = 0 if encoded is None else len(encoded) + PARTING
            if encoded is not None and (
                is_critical(event) or size + more > ROOM_IN_BATCH or len(bodies) >= MOST_IN_BATCH
            ):
                send()
            assert event.position is not None
            upto = event.position
            if encoded is not None:
                bodies.append(encoded)
                size += more
                if is_critical(event):
                    send()
        send()
        connection.upto = upto
        if upto > start:
            self.on_read(connection, start, upto)
        await asyncio.sleep(0)  # many may be reading; each gets its turn


async def count_visible(feed: Feed, connection: WebSocketConnection, after: int, upto: int) -> int:
    """How many events in (`after`, `upto`] the connection is going to be sent. Raises `TooOld`."""
    count = 0
    look = Look(connection)
    while after < upto:
        events = [event for event in await feed.read(after) if (event.position or 0) <= upto]
        if not events:
            break
        count += sum(look.shows(event) for event in events)
        after = events[-1].position or after
        await asyncio.sleep(0)  # many may be counting
    return count
