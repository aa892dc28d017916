"""Frames written past Daphne: whatever of them the socket takes at once, they arrive whole and in order."""

from __future__ import annotations

import socket
import subprocess
import sys

from realtime.protocol import frame
from tests.parts.site import CHECKOUT

SERVER = """
import os, socket, sys
sys.path.insert(0, ".")
os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"
from twisted.internet import protocol, reactor
from realtime.daphne_transport import DaphneTransport
from realtime.protocol import frame
from realtime.transports import say

class Server(protocol.Protocol):
    # As much of Daphne's connection as is looked at; the transport under it is Twisted's own.
    STATE_OPEN = state = 3

    def connectionMade(self):
        self.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.way = DaphneTransport(self)
        self.most = 0
        for number in range(300):
            say(self.way, frame("n", number=number, padding="-" * (number * 37 % 9000)))
            self.most = max(self.most, self.way.buffered())

    def dataReceived(self, data):
        say(self.way, frame("n", number=300, most=self.most, left=self.way.buffered()))
        self.state = 2  # closing: nothing may follow
        say(self.way, frame("n", number=301))
        self.transport.loseConnection()

class Factory(protocol.Factory):
    protocol = Server

port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
"""


def test_a_socket_that_takes_a_part_gets_the_rest_later_and_in_order() -> None:
    server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        with socket.create_connection(("127.0.0.1", int(server.stdout.readline()))) as client:
            client.settimeout(30)
            expected = b"".join(frame("n", number=n, padding="-" * (n * 37 % 9000)).wire for n in range(300))
            received = b""
            while len(received) < len(expected):
                received += client.recv(65536)
            assert received == expected
            client.sendall(b"more")
            rest = b""
            while piece := client.recv(65536):
                rest += piece
            assert rest.endswith(b'"left":0}'), "all was taken, and nothing follows the close"
            assert b'"most":0' not in rest, "and something had to wait"
    finally:
        server.terminate()
        server.wait()
