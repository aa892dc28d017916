"""Daphne: a prebuilt frame straight to the socket, where Daphne's connection can be reached.

Daphne hands its application a `send` that is bound to the connection, an autobahn protocol on a Twisted transport. On the
stock way a frame is built anew for each receiver, and Twisted waits for the event loop to say that the socket takes data
before it writes any: nine tenths of a delivery. Here the frame is written at once, and only what the socket does not
take goes into Twisted's buffer, whose length `buffered` tells.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any


class DaphneTransport:
    """One connection of Daphne's, by plain TCP. It is closing from when its close handshake begins."""

    __slots__ = ("_protocol", "_transport", "abort")

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self.abort = protocol.transport.abortConnection

    def write(self, wire: bytes) -> None:
        transport = self._transport
        if transport.dataBuffer or transport._tempDataLen:  # noqa: SLF001  # Twisted tells its buffer's length nowhere
            transport.write(wire)  # in order, behind what waits
            return
        taken = transport.writeSomeData(wire)
        if taken != len(wire):
            # Also when the connection is lost (`taken` is an exception): Twisted finds out by itself, and says so.
            transport.write(wire[taken:] if isinstance(taken, int) else wire)

    def closing(self) -> bool:
        return self._protocol.state != self._protocol.STATE_OPEN  # type: ignore[no-any-return]

    def buffered(self) -> int:
        transport = self._transport
        return len(transport.dataBuffer) - transport.offset + transport._tempDataLen  # type: ignore[no-any-return]  # noqa: SLF001


def daphne_transport(send: Any) -> DaphneTransport | None:
    """The transport behind Daphne's `send`; `None` when it is another server's, or the connection is not plain TCP."""
    daphne = sys.modules.get("daphne.ws_protocol")
    if daphne is None or not isinstance(send, partial) or not send.args:
        return None
    protocol = send.args[0]
    if not isinstance(protocol, daphne.WebSocketProtocol):
        return None
    from twisted.internet import tcp

    return DaphneTransport(protocol) if type(protocol.transport) is tcp.Server else None
