"""Which application answers which WebSocket path; an unknown path is closed after the handshake, with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from realtime.protocol import CloseCode, ErrorCode, error, frame, message


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
        why = f"There is nothing at {scope['path'][:100]}."
        await send({"type": "websocket.accept"})
        await send(message(error(None, ErrorCode.INVALID_MESSAGE, why).wire))
        await send(message(frame("bye", code=int(CloseCode.NOT_FOUND), reason=why).wire))
        await send({"type": "websocket.close", "code": int(CloseCode.NOT_FOUND), "reason": "unknown path"})
