"""What runs in each web process: the feed, the routes, the connections, and the upkeep of all three."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from channels.layers import channel_layers

from realtime import doorbell, presence, retention, sessions
from realtime.alert_upkeep import AlertUpkeep
from realtime.complaints import Complaints
from realtime.conf import RealtimeSettings, conf
from realtime.connection_events import ConnectionNews
from realtime.connections import UnifiedWebSocketManager, WebSocketConnection
from realtime.database import in_database
from realtime.events import Event, EventType
from realtime.feed import Feed
from realtime.filters import view
from realtime.frontdesk import FrontDesk
from realtime.guard import LOOK_EVERY_S as GUARD_S
from realtime.guard import Guard
from realtime.hearing import heard
from realtime.interests import InterestTeller
from realtime.leaks import LOOK_EVERY_S as LEAKS_S
from realtime.leaks import LeakWatch
from realtime.metrics import metrics
from realtime.mover import Mover
from realtime.processors import ProcessorRunner
from realtime.protocol import CloseCode, body, event_frame, frame
from realtime.reader import LogReader, Look
from realtime.registry import registry
from realtime.routes import Route, Router
from realtime.tracing import Tracer
from realtime.tracing import answer as answer_trace
from realtime.watch import Watch

if TYPE_CHECKING:
    from realtime.consumers import UnifiedWebSocketConsumer

logger = logging.getLogger(__name__)

ENDS = (EventType.USER_LOGOUT, EventType.SESSION_EXPIRED)
"""What ends a session."""
UPKEEP_S = 1.0
RECONCILE_S = 5.0
REFRESH_S = 20.0
PRUNE_EVERY_S = 3600.0
RETURNS_PER_S = 80
RESTART_MS = 3000
"""How long a process takes to be back after a restart, about."""
LONGEST_SPREAD_MS = 20_000
TOKEN_NOTICE_S = 60.0
TOKEN_GRACE_S = 25.0


class Node:
    """One web process of the event system. Started by the server's lifespan, or by the first connection."""

    def __init__(self, settings: RealtimeSettings | None = None) -> None:
        self.conf = settings or conf()
        self.name = f"{socket.gethostname()[:32]}.{os.getpid()}.{secrets.token_hex(2)}"
        self.layer = channel_layers["local"]
        self.desk = FrontDesk(self.name, self.conf)
        self.manager = UnifiedWebSocketManager()
        self.router = Router(self.layer, self.conf)
        self.feed = Feed(self.conf.tick_s, self._on_event, self._on_flow, self._on_order, self._on_break)
        self.processors = ProcessorRunner(self.feed)
        self.alert_upkeep = AlertUpkeep(self.feed)
        self.reader = LogReader(self.feed, self.router, self.desk)
        self.router.on_failed = self._on_failed
        self.router.on_flow_wanted = self.feed.want_streams
        self.interests = InterestTeller(self.name)
        self.router.on_interests = self.interests.tell
        self.tracer = Tracer(self)
        self.router.on_joined, self.router.on_left = self.tracer.joined, self.tracer.left
        self.reader.on_read = self.tracer.read
        self.complaints = Complaints()
        self.mover = Mover(self)
        self.news = ConnectionNews(self.name)
        self.watch = Watch(self)
        self.guard = Guard(self)
        self.leaks = LeakWatch(self)
        self.at_the_door: set[UnifiedWebSocketConsumer] = set()  # connected, and not known yet
        self.draining = False
        self._reconciled = 0, 0  # presence ids of the last two looks
        self._starting: asyncio.Task[None] | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()

    # -- life

    async def started(self) -> None:
        """Start, once; whoever calls waits until it is up."""
        failed = self._starting is not None and self._starting.done() and self._starting.exception() is not None
        if self._starting is None or failed:
            self._starting = asyncio.ensure_future(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        await self.feed.start()
        for session, user_id, ended_at in await in_database(sessions.ended_lately):
            self.desk.session_ended(session, user_id, ended_at)
        self.router.position = self.feed.position
        await self.mover.look()
        self._upkeep = asyncio.create_task(self._keep_up())
        self.processors.start()
        self.watch.start()
        self.alert_upkeep.start()
        with contextlib.suppress(TimeoutError):  # without the layer, the feed finds everything on its tick
            async with asyncio.timeout(2):
                await self.feed.ready.wait()
        self.feed.ready.set()

    async def stop(self) -> None:
        """Stop following; connections are expected to be drained."""
        if self._upkeep is not None:
            self._upkeep.cancel()
        if self._starting is not None:
            await self.watch.stop()
            await self.alert_upkeep.stop()
            await self.processors.stop()
            await self.feed.stop()
            await self.desk.catch_up()
            await in_database(presence.clear, self.name)

    async def drain(self) -> None:
        """Send everyone away to come back: `bye` with a time to return at, spread so that they don't all at once."""
        self.draining = True
        connections = list(self.manager)
        # Many are not called back before the next process is up: they would all wait at its door.
        first_ms = min(20 * len(connections), RESTART_MS)
        spread_ms = int(min(max(300.0, 1000 * len(connections) / RETURNS_PER_S), LONGEST_SPREAD_MS))

        def pause_ms() -> int:
            return 200 + random.randint(first_ms, first_ms + spread_ms)

        await asyncio.gather(
            *(c.close(CloseCode.GOING_AWAY, "restart", pause_ms()) for c in connections),
            *(c.end(CloseCode.GOING_AWAY, "restart", pause_ms()) for c in tuple(self.at_the_door)),
            return_exceptions=True,
        )

    # -- connections

    async def admit(self, connection: WebSocketConnection) -> None:
        """Enter a connection, and let it displace the older ones of its slot, here and on other nodes.

        Not if its client has left meanwhile: on a busy site it may have come in by another process long since.
        """
        oldest = await self.desk.arrive(connection)
        connection.on_lag = lambda: self.reader.rewind(connection)
        connection.on_end = lambda: self.router.forget(connection)
        self.layer.attach(connection.channel, connection.way, connection.look)
        self.manager.admit(connection)
        self.news.note(EventType.CONNECTION_ESTABLISHED, connection)
        metrics.admitted(connection)
        if oldest and not connection.gone:  # else it is the other one that the client has
            self._displace(connection.user_id, connection.client, oldest)
            doorbell.control("displace", user=connection.user_id, client=connection.client, oldest=oldest)

    def release(self, connection: WebSocketConnection) -> None:
        """Free everything that belongs to a connection."""
        connection.closing = True
        if connection.reader is not None:
            connection.reader.cancel()
        self.router.forget(connection)
        self.layer.detach(connection.channel)
        self.manager.release(connection)
        self.news.note(EventType.CONNECTION_CLOSED, connection)
        metrics.ended(connection)
        self.tracer.ended(connection)
        self.desk.depart(connection.presence_id)

    def close(self, connection: WebSocketConnection, code: CloseCode, reason: str) -> None:
        """Close a connection in the background."""
        self.in_background(connection.close(code, reason))

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` run by itself; the loop alone would keep no hold of it."""
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _displace(self, user_id: int, client: str, oldest: int) -> None:
        for connection in self.manager.superseded(user_id, client, oldest):
            connection.deliver(
                frame("notice", code="displaced", message="A newer connection took this one's place.", data={})
            )
            self.close(connection, CloseCode.DISPLACED, "displaced by a newer connection of the same user")

    def figures(self) -> dict[str, Any]:
        """What an administrator may want to know of this node at a glance."""
        return {
            "node": self.name,
            "epoch": self.feed.epoch,
            "position": self.feed.position,
            "connections": len(self.manager),
            "readers": len(self.router.readers),
            "routes": len(self.router),
            "events": self.router.events,
            "encodings": self.router.encodings,
            "rings": self.feed.rings,
            "found_in_log": self.feed.found,
        }

    # -- what the feed brings

    def _on_event(self, event: Event) -> None:
        """Publish an event. Connections of the user it is about become readers first: they may see more than a route
        shows, and when it is their rights that changed, nothing after it may reach them under the old ones."""
        own = event.event_type in registry and registry[event.event_type].own and event.subject_id is not None
        concerned = self.manager.of_user(event.subject_id or 0) if own else ()
        if own:
            self.desk.forget(event.subject_id or 0)
        for connection in concerned:
            self.router.leave(connection)
            if event.event_type is EventType.PERMISSION_CHANGED:
                connection.stale += 1
        self.tracer.heard(event, self.feed.source)
        self.router.publish(event)
        metrics.probe(event, self)
        heard(event.event_type)
        if event.event_type is EventType.ROLLOUT_CHANGED:
            self.in_background(self.mover.look())
        ended = event.data["session"] if event.event_type in ENDS else None
        if ended:
            self.desk.session_ended(ended, event.subject_id or 0, event.timestamp.timestamp())
        for connection in concerned:
            if ended and self.desk.has_ended(connection.claim):
                self.close(connection, CloseCode.NOT_SIGNED_IN, event.data.get("reason") or "signed out")
            else:
                self.reader.settle(connection)

    def _on_flow(self, event: Event) -> None:
        """Pass a flow event by; one's own goes also to who sees it for no other reason."""
        self.router.pass_by(event)
        if event.event_type not in registry or not registry[event.event_type].own or event.subject_id is None:
            return
        for connection in self.manager.of_user(event.subject_id):
            if connection.audience.is_admin or connection.entering or not Look(connection).shows(event):
                continue
            if (seen := view(event, connection.audience, connection.wants.filter)) is None:
                continue
            if connection.route is not None:
                connection.deliver(event_frame(body(seen), None))
            else:
                connection.left_out[event.event_type] += 1

    def _on_failed(self, route: Route) -> None:
        """Nobody on a route that failed may miss anything for it."""
        for connection in self.manager:
            if connection.route is route:
                self.reader.rewind(connection)

    def _on_order(self, message: dict[str, Any]) -> None:
        match message["order"]:
            case "displace":
                self._displace(message["user"], message["client"], message["oldest"])
            case "tell_interests":
                self.interests.tell_again()
            case "canary" if message["node"] == self.name:
                self.watch.sang()
            case "trace":
                self.in_background(self._answer_trace(message["request"], message["event"]))
            case "tell":
                if connection := self.manager.find(message["connection"]):
                    connection.deliver(frame("notice", code="message", message=message["message"], data={}))
            case "reauthenticate":
                if connection := self.manager.find(message["connection"]):
                    self.close(connection, CloseCode.TOKEN_EXPIRED, "an administrator asks to sign in anew")
            case "disconnect":
                if connection := self.manager.find(message["connection"]):
                    self.close(connection, CloseCode.NOT_ALLOWED, "disconnected by an administrator")

    async def _answer_trace(self, request: str, event_id: str) -> None:
        await in_database(answer_trace, self.tracer, request, event_id)

    def _on_break(self) -> None:
        """The log has a break: nobody here can be led across it, but everybody can come back and begin behind it."""
        self.router.position = self.feed.position
        self.tracer.forget()
        for connection in self.manager:
            pause = random.randint(200, LONGEST_SPREAD_MS // 4)
            self.in_background(connection.close(CloseCode.TOO_SLOW, "the log begins anew: come back", pause))

    # -- upkeep

    async def _keep_up(self) -> None:
        """Heartbeats, expiry of tokens, and the presence rows: one task for all connections.

        Each duty fails for itself: what cannot be written must not keep connections from being looked after.
        """
        duties: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
            (UPKEEP_S, self._look_after_all),
            (UPKEEP_S, self.desk.catch_up),
            (UPKEEP_S, self._tell_news),
            (UPKEEP_S, self.interests.renew),
            (RECONCILE_S, self._reconcile),
            (RECONCILE_S, self.mover.look),
            (GUARD_S, self.guard.look),
            (LEAKS_S, self.leaks.look),
            (REFRESH_S, self._refresh),
            (RECONCILE_S, self._look_at_sessions),
            (PRUNE_EVERY_S, self._prune),
        )
        due = [time.monotonic() + every * random.uniform(0.1, 1.0) for every, _ in duties]
        while True:
            await asyncio.sleep(UPKEEP_S)
            for number, (every, duty) in enumerate(duties):
                if (now := time.monotonic()) >= due[number]:
                    due[number] = now + every
                    try:
                        await duty()
                    except Exception:
                        logger.exception("upkeep failed; trying again")

    async def _look_after_all(self) -> None:
        now = time.monotonic()
        for connection in self.manager:
            if now >= connection.next_look:
                self._look_after(connection, now)

    async def _tell_news(self) -> None:
        self.news.tell()

    async def _refresh(self) -> None:
        await in_database(presence.refresh, list(self.manager), self.name)

    async def _prune(self) -> None:
        await in_database(retention.prune, self.conf.retention_days)
        await in_database(sessions.prune)

    def _look_after(self, connection: WebSocketConnection, now: float) -> None:
        if connection.closing or connection.entering:
            return
        silent_s = min(connection.unanswered_s(now), now - connection.last_heard)
        if silent_s > self.conf.pong_timeout_s and not connection.lagging:  # who lags has the reader's patience
            self.close(connection, CloseCode.HEARTBEAT_MISSED, "no answer to a ping")
        elif now >= connection.next_ping:
            connection.next_ping = now + self.conf.heartbeat_s
            connection.ping()
        connection.next_look = now if connection.unanswered_s(now) else connection.next_ping
        if connection.claim is not None and connection.claim.expires_at is not None:
            left_s = connection.claim.expires_at - time.time()
            self._look_at_token(connection, left_s)
            connection.next_look = min(connection.next_look, now + max(0.0, left_s - TOKEN_NOTICE_S))

    def _look_at_token(self, connection: WebSocketConnection, left_s: float) -> None:
        if left_s < -TOKEN_GRACE_S:
            self._expire(connection, CloseCode.TOKEN_EXPIRED, "the token expired: get a new one")
        elif left_s < TOKEN_NOTICE_S and not connection.token_noticed:
            connection.token_noticed = True
            data = {"expires_in_s": max(0, int(left_s))}
            connection.deliver(frame("notice", code="token_expiring", message="Authenticate again soon.", data=data))

    def _expire(self, connection: WebSocketConnection, code: CloseCode, reason: str) -> None:
        """The time of what a connection came in by is over."""
        self.close(connection, code, reason)
        claim = connection.claim
        assert claim is not None
        tell = in_database(sessions.expired, connection.user_id, connection.username, claim.method, claim.session)
        self.in_background(tell)

    async def _look_at_sessions(self) -> None:
        """Find the sessions of the site that are over, or were removed without a word."""
        held = {c.claim.session_key for c in self.manager if c.claim is not None and c.claim.session_key}
        if not held:
            return
        over = held - await in_database(sessions.lasting, list(held))
        for connection in self.manager:
            if connection.claim is None or connection.claim.session_key not in over:
                continue
            if not self.desk.has_ended(connection.claim):
                self._expire(connection, CloseCode.NOT_SIGNED_IN, "the session has expired: sign in again")

    async def _reconcile(self) -> None:
        """Displace whoever should have been told and was not: the order may have been lost with the layer, or their
        process may have died, and only its rows are left."""
        await self.desk.catch_up()  # who has left since they came in takes nobody's place
        # From two looks ago: of two rows that are written at the same time the lower may become visible after the greater.
        latest, arrived = await in_database(presence.newcomers, self._reconciled[0])
        self._reconciled = self._reconciled[1], latest
        slots = arrived & {(c.user_id, c.client) for c in self.manager}
        if slots:
            limit = self.conf.connections_per_user
            for (user_id, client), oldest in (await in_database(presence.make_way, slots, limit)).items():
                self._displace(user_id, client, oldest)
