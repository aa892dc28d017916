"""Telling other apps that connections ended, so that they let go of what they kept for them."""

from __future__ import annotations

from django.dispatch import Signal

departed = Signal()
"""Sent in the database pool with `connection_ids: list[str]`, within seconds of the end; for those of a process that
died, when their presence has run out."""
