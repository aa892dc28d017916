"""What makes the events: a process of its own beside each server, told on its standard input how many to publish.

`python -m benchmarks.fanout.publisher site|stock|bare`. A line `<n>` publishes n events: through `emit()`, all in one
transaction, so that log, positions and doorbell are what they are on a running site; through `group_send`, one by one;
or as lines to the bare writer. It says `ready` first, and `failed` when it cannot go on.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.fanout.accounts import ZONE_KEY

Publish = Callable[[int], None]

CONTENT = '"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="'
"""Of the record that changes; long enough for an event of 600 bytes."""


def to_site() -> Publish:
    """As any change of a record announces itself. Needs the variables of the site."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"
    import django

    django.setup()
    from django.db import transaction

    from realtime.broadcasting import emit
    from realtime.events import EventType
    from zones.events import FieldChange, RecordData, RecordEvent

    payload = RecordEvent(
        zone=f"{ZONE_KEY}.example",
        record=RecordData(
            id=1,
            name="mail._domainkey",
            type="TXT",
            ttl=300,
            content=CONTENT,
            comment="ask first",
            private=True,
            version=7,
        ),
        changes=[FieldChange(field="ttl", old=3600, new=300)],
        change_set=1,
    )

    def publish(number: int) -> None:
        with transaction.atomic():
            for _ in range(number):
                emit(EventType.RECORD_UPDATED, payload, scope=ZONE_KEY)

    return publish


def to_stock() -> Publish:
    """As the Channels tutorial does. Needs the variables of the stock server."""
    from channels.layers import get_channel_layer

    from benchmarks.fanout import stock  # sets Django up

    loop = asyncio.new_event_loop()
    layer = get_channel_layer()

    def publish(number: int) -> None:
        for _ in range(number):
            loop.run_until_complete(layer.group_send(stock.GROUP, {"type": "event", "event": event()}))

    return publish


def to_bare() -> Publish:
    """Down a TCP connection. Needs the port of the bare writer as `BARE_PORT`."""
    connection = socket.create_connection(("127.0.0.1", int(os.environ["BARE_PORT"])))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def publish(number: int) -> None:
        line = json.dumps(event(), separators=(",", ":")).encode() + b"\n"
        connection.sendall(line * number)

    return publish


def event() -> dict[str, Any]:
    """For the peers: an event as `/ws/` sends it to an administrator."""
    return {
        "type": "event",
        "event_type": "record_updated",
        "id": "0193a2c5-7b1e-7c3d-9a4f-1b2c3d4e5f60",
        "category": "dns",
        "priority": "high",
        "severity": "info",
        "timestamp": "2026-11-22T12:00:00.000Z",
        "source_user": None,
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "data": {
            "zone": f"{ZONE_KEY}.example",
            "record": {
                "id": 1,
                "name": "mail._domainkey",
                "type": "TXT",
                "ttl": 300,
                "content": CONTENT,
                "comment": "ask first",
                "private": True,
                "version": 7,
            },
            "changes": [{"field": "ttl", "old": 3600, "new": 300}],
            "change_set": 1,
        },
        "position": 1235,
        "upto": 1235,
    }


def main(target: str) -> None:
    publish = {"site": to_site, "stock": to_stock, "bare": to_bare}[target]()
    print("ready", flush=True)
    for line in sys.stdin:
        publish(int(line))


if __name__ == "__main__":
    main(sys.argv[1])
