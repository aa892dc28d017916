"""The floor: the least that a Python server on uvloop can do, which is one prebuilt frame written to each socket.

`python -m benchmarks.fanout.bare_writer <port> [<cork in ms>]`. With a cork, the frames of so many milliseconds after one
that went at once are joined in one write. Whoever opens a WebSocket subscribes; whoever sends lines of JSON is
the publisher. No sign-in, no rights, no heartbeat, no bound on what a slow client leaves in memory.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import struct
import sys

import uvloop

subscribers: set[asyncio.Transport] = set()


class Cork:
    """What waits to be written, to everybody."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        self.waiting: list[bytes] = []
        self.open_at = 0.0

    def write(self, wire: bytes) -> None:
        """To everybody: at once after a quiet spell, else joined with what comes until the cork is pulled."""
        if not self.wait_s:
            for subscriber in subscribers:
                subscriber.write(wire)
            return
        loop = asyncio.get_running_loop()
        self.waiting.append(wire)
        if len(self.waiting) == 1:
            loop.call_at(max(self.open_at, loop.time()), self.pull)

    def pull(self) -> None:
        joined, self.waiting = b"".join(self.waiting), []
        self.open_at = asyncio.get_running_loop().time() + self.wait_s
        for subscriber in subscribers:
            subscriber.write(joined)


cork = Cork(float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0)


class Writer(asyncio.Protocol):
    """One client: a subscriber once it has shaken hands, else a publisher."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.rest = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # TCP
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.transport in subscribers:
            return  # pongs
        self.rest += data
        if self.rest.startswith(b"GET "):
            if self.rest.endswith(b"\r\n\r\n"):
                self.shake_hands()
            return
        *lines, self.rest = self.rest.split(b"\n")
        for line in lines:
            cork.write(struct.pack("!BBH", 0x81, 126, len(line)) + line)

    def shake_hands(self) -> None:
        key = re.search(rb"Sec-WebSocket-Key: (\S+)", self.rest)
        assert key
        digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        subscribers.add(self.transport)

    def connection_lost(self, error: Exception | None) -> None:
        subscribers.discard(self.transport)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Writer, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
