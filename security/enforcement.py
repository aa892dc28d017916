"""Watches over policies and rules, in a thread of each web process: what was changed is brought to the name server at once.

Any number of processes may run one; a lease lets one of them at it. While the name server is down, changes wait.
"""

from __future__ import annotations

import logging
import time

from django.utils import timezone

from realtime.events import EventType
from zones.lookout import SOON_S, Lookout, Post
from zones.nameserver.errors import NameServerError

logger = logging.getLogger(__name__)

DRIFT_EVERY_S = 10.0
PATIENCE_S = (0.0, 1.0, 2.0, 4.0)
"""Waits after failures in a row that pass by themselves; the last one for all further ones."""


class Enforcer(Lookout):
    """Brings to the name server what waits, takes out rules whose time is over, and looks for what others changed there."""

    def __init__(self) -> None:
        super().__init__("enforcer")
        self._failures = 0
        self._not_before = 0.0
        self._drift_looked_at = float("-inf")

    def look(self) -> float:
        from security import rules

        expiry = rules.next_expiry()
        if expiry is not None and expiry <= timezone.now():
            rules.expire()
            expiry = rules.next_expiry()
        pause_s = self._bring() if time.monotonic() >= self._not_before else SOON_S
        return pause_s if expiry is None else min(pause_s, (expiry - timezone.now()).total_seconds())

    def _bring(self) -> float:
        from security import serving

        try:
            something_waited = serving.bring_up_to_date()
            if time.monotonic() - self._drift_looked_at >= DRIFT_EVERY_S:
                serving.look_for_drift()
                self._drift_looked_at = time.monotonic()
        except NameServerError as error:
            self._not_before = time.monotonic() + PATIENCE_S[min(self._failures, len(PATIENCE_S) - 1)]
            self._failures += 1
            logger.info("policies wait: %s", error)
            return SOON_S
        self._failures = 0
        return SOON_S if something_waited else DRIFT_EVERY_S


post = Post(
    Enforcer,
    EventType.RPZ_UPDATE,
    EventType.RPZ_RULE_CREATED,
    EventType.RPZ_RULE_UPDATED,
    EventType.RPZ_RULE_DELETED,
)
start, stop, wake_on_commit = post.start, post.stop, post.wake_on_commit
