"""Which application answers which WebSocket path; an unknown path is closed after the handshake, with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class WebSocketRouter:
    """By exact path, the trailing slash optional."""

    def __init__(self, applications: Mapping[str, Any]) -> None:
        self._applications = applications

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        application = self._applications.get(scope["path"].rstrip("/"))
        if application is not None:
            await application(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 4404})
