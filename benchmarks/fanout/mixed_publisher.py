"""Publishes all kinds of events on a running site, as it is told on its standard input: `<kind> <number>` a line.

`python -m benchmarks.fanout.mixed_publisher`, with the variables of the site. `change n`: n durable events in one
transaction. `flow n`: n flow events. `alert k`: the critical alert number k. It says `ready` first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from benchmarks.fanout.publisher import to_site

PADDING = "-" * 200


def main() -> None:
    change = to_site()  # sets Django up
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dnsadmin.settings")
    from monitoring.events import BindStatus
    from realtime import alerts
    from realtime.broadcasting import stream
    from realtime.events import EventSeverity, EventType

    def flow(number: int) -> None:
        status = BindStatus(at="2026-11-22T12:00:00Z", up=True, since="2026-11-22T12:00:00Z", reason=PADDING)
        for _ in range(number):
            stream(EventType.BIND_STATUS_UPDATE, status)

    def alert(number: int) -> None:
        alerts.raise_alert(
            key=f"bench {number}",
            event_type=EventType.SECURITY_ALERT,
            severity=EventSeverity.CRITICAL,
            title=f"alert {number}",
        )

    kinds: dict[str, Callable[[int], None]] = {"change": change, "flow": flow, "alert": alert}
    print("ready", flush=True)
    for line in sys.stdin:
        kind, number = line.split()
        kinds[kind](int(number))


if __name__ == "__main__":
    main()
