"""A thousand WebSocket clients in one process, as cheap as Python allows: they count events and answer heartbeats.

Frames are not decoded beyond their length, but for the first event of each client, which is kept for a look at what its
audience was shown.
"""

from __future__ import annotations

import asyncio
import json
import struct
import time
from typing import Any

EVENT = (b'{"type":"event"', b'{"type": "event"')
BATCH = b'{"type":"batch"'
GAP = b'{"type":"gap"'
ONE_EVENT = (b'"event_type":"', b'"event_type": "')


class Broken(Exception):
    """A subscriber was not served as it should be."""


class Tally:
    """What the subscribers of one server received, all together.

    published: when each event was asked for, from the first that is timed; while it is a list, `waits` collects how long
    each took to each subscriber, in seconds. batches: whether events may come together in one frame.
    """

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.reads = 0
        self.batches = False
        self.published: list[float] | None = None
        self.waits: list[float] = []
        self.problem: str | None = None

    def note(self, seen: int, number: int) -> None:
        """A subscriber that has seen `seen` timed events sees `number` more now."""
        if self.published is not None:
            now = time.perf_counter()
            self.waits += [now - at for at in self.published[seen : seen + number]]


class Subscriber(asyncio.Protocol):
    """One client. `ready` is done when it is subscribed: after the answer to `subscribe`, or else after the handshake."""

    def __init__(self, tally: Tally, port: int, token: str, *, subscribes: bool) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.first_event: dict[str, Any] | None = None
        self.timed = 0
        self._tally = tally
        self._subscribes = subscribes
        self._opening = (
            f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: dnsadmin.v1, bearer.{token}\r\n\r\n"
        ).encode()
        self._rest = b""
        self._open = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP
        self._transport = transport
        transport.write(self._opening)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"closed: {error}")

    def data_received(self, data: bytes) -> None:
        tally = self._tally
        tally.reads += 1
        if self._rest:
            data = self._rest + data
        if not self._open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._shaken(head)
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = data[at + 2] << 8 | data[at + 3], at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start + length > size:
                break
            if data.startswith(EVENT, start):
                self._count(1, length)
                if self.first_event is None:
                    self.first_event = json.loads(data[start : start + length])
            elif tally.batches and data.startswith(BATCH, start):
                self._count(max(data.count(mark, start, start + length) for mark in ONE_EVENT), length)
            else:
                self._hear(data[at], data[start : start + length])
            at = start + length
        self._rest = data[at:]

    def _count(self, events: int, length: int) -> None:
        tally = self._tally
        tally.events += events
        tally.bytes += length
        if tally.published is not None:
            tally.note(self.timed, events)
            self.timed += events

    def _shaken(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 101"):
            self._fail(head.decode("latin-1"))
            return
        self._open = True
        if not self._subscribes:
            self.ready.set_result(None)

    def _hear(self, opcode: int, payload: bytes) -> None:
        if opcode == 0x89:
            self._send(0x8A, payload)
        elif opcode == 0x88:
            self._fail(f"close frame {payload[2:].decode(errors='replace')}")
        elif payload.startswith((BATCH, GAP)):
            self._tally.problem = f"more or less than one event per frame: {payload[:80].decode()}"
        else:
            self._answer(json.loads(payload))

    def _answer(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "welcome":
                self._say("subscribe", id=1, data={"event_types": ["record_updated"]})
            case "response":
                self.ready.set_result(None)
            case "ping":
                self._say("pong", data={"n": frame["n"]})
            case other:
                self._fail(f"unexpected {other}: {frame}")

    def _say(self, command: str, **fields: Any) -> None:
        self._send(0x81, json.dumps({"type": command, **fields}).encode())

    def _send(self, opcode: int, payload: bytes) -> None:
        size = struct.pack("!B", 128 | len(payload)) if len(payload) < 126 else struct.pack("!BH", 254, len(payload))
        self._transport.write(bytes((opcode,)) + size + bytes(4) + payload)  # masked with zeroes, which changes nothing

    def _fail(self, why: str) -> None:
        self._tally.problem = why
        if not self.ready.done():
            self.ready.set_exception(Broken(why))

    def close(self) -> None:
        self._transport.abort()


class Crowd:
    """All subscribers of one server."""

    def __init__(self, port: int, *, subscribes: bool) -> None:
        self.tally = Tally()
        self.members: list[Subscriber] = []
        self._port = port
        self._subscribes = subscribes

    async def gather(self, tokens: list[str], at_once: int = 50) -> float:
        """Connect one subscriber per token, `at_once` at a time. Returns the seconds that it took. Raises `Broken`."""
        loop = asyncio.get_running_loop()
        turn = asyncio.Semaphore(at_once)

        async def one(token: str) -> None:
            async with turn:
                _, member = await loop.create_connection(
                    lambda: Subscriber(self.tally, self._port, token, subscribes=self._subscribes),
                    "127.0.0.1",
                    self._port,
                )
                async with asyncio.timeout(60):
                    await member.ready
                self.members.append(member)

        start = time.perf_counter()
        await asyncio.gather(*(one(token) for token in tokens))
        return time.perf_counter() - start

    async def disperse(self) -> None:
        """Leave, without a word."""
        for member in self.members:
            member.close()
        self.members.clear()
        await asyncio.sleep(0.2)
        self.tally.problem = None

    def start_clock(self) -> None:
        """From the next event on, note how long each takes."""
        self.tally.published, self.tally.waits = [], []
        for member in self.members:
            member.timed = 0

    def stop_clock(self) -> list[float]:
        """Stop noting. Returns the waits, in seconds, sorted."""
        self.tally.published = None
        return sorted(self.tally.waits)

    async def received(self, events: int, patience_s: float = 15.0) -> None:
        """Wait until `events` were delivered, in total. Raises `Broken` when nothing comes any more."""
        tally, seen, since = self.tally, -1, time.perf_counter()
        while tally.events < events:
            if tally.problem:
                raise Broken(tally.problem)
            now = time.perf_counter()
            if tally.events != seen:
                seen, since = tally.events, now
            elif now - since > patience_s:
                raise Broken(f"{events - tally.events} of {events} deliveries are missing")
            await asyncio.sleep(0.001)
