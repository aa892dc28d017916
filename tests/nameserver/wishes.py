"""What people do with zones, and what comes of it, for the tests of the way from the database to the server."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

from realtime.models import LogEvent
from tests.nameserver.conftest import dig
from zones.changes import change_set
from zones.lifecycle import create_zone
from zones.models import ChangeSet, Record, SyncState, Zone
from zones.nameserver.endpoint import endpoint
from zones.rrsets import RRset

_numbers = itertools.count(1)


def make_zone() -> Zone:
    """A zone with two hosts, not pushed yet."""
    rrsets = [RRset("www", "A", 300, ("192.0.2.1",)), RRset("mail", "A", 300, ("192.0.2.25",))]
    return create_zone(f"sync{next(_numbers)}.test", rrsets=rrsets, nameservers=["ns.example.net"])


def change(zone: Zone, name: str, content: str) -> ChangeSet:
    """Give the one address of `name` another value."""
    record = Record.objects.get(zone=zone, name=name, type="A")
    with change_set(zone) as changes:
        changes.update(record, content=content)
    assert changes.result
    return changes.result


def served(zone: Zone, name: str = "www") -> list[str]:
    """The addresses that `dig` gets."""
    return [words[-1] for words in dig(endpoint(), f"{name}.{zone.name}", "A")]


def until(condition: Callable[[], Any], *, timeout_s: float = 20) -> None:
    """Wait for something that another thread brings about."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def in_state(zone: Zone, state: SyncState) -> Callable[[], bool]:
    return lambda: Zone.objects.get(pk=zone.pk).sync_state == state


def events(zone: Zone, event_type: str) -> list[dict[str, Any]]:
    rows = LogEvent.objects.filter(scope=zone.key, event_type=event_type).order_by("id")
    return [json.loads(row.data) for row in rows]
