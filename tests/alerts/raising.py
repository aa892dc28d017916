"""Alerts on a running site, raised as its other parts raise them."""

from __future__ import annotations

import json
from typing import Any

from tests.parts.site import Site

RAISE = """
import json, sys
from realtime import alerts
from realtime.events import EventSeverity, EventType
given = json.loads(sys.argv[1])
kind, severity = EventType(given.pop("event_type")), EventSeverity(given.pop("severity"))
print(alerts.raise_alert(event_type=kind, severity=severity, **given).pk)
"""


def raise_on(site: Site, key: str, **more: Any) -> int:
    """Raise an alert in a process of its own; answers its id."""
    given = {
        "key": key,
        "event_type": "security_alert",
        "severity": "critical",
        "title": f"Test of {key}",
        "detail": "Made by a test.",
        "client": "192.0.2.7",
        "evidence": {"client": "192.0.2.7", "per_s": 900},
    }
    return int(site.python(RAISE, json.dumps(given | more)))
