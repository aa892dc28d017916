"""Detection in the background: it listens where the logs are followed, and tells beside."""

from __future__ import annotations

from security.detection.watch import WATCH
from zones.collectors import collector
from zones.nameserver.endpoint import endpoint
from zones.nameserver.query_log import register_listener
from zones.nameserver.statistics import figures

register_listener(lambda: WATCH)


@collector("detection", every_s=0.25)
def tell_findings() -> None:
    """Raise alerts for what was found."""
    WATCH.tell()


@collector("detection of storms", every_s=10, wanted=lambda: WATCH.storms.wanted)
def count_answers() -> None:
    """Read the server's counters. Raises `NameServerError` while it does not answer, which others tell of."""
    where = endpoint()
    if where.statistics_url:
        WATCH.count(dict(figures(where).counters))
