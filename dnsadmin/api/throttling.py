"""How often one may ask: per user, or per address of those who are nobody yet, and per process."""

from __future__ import annotations

import time
from collections import Counter
from threading import Lock
from typing import Any

from django.conf import settings
from rest_framework.throttling import BaseThrottle

WINDOW_S = 60


class Throttle(BaseThrottle):
    """Counts the requests of the current minute in the memory of the process: in the database, the count itself would be
    what costs."""

    _lock = Lock()
    _window = 0
    _counts: Counter[str] = Counter()

    def allow_request(self, request: Any, view: Any) -> bool:
        most = settings.API_REQUESTS_PER_MINUTE
        if not most:
            return True
        who = f"user {request.user.pk}" if request.user.is_authenticated else f"address {self.get_ident(request)}"
        window = int(time.time() // WINDOW_S)
        with self._lock:
            if window != Throttle._window:
                Throttle._window = window
                self._counts.clear()
            self._counts[who] += 1
            return self._counts[who] <= most

    def wait(self) -> float:
        """Seconds until the next minute begins."""
        return WINDOW_S - time.time() % WINDOW_S
