"""Requests take turns, so that a crowd finds a slow site and not one without database connections.

Each request that Django works on has a thread and a connection of its own. A thousand pages that come back at the same
moment would want a thousand connections of a PostgreSQL that has a hundred.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

Application = Callable[[Any, Any, Any], Awaitable[None]]

AT_ONCE = ("/health/", "/metrics", "/static/")
"""What never waits: it must answer while the rest is stuck, or needs no connection."""


class TakingTurns:
    """An ASGI application that lets `most` requests into `inner` at a time; the others wait in the order they came."""

    def __init__(self, inner: Application, most: int) -> None:
        self._inner = inner
        self._room = asyncio.Semaphore(most)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith(AT_ONCE):
            await self._inner(scope, receive, send)
        else:
            async with self._room:
                await self._inner(scope, receive, send)
