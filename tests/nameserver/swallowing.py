"""A name server that takes updates, says NOERROR, and does nothing: in front of a real one, which gets all the rest."""

from __future__ import annotations

import socket
import socketserver
import struct
import threading
from typing import Any

import dns.message
import dns.opcode
import dns.update

from zones.nameserver.endpoint import Endpoint


class SwallowingServer(socketserver.ThreadingTCPServer):
    """Listens on a port of its own. swallowing: whether updates get lost now."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, behind: Endpoint) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = behind
        self.swallowing = False
        self.swallowed = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(socketserver.BaseRequestHandler):
    server: SwallowingServer

    def handle(self) -> None:
        behind = self.server.behind
        with socket.create_connection((behind.host, behind.port)) as real:
            try:
                while wire := _message(self.request):
                    if self.server.swallowing and (answer := self._swallowed(wire)):
                        self.request.sendall(struct.pack("!H", len(answer)) + answer)
                        continue
                    real.sendall(struct.pack("!H", len(wire)) + wire)
                    self._answers(real, wire)
            except OSError:
                pass  # somebody hung up

    def _swallowed(self, wire: bytes) -> bytes | None:
        """NOERROR, properly signed, to an update that would change something."""
        tsig = self.server.behind.tsig.tsig()
        message = dns.message.from_wire(wire, keyring={tsig.name: tsig})
        if not isinstance(message, dns.update.UpdateMessage) or not message.update:
            return None
        self.server.swallowed += 1
        answer = dns.message.make_response(message)
        answer.use_tsig(tsig)
        answer.request_mac = message.mac
        return answer.to_wire()

    def _answers(self, real: socket.socket, wire: bytes) -> None:
        """Pass on all that comes back, until nothing more comes; a transfer has many messages."""
        real.settimeout(10)
        while answer := _message(real):
            self.request.sendall(struct.pack("!H", len(answer)) + answer)
            real.settimeout(0.3)
            try:
                real.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                return


def _message(connection: Any) -> bytes:
    length = _exactly(connection, 2)
    return _exactly(connection, struct.unpack("!H", length)[0]) if length else b""


def _exactly(connection: Any, count: int) -> bytes:
    received = b""
    while len(received) < count:
        chunk = connection.recv(count - len(received))
        if not chunk:
            return b""
        received += chunk
    return received
