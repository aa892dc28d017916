"""Watches over one web process: does its event loop turn, does its doorbell ring, is it level with the log.

What is found is kept for `/health/…` and told in the log of the process, with where the loop stood still.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

from django.template.defaultfilters import pluralize

from realtime import doorbell, log
from realtime.database import in_database
from realtime.metrics import metrics

if TYPE_CHECKING:
    from realtime.node import Node

logger = logging.getLogger(__name__)

STEP_S = 0.25
BLOCKED_S = 1.0
"""Seconds without a turn after which the loop counts as blocked."""
REMEMBERED_S = 10.0
"""How long a blockage stays visible: a health check that comes later must still see it."""
CANARY_S = 1.0
SILENT_S = 3.0
"""Seconds without a canary after which the doorbell counts as dead."""
LOG_S = 2.0


class Watch:
    """What is known of the health of this process. `blockage`: when and how the loop last stood still."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._turned = time.monotonic()
        self._loop_thread = 0
        self._ending = threading.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stood: tuple[float, float, str] | None = None
        self._heard = time.monotonic()
        self.behind = 0
        self._behind_since: float | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        self._loop_thread = threading.get_ident()
        self._heard = time.monotonic()
        self._tasks = [asyncio.create_task(duty()) for duty in (self._turn, self._sing, self._compare)]
        threading.Thread(target=self._look, name="loop-watch", daemon=True).start()

    async def stop(self) -> None:
        self._ending.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what is known

    def blockage(self) -> str | None:
        """In words, how the loop stood still within the last seconds; `None` when it did not."""
        if self._stood is None or time.monotonic() - self._stood[0] > REMEMBERED_S:
            return None
        at, seconds, where = self._stood
        return f"the event loop stood still for {seconds:.1f} s, {time.monotonic() - at:.0f} s ago{where}"

    def silence(self) -> str | None:
        """In words, that the doorbell does not ring; `None` when it does."""
        silent_s = time.monotonic() - self._heard
        if silent_s < SILENT_S:
            return None
        return (
            f"the channel layer has carried nothing for {silent_s:.0f} s; events arrive by the log, up to a second late"
        )

    def lateness(self) -> str | None:
        """In words, that this process is behind the log; `None` when it is level."""
        if self._behind_since is None or time.monotonic() - self._behind_since < LOG_S:
            return None
        return (
            f"{self.behind} event{pluralize(self.behind, ' of the log has,s of the log have')} not been read "
            f"for {time.monotonic() - self._behind_since:.0f} s"
        )

    def sang(self) -> None:
        """The canary came back."""
        self._heard = time.monotonic()

    # -- duties

    async def _turn(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(STEP_S)
            self._turned = time.monotonic()
            metrics.lag.observe(max(0.0, self._turned - before - STEP_S))

    async def _sing(self) -> None:
        """Send a canary through the channel layer, to ourselves: the way of every ring."""
        while True:
            doorbell.control("canary", node=self._node.name)
            await asyncio.sleep(CANARY_S)

    async def _compare(self) -> None:
        """How far is the log, and how far are we? While the database is away, nobody can be behind it."""
        while True:
            with contextlib.suppress(Exception):
                head = await in_database(log.position)
                await asyncio.sleep(0.5)  # what was numbered a moment ago may still be under way
                feed = self._node.feed
                self.behind = max(0, head.position - feed.position) if head.epoch == feed.epoch else 0
                if not self.behind:
                    self._behind_since = None
                elif self._behind_since is None:
                    self._behind_since = time.monotonic()
            await asyncio.sleep(CANARY_S)

    def _look(self) -> None:
        """In a thread: sees that the loop does not turn while this thread does, and where it stands.

        A machine that gives neither of them time is slow, which is another matter than a loop that is blocked.
        """
        standing = 0
        where = ""
        while not self._ending.wait(STEP_S):
            if time.monotonic() - self._turned < STEP_S * 2.5:
                if standing * STEP_S >= BLOCKED_S:
                    self._stood = time.monotonic(), standing * STEP_S + STEP_S, where
                    metrics.blocked.inc()
                    logger.error("%s", self.blockage())
                standing, where = 0, ""
                continue
            standing += 1
            if not where and standing >= 2:
                where = self._where()
            if standing * STEP_S == BLOCKED_S:
                logger.error("the event loop stands still%s\n%s", where, self._stack())

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  # there is no other way to see it
        return "".join(traceback.format_stack(frame)[-12:]) if frame is not None else ""

    def _where(self) -> str:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  # there is no other way to see it
        if frame is None:
            return ""
        return f", in {frame.f_code.co_qualname} ({frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.f_lineno})"
