"""Token buckets: how often something may happen, with room for a burst."""

from __future__ import annotations

import time


class TokenBucket:
    """Fills with `per_second` tokens up to `burst`, and starts full."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._at = time.monotonic()

    def wait_s(self) -> float:
        """Seconds until there is a token; 0 when there is one."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        return max(0.0, 1 - self._tokens) / self._per_second

    def take(self) -> bool:
        """Take a token, if there is one."""
        if self.wait_s():
            return False
        self._tokens -= 1
        return True

    @property
    def full(self) -> bool:
        """Whether nothing has been taken for so long that a new one would be the same."""
        self.wait_s()
        return self._tokens >= self._burst
