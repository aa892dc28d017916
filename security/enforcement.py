"""Watches over policies and rules, in a thread of each web process: what was changed is brought to the name server at once.

Any number of processes may run one; a lease lets one of them at it. While the name server is down, changes wait.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import connection, transaction

logger = logging.getLogger(__name__)

TICK_S = 1.0
"""Seconds between two looks without being woken: for what other processes changed, and for rules that run out."""
DRIFT_EVERY_S = 10.0
PATIENCE_S = (0.0, 1.0, 2.0, 4.0)
"""Waits after failures in a row that pass by themselves; the last one for all further ones."""


class Enforcer:
    """The thread: asleep until something is changed, or a tick has passed."""

    def __init__(self) -> None:
        self._awake = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="enforcer", daemon=True)
        self._failures = 0
        self._not_before = 0.0
        self._drift_looked_at = float("-inf")

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._awake.set()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End soon; what is left undone is done by whoever comes next."""
        self._ending.set()
        self._awake.set()
        self._thread.join(timeout_s)

    def _watch(self) -> None:
        while not self._ending.is_set():
            self._awake.wait(TICK_S)
            self._awake.clear()
            try:
                self._look()
            except Exception:
                logger.exception("policies could not be brought to the name server")
                connection.close()
        connection.close()

    def _look(self) -> None:
        from security import rules, serving
        from zones.nameserver.errors import NameServerError

        rules.expire()
        if time.monotonic() < self._not_before:
            return
        try:
            serving.bring_up_to_date()
            if time.monotonic() - self._drift_looked_at >= DRIFT_EVERY_S:
                serving.look_for_drift()
                self._drift_looked_at = time.monotonic()
        except NameServerError as error:
            self._not_before = time.monotonic() + PATIENCE_S[min(self._failures, len(PATIENCE_S) - 1)]
            self._failures += 1
            logger.info("policies wait: %s", error)
        else:
            self._failures = 0


_running: Enforcer | None = None


def start() -> None:
    """Begin to enforce in this process."""
    global _running
    if _running is None:
        _running = Enforcer()
        _running.start()


def stop() -> None:
    """End it; does nothing when it does not run here."""
    global _running
    if _running is not None:
        _running.stop()
        _running = None


def wake() -> None:
    """Something is to be brought to the name server. In a process without an enforcer another finds it, within a tick."""
    if _running is not None:
        _running.wake()


def wake_on_commit() -> None:
    """The same, when the current transaction commits."""
    transaction.on_commit(wake, robust=True)
