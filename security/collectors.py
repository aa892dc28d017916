"""What security does by itself in the background (`zones.collectors`): feeds are fetched when their time has come."""

from __future__ import annotations

from security import hits  # noqa: F401  # listens to the log that the query stream follows
from security.detection import collectors  # noqa: F401  # so does this
from security.feeds.refresh import due, refresh
from zones.collectors import collector


@collector("threat feeds", every_s=5)
def refresh_feeds() -> None:
    """One feed after the other; one that is stuck is given up by its limits."""
    for pk in due():
        refresh(pk)
