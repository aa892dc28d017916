"""A thread that looks after something: at once when it is woken, soon when the log tells of work, else now and then.

Any number of processes may have one of a kind; leases in the database let one of them at each piece of work.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from django.db import connection, transaction

from realtime.events import EventType
from realtime.hearing import heed

logger = logging.getLogger(__name__)

SOON_S = 1.0
"""Seconds between two looks while something waits, and at most between two looks for what other processes did."""
AT_LEAST_EVERY_S = 10.0
"""Seconds between two looks without any sign: what should have woken it may have been lost."""


class Lookout(ABC):
    """The thread. Use each once: `start()`, `wake()` as often as you like, `stop()`."""

    def __init__(self, name: str) -> None:
        self._changed = threading.Condition()
        self._due = self._looked_at = float("-inf")  # of the monotonic clock
        self._ending = False
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)

    @abstractmethod
    def look(self) -> float:
        """Do what there is to do. Returns in how many seconds there may be more, if nobody wakes it sooner."""

    def start(self) -> None:
        self._thread.start()

    def wake(self, not_again_within_s: float = 0.0) -> None:
        """Have it look now; or, if it has looked within so many seconds, when they are over. Never waits for a look."""
        with self._changed:
            due = self._looked_at + not_again_within_s
            if due < self._due:
                self._due = due
                self._changed.notify()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End soon; what is left undone is done by whoever comes next."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _watch(self) -> None:
        while self._wait():
            try:
                pause_s = min(self.look(), AT_LEAST_EVERY_S)
            except Exception:
                logger.exception("the %s could not look what there is to do", self._thread.name)
                connection.close()
                pause_s = SOON_S
            with self._changed:  # whoever woke it during the look keeps the earlier time
                self._due = min(self._due, time.monotonic() + pause_s)
        connection.close()

    def _wait(self) -> bool:
        """Until it is time; returns whether it is to go on."""
        with self._changed:
            while not self._ending and (pause_s := self._due - time.monotonic()) > 0:
                self._changed.wait(pause_s)
            self._looked_at, self._due = time.monotonic(), float("inf")
            return not self._ending


class Post:
    """Where the one lookout of a kind stands in this process, if it was started here. heeded: events that tell of work."""

    def __init__(self, make: Callable[[], Lookout], *heeded: EventType) -> None:
        self._make = make
        self._lookout: Lookout | None = None
        heed(self._heard, *heeded)

    def start(self) -> None:
        """Begin to look; once, however often it is asked for."""
        if self._lookout is None:
            self._lookout = self._make()
            self._lookout.start()

    def stop(self) -> None:
        """End it; does nothing when it does not run here."""
        if self._lookout is not None:
            self._lookout.stop()
            self._lookout = None

    def wake(self) -> None:
        """Something is to be done. In a process without a lookout, the log tells those of the others."""
        if self._lookout is not None:
            self._lookout.wake()

    def wake_on_commit(self) -> None:
        """The same, when the current transaction commits."""
        transaction.on_commit(self.wake, robust=True)

    def _heard(self) -> None:
        if self._lookout is not None:
            self._lookout.wake(not_again_within_s=SOON_S)
