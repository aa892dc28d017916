"""How a frame leaves the process without waiting: by the server's ASGI `send`, or straight to its socket.

A frame for a thousand connections must not become a thousand tasks. `AsgiTransport` runs `send` on the spot and makes a
task only if the server really waits. `RawTransport` writes the prebuilt frame to the socket's buffer; the server offers it
as a scope extension (`realtime.uvicorn_protocol`). `DaphneTransport` does the same where the server is Daphne.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Protocol

from realtime.daphne_transport import daphne_transport
from realtime.protocol import Frame, message

Send = Callable[[dict[str, Any]], Awaitable[None]]
EXTENSION = "dnsadmin.frames"


class Transport(Protocol):
    """Where a connection's frames go. No call waits or raises; a broken connection swallows them."""

    def write(self, wire: bytes) -> None:
        """A whole frame as it is on the wire. Not any more while `closing`."""
        ...

    def buffered(self) -> int:
        """Bytes that are known to be held back, in this process, by a slow receiver."""
        ...

    def abort(self) -> None:
        """Cut the connection without a farewell, where the server offers that."""
        ...

    def closing(self) -> bool:
        """Whether the connection is known to be over, or about to be."""
        ...


def say(transport: Transport, frame: Frame) -> None:
    """Send a frame to one client, unless it is over."""
    if not transport.closing():
        transport.write(frame.wire)


class RawTransport:
    """The server's own buffer, by its extension: `write(bytes)`, `closing()`, `buffered() -> bytes` and `abort()`."""

    __slots__ = ("abort", "buffered", "closing", "write")

    def __init__(self, extension: dict[str, Any]) -> None:
        self.write: Callable[[bytes], None] = extension["write"]
        self.closing: Callable[[], bool] = extension["closing"]
        self.buffered: Callable[[], int] = extension["buffered"]
        self.abort: Callable[[], None] = extension["abort"]


class AsgiTransport:
    """A server's `send`, driven without a task for as long as it does not wait.

    The frames that come while it does are kept; the connection's window bounds how many that can be.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: deque[bytes] | None = None
        self._task: asyncio.Task[None] | None = None

    def write(self, wire: bytes) -> None:
        if self._held is not None:
            self._held.append(wire)
            return
        sending: Any = self._send(message(wire))
        try:
            waits_for = sending.send(None)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001  # the client is gone; its disconnect message is on the way
            return
        self._held = deque()
        self._task = asyncio.ensure_future(self._drain(sending, waits_for))

    def buffered(self) -> int:
        return sum(map(len, self._held or ()))

    def abort(self) -> None:
        """ASGI has no word for it; the server ends the connection when the application returns."""

    def closing(self) -> bool:
        """ASGI tells in a message of its own, which the application has not read yet."""
        return False

    async def _drain(self, sending: Coroutine[Any, Any, None], waits_for: Any) -> None:
        held = self._held
        assert held is not None
        try:
            await _Resumed(sending, waits_for)
            while held:
                await self._send(message(held.popleft()))
        except Exception:  # noqa: BLE001  # the client is gone
            held.clear()
        finally:
            self._held = None


class _Resumed:
    """Awaits a coroutine that was run by hand up to its first wait (`waits_for`), now within a task."""

    def __init__(self, started: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._started = started
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self._waits_for
        while True:
            resume: Callable[[Any], Any]
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001  # whatever ends the wait belongs to the coroutine
                resume, argument = self._started.throw, error
            else:
                resume, argument = self._started.send, sent
            try:
                waits_for = resume(argument)
            except StopIteration:
                return


def transport_for(scope: dict[str, Any], send: Send) -> Transport:
    """The best transport that the server offers for this connection."""
    extension = scope.get("extensions", {}).get(EXTENSION)
    return RawTransport(extension) if extension else daphne_transport(send) or AsgiTransport(send)
