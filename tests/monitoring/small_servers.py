"""The project's small DNS servers, on an event loop of their own beside the test."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitoring.demo import SmallServer
from zones.nameserver.private import free_port


class Stage:
    """Starts servers, and ends them with the test."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._servers: list[SmallServer] = []
        self._thread.start()

    def server(self, *, tls: ssl.SSLContext | None = None) -> SmallServer:
        """A server that is good, until its `mood` is set."""
        made = SmallServer(free_port(), tls=tls)
        asyncio.run_coroutine_threadsafe(made.start(), self._loop).result(10)
        self._servers.append(made)
        return made

    def end(self, server: SmallServer) -> None:
        """Nobody listens on its port any more."""
        asyncio.run_coroutine_threadsafe(server.stop(), self._loop).result(10)

    def close(self) -> None:
        for server in self._servers:
            self.end(server)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@contextmanager
def stage() -> Iterator[Stage]:
    made = Stage()
    try:
        yield made
    finally:
        made.close()


def certificate(directory: Path) -> ssl.SSLContext:
    """A certificate that nobody has signed, for a server over TLS."""
    key, file = directory / "key.pem", directory / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=dns.example"]
    subprocess.run([*command, "-keyout", key, "-out", file], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context
