"""The names of all channel-layer groups, built in one place. ASCII letters, digits, `-_.` and under 100 characters."""

from __future__ import annotations

import hashlib

LOG = "realtime.log"
"""Rings when durable events were numbered. One member per process."""

CONTROL = "realtime.control"
"""Orders about connections: displace, close. One member per process."""

INTERESTS = "realtime.interests"
"""What the connections of a process want of the streams that are cut at their source, which is the member."""


def flow(event_type: str) -> str:
    """The stream of a flow event; joined by a process while one of its connections wants it."""
    return f"realtime.flow.{event_type}"


def route(key: object, *, deflates: bool) -> str:
    """The connections of this process that see the same, and read compressed frames or not; `local` layer."""
    digest = hashlib.sha256(repr(key).encode()).hexdigest()[:32]
    return f"realtime.route.{digest}.{'deflated' if deflates else 'plain'}"
