"""A node on a workbench: the real routes, readers and consumers, on an event loop whose clock the test turns.

Only the edges are other: the log and the rights are in memory (and take a few turns of the loop to answer, as a
database does), and sockets end in a list of frames.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from realtime import lifespan, log
from realtime.audience import Account, Audience
from realtime.authentication import Claim
from realtime.conf import RealtimeSettings
from realtime.connections import WebSocketConnection
from realtime.consumers import UnifiedWebSocketConsumer
from realtime.events import Event
from realtime.feed import Feed
from realtime.frontdesk import FrontDesk
from realtime.layers import LocalChannelLayer
from realtime.node import Node
from realtime.reader import LogReader
from realtime.routes import Router
from realtime.transports import EXTENSION

T = TypeVar("T")


class TurnedLoop(asyncio.SelectorEventLoop):
    """Its time stands still until it is turned on."""

    def __init__(self) -> None:
        self.now = 1000.0
        super().__init__()

    def time(self) -> float:
        return self.now


class MemoryFeed(Feed):
    """Hands on what it is given, and remembers all of it."""

    floor = 0
    piece = 7
    _reads = 0

    async def read(self, after: int, limit: int | None = None) -> list[Event]:
        await self.takes_a_while()
        if after < self.floor:
            raise log.TooOld(after)
        found = await super().read(after, limit or self.piece)
        await self.takes_a_while()
        return found

    async def takes_a_while(self) -> None:
        self._reads += 1
        for _ in range(self._reads % 4):
            await asyncio.sleep(0)

    async def reach(self, position: int) -> bool:
        return position <= self.position


class MemoryDesk(FrontDesk):
    """Knows the rights of each user from `rights`."""

    def __init__(self, node: str, conf: RealtimeSettings) -> None:
        super().__init__(node, conf)
        self.rights: dict[int, Audience] = {}

    async def _look_up(self, user_ids: list[int]) -> list[tuple[Account, Audience] | Exception]:
        await asyncio.sleep(0)
        found = [self.rights[user_id] for user_id in user_ids]
        for _ in range(4):  # the answer is on its way, while rights may change again
            await asyncio.sleep(0)
        return [
            (Account(id=user_id, username=f"user{user_id}", session_mark="", token_mark="!"), rights)
            for user_id, rights in zip(user_ids, found, strict=True)
        ]

    async def arrive(self, connection: WebSocketConnection) -> int:
        await asyncio.sleep(0)
        return 0


class Consumer(UnifiedWebSocketConsumer):
    """Everybody is who they say."""

    async def sign_in(self, token: str | None = None) -> None:
        assert token is not None
        account, audience = await self.node.desk.identify(int(token))
        changes = self.node.desk.changes
        claim = Claim(user_id=account.id, password_mark=account.token_mark)
        await self.enter(claim, account, audience, changes)


class Client:
    """The other end of a socket: what came, by frame."""

    def __init__(self, bench: Bench, user_id: int | None, since: int | None, name: str) -> None:
        self.frames: list[dict[str, Any]] = []
        self.code: int | None = None
        self.answers_pings = True
        self.gone = False
        self.buffered = 0
        self._unanswered = 0
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._ids = iter(range(1, 1_000_000))
        self.consumer = Consumer()
        query = f"since={bench.node.feed.epoch}:{since}" if since is not None else ""
        scope = {
            "type": "websocket",
            "path": "/ws/",
            "query_string": query.encode(),
            "headers": [],
            "client": ("127.0.0.1", 1),
            "subprotocols": ["dnsadmin.v1", *([f"bearer.{user_id}"] if user_id else []), f"client.{name}"],
            "extensions": {
                EXTENSION: {
                    "write": self._came,
                    "closing": lambda: self.gone,
                    "buffered": lambda: self.buffered,
                    "abort": lambda: None,
                }
            },
        }
        self._inbox.put_nowait({"type": "websocket.connect"})
        self.task = bench.loop.create_task(self.consumer(scope, self._inbox.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        if message["type"] == "websocket.close":
            self.code = message["code"]
            self.leave()

    def _came(self, wire: bytes) -> None:
        length = wire[1]
        frame = json.loads(wire[{126: 4, 127: 10}.get(length, 2) :])
        if frame["type"] == "ping":
            self._unanswered = frame["n"]
            if self.answers_pings:
                self.answer()
        self.frames.append(frame)
        self.on_frame(frame)

    def on_frame(self, frame: dict[str, Any]) -> None:
        """For whoever wants to look at each frame as it comes."""

    def answer(self) -> None:
        """Confirm the last ping."""
        self.say({"type": "pong", "data": {"n": self._unanswered}})

    def say(self, frame: dict[str, Any]) -> None:
        self._inbox.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})

    def give(self, command: str, **data: Any) -> int:
        """Give a command; answers its id."""
        number = next(self._ids)
        self.say({"type": command, "id": number, "data": data})
        return number

    def leave(self) -> None:
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})

    @property
    def member(self) -> WebSocketConnection:
        return self.consumer.member

    def events(self) -> list[dict[str, Any]]:
        """The events that came, in the order in which they came."""
        return [event for frame in self.frames for event in events_of(frame)]

    def answers(self) -> dict[int, dict[str, Any]]:
        """The answers to commands, by id."""
        return {frame["id"]: frame for frame in self.frames if frame["type"] in ("response", "error")}


def events_of(frame: dict[str, Any]) -> list[dict[str, Any]]:
    return [frame] if frame["type"] == "event" else frame["events"] if frame["type"] == "batch" else []


class Bench:
    """One node and its clock. `settings` are those of `RealtimeSettings`."""

    def __init__(self, **settings: Any) -> None:
        self.loop = TurnedLoop()
        conf = RealtimeSettings(**settings)
        self.node = node = Node(conf)
        node.layer = LocalChannelLayer()
        node.desk = self.desk = MemoryDesk(node.name, conf)
        node.router = Router(node.layer, conf)
        node.feed = self.feed = MemoryFeed(
            conf.tick_s, node._on_event, node.router.pass_by, node._on_order, node._on_break
        )
        node.feed.epoch = "e"
        node.router.on_failed = node._on_failed
        node.reader = LogReader(node.feed, node.router, node.desk)
        self.clients: list[Client] = []
        node._starting = self.loop.create_future()  # type: ignore[assignment]
        node._starting.set_result(None)
        lifespan._nodes[self.loop] = node

    def close(self) -> None:
        for client in self.clients:
            client.leave()
        self.turn(20)
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.turn(5)
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def turn(self, times: int = 1) -> None:
        """Let the loop go round."""

        async def go_round() -> None:
            for _ in range(times):
                await asyncio.sleep(0)

        self.run(go_round())

    def turn_clock(self, seconds: float) -> None:
        """Something takes this long, and the loop does nothing else meanwhile."""
        self.loop.now += seconds

    def pass_time(self, seconds: float) -> None:
        """Turn the clock, and let the loop do what is due."""
        self.turn_clock(seconds)
        self.turn(4)

    def settle(self) -> None:
        """Let everything come to rest."""
        for _ in range(6):
            self.turn(60)
            self.pass_time(2)

    def connect(
        self, user_id: int | None, rights: Audience | None = None, since: int | None = None, **more: Any
    ) -> Client:
        """A client of `user_id`; `rights` are theirs from now on. `None`: it does not say who it is."""
        if rights is not None and user_id is not None:
            self.desk.rights[user_id] = rights
        client = more.pop("kind", Client)(self, user_id, since, more.pop("name", f"c{len(self.clients)}"))
        self.clients.append(client)
        return client

    def publish(self, *events: Event) -> None:
        """The feed comes to these events, one after the other; each gets the next position."""
        for event in events:
            self.publish_together(event)

    def publish_together(self, *events: Event) -> None:
        """The feed comes to these events at once, as those of one transaction."""

        async def go_on() -> None:
            start = self.feed.position + 1
            self.feed._advance([msgspec.structs.replace(e, position=start + n) for n, e in enumerate(events)])

        self.run(go_on())
        self.turn(2)  # so that what is due goes

    def stream(self, event: Event) -> None:
        """A flow event passes by."""

        async def pass_by() -> None:
            self.node.router.pass_by(event)

        self.run(pass_by())
        self.turn(2)
