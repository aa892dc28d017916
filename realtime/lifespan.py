"""The node of this process: started with the server (ASGI lifespan), or, on a server without one, by the first socket."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from realtime.node import Node

# By event loop, because everything in a node belongs to one; a process has one of each, a test may have several.
_nodes: WeakKeyDictionary[asyncio.AbstractEventLoop, Node] = WeakKeyDictionary()


def this_node() -> Node:
    """The node of the running event loop; made on first use, not yet started."""
    loop = asyncio.get_running_loop()
    if loop not in _nodes:
        _nodes[loop] = Node()
    return _nodes[loop]


async def node_of(scope: dict[str, Any]) -> Node:
    """The started node that serves a connection."""
    node = this_node()
    await node.started()
    return node


class Lifespan:
    """The ASGI lifespan protocol: the node starts before the first request and stops after the last."""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        node = this_node()
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await node.started()
                except Exception as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await node.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return
