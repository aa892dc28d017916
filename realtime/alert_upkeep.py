"""What goes on about alerts by itself, in every web process: steps of escalation, and the sending of notifications."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets

from realtime import escalation, notifications
from realtime.database import in_database
from realtime.feed import Feed

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
LOOK_AGAIN_S = 5.0
"""While no alert waits for anybody, and nothing to be sent."""


class AlertUpkeep:
    """Two tasks, so that a way out that does not answer holds up no escalation. Any number of processes may have them."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._holder = secrets.token_hex(8)
        self._tasks: list[asyncio.Task[None]] = []
        self._to_send = asyncio.Event()

    def start(self) -> None:
        """Begin, in the background."""
        self._loop = asyncio.get_running_loop()
        notifications.delivery_waits.connect(self._delivery_waits)
        self._tasks = [asyncio.create_task(self._escalate()), asyncio.create_task(self._send())]

    async def stop(self) -> None:
        """End. What was being sent is left to the next process, when its lease has run out."""
        notifications.delivery_waits.disconnect(self._delivery_waits)
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _escalate(self) -> None:
        while True:
            seen, waiting = self._feed.position, True
            try:
                waiting = await in_database(_escalate)
            except Exception:
                logger.exception("escalation failed; trying again")
            await asyncio.sleep(LOOK_EVERY_S)
            if not waiting:  # an alert comes with an event
                await self._feed.beyond(seen, LOOK_AGAIN_S)

    async def _send(self) -> None:
        while True:
            self._to_send.clear()
            busy, waiting = False, True
            try:
                busy = await notifications.send_due(self._holder)
                waiting = busy or await in_database(notifications.anything_waits)
            except Exception:
                logger.exception("sending failed; trying again")
            if not busy:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S if waiting else LOOK_AGAIN_S):
                        await self._to_send.wait()

    def _delivery_waits(self, **_: object) -> None:
        """In whichever thread."""
        self._loop.call_soon_threadsafe(self._to_send.set)


def _escalate() -> bool:
    waiting = escalation.anything_waits()
    if waiting:
        escalation.advance()
    return waiting
