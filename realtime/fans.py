"""Fans: the members of a route that take the same bytes, with one account of what went out to all of them.

What a delivery costs beside its system call is mostly the memory that it touches: so it touches a member's socket, and
nothing else of the member. How much is under way to each is looked at now and then, for all of them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from realtime.layers import LocalChannelLayer

if TYPE_CHECKING:
    from realtime.protocol import Frame

LOOK_EVERY = 32 * 1024
"""Bytes to each member after which it is looked at whether one is slow: by so much the bound on a slow one is exceeded."""


class Fan:
    """The members of one group of the `local` layer.

    frames, bytes: what was sent so far. Whoever joins or leaves, reads both then: the difference is theirs.
    """

    __slots__ = ("_deflates", "_layer", "_look_at", "bytes", "frames", "group")

    def __init__(self, layer: LocalChannelLayer, group: str, *, deflates: bool) -> None:
        self.group = group
        self.frames = self.bytes = 0
        self._layer = layer
        self._deflates = deflates
        self._look_at = LOOK_EVERY

    @property
    def size(self) -> int:
        """How many members there are."""
        return self._layer.size(self.group)

    def send(self, frame: Frame) -> None:
        """To all members. Those that turn out to be slow may have left when this returns."""
        if not self.size:
            return
        if self._deflates:
            frame = frame.deflated()
        self._layer.deliver(self.group, frame.wire)
        self.frames += 1
        self.bytes += frame.size
        if self.bytes >= self._look_at:
            self._look_at = self.bytes + LOOK_EVERY
            self._layer.look(self.group)
