"""What watching the query stream costs the web process: by different filters, not by viewers.

`python -m benchmarks.watching_bench [--per-s N] [--seconds N] [--json FILE]`, under a minute. The collector's cut, the event
on its way through the layer's encoding, the routes and each connection's share, up to the transport, at 5,000 queries a
second. Processor time per second of stream, for: nobody; 10 viewers with 10 filters; 100 viewers with the same 10; 100
viewers with 100 different filters.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"

TICKS_PER_S = 4
CASES = (
    ("nobody", 0, 0),
    ("10 viewers, 10 filters", 10, 10),
    ("100 viewers, 10 filters", 100, 10),
    ("100 viewers, 100 filters", 100, 100),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="The cost of watching the query stream.")
    parser.add_argument("--per-s", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dnsadmin-watching-") as directory:
        for name in [name for name in os.environ if name.startswith("DNSADMIN_")]:
            del os.environ[name]
        os.environ |= {"DNSADMIN_DATA_DIR": directory, "DNSADMIN_SECRET_KEY": "only-for-benchmarks"}
        import django

        django.setup()
        result = {}
        print(f"{options.per_s:,} queries a second; milliseconds of processor time per second of stream")
        for title, viewers, filters in CASES:
            cost, frames, size = asyncio.run(watch(options, viewers, filters))
            result[title] = {"ms_per_s": cost, "frames_per_s": frames, "kb_per_s": size}
            print(f"  {title:<26} {cost:8.1f}   {frames:4.1f} frames/s and {size:5.1f} KB/s to each viewer")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


class Sink:
    """A transport that counts."""

    def __init__(self) -> None:
        self.frames = self.bytes = 0

    def write(self, frame: Any) -> None:
        self.frames += 1
        self.bytes += frame.size

    def buffered(self) -> int:
        return 0


async def watch(options: argparse.Namespace, viewers: int, filters: int) -> tuple[float, float, float]:
    from channels.layers import channel_layers

    from monitoring.queries.hosted import HostedZones
    from monitoring.queries.live import LiveCut
    from realtime import broadcasting, doorbell
    from realtime.audience import Audience
    from realtime.conf import conf
    from realtime.connections import WebSocketConnection
    from realtime.events import EventType
    from realtime.flow_filter import FlowFilter
    from realtime.interests import InterestBook
    from realtime.routes import Router
    from realtime.subscriptions import Wants
    from zones.nameserver.query_log import Batch

    layer: Any = channel_layers["local"]
    router, book = Router(layer, conf()), InterestBook()
    router.on_interests = lambda interests: book.enter("here", interests)

    def arrive(group: str, message: dict[str, Any]) -> None:
        """What the layer does between two ends of it: the text of the events, and nothing else."""
        for text in message["events"]:
            router.pass_by(doorbell.decode_event(text))

    doorbell.ringer.send = arrive  # type: ignore[method-assign]
    audience = Audience(is_admin=True, permissions=frozenset(), scopes=())
    sinks = []
    for n in range(viewers):
        flow = FlowFilter(name_suffix=f"zone{n % filters}.example")
        member = WebSocketConnection(
            user_id=n, username=str(n), audience=audience, client="web", transport=(sink := Sink()), close=_never,  # type: ignore[arg-type]
            wants=Wants(patterns=("dns_query_batch",), filter=flow),
        )  # fmt: skip
        layer.attach(member.channel, member.deliver)
        member.confirmed = 1 << 60
        router.join(member)
        sinks.append(sink)
    live = LiveCut(HostedZones())
    ticks = options.seconds * TICKS_PER_S
    batches = [stretch(options.per_s // TICKS_PER_S, tick) for tick in range(8)]
    began = time.process_time()
    for tick in range(ticks):
        interests = book.wanted(EventType.DNS_QUERY_BATCH)
        if interests:
            live.watch(Batch(batches[tick % len(batches)], []))
            for interest, batch in live.cut(interests):
                broadcasting.stream(EventType.DNS_QUERY_BATCH, batch, interest=interest)
        else:
            live.pause()
        await asyncio.sleep(0)
    spent = time.process_time() - began
    assert (live.rows_built == 0) == (viewers == 0)
    frames, size = sum(sink.frames for sink in sinks), sum(sink.bytes for sink in sinks)
    each = max(1, viewers) * options.seconds
    return spent / options.seconds * 1000, frames / each, size / each / 1000


def stretch(number: int, seed: int) -> Any:
    from zones.nameserver.query_log import Queries

    names = tuple(f"host{n}.zone{(n * 7 + seed) % 100}.example" for n in range(number))
    types = tuple("AAAA" if n % 3 else "A" for n in range(number))
    clients = tuple(f"192.0.2.{n % 250}" for n in range(number))
    return Queries(("2026-11-22T21:55:43.749Z",) * number, clients, ("1024",) * number, names, types, ("+",) * number)


async def _never(*_: Any) -> None:
    return None


if __name__ == "__main__":
    sys.exit(main())
