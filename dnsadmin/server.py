"""The web server: uvicorn, which drains its sockets before it stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from types import FrameType

import uvicorn

from monitoring.supervisor import Supervisor
from realtime.lifespan import this_node


class Server(uvicorn.Server):
    """On the signal to stop: tell every client when to come back, close each socket with a reason, then stop.

    monitors: the collectors run in here as well. Without Redis they have to: nobody else could reach this process's
    clients. With it, `manage.py run_monitors` can do it, or as many processes as like: one collects, the others stand by.
    """

    _collecting: asyncio.Task[None] | None = None
    _loop: asyncio.AbstractEventLoop | None = None

    def __init__(self, config: uvicorn.Config, *, monitors: bool) -> None:
        super().__init__(config)
        self._monitors = monitors
        self._signalled = asyncio.Event()

    async def main_loop(self) -> None:
        """Serve until a signal says to stop. uvicorn's own looks ten times a second whether one did; this sleeps."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):  # which also sets the clock of the answers' Date header
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._signalled.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._signalled.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._monitors and self.started:
            self._collecting = asyncio.create_task(Supervisor().run())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._collecting is not None:
            self._collecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._collecting
        await this_node().drain()
        await super().shutdown(sockets)


def server(host: str, port: int, log_level: str, *, monitors: bool = False) -> Server:
    """A server for `dnsadmin.asgi`, with prebuilt frames and without per-message deflate (decision 0003)."""
    config = uvicorn.Config(
        "dnsadmin.asgi:application",
        host=host,
        port=port,
        log_level=log_level.lower(),
        log_config=None,
        access_log=False,
        lifespan="on",
        ws="realtime.uvicorn_protocol:FrameProtocol",
        ws_max_size=256 * 1024,
        ws_per_message_deflate=False,
        ws_ping_interval=None,  # the protocol has a heartbeat of its own, which also confirms
        timeout_graceful_shutdown=5,
        server_header=False,
        loop="uvloop",
    )
    return Server(config, monitors=monitors)
