"""How long the log is kept."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from realtime import log, processors
from realtime.models import MetricSample, TraceReport

FIGURES_DAYS = 7
"""Days that figures are kept for the charts."""


def prune(days: float) -> int:
    """Delete events older than `days`, as far as every processor has handled them. Returns how many."""
    MetricSample.objects.filter(taken_at__lt=timezone.now() - timedelta(days=FIGURES_DAYS)).delete()
    TraceReport.objects.filter(made_at__lt=timezone.now() - timedelta(hours=1)).delete()
    slowest = processors.slowest()
    keep_from = slowest + 1 if slowest is not None else None
    return log.prune(timezone.now() - timedelta(days=days), keep_from=keep_from)
