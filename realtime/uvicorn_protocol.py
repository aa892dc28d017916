"""uvicorn's WebSocket protocol with one thing more: prebuilt frames straight to the socket's buffer.

`uvicorn --ws realtime.uvicorn_protocol:FrameProtocol`, with compression off. Saves the building of a frame and a
coroutine per delivery; everything else, the close handshake included, stays uvicorn's.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from realtime.transports import EXTENSION


class Inbox:
    """What uvicorn asks of an `asyncio.Queue`, for the one task that reads it: idle, it takes a twentieth of the memory."""

    __slots__ = ("_arrival", "_messages")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._arrival: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        return not self._messages

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def get(self) -> Any:
        while not self._messages:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self._messages.pop(0)


class FrameProtocol(WebSocketsSansIOProtocol):
    """Offers `scope["extensions"]["dnsadmin.frames"] = {"write": …, "closing": …, "buffered": …, "abort": …}`.

    They are the socket's own methods: nothing of this object is touched by a delivery. Who writes sends nothing after
    the application closed the connection itself; `closing` says when anyone else did.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.queue = Inbox()  # type: ignore[assignment]  # all that uvicorn uses of one

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.handshake_initiated and not self.close_sent:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = {
                "write": self.transport.write,
                "closing": self.transport.is_closing,
                "buffered": self.transport.get_write_buffer_size,
                "abort": self.transport.abort,
            }

    def start_keepalive(self) -> None:
        """The handshake is done, and what it was made of, 4 KiB a connection, is for nothing from here on."""
        super().start_keepalive()
        del self.request, self.response

    def send_receive_event_to_app(self) -> None:
        """Hand a message on. Text that is no UTF-8 ends the connection with 1007, as with uvicorn itself, but without a
        traceback in the log for each: anybody can send that as often as they like."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()
