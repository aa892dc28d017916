"""Whether the monitors work, for `/health/realtime`: what they bring is half of what people watch."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from monitoring.supervisor import overview

SILENT = timedelta(seconds=4)
"""The lease is renewed more often than that while they work."""


def standstill() -> str | None:
    """In words, that the monitors of this site have stopped; `None` when they work, or never ran. Uses the database."""
    seen = overview()
    if not seen.leader or seen.renewed_at is None:
        return None
    if seen.led and timezone.now() - seen.renewed_at < SILENT:
        return None
    return f"nobody collects since {seen.renewed_at:%H:%M:%S} UTC; the last was {seen.leader}: is run_monitors running?"
