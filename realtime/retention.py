"""How long the log is kept."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from realtime import log, processors


def prune(days: float) -> int:
    """Delete events older than `days`, as far as every processor has handled them. Returns how many."""
    slowest = processors.slowest()
    keep_from = slowest + 1 if slowest is not None else None
    return log.prune(timezone.now() - timedelta(days=days), keep_from=keep_from)
