"""The database of the servers that are compared: PostgreSQL, as the site is deployed, each commit safe on the disk."""

from __future__ import annotations

from contextlib import ExitStack
from urllib.parse import urlsplit

import psutil

from tests.parts.postgres_server import PostgresServer


def started(stack: ExitStack) -> PostgresServer:
    """A running server, on any processor, whichever this process is bound to; `stack` ends and removes it."""
    server = PostgresServer(durable=True)
    stack.callback(server.remove)
    server.start()
    psutil.Process(server.process.pid).cpu_affinity([])
    return server


class Template:
    """A database that is filled once, and copied for each server."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url = server.create_database()

    def copy(self) -> str:
        """The URL of a new database with the same content."""
        return self._server.create_database(template=urlsplit(self.url).path[1:])
