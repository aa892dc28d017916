"""Clients that look at every frame, and read as fast, as slowly, or as little as they are told."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections import Counter
from enum import Enum
from typing import Any

import msgspec

Frame = dict[str, Any]
FLOW = "bind_status_update"
"""A flow event, which has to be subscribed to."""
PIECE = 16 * 1024
"""Bytes of the receive buffer of who reads slowly or never: what the kernel takes for them is not the server's merit."""


class Reading(Enum):
    """How a client reads: all that comes, a piece of `PIECE` bytes each second, or nothing."""

    ALL = "all"
    SLOWLY = "slowly"
    NEVER = "never"


class Listener(asyncio.Protocol):
    """One client, as a browser of this protocol is: it confirms pings, and counts what it was sent and what it missed.

    seen: events by type. missed: flow that `gap`s told of, by type. alerts: title -> when it came first. strays: critical
    events that came in a batch.
    """

    def __init__(self, port: int, token: str, name: str, reading: Reading) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.reading = reading
        self.seen: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.alerts: dict[str, float] = {}
        self.changes_at: list[float] = []
        self.strays = 0
        self.closed: str | None = None
        self._rest = b""
        self._open = False
        self._transport: asyncio.Transport
        self._opening = (
            f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Sec-WebSocket-Protocol: dnsadmin.v1, bearer.{token}, client.{name}\r\n\r\n"
        ).encode()

    # -- life

    @classmethod
    async def connect(cls, port: int, token: str, name: str, reading: Reading) -> Listener:
        """Connect, be welcomed, and begin to read as told."""
        loop = asyncio.get_running_loop()
        raw = socket.socket()
        if reading is not Reading.ALL:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", port))
        _, listener = await loop.create_connection(lambda: cls(port, token, name, reading), sock=raw)
        async with asyncio.timeout(60):
            await listener.ready
        listener.begin()
        return listener

    def begin(self) -> None:
        """Read as told from now on."""
        if self.reading is not Reading.ALL:
            self._transport.pause_reading()
        if self.reading is Reading.SLOWLY:
            asyncio.get_running_loop().call_later(1.0, self._take_a_piece)

    def read_all(self) -> None:
        """From now on, read whatever comes."""
        if self.reading is not Reading.ALL and self.closed is None:
            self._transport.resume_reading()
        self.reading = Reading.ALL

    def leave(self) -> None:
        self._transport.abort()

    def _take_a_piece(self) -> None:
        if self.reading is Reading.SLOWLY and self.closed is None:
            self._transport.resume_reading()
            asyncio.get_running_loop().call_later(1.0, self._take_a_piece)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP
        self._transport = transport
        transport.write(self._opening)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = self.closed or f"lost: {error}"
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(self.closed))

    # -- hearing

    def data_received(self, data: bytes) -> None:
        if self.reading is Reading.SLOWLY and self.ready.done():
            self._transport.pause_reading()
        data = self._rest + data
        if not self._open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._open = True
        at = 0
        while frame := _frame(data, at):
            opcode, start, end_at = frame
            self._take(opcode, data[start:end_at])
            at = end_at
        self._rest = data[at:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            self._send(0x8A, payload)
        elif opcode == 8:
            self.closed = f"closed: {struct.unpack('!H', payload[:2])[0] if payload else 1005}"
        elif opcode == 1:
            self._hear(msgspec.json.decode(payload))

    def _hear(self, frame: Frame) -> None:
        match frame["type"]:
            case "event":
                self._note(frame)
            case "batch":
                for event in frame["events"]:
                    self.strays += event["priority"] == "critical"
                    self._note(event)
            case "gap":
                self.missed[frame["event_type"]] += frame["dropped"]
            case "ping":
                self._send(0x81, json.dumps({"type": "pong", "data": {"n": frame["n"]}}).encode())
            case "welcome":
                command = {"type": "subscribe", "id": 1, "data": {"event_types": [FLOW]}}
                self._send(0x81, json.dumps(command).encode())
            case "response":
                self.ready.set_result(None)

    def _note(self, event: Frame) -> None:
        self.seen[event["event_type"]] += 1
        if event["event_type"] == "security_alert":
            self.alerts.setdefault(event["data"]["title"], time.perf_counter())
        elif event["event_type"] == "record_updated":
            self.changes_at.append(time.perf_counter())

    def _send(self, opcode: int, payload: bytes) -> None:
        size = struct.pack("!B", 128 | len(payload)) if len(payload) < 126 else struct.pack("!BH", 254, len(payload))
        self._transport.write(bytes((opcode,)) + size + bytes(4) + payload)


def _frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Opcode, start and end of the payload of the frame that begins at `at`; `None` while it is not complete."""
    if len(data) - at < 2:
        return None
    length, start = data[at + 1], at + 2
    if length == 126:
        if len(data) - at < 4:
            return None
        length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
    elif length == 127:
        if len(data) - at < 10:
            return None
        length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
    return (data[at] & 15, start, start + length) if start + length <= len(data) else None
