"""The other end of a socket, bare: it sends what a test says, and shows every frame that comes, in order.

It answers pings by itself unless it is told not to; whatever it does beyond that, a test asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.parts.site import Site

PATIENCE_S = 15.0
"""How long a frame may take that must come: long, because a busy machine proves nothing."""

Frame = dict[str, Any]


class Peer:
    """One connection. `frames` are all that came; `events()` those of them that are events, batches taken apart."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        cookie: str | None = None,
        origin: str | None = None,
        name: str | None = None,
        protocols: Iterable[str] = ("dnsadmin.v1",),
        answers_pings: bool = True,
    ) -> None:
        self.url = url
        self.frames: list[Frame] = []
        self.code: int | None = None
        self.answers_pings = answers_pings
        self._protocols = list(protocols)
        self._protocols += [f"bearer.{token}"] if token else []
        self._protocols += [f"client.{name}"] if name else []
        self._headers = {"Cookie": cookie} if cookie else {}
        self._origin = origin
        self._ids = iter(range(1, 1_000_000))
        self._came = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._socket = await connect(
            self.url,
            subprotocols=self._protocols or None,  # type: ignore[arg-type]
            origin=self._origin,  # type: ignore[arg-type]
            additional_headers=self._headers,
            compression=None,
            max_size=None,
            ping_interval=None,
            open_timeout=PATIENCE_S,
        )
        self._listener = asyncio.create_task(self._listen(self._socket))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._socket is not None
        assert self._listener is not None
        await self._socket.close()
        await self._listener

    @property
    def socket(self) -> ClientConnection:
        assert self._socket is not None
        return self._socket

    async def _listen(self, socket: ClientConnection) -> None:
        try:
            while True:
                frame = json.loads(await socket.recv())
                if frame["type"] == "ping" and self.answers_pings:
                    with contextlib.suppress(ConnectionClosed):  # what came before the close is still to be read
                        await socket.send(json.dumps({"type": "pong", "data": {"n": frame["n"]}}))
                async with self._came:
                    self.frames.append(frame)
                    self._came.notify_all()
        except ConnectionClosed:
            pass
        async with self._came:
            self.code = socket.close_code
            self._came.notify_all()

    # -- hearing

    async def until(self, condition: Callable[[], Any], timeout_s: float = PATIENCE_S) -> Any:
        """Wait until `condition()` of what came is true, and answer its value."""
        async with self._came:
            try:
                async with asyncio.timeout(timeout_s):
                    while not (value := condition()):
                        if self.code is not None:
                            raise AssertionError(f"closed with {self.code} before that; came: {self._last()}")
                        await self._came.wait()
            except TimeoutError:
                raise AssertionError(f"it did not come; came: {self._last()}") from None
            return value

    def _last(self) -> str:
        return json.dumps(self.frames[-8:], indent=1)[-4000:]

    def _first(self, kind: str, wanted: dict[str, Any], after: int = 0) -> Frame | None:
        for frame in self.frames[after:]:
            if frame["type"] == kind and all(frame.get(name) == value for name, value in wanted.items()):
                return frame
        return None

    async def frame(self, kind: str, *, after: int = 0, **wanted: Any) -> Frame:
        """The first frame of a type and with those fields that came, or comes, after the first `after` frames."""
        found: Frame = await self.until(lambda: self._first(kind, wanted, after))
        return found

    async def welcome(self) -> Frame:
        return await self.frame("welcome")

    def events(self) -> list[Frame]:
        """The events that came, in the order in which they came, repeats included."""
        found: list[Frame] = []
        for frame in self.frames:
            found += [frame] if frame["type"] == "event" else frame["events"] if frame["type"] == "batch" else []
        return found

    async def event(self, event_type: str, timeout_s: float = PATIENCE_S, **data: Any) -> Frame:
        """The first event of a type whose data has those fields."""

        def find() -> Frame | None:
            for event in self.events():
                if event["event_type"] == event_type and all(event["data"].get(k) == v for k, v in data.items()):
                    return event
            return None

        found: Frame = await self.until(find, timeout_s)
        return found

    async def closed(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for the end, and answer the close code."""
        async with self._came:
            async with asyncio.timeout(timeout_s):
                while self.code is None:
                    await self._came.wait()
        return self.code

    @property
    def upto(self) -> int:
        """The position up to which everything was sent, as the last frame that told it said."""
        return next((frame["upto"] for frame in reversed(self.frames) if "upto" in frame), -1)

    @property
    def position(self) -> str:
        """Where to resume from."""
        welcome = next(frame for frame in self.frames if frame["type"] == "welcome")
        upto = self.upto if self.upto >= 0 else welcome["resume"]["position"]
        return f"{welcome['resume']['epoch']}:{upto}"

    # -- asking

    async def send(self, text: str | bytes) -> None:
        await self.socket.send(text)

    async def give(self, command: str, **data: Any) -> int:
        """Give a command without waiting for its answer; answers its id."""
        number = next(self._ids)
        await self.send(json.dumps({"type": command, "id": number, "data": data}))
        return number

    async def ask(self, command: str, **data: Any) -> Frame:
        """Give a command, and answer the frame that answers it, an `error` too."""
        number = await self.give(command, **data)
        found: Frame = await self.until(
            lambda: next(
                (f for f in self.frames if f.get("id") == number and f["type"] in ("response", "error", "pong")), None
            )
        )
        return found

    async def settled(self) -> None:
        """Wait until everything that the server had sent before this has come."""
        await self.ask("ping")


def as_person(site: Site, username: str, *, since: str | None = None, **options: Any) -> Peer:
    """A peer that is signed in by token."""
    query = f"?since={since}" if since else ""
    return Peer(site.socket_url(query), token=site.token(username), **options)


def as_page(site: Site, username: str, cookie: str | None = None, **options: Any) -> Peer:
    """A peer that is signed in as a page of the site is: by session cookie, with the site's origin."""
    options = {"origin": site.url, **options}
    return Peer(site.socket_url(), cookie=cookie or site.cookie(username), **options)
