"""Servers that echo, in a process of their own: `python -m tests.conformance.echo ours|bare PORT`.

`ours`: the site's own server, with its protocol class and its routing, and beside `/ws/` a consumer that answers each
message by the transport that the event system uses. `bare`: the same server implementation with nothing of ours.
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn

LARGEST = (
    64 * 1024 * 1024
)  # the cases about size go up to 16 MiB; that /ws/ takes less is a rule, not a limit of the wire


async def echo_by_transport(scope: Any, receive: Any, send: Any) -> None:
    """Echo as `/ws/` sends: by the transport, which writes prebuilt frames where the server lets it."""
    from realtime.protocol import Frame
    from realtime.transports import transport_for

    transport = transport_for(scope, send)
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif (text := message.get("text")) is not None:
            transport.write(Frame(text.encode()).wire)
        else:
            transport.write(Frame(message["bytes"], binary=True).wire)


async def bare_echo(scope: Any, receive: Any, send: Any) -> None:
    """Echo by the server's own `send`."""
    while (message := await receive())["type"] != "websocket.disconnect":
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif (text := message.get("text")) is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})


def main(kind: str, port: int) -> None:
    if kind == "bare":
        config = uvicorn.Config(
            bare_echo,
            port=port,
            log_level="warning",
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=LARGEST,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            loop="uvloop",
        )
        uvicorn.Server(config).run()
        return
    from dnsadmin.asgi import application
    from dnsadmin.server import server

    application.application_mapping["websocket"]._applications["/echo"] = echo_by_transport
    ours = server("127.0.0.1", port, "warning")
    ours.config.ws_max_size = LARGEST
    ours.run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
