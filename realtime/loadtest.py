"""A load test of the running site, with a baseline of its own beside it, so that figures of different machines compare.

Connections like those of any client; events through log, doorbell, routes and sockets. The baseline is a bare WebSocket
server on the loopback of this machine, which sends the same number of messages of the same size to as many clients.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from realtime import trial
from realtime.client import Client
from realtime.database import in_database

BURST = 200
"""Events of the burst that measures throughput."""
CONNECT_AT_ONCE = 50


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. Latencies from the command to the arrival, in milliseconds; `ratio`: throughput over baseline."""

    clients: int
    events: int
    connected_per_s: float
    latency_p50_ms: float
    latency_p99_ms: float
    delivered: int
    lost: int
    deliveries_per_s: float
    baseline_per_s: float
    ratio: float


class Receiver:
    """One client: counts the test events, and when each came."""

    def __init__(self) -> None:
        self.came: dict[str, float] = {}

    async def run(self, url: str, token: str, name: str, ready: asyncio.Event) -> None:
        protocols: list[Any] = ["dnsadmin.v1", f"client.{name}", f"bearer.{token}"]
        async with connect(url, subprotocols=protocols, compression=None, max_size=None, ping_interval=None) as socket:
            async for text in socket:
                frame = json.loads(text)
                match frame["type"]:
                    case "welcome":
                        wish = {"type": "subscribe", "id": 1, "data": {"event_types": ["broadcast_test"]}}
                        await socket.send(json.dumps(wish))
                    case "response":
                        ready.set()
                    case "ping":
                        await socket.send(json.dumps({"type": "pong", "data": {"n": frame["n"]}}))
                    case "event":
                        self._take(frame)
                    case "batch":
                        for event in frame["events"]:
                            self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        if event["event_type"] == "broadcast_test":
            self.came.setdefault(event["data"]["message"], time.perf_counter())


async def run(
    url: str, token: str, *, clients: int, rate: float, seconds: float, tell: Callable[[str], None]
) -> Result:
    """Measure. `rate`: events a second of the latency part, which lasts `seconds`. Raises what connecting raises."""
    receivers = [Receiver() for _ in range(clients)]
    ready = [asyncio.Event() for _ in receivers]
    gate = asyncio.Semaphore(CONNECT_AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            task = asyncio.create_task(receivers[number].run(url, token, f"loadtest-{number}", ready[number]))
            tasks.append(task)
            waiting = asyncio.create_task(ready[number].wait())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
            if not ready[number].is_set():
                waiting.cancel()
                if task.done():
                    task.result()
                raise ConnectionError(f"client {number} was not let in")

    tasks: list[asyncio.Task[None]] = []
    try:
        tell(f"connecting {clients} clients")
        started = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(clients)))
        connected_s = time.perf_counter() - started
        tell(f"{rate:g} events a second for {seconds:g} s")
        sent = await _steadily(url, token, rate, seconds)
        await _all_came(receivers, sent)
        latencies = [(at - sent[name]) * 1000 for each in receivers for name, at in each.came.items() if name in sent]
        tell(f"a burst of {BURST} events")
        burst, burst_s = await _burst(receivers)
        wanted = clients * (len(sent) + len(burst))
        came = sum(len(each.came.keys() & (sent.keys() | burst)) for each in receivers)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    tell("the baseline")
    baseline = await _baseline(clients)
    throughput = clients * len(burst) / burst_s
    ordered = sorted(latencies) or [0.0]
    return Result(
        clients=clients,
        events=len(sent) + len(burst),
        connected_per_s=round(clients / connected_s, 1),
        latency_p50_ms=round(statistics.median(ordered), 1),
        latency_p99_ms=round(ordered[int(len(ordered) * 0.99) - (len(ordered) == 1)], 1),
        delivered=came,
        lost=wanted - came,
        deliveries_per_s=round(throughput),
        baseline_per_s=round(baseline),
        ratio=round(throughput / baseline, 3),
    )


async def _steadily(url: str, token: str, rate: float, seconds: float) -> dict[str, float]:
    """Have the site itself send events, one after the other, as an administrator may."""
    sent: dict[str, float] = {}
    async with Client(url, token=token, name="loadtest-sender") as sender:
        await sender.unsubscribe("*")
        for number in range(max(1, int(rate * seconds))):
            name = f"load test {time.time_ns()} {number}"
            sent[name] = time.perf_counter()
            await sender.command("broadcast_test", message=name)
            await asyncio.sleep(max(0.0, 1 / rate - (time.perf_counter() - sent[name])))
    return sent


async def _burst(receivers: list[Receiver]) -> tuple[set[str], float]:
    names = {f"burst {time.time_ns()} {number}" for number in range(BURST)}
    await in_database(trial.send_many, sorted(names))
    await _all_came(receivers, names)
    arrivals = [each.came[name] for each in receivers for name in names if name in each.came]
    # From the first arrival on: writing the rows is the database's time, not that of the deliveries.
    return names, max(max(arrivals) - min(arrivals), 0.001)


async def _all_came(receivers: list[Receiver], names: Any, patience_s: float = 30.0) -> None:
    wanted = set(names)
    until = time.perf_counter() + patience_s
    while time.perf_counter() < until:
        if all(wanted <= each.came.keys() for each in receivers):
            return
        await asyncio.sleep(0.01)


async def _baseline(clients: int) -> float:
    """Deliveries a second of a bare server that sends each client `BURST` frames of the size of a test event."""
    payload = json.dumps({"type": "event", "event_type": "broadcast_test", "data": {"message": "x" * 300}})
    go = asyncio.Event()
    arrivals: list[float] = []

    async def handler(socket: ServerConnection) -> None:
        await go.wait()
        for _ in range(BURST):
            await socket.send(payload)
        await socket.wait_closed()

    async def client(port: int) -> None:
        async with connect(f"ws://127.0.0.1:{port}/", compression=None, ping_interval=None) as socket:
            connected.release()
            for _ in range(BURST):
                json.loads(await socket.recv())
                arrivals.append(time.perf_counter())

    connected = asyncio.Semaphore(0)
    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        tasks = [asyncio.create_task(client(port)) for _ in range(clients)]
        for _ in tasks:
            await connected.acquire()
        go.set()
        await asyncio.gather(*tasks)
    return len(arrivals) / max(max(arrivals) - min(arrivals), 0.001)
