"""The baseline of `realtime_loadtest`: a WebSocket server that knows no log, no rights and no batches.

    python bare_server.py FRAMES SIZE

Prints its port. On any message of a client it sends everybody so many frames of that size, one after the other. It ends
with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys

from websockets.asyncio.server import ServerConnection, serve


async def main(frames: int, size: int) -> None:
    payload = json.dumps({"type": "event", "event_type": "broadcast_test", "data": {"message": "x" * size}})
    connections: set[ServerConnection] = set()
    sending: set[asyncio.Task[None]] = set()

    async def send(socket: ServerConnection) -> None:
        for _ in range(frames):
            await socket.send(payload)

    async def handler(socket: ServerConnection) -> None:
        connections.add(socket)
        async for _ in socket:
            sending.update(asyncio.create_task(send(each)) for each in connections)

    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)  # noqa: T201  # how it is found
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
