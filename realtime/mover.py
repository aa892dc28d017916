"""Moves people between the old and the unified system when the roll-out says so, on one process.

Whoever is to go back hears `system_changed` first and is closed (4510) a moment later: time for a page to open the old
sockets before it loses this one, so that nothing falls in between. Connections to the old system are told and stay.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from realtime import rollout
from realtime.connections import WebSocketConnection
from realtime.database import in_database
from realtime.metrics import system_of
from realtime.protocol import CloseCode, frame
from realtime.rollout import EVERYBODY
from realtime.together import Together

if TYPE_CHECKING:
    from realtime.node import Node

GRACE_S = 2.5
"""Seconds between the notice and the close. A roll-back is to take effect within five."""
TOOLS = frozenset({"tail", "trace", "loadtest"})
"""Client names of the operator's own tools, which look at the unified system whoever uses it."""
MESSAGES = {
    "legacy": "You are moved to the old system: use its endpoints.",
    "unified": "You are moved to the one connection at /ws/.",
}


class Mover:
    """Knows who belongs where, as of what the log has brought."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._told: dict[str, str] = {}
        self.assignment = EVERYBODY
        self._looks: Together[None, None] = Together(self._look)

    def admits(self, user_id: int, client: str | None) -> bool:
        """Whether the user may open a connection of the unified system."""
        return _is_tool(client) or self.assignment.unified(user_id)

    async def look(self) -> None:
        """Read who belongs where, and tell those who are in the wrong place. A crowd that asks at once shares one look."""
        await self._looks.ask(None)

    async def _look(self, asking: list[None]) -> list[None]:
        self.assignment = await in_database(rollout.assignment)
        connections = list(self._node.manager)
        self._told = {c.id: self._told[c.id] for c in connections if c.id in self._told}
        for connection in connections:
            if connection.entering:
                continue  # it looks for itself, once it is in
            here = system_of(connection)
            belongs = "unified" if self.assignment.unified(connection.user_id) else "legacy"
            if here == belongs or _is_tool(connection.client):
                self._told.pop(connection.id, None)
            elif self._told.get(connection.id) != belongs:
                self._told[connection.id] = belongs
                connection.deliver(
                    frame("notice", code="system_changed", message=MESSAGES[belongs], data={"system": belongs})
                )
                if here == "unified":
                    asyncio.get_running_loop().call_later(GRACE_S, self._send_away, connection)
        return asking

    def _send_away(self, connection: WebSocketConnection) -> None:
        if not self.assignment.unified(connection.user_id):  # it may have changed back meanwhile
            self._node.close(connection, CloseCode.OTHER_SYSTEM, "this user is on the old system")


def _is_tool(client: str | None) -> bool:
    return client is not None and client.partition("-")[0] in TOOLS
