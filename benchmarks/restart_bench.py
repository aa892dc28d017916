"""A restart under a thousand clients: who comes back when, and whether anybody missed anything.

`python -m benchmarks.restart_bench [--quick]`, a minute and a half. Clients of `realtime.client` listen to changes, which
go on at five a second while the site is told to end (SIGTERM) and started again. All should be back within 30 s, without
a stampede, and have every change.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.fanout.measuring import spread
from benchmarks.fanout.servers import CLIENT_CPU, Server, ours_on_uvicorn
from benchmarks.fanout_bench import allow_many_sockets, prepare, say
from benchmarks.pace_bench import verdict
from realtime.client import Client

CHANGES_PER_S = 5
AT_ONCE = 50


class Returning(Client):
    """A client that notes when it is welcomed, and which changes it has."""

    def __init__(self, url: str, *, token: str) -> None:
        super().__init__(url, token=token, name="web")
        self.welcomes: list[float] = []
        self.changes: set[int] = set()
        self.twice = 0
        self.trouble: Exception | None = None

    def _greet(self, frame: dict[str, Any]) -> None:
        self.welcomes.append(time.perf_counter())
        super()._greet(frame)

    async def listen(self) -> None:
        try:
            async for event in self.events():
                if event["event_type"] == "record_updated":
                    self.twice += event["position"] in self.changes
                    self.changes.add(event["position"])
        except Exception as trouble:  # noqa: BLE001  # whatever it is, it belongs into the result
            self.trouble = trouble


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 clients")
    options = parser.parse_args()
    allow_many_sockets()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory(prefix="dnsadmin-restart-") as directory, ExitStack() as stack:
        return uvloop.run(compare(200 if options.quick else 1000, Path(directory), stack))


async def compare(number: int, directory: Path, stack: ExitStack) -> int:
    """Returns 0 when every goal is reached, else 1."""
    template, tokens = prepare(directory / "template", number)
    server = ours_on_uvicorn(directory / "site", template)
    stack.callback(server.stop)
    server.start()
    server.start_publisher()
    clients = [Returning(f"ws://127.0.0.1:{server.port}/ws/", token=token) for token in tokens]
    say(f"connecting {number} clients")
    turn = asyncio.Semaphore(AT_ONCE)

    async def enter(client: Returning) -> None:
        async with turn:
            await client.__aenter__()

    await asyncio.gather(*(enter(client) for client in clients))
    listening = [asyncio.create_task(client.listen()) for client in clients]
    published, publishing = Counter[str](), asyncio.Event()
    writer = asyncio.create_task(publish(server, published, publishing))
    await asyncio.sleep(3)

    say("restart")
    told = time.perf_counter()
    await asyncio.to_thread(server.restart)
    for _ in range(60 * 5):
        if all(client.welcomes[-1] > told for client in clients):
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(2)
    publishing.set()
    await writer
    for _ in range(30 * 5):
        if all(len(client.changes) == published["changes"] for client in clients):
            break
        await asyncio.sleep(0.2)

    back = [client.welcomes[-1] - told for client in clients if client.welcomes[-1] > told]
    busiest = max(Counter(int(seconds) for seconds in back).values()) / number * 100
    missed = sum(published["changes"] - len(client.changes) for client in clients)
    print(f"\n{number} clients, {published['changes']} changes, a restart")
    reached = [
        verdict("clients that did not come back", spread([number - len(back)]), most=0),
        verdict("seconds until the last was back", spread([max(back)]), most=30),
        verdict("share of the busiest second, %", spread([busiest]), most=15),
        verdict("changes missed", spread([missed]), most=0),
        verdict("changes twice", spread([sum(client.twice for client in clients)]), most=0),
        verdict("clients in trouble", spread([sum(client.trouble is not None for client in clients)]), most=0),
    ]
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    await asyncio.gather(*(client.__aexit__() for client in clients), return_exceptions=True)
    return 0 if all(reached) else 1


async def publish(server: Server, published: Counter[str], ending: asyncio.Event) -> None:
    """Changes at a steady rate until `ending` is set."""
    while not ending.is_set():
        server.publish(1)
        published["changes"] += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), 1 / CHANGES_PER_S)


if __name__ == "__main__":
    sys.exit(main())
