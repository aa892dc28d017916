"""A client of the protocol in Python, for scripts, the terminal view and load tests.

    async with Client("ws://127.0.0.1:8000/ws/", token=token, name="my-script") as client:
        await client.unsubscribe("*")
        await client.subscribe("record_*", zones=["example.com"])
        async for event in client.events():
            print(event["event_type"], event["data"])

It comes back by itself when the connection ends for a reason that allows it, resumes from its position, renews its token,
notices a line that has gone silent, drops repeats, and raises when it is told not to come back. A server that ended too
suddenly to keep a subscription is told it again. Nothing durable that the user may see is missed; `Missed` says when the
server could not give that promise.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

REMEMBERED = 5000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 20.0
PATIENCE_S = 8.0
"""Seconds for the answer to our own ping, on a line that was quiet for longer than the server's heartbeat."""
TOKEN_EXPIRED = 4003

Token = str | Callable[[], Awaitable[str]]


class Refused(Exception):
    """The server does not want this client back: `code` and `reason` of the close."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason or 'closed'} ({code})")
        self.code = code
        self.reason = reason


class CommandError(Exception):
    """The server answered a command with an error: `code`, and the whole `frame`."""

    def __init__(self, frame: dict[str, Any]) -> None:
        super().__init__(f"{frame['code']}: {frame['message']}")
        self.code: str = frame["code"]
        self.frame = frame


class Missed(Exception):
    """Events may be missing: the server could not resume from the position (`reason`). Fetch the state again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Client:
    """One connection, kept up. `token`: a JWT, or an async function that gives a fresh one for each attempt; when that raises
    `OSError`, it is asked again later.

    position: `<epoch>:<position>` to resume from, updated as events come. welcome: the last welcome frame.
    socket: the one in use.
    """

    def __init__(
        self, url: str, *, token: Token, name: str = "api", position: str | None = None, reconnect: bool = True
    ) -> None:
        self.url = url
        self.position = position
        self.welcome: dict[str, Any] = {}
        self._token = token
        self._name = name
        self._reconnect = reconnect
        self.socket: ClientConnection | None = None
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = 0
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._inbox: asyncio.Queue[dict[str, Any] | Exception] = asyncio.Queue()
        self._welcomed = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._epoch = ""
        self._resuming = False  # until it is answered, nothing may move the position
        # Patterns as the server confirmed them: wanted or not; the last that matches counts.
        self._wishes: dict[str, bool] = {}
        self._more_wishes: dict[str, Any] = {}  # and zones and filter
        self._held: list[dict[str, Any]] | None = None  # what comes while the server is told the subscription again
        self._bye: dict[str, Any] | None = None
        self._quiet_s = LONGEST_PAUSE_S
        self._renewing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep_up())
        await self._until_welcomed()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._keeper
        if self.socket is not None:
            await self.socket.close()

    # -- commands

    async def command(self, name: str, **data: Any) -> dict[str, Any]:
        """Give a command, as soon as there is a connection, and return the data of its answer. Raises `CommandError`;
        `ConnectionError` when the connection ends before the answer; `Refused` when there will be none any more."""
        await self._until_welcomed()
        assert self.socket is not None
        self._last_id = number = self._last_id + 1
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        try:
            await self.socket.send(json.dumps({"type": name, "id": number, "data": data}))
            frame = await answer
        except ConnectionClosed:
            raise ConnectionError("the connection ended before the command was sent") from None
        finally:
            self._answers.pop(number, None)
        if frame["type"] == "error":
            raise CommandError(frame)
        if name in ("subscribe", "unsubscribe"):
            self._remember(name == "subscribe", **data)
        return frame.get("data", {})  # type: ignore[no-any-return]

    async def subscribe(self, *event_types: str, zones: list[str] | None = None, **more: Any) -> dict[str, Any]:
        """Add event types or patterns."""
        if zones is not None:
            more["zones"] = zones
        return await self.command("subscribe", event_types=list(event_types), **more)

    async def unsubscribe(self, *event_types: str) -> dict[str, Any]:
        """Leave out event types or patterns."""
        return await self.command("unsubscribe", event_types=list(event_types))

    async def resume(self, position: str) -> int:
        """Have everything after `position` (`<epoch>:<position>`) sent again, as far as it is subscribed to; what was seen
        before is left out. Returns how many the server sent. Raises `Missed` when it can't."""
        epoch, _, number = position.rpartition(":")
        self._resuming = True
        try:
            answer = await self.command("resume", epoch=epoch, position=int(number))
        finally:
            self._resuming = False
        if not answer["recovered"]:
            raise Missed(answer["reason"])
        return answer["replayed"]  # type: ignore[no-any-return]

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The events as they come, each once. Raises `Refused` at the end, `Missed` when some may be missing."""
        while True:
            item = await self._inbox.get()
            if isinstance(item, Exception):
                if not isinstance(item, Missed):
                    self._inbox.put_nowait(item)  # the end stays the end, for whoever asks again
                raise item
            yield item

    # -- the connection

    async def _until_welcomed(self) -> None:
        """Wait until there is a connection. Raises what ended this client, if there will be none any more."""
        assert self._keeper is not None, "a client is used in `async with`"
        if self._welcomed.is_set():
            return
        welcomed = asyncio.ensure_future(self._welcomed.wait())
        try:
            await asyncio.wait({welcomed, self._keeper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            welcomed.cancel()
        if self._keeper.done():
            self._keeper.result()

    async def _keep_up(self) -> None:
        attempt = 0
        while True:
            # Beyond ten doublings nothing grows any more; 2 to the number of a long night's attempts is no float.
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempt, 10)) * random.random()
            try:
                await self._run()
            except ConnectionClosed as closed:
                code, reason = self._last_words(closed)
                spent = code == TOKEN_EXPIRED and isinstance(self._token, str)
                if code >= 4500 or spent or not self._reconnect:
                    self._inbox.put_nowait(Refused(code, reason))
                    raise Refused(code, reason) from None
                attempt = 0 if self._welcomed.is_set() else attempt + 1
            except (OSError, InvalidHandshake):  # nobody there, or a proxy that found nobody there
                if not self._reconnect:
                    raise
                attempt += 1
            except Exception as error:
                self._inbox.put_nowait(error)  # who reads the events must not wait for ever
                raise
            finally:
                self._welcomed.clear()
                for answer in self._answers.values():
                    if not answer.done():
                        answer.set_exception(ConnectionError("the connection ended before the answer"))
                self._answers.clear()
            asked_ms = self._bye.get("retry_in_ms") if self._bye is not None else None
            await asyncio.sleep(pause if asked_ms is None else asked_ms / 1000)

    def _last_words(self, closed: ConnectionClosed) -> tuple[int, str]:
        """Code and reason of the end: of the `bye`, if there was one, as what lies in between may lose those of the close."""
        if self._bye is not None:
            return self._bye["code"], self._bye["reason"]
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd is not None else (1006, "")

    async def _run(self) -> None:
        self._bye = None
        token = self._token if isinstance(self._token, str) else await self._token()
        url = self.url if self.position is None else f"{self.url}?since={self.position}"
        protocols: list[Any] = ["dnsadmin.v1", f"client.{self._name}", f"bearer.{token}"]
        async with connect(url, subprotocols=protocols, compression=None, max_size=None, ping_interval=None) as socket:
            self.socket = socket
            self._quiet_s = LONGEST_PAUSE_S
            while True:
                await self._hear(socket, json.loads(await self._next(socket)))

    async def _next(self, socket: ClientConnection) -> str | bytes:
        """The next frame. A line that has gone silent without being closed is cut: the server pings, and answers pings."""
        try:
            async with asyncio.timeout(self._quiet_s):
                return await socket.recv()
        except TimeoutError:
            await socket.send(json.dumps({"type": "ping", "id": 0}))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await socket.recv()
        except TimeoutError:
            socket.transport.abort()
            raise ConnectionClosed(None, None) from None

    async def _hear(self, socket: ClientConnection, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "event":
                self._take(frame)
            case "batch":
                for event in frame["events"]:
                    self._take(event)
            case "ping":
                await socket.send(json.dumps({"type": "pong", "data": {"n": frame["n"]}}))
            case "welcome":
                self._greet(frame)
                if self._is_forgotten():
                    await self._say_again(socket)
                self._welcomed.set()
            case "response" | "error" if frame.get("id") in self._answers:
                answer = self._answers.pop(frame["id"])
                if not answer.done():
                    answer.set_result(frame)
            case "notice" if frame["code"] == "token_expiring" and not isinstance(self._token, str):
                self._renewing = asyncio.create_task(self._renew(self._token))
            case "bye":
                self._bye = frame
        if "upto" in frame and self._epoch and not self._resuming:
            self.position = f"{self._epoch}:{frame['upto']}"

    async def _renew(self, token: Callable[[], Awaitable[str]]) -> None:
        """Go on with a newer token on the open connection. If there is none, the server closes, and we come back."""
        with contextlib.suppress(OSError, CommandError, Refused):
            await self.command("authenticate", token=await token())

    def _greet(self, frame: dict[str, Any]) -> None:
        self.welcome = frame
        self._quiet_s = frame["heartbeat_s"] * 1.5
        self._epoch = frame["resume"]["epoch"]
        resumed = frame["resumed"]
        if resumed is not None and not resumed["recovered"]:
            self._inbox.put_nowait(Missed(resumed["reason"]))
        if resumed is None or not resumed["recovered"]:
            self.position = f"{self._epoch}:{frame['resume']['position']}"

    def _take(self, event: dict[str, Any]) -> None:
        if self._held is not None:
            self._held.append(event)
            return
        if event["id"] in self._seen:
            return
        self._seen[event["id"]] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        self._inbox.put_nowait(event)

    # -- what is subscribed to

    def _remember(self, wanted: bool, event_types: list[str], **more: Any) -> None:
        for pattern in event_types:
            if pattern == "*":
                self._wishes.clear()
            self._wishes.pop(pattern, None)
            self._wishes[pattern] = wanted
        self._more_wishes |= {name: value for name, value in more.items() if value is not None}

    def _is_forgotten(self) -> bool:
        """Whether the server sends other events than it confirmed. Of zones and filter a welcome says nothing: to be sure,
        they are always told again."""
        sent = self.welcome["subscriptions"]
        return bool(self._more_wishes) or any(
            self._wanted(event_type, event_type in sent) != (event_type in sent)
            for event_type in self.welcome["available"]
        )

    def _wanted(self, event_type: str, otherwise: bool) -> bool:
        matching = (wanted for pattern, wanted in reversed(self._wishes.items()) if fnmatchcase(event_type, pattern))
        return next(matching, otherwise)

    async def _say_again(self, socket: ClientConnection) -> None:
        """Subscribe as before, and go back to where that was forgotten. If the connection ends meanwhile, the next one begins
        at the same position."""
        assert self.position is not None
        held: list[dict[str, Any]] = []
        self._resuming, self._held = True, held
        try:
            for wanted, patterns in groupby(self._wishes, key=self._wishes.__getitem__):
                name = "subscribe" if wanted else "unsubscribe"
                await self._insist(socket, name, event_types=list(patterns))
            if self._more_wishes:
                await self._insist(socket, "subscribe", event_types=[], **self._more_wishes)
            held.clear()  # nobody asked for that; what is wanted of it comes again
            start = int(self.position.rpartition(":")[2])
            answer = await self._insist(socket, "resume", epoch=self._epoch, position=start)
        finally:
            self._resuming, self._held = False, None
        if not answer["recovered"]:
            self._inbox.put_nowait(Missed(answer["reason"]))
        # What came before the server went back is later than what came after that.
        for event in sorted(held, key=lambda event: event.get("position", 0)):
            self._take(event)

    async def _insist(self, socket: ClientConnection, name: str, **data: Any) -> dict[str, Any]:
        """Give a command before anybody else may, again if there are too many just now, and return the data of its answer.
        Raises `ConnectionError` when it is refused, for another connection to try."""
        while True:
            self._last_id = number = self._last_id + 1
            await socket.send(json.dumps({"type": name, "id": number, "data": data}))
            frame: dict[str, Any] = {}
            while frame.get("id") != number:
                frame = json.loads(await self._next(socket))
                await self._hear(socket, frame)
            if frame["type"] == "response":
                return frame["data"]  # type: ignore[no-any-return]
            if frame["code"] != "rate_limited":
                raise ConnectionError(f"{name}: {frame['message']}")
            await asyncio.sleep(frame["details"]["retry_after_s"] + random.random())
