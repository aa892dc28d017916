"""Bad frames of clients: all are counted, few are logged, so that a flood of them fills no disk."""

from __future__ import annotations

import logging
import time
from collections import Counter

logger = logging.getLogger(__name__)

LINE_EVERY_S = 5.0


class Complaints:
    """Counts what was wrong with clients' frames; one line of log sums up what came since the last."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._since: Counter[str] = Counter()
        self._next_line = 0.0

    def note(self, code: str, address: str) -> None:
        """Count a bad frame from `address`; log, if the last line was some seconds ago."""
        self.counts[code] += 1
        self._since[code] += 1
        now = time.monotonic()
        if now >= self._next_line:
            self._next_line = now + LINE_EVERY_S
            logger.warning("bad frames, the last from %s: %s", address, dict(self._since))
            self._since.clear()
