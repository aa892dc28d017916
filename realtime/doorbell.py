"""Ringing the other processes over the channel layer: a copy for speed, never the truth.

Whatever is lost here (a full layer, Redis gone, a process killed before it rang) is found in the log by each feed's
next tick. So nothing here waits for long, blocks a save, or raises.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
from concurrent.futures import Future
from typing import Any

import msgspec
from channels.layers import InMemoryChannelLayer, get_channel_layer

from realtime import groups
from realtime.events import Event

logger = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""How long a message may take into the layer; a paused Redis must not hang anything."""
LARGEST_RING = 256 * 1024
"""Bytes of events that travel with a ring; beyond it, the feeds read them from the log."""

_encode = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode


class Ringer:
    """Sends into the layer on the event loop of this process's feed or, where there is none, on one of its own."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._feed_loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._under_way: set[Future[None]] = set()

    def adopt(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Use the loop of the feed that runs in this process (None: it has stopped)."""
        self._feed_loop = loop

    def send(self, group: str, message: dict[str, Any]) -> None:
        """Send `message` to `group` in the background. Never raises, never blocks."""
        loop = self._feed_loop
        if loop is None:
            if isinstance(get_channel_layer(), InMemoryChannelLayer):
                return  # an in-process layer reaches nobody from here; the site's process finds the log on its tick
            loop = self._own_loop()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: the process is ending
            future = asyncio.run_coroutine_threadsafe(_send(group, message), loop)
            self._under_way.add(future)
            future.add_done_callback(self._under_way.discard)

    def _own_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="doorbell", daemon=True).start()
                atexit.register(self._finish)
            return self._loop

    def _finish(self) -> None:
        """A command that ends right after its commit still rings, if that takes no longer than `PATIENCE_S`."""
        for future in list(self._under_way):
            with contextlib.suppress(Exception):
                future.result(timeout=PATIENCE_S)


async def _send(group: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    try:
        await asyncio.wait_for(layer.group_send(group, message), PATIENCE_S)
    except Exception as error:  # noqa: BLE001  # whatever a layer raises, the log has the event
        logger.warning("doorbell: %s not rung: %s", group, error or type(error).__name__)


ringer = Ringer()


def ring(events: list[Event]) -> None:
    """Tell every process that these events, numbered one after the other, are in the log."""
    texts = [_encode(event).decode() for event in events]
    message: dict[str, Any] = {"type": "ring", "first": events[0].position, "last": events[-1].position}
    if sum(map(len, texts)) <= LARGEST_RING:
        message["events"] = texts
    ringer.send(groups.LOG, message)


def announce_flow(*events: Event) -> None:
    """Hand flow events, all of one type, to the processes that have a listener for it."""
    texts = [_encode(event).decode() for event in events]
    ringer.send(groups.flow(events[0].event_type), {"type": "flow", "events": texts})


def control(order: str, **details: Any) -> None:
    """Give every process an order about its connections."""
    ringer.send(groups.CONTROL, {"type": "control", "order": order, **details})
