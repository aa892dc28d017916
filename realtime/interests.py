"""Streams that are cut at their source: who watches with which filter is told to the source, which makes only that.

A stream of 100,000 queries a second cannot be sent to every process to be filtered there. So each process tells what its
connections want of such a stream, as a set of *interests*; the source makes one event for each different interest, with
rows up to a limit and exact totals, and none when nobody watches. The cost grows with the interests, not with the viewers.

Rights are part of an interest. An event is shown to those whose own interest, computed from the rights they have now, is the
one that it was cut for, and to nobody else (`realtime.filters`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import msgspec
from channels.layers import get_channel_layer

from realtime import doorbell, groups
from realtime.audience import Audience
from realtime.events import EventType
from realtime.flow_filter import FlowFilter
from realtime.registry import EventSpec, registry

logger = logging.getLogger(__name__)

RENEW_S = 5.0
FORGET_S = 16.0
"""Seconds after which what a process wanted is forgotten, if it is not heard of again."""


class Interest(msgspec.Struct, frozen=True):
    """What some viewers are to see of a stream. keys: of the objects (zones) that they may see, sorted; `None`: all."""

    event_type: EventType
    flow: FlowFilter
    keys: tuple[str, ...] | None

    @property
    def token(self) -> str:
        """The same for equal interests, in every process."""
        return _token(self)


@lru_cache(maxsize=4096)
def _token(interest: Interest) -> str:
    return hashlib.sha256(msgspec.json.encode(interest)).hexdigest()[:24]


@lru_cache(maxsize=4096)
def interest_of(event_type: EventType, audience: Audience, flow: FlowFilter) -> Interest | None:
    """What an audience with a filter is to see of a stream that is cut; `None` for nothing. A filter by what one may not
    see matches nothing: its totals would tell."""
    spec = registry[event_type]
    if any(getattr(flow, field) is not None and not audience.has(p) for field, p in spec.filter_permissions.items()):
        return None
    keys = None if audience.has(spec.permission) else granted(spec, audience)
    return None if keys == () else Interest(event_type, flow.normal(), keys)


def granted(spec: EventSpec, audience: Audience) -> tuple[str, ...]:
    """The keys of the objects that grants show. Who sees all of them by another permission has none of these: that
    permission is not the one that the stream asks for."""
    return next((tuple(sorted(keys or ())) for kind, keys in audience.scopes if kind == spec.scope), ())


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Interest]).decode


class InterestTeller:
    """Tells the sources what the connections of this process want: when it changes, and now and then."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._interests: frozenset[Interest] = frozenset()
        self._told_at = float("-inf")

    def tell(self, interests: frozenset[Interest]) -> None:
        """These are wanted from now on."""
        if interests != self._interests:
            self._interests = interests
            self.tell_again()

    def tell_again(self) -> None:
        """A source has just begun, or may have missed it."""
        self._told_at = time.monotonic()
        wanted = _encode(list(self._interests)).decode()
        doorbell.ringer.send(groups.INTERESTS, {"type": "interests", "node": self._node, "interests": wanted})

    async def renew(self) -> None:
        """To be called now and then."""
        if self._interests and time.monotonic() - self._told_at >= RENEW_S:
            self.tell_again()


class InterestBook:
    """At a source: what all processes want."""

    def __init__(self) -> None:
        self._by_node: dict[str, tuple[float, tuple[Interest, ...]]] = {}
        self._wanted: dict[EventType, tuple[Interest, ...]] = {}

    def enter(self, node: str, interests: Iterable[Interest]) -> None:
        """A process wants these now."""
        self._by_node[node] = time.monotonic() + FORGET_S, tuple(interests)
        self._index()

    def wanted(self, event_type: EventType) -> tuple[Interest, ...]:
        """The different interests in a stream; empty while nobody watches."""
        now = time.monotonic()
        if gone := [node for node, (until, _) in self._by_node.items() if until < now]:
            for node in gone:
                del self._by_node[node]
            self._index()
        return self._wanted.get(event_type, ())

    def _index(self) -> None:
        wanted: dict[EventType, set[Interest]] = {}
        for _, interests in self._by_node.values():
            for interest in interests:
                wanted.setdefault(interest.event_type, set()).add(interest)
        self._wanted = {event_type: tuple(interests) for event_type, interests in wanted.items()}

    async def listen(self) -> None:
        """Hear what the processes tell, until cancelled. When the layer fails, try again until it is back."""
        layer = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(groups.INTERESTS, channel)
                doorbell.control("tell_interests")
                while True:
                    self._hear(await layer.receive(channel))
            except Exception as error:  # noqa: BLE001  # whatever a layer raises; without it there are no viewers
                logger.warning("interests: the channel layer is out of reach: %s", error or type(error).__name__)
                await asyncio.sleep(1.0)

    def _hear(self, message: dict[str, Any]) -> None:
        self.enter(message["node"], _decode(message["interests"]))
