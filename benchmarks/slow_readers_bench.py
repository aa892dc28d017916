"""Who does not read harms nobody else: the lane of critical events, and memory that stays bounded.

`python -m benchmarks.slow_readers_bench [--quick] [--minutes M]`, three minutes.

The critical lane: 500 clients, flow at 50 events a second to each, 20 of them read 16 KiB a second; now and then a
critical alert. How long does it take to those who read, does it ever come in a batch, is any lost?

Bounded: under Daphne, which buffers without bound by itself, 200 clients never read while changes and flow go on
(`--minutes 10` for the long run); each comes back for more after a while. What memory do they cost, and does anyone
else notice? A second site without them takes turns with it. Flow is accounted for: what came and what `gap`s told of
together are what was published.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks.fanout.accounts import AUDIENCES
from benchmarks.fanout.listeners import FLOW, Listener, Reading
from benchmarks.fanout.measuring import spread
from benchmarks.fanout.servers import CLIENT_CPU, KINDS, PRIORITIES, Server
from benchmarks.fanout_bench import allow_many_sockets, prepare, say
from benchmarks.pace_bench import verdict

FLOW_PER_S = 50
MIB = 1024 * 1024
STAYS_S = (30.0, 70.0)
"""How long somebody who never reads stays before coming back: around the time after which the site gives up on them."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the clients, half a minute")
    parser.add_argument("--minutes", type=float, default=1.0, help="of traffic past those who never read (1)")
    options = parser.parse_args()
    share = 5 if options.quick else 1
    allow_many_sockets()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory(prefix="dnsadmin-slow-") as directory, ExitStack() as stack:
        return uvloop.run(everything(share, options.minutes / share, Path(directory), stack))


async def everything(share: int, minutes: float, directory: Path, stack: ExitStack) -> int:
    template, tokens = prepare(directory / "template", 1000 // share)
    # Only those who may see both kinds of events; owners of a zone do not.
    tokens = [token for i, token in enumerate(tokens) if not AUDIENCES[i % len(AUDIENCES)].startswith("owner")]

    def start(kind: str, name: str) -> Server:
        server = KINDS[kind](directory / name, template)
        for priority in PRIORITIES:  # the waits that a site has
            del server.variables[f"DNSADMIN_REALTIME_WAIT_{priority}_MS"]
        server.variables["DNSADMIN_REALTIME_FLOW_PER_S"] = str(FLOW_PER_S * 2)
        stack.callback(server.stop)
        server.start()
        server.start_publisher("benchmarks.fanout.mixed_publisher")
        return server

    reached = await critical_lane(start("ours-uvicorn", "lane"), tokens, 500 // share, 20 // share, 25.0)
    reached += await bounded(
        start("ours-daphne", "bounded"),
        start("ours-daphne", "undisturbed"),
        tokens,
        200 // share,
        100 // share,
        minutes,
    )
    print(f"{os.cpu_count()} processors, load average of the last five minutes {os.getloadavg()[1]:.1f}")
    return 0 if all(reached) else 1


# -- the critical lane ---------------------------------------------------------------------------------------------------


async def critical_lane(server: Server, tokens: list[str], number: int, slow: int, seconds: float) -> list[bool]:
    """Flow to everybody, alerts in between."""
    say(f"critical lane: {number} clients, {slow} of them slow")
    listeners = [
        await Listener.connect(server.port, token, "web", Reading.SLOWLY if i < slow else Reading.ALL)
        for i, token in enumerate(tokens[:number])
    ]
    healthy = listeners[slow:]
    raised: dict[str, float] = {}
    start, flowed = time.perf_counter(), 0
    while (now := time.perf_counter() - start) < seconds:
        due = int(now * FLOW_PER_S) - flowed
        if due > 0:
            server.tell(f"flow {due}")
            flowed += due
        if now > len(raised) + 2:
            title = f"alert {len(raised)}"
            raised[title] = time.perf_counter()
            server.tell(f"alert {len(raised) - 1}")
        await asyncio.sleep(0.01)
    await asyncio.sleep(2)
    for listener in listeners[:slow]:
        listener.read_all()
    await settled(listeners, flowed)
    waits = sorted(each.alerts[title] - at for each in healthy for title, at in raised.items() if title in each.alerts)
    lost = sum(title not in each.alerts for each in listeners for title in raised)
    p99_ms = waits[int(len(waits) * 0.99)] * 1000
    print(f"\nCritical lane: {number} clients, {slow} slow, {flowed} flow events and {len(raised)} alerts to each")
    return [
        verdict("p99 of a critical event at who reads, ms", spread([p99_ms]), most=250),
        verdict("critical events in a batch", spread([sum(each.strays for each in listeners)]), most=0),
        verdict("critical events lost, slow readers included", spread([lost]), most=0),
        verdict("flow neither delivered nor told as missed", spread([unaccounted(listeners, flowed)]), most=0),
        verdict("connections that were closed", spread([sum(each.closed is not None for each in listeners)]), most=0),
    ]


async def settled(listeners: list[Listener], flowed: int, patience_s: float = 60.0) -> None:
    """Wait until everybody's flow is accounted for, or nothing more comes for a while."""
    for _ in range(int(patience_s * 5)):
        if not unaccounted(listeners, flowed):
            return
        await asyncio.sleep(0.2)


def unaccounted(listeners: list[Listener], flowed: int) -> int:
    """Flow events that neither came nor are among those that a `gap` told of, of all listeners together."""
    return sum(abs(flowed - each.seen[FLOW] - each.missed[FLOW]) for each in listeners if each.closed is None)


# -- bounded memory ------------------------------------------------------------------------------------------------------


async def bounded(
    server: Server, undisturbed: Server, tokens: list[str], never: int, healthy: int, minutes: float
) -> list[bool]:
    """Traffic past clients that never read, beside a site that has none."""
    say(f"bounded: {never} clients that never read, on Daphne, for {minutes:g} min")
    others = {
        each: [await Listener.connect(each.port, token, "web", Reading.ALL) for token in tokens[:healthy]]
        for each in (server, undisturbed)
    }
    before = highest = server.memory()
    deaf = [asyncio.create_task(never_reads(server, tokens[i % len(tokens)], f"deaf{i}")) for i in range(never)]
    await asyncio.sleep(5)
    waits: dict[Server, list[float]] = {server: [], undisturbed: []}
    flowed = dict.fromkeys(waits, 0)
    end = time.perf_counter() + minutes * 60
    while time.perf_counter() < end:
        for each, listeners in others.items():
            more, took = await window(each, listeners, 4.0)
            flowed[each] += more
            waits[each].append(took)
            highest = max(highest, server.memory())
    for task in deaf:
        task.cancel()
    await asyncio.gather(*deaf, return_exceptions=True)
    await settled(others[server], flowed[server])
    print(f"\nBounded: {never} clients that never read, {healthy} that do, {minutes:g} min, Daphne")
    return [
        verdict("MiB of memory for each who never reads", spread([(highest - before) / never / MIB]), most=1.5),
        verdict(
            "p99 of a change, × the site without them",
            spread(a / b for a, b in zip(waits[server], waits[undisturbed], strict=True)),
            most=1.5,
        ),
        verdict(
            "flow neither delivered nor told as missed", spread([unaccounted(others[server], flowed[server])]), most=0
        ),
    ]


async def never_reads(server: Server, token: str, name: str) -> None:
    """Connect, listen to nothing, go, and come back."""
    while True:
        listener = await Listener.connect(server.port, token, name, Reading.NEVER)
        try:
            await asyncio.sleep(random.uniform(*STAYS_S))
        finally:
            listener.leave()


async def window(server: Server, listeners: list[Listener], seconds: float) -> tuple[int, float]:
    """Changes and flow for so many seconds. Returns how much flow, and the p99 of a change in seconds."""
    published: list[float] = []
    for listener in listeners:
        listener.changes_at.clear()
    start, flowed = time.perf_counter(), 0
    while (now := time.perf_counter() - start) < seconds:
        if (due := int(now * FLOW_PER_S) - flowed) > 0:
            server.tell(f"flow {due}")
            flowed += due
        if now * 10 > len(published):
            published.append(time.perf_counter())
            server.tell("change 1")
        await asyncio.sleep(0.01)
    deadline = time.perf_counter() + 30
    while min(len(listener.changes_at) for listener in listeners) < len(published):
        if time.perf_counter() > deadline:
            raise RuntimeError("changes are missing")
        await asyncio.sleep(0.01)
    waits = sorted(came - asked for each in listeners for asked, came in zip(published, each.changes_at, strict=True))
    return flowed, waits[int(len(waits) * 0.99)]


if __name__ == "__main__":
    sys.exit(main())
