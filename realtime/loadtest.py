"""A load test of the running site, with a baseline of its own beside it, so that figures of different machines compare.

Connections like those of any client; events through log, doorbell, routes and sockets. The baseline is a bare WebSocket
server (`realtime.bare_server`) in a process of its own, which sends the same number of messages of the same size to as
many clients. Bursts of both take turns, and a ratio is the median of those of the turns: what slows this machine for a
while slows both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
from websockets.asyncio.client import connect

from realtime import trial
from realtime.client import Client
from realtime.database import in_database

BURST = 200
"""Events of a burst."""
SIZE = 300
"""Bytes of a message of the baseline, about those of a test event."""
TURNS = 9
CONNECT_AT_ONCE = 50
PATIENCE_S = 60.0
AGAIN_S = 4.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured. Latencies from the command to the arrival, in milliseconds; `baseline_…` of the bare server.

    ratio: deliveries a second over those of the baseline.
    """

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
        self.welcomed = asyncio.Event()
        self.subscribed = asyncio.Event()
        self._socket: Any = None

    async def run(self, url: str, token: str, name: str) -> None:
        protocols: list[Any] = ["dnsadmin.v1", f"client.{name}", f"bearer.{token}"]
        async with connect(url, subprotocols=protocols, compression=None, max_size=None, ping_interval=None) as socket:
            self._socket = socket
            async for text in socket:
                frame = json.loads(text)
                match frame["type"]:
                    case "welcome":
                        self.welcomed.set()
                    case "response":
                        self.subscribed.set()
                    case "ping":
                        await socket.send(json.dumps({"type": "pong", "data": {"n": frame["n"]}}))
                    case "event":
                        self._take(frame)
                    case "batch":
                        for event in frame["events"]:
                            self._take(event)

    async def subscribe(self) -> None:
        """Ask for the test events until it is granted: all clients are one user's, whose commands are limited."""
        wish = {"type": "subscribe", "id": 1, "data": {"event_types": ["broadcast_test"]}}
        while not self.subscribed.is_set():
            await self._socket.send(json.dumps(wish))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.subscribed.wait(), AGAIN_S * (0.5 + random.random()))

    def _take(self, event: dict[str, Any]) -> None:
        if event["event_type"] == "broadcast_test":
            self.came.setdefault(event["data"]["message"], time.perf_counter())


async def run(
    url: str, token: str, *, clients: int, rate: float, seconds: float, tell: Callable[[str], None]
) -> Result:
    """Measure. `rate`: events a second of the latency part, which lasts `seconds`. Raises what connecting raises."""
    receivers = [Receiver() for _ in range(clients)]
    gate = asyncio.Semaphore(CONNECT_AT_ONCE)

    async def one(number: int) -> None:
        receiver = receivers[number]
        async with gate:
            task = asyncio.create_task(receiver.run(url, token, f"loadtest-{number}"))
            tasks.append(task)
            waiting = asyncio.create_task(receiver.welcomed.wait())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
            if not receiver.welcomed.is_set():
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
        async with asyncio.timeout(PATIENCE_S + clients / 10):
            await asyncio.gather(*(receiver.subscribe() for receiver in receivers))
        tell(f"{rate:g} events a second for {seconds:g} s")
        sent = await _steadily(url, token, rate, seconds)
        await _all_came(receivers, sent)
        latencies = [(at - sent[name]) * 1000 for each in receivers for name, at in each.came.items() if name in sent]
        tell(f"{TURNS} bursts of {BURST} events, in turn with the baseline")
        turns: list[tuple[float, float]] = []
        bursts: set[str] = set()
        async with Baseline.running(clients) as baseline:
            for _ in range(TURNS):
                names, burst_s = await _burst(receivers)
                bursts |= names
                turns.append((clients * BURST / burst_s, await baseline.burst()))
        wanted = clients * (len(sent) + len(bursts))
        came = sum(len(each.came.keys() & (sent.keys() | bursts)) for each in receivers)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ordered = sorted(latencies) or [0.0]
    return Result(
        clients=clients,
        events=len(sent) + len(bursts),
        connected_per_s=round(clients / connected_s, 1),
        latency_p50_ms=round(statistics.median(ordered), 1),
        latency_p99_ms=round(ordered[int(len(ordered) * 0.99) - (len(ordered) == 1)], 1),
        delivered=came,
        lost=wanted - came,
        deliveries_per_s=round(statistics.median(ours for ours, _ in turns)),
        baseline_per_s=round(statistics.median(bare for _, bare in turns)),
        ratio=round(statistics.median(ours / bare for ours, bare in turns), 3),
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


class Baseline:
    """The bare server and its clients."""

    def __init__(self, sockets: list[Any]) -> None:
        self._sockets = sockets

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, clients: int) -> AsyncIterator[Baseline]:
        """Start it with so many clients, and end it."""
        command = (sys.executable, str(Path(__file__).with_name("bare_server.py")), str(BURST), str(SIZE))
        pipe = asyncio.subprocess.PIPE
        server = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            url = f"ws://127.0.0.1:{int(await server.stdout.readline())}/"
            gate = asyncio.Semaphore(CONNECT_AT_ONCE)

            async def one() -> Any:
                async with gate:
                    return await connect(url, compression=None, max_size=None, ping_interval=None)

            sockets = await asyncio.gather(*(one() for _ in range(clients)))
            yield cls(sockets)
            await asyncio.gather(*(socket.close() for socket in sockets))
        finally:
            server.stdin.close()
            await server.wait()

    async def burst(self) -> float:
        """Deliveries a second of one burst to all."""
        arrivals: list[float] = []

        async def receive(socket: Any) -> None:
            for _ in range(BURST):
                json.loads(await socket.recv())
                arrivals.append(time.perf_counter())

        await self._sockets[0].send("go")
        await asyncio.gather(*(receive(socket) for socket in self._sockets))
        return len(arrivals) / max(max(arrivals) - min(arrivals), 0.001)
