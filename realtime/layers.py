"""The `local` channel layer: groups of connections within this process.

A channel is a connection's way to its socket; `group_send` writes the same immutable bytes to each member. No copy, no
queue, no task, and no member is waited for: whether one is slow is looked at from time to time (`realtime.fans`). Channels'
own layers cost a queue, a task and a deep copy per member, 25 times the work (decision 0003).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from channels.layers import BaseChannelLayer

Way = tuple[Callable[[], bool], Callable[[bytes], None]]
"""Whether a channel is closing, and how to write to it until then. Neither waits, raises, or leads back here."""


class LocalChannelLayer(BaseChannelLayer):
    """Channel-layer groups without a queue. Use on one event loop only."""

    extensions = ("groups",)

    def __init__(self) -> None:
        super().__init__(expiry=0, capacity=0)
        self._channels: dict[str, Way] = {}
        self._looks: dict[str, Callable[[], None]] = {}
        self._groups: dict[str, dict[str, Way]] = {}

    def attach(self, channel: str, way: Way, look: Callable[[], None]) -> None:
        """Open `channel`: what is sent to its groups goes that way. `look` finds out whether it is too slow for them, in
        which case it may leave them."""
        self._channels[channel] = way
        self._looks[channel] = look

    def detach(self, channel: str) -> None:
        """Close `channel` and take it out of every group."""
        self._channels.pop(channel, None)
        self._looks.pop(channel, None)
        for group in [name for name, members in self._groups.items() if channel in members]:
            self.discard(group, channel)

    def add(self, group: str, channel: str) -> None:
        """Put a channel into a group, at once."""
        self._groups.setdefault(group, {})[channel] = self._channels[channel]

    def discard(self, group: str, channel: str) -> None:
        """Take a channel out of a group, at once; the group ends with its last member."""
        if members := self._groups.get(group):
            members.pop(channel, None)
            if not members:
                del self._groups[group]

    def deliver(self, group: str, message: bytes) -> None:
        """Write `message` to every member, at once."""
        for closing, write in self._groups.get(group, {}).values():
            if not closing():
                write(message)

    def look(self, group: str) -> None:
        """Let every member be looked at."""
        for channel in tuple(self._groups.get(group, ())):
            self._looks[channel]()

    @property
    def channels(self) -> int:
        """How many channels are open."""
        return len(self._channels)

    def size(self, group: str) -> int:
        """How many members a group has."""
        return len(self._groups.get(group, ()))

    def groups(self) -> Iterator[str]:
        """The groups that have a member."""
        return iter(tuple(self._groups))

    # -- the interface that Channels knows; none of it ever waits, so the calls above and these may be mixed freely

    async def group_add(self, group: str, channel: str) -> None:
        self.add(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self.discard(group, channel)

    async def group_send(self, group: str, message: Any) -> None:
        self.deliver(group, message)

    async def flush(self) -> None:
        self._channels.clear()
        self._looks.clear()
        self._groups.clear()
