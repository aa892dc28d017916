"""The connections of this process: the facts of each one, and the register of all of them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from realtime.audience import Audience
from realtime.protocol import CloseCode, Frame, frame
from realtime.subscriptions import Wants
from realtime.transports import say

if TYPE_CHECKING:
    from realtime.authentication import Claim
    from realtime.fans import Fan
    from realtime.layers import Way
    from realtime.presence import Told
    from realtime.routes import Route
    from realtime.transports import Transport

WINDOW = 1024 * 1024
"""Bytes that may be under way to a client unconfirmed. Beyond it the client lags, and reads from the log instead."""
PING_EVERY = 256 * 1024
"""Bytes after which a ping asks for confirmation, besides the heartbeat's."""

SILENT_AFTER_S = 5.0
"""Seconds without an answer to a ping after which a connection is called silent."""


class Health(StrEnum):
    """How a connection is."""

    LIVE = "live"
    CATCHING_UP = "catching_up"
    SILENT = "silent"
    LAGGING = "lagging"
    CLOSING = "closing"


Close = Callable[[CloseCode, str, int | None], Awaitable[None]]


class WebSocketConnection:
    """One socket: who, since when, how far, and how healthy. It neither filters nor owns the ASGI loop.

    upto: every durable event for this connection up to there has been sent. While it is on a route, the route keeps it.
    stale: how often its rights changed since they were loaded; until they are again, nothing else is sent.
    claim: what its client showed itself by.
    deflate: its client reads compressed frames.
    next_ping, next_look: when the node asks it for an answer, and looks after it at all; of the monotonic clock.
    told: what its presence row says of it.
    dropped: flow events that it was too slow for, as it was told in `gap`s.
    entering: it was not welcomed yet; nothing else may be sent before that.
    fan: by which it gets what goes to many, while it is on a route.
    room: set when it lags no more; there only while its reader waits for that.
    on_lag, on_end: called when more is under way than may be, and when it said goodbye: nothing may follow that.
    """

    # With slots, a connection is one object instead of two.
    # fmt: off
    __slots__ = (
        "_close", "_frames", "_ping_number", "_pinged_at_byte", "_pings", "_sent", "_transport", "_upto", "address",
        "audience", "channel", "claim", "client", "close_code", "close_reason", "closing", "confirmed", "deflate",
        "dropped", "entering", "fan", "id", "last_heard", "left_out", "next_look", "next_ping", "on_end", "on_lag",
        "on_level", "presence_id", "reader", "room", "route", "since", "stale", "token_noticed", "told", "user_agent",
        "user_id", "username", "wants",
    )
    # fmt: on

    def __init__(
        self,
        *,
        user_id: int,
        username: str,
        audience: Audience,
        client: str,
        wants: Wants,
        transport: Transport,
        close: Close,
        address: str = "",
        user_agent: str = "",
        claim: Claim | None = None,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.channel = f"local.{self.id}"
        self.user_id = user_id
        self.username = username
        self.audience = audience
        self.client = client
        self.wants = wants
        self.address = address
        self.user_agent = user_agent[:200]
        self.claim = claim
        self.since = datetime.now(UTC)
        self.presence_id = 0
        self.stale = 0
        self.entering = True
        self.closing = False
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self.deflate = False
        self.route: Route | None = None
        self.reader: asyncio.Task[None] | None = None
        self.left_out: Counter[str] = Counter()
        self.dropped = 0
        self.told: Told | None = None
        self.confirmed = 0
        self.last_heard = time.monotonic()
        self.next_ping = self.next_look = 0.0
        self.token_noticed = False
        self.on_lag: Callable[[], None] = lambda: None
        self.on_end: Callable[[], None] = lambda: None
        self.on_level: list[Callable[[], None]] = []
        self.room: asyncio.Event | None = None
        self._upto = 0
        self._transport = transport
        self._close = close
        self._pings: list[tuple[int, int, float]] = []  # few; an empty deque takes ten times the memory
        self._ping_number = 0
        self._pinged_at_byte = 0
        self.fan: Fan | None = None
        # Besides what comes by the fan; while there is one, less what had gone out by it before.
        self._frames = self._sent = 0

    # -- how far

    @property
    def upto(self) -> int:
        return self.route.upto if self.route is not None else self._upto

    @upto.setter
    def upto(self, position: int) -> None:
        self._upto = position

    # -- sending

    @property
    def frames(self) -> int:
        """Data frames that were sent."""
        return self._frames + (self.fan.frames if self.fan is not None else 0)

    @property
    def sent(self) -> int:
        """Bytes that were sent, pings and farewells aside."""
        return self._sent + (self.fan.bytes if self.fan is not None else 0)

    @property
    def way(self) -> Way:
        """How its share of what goes to many is written."""
        return self._transport.closing, self._transport.write

    def share(self, fan: Fan | None) -> None:
        """From here on, what `fan` sends comes here as well, and nothing else that goes to many."""
        self._frames, self._sent = self.frames, self.sent
        self.fan = fan
        if fan is not None:
            self._frames -= fan.frames
            self._sent -= fan.bytes

    def deliver(self, frame: Frame) -> None:
        """Send a frame. Never waits; when too much is unconfirmed, the connection is reported as lagging."""
        if self.closing:
            return
        if self.deflate:
            frame = frame.deflated()
        say(self._transport, frame)
        self._frames += 1
        self._sent += frame.size
        self.look()

    def look(self) -> None:
        """Ask for a confirmation, and report the connection as lagging, if it is time for that."""
        if self.sent - self._pinged_at_byte >= PING_EVERY:
            self.ping()
        if self.lagging:
            self.on_lag()

    def ping(self) -> None:
        """Ask the client to confirm what it was sent so far, and tell it how far that goes."""
        if self.closing:
            return
        self._ping_number += 1
        self._pinged_at_byte = self.sent
        self._pings.append((self._ping_number, self.sent, time.monotonic()))
        self.next_look = 0.0
        say(self._transport, frame("ping", n=self._ping_number, upto=self.upto))

    def confirm(self, number: int) -> None:
        """The client answered ping `number`: it has everything that was sent before it."""
        received = self.sent - self._transport.buffered()  # what is still here cannot have arrived, whatever it says
        while self._pings and self._pings[0][0] <= number:
            self.confirmed = max(self.confirmed, min(self._pings.pop(0)[1], received))
        if self.room is not None and not self.lagging:
            self.room.set()

    # -- health

    @property
    def gone(self) -> bool:
        """Whether the client is known to have left, though its end has not been dealt with yet."""
        return self._transport.closing()

    @property
    def lagging(self) -> bool:
        """More is under way than the client confirms."""
        return self.sent - self.confirmed > WINDOW

    @property
    def unconfirmed(self) -> int:
        """Bytes that were sent and not confirmed."""
        return self.sent - self.confirmed

    @property
    def next_number(self) -> int:
        """The number that the next ping is going to have."""
        return self._ping_number + 1

    def unanswered_s(self, now: float) -> float:
        """Seconds since the oldest ping that has no answer; 0 when there is none."""
        return now - self._pings[0][2] if self._pings else 0.0

    @property
    def health(self) -> Health:
        """How it is, in one word, the worst first."""
        if self.closing:
            return Health.CLOSING
        if self.lagging:
            return Health.LAGGING
        if self.unanswered_s(time.monotonic()) > SILENT_AFTER_S:
            return Health.SILENT
        return Health.LIVE if self.route is not None else Health.CATCHING_UP

    async def close(self, code: CloseCode, reason: str, retry_in_ms: int | None = None) -> None:
        """Say goodbye and close, once."""
        if self.closing:
            return
        self.close_code, self.close_reason = int(code), reason
        bye = {"code": int(code), "reason": reason}
        if retry_in_ms is not None:
            bye["retry_in_ms"] = retry_in_ms
        say(self._transport, frame("bye", **bye))
        self.closing = True
        self.on_end()
        await self._close(code, reason, retry_in_ms)


class UnifiedWebSocketManager:
    """The register of this process's connections: admit, release, find."""

    def __init__(self) -> None:
        self._all: dict[str, WebSocketConnection] = {}
        self._by_user: defaultdict[int, set[WebSocketConnection]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[WebSocketConnection]:
        return iter(tuple(self._all.values()))

    def admit(self, connection: WebSocketConnection) -> None:
        """Enter a connection."""
        self._all[connection.id] = connection
        self._by_user[connection.user_id].add(connection)

    def release(self, connection: WebSocketConnection) -> None:
        """Strike a connection out. Harmless when it is not there."""
        self._all.pop(connection.id, None)
        of_user = self._by_user.get(connection.user_id)
        if of_user is not None:
            of_user.discard(connection)
            if not of_user:
                del self._by_user[connection.user_id]

    def find(self, connection_id: str) -> WebSocketConnection | None:
        """The connection of that id, if it is here."""
        return self._all.get(connection_id)

    def of_user(self, user_id: int) -> tuple[WebSocketConnection, ...]:
        """The connections of a user."""
        return tuple(self._by_user.get(user_id, ()))

    def superseded(self, user_id: int, client: str, oldest: int) -> list[WebSocketConnection]:
        """Those of a user and client name whose presence is older than `oldest`, the last that may stay."""
        return [c for c in self.of_user(user_id) if c.client == client and 0 < c.presence_id < oldest]
