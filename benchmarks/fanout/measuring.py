"""Rounds and what comes out of them. A machine's speed drifts, so ratios are taken within a round, never across."""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.fanout.servers import Server
from benchmarks.fanout.subscribers import Crowd


class Delivery(NamedTuple):
    """One round of one server."""

    server_us: float  # processor time of the server, user and system, per delivered event
    per_s: float  # deliveries per second
    busy: float  # share of one processor that the server used; well below 1, clients or publisher were the limit
    events_per_read: float  # events that a client found in one read: above 1, frames shared a system call
    bytes: float  # of one event as JSON


class Arrival(NamedTuple):
    """What it took to connect everyone."""

    per_s: float
    server_us: float  # processor time of the server per connection, from handshake to subscribed
    kilobytes: float  # growth of the server's memory per connection


class Subject(NamedTuple):
    """A server and its subscribers."""

    server: Server
    crowd: Crowd


async def arrive(subject: Subject, tokens: Sequence[str]) -> Arrival:
    """Connect one subscriber per token. Raises `Broken`."""
    server, crowd = subject
    await crowd.gather(list(tokens[:5]))  # so that imports, pools and caches are there, on either side
    await crowd.disperse()
    memory, cpu = server.memory(), server.cpu_s()
    seconds = await crowd.gather(list(tokens))
    used = server.cpu_s() - cpu
    await asyncio.sleep(0.5)
    number = len(tokens)
    return Arrival(number / seconds, used / number * 1e6, (server.memory() - memory) / number / 1024)


async def idle(subjects: Mapping[str, Subject], seconds: float) -> dict[str, float]:
    """Leave all servers alone together. Returns the share of a processor, in percent, that each used."""
    before = {kind: subject.server.cpu_s() for kind, subject in subjects.items()}
    await asyncio.sleep(seconds)
    return {kind: (subjects[kind].server.cpu_s() - cpu) / seconds * 100 for kind, cpu in before.items()}


async def deliver(subject: Subject, seconds: float, together: int, window: int) -> Delivery:
    """Publish for so many seconds, `together` events at a time, never more than `window` events ahead of the slowest
    subscriber on average; then wait for the rest. Raises `Broken` when anything is lost.
    """
    server, crowd = subject
    tally, number = crowd.tally, len(crowd.members)
    server.publish(1)  # warms up, and shows that everyone listens
    await crowd.received(tally.events + number)
    gc.collect()
    first, first_reads, first_bytes = tally.events, tally.reads, tally.bytes
    cpu, start = server.cpu_s(), time.perf_counter()
    sent = 0
    while time.perf_counter() < start + seconds:
        while sent + together - (tally.events - first) / number <= window:
            server.publish(together)
            sent += together
        await asyncio.sleep(0.001)
    await crowd.received(first + sent * number)
    took = time.perf_counter() - start
    used = server.cpu_s() - cpu
    delivered = tally.events - first
    return Delivery(
        server_us=used / delivered * 1e6,
        per_s=delivered / took,
        busy=used / took,
        events_per_read=delivered / (tally.reads - first_reads),
        bytes=(tally.bytes - first_bytes) / delivered,
    )


class Pace(NamedTuple):
    """One round of one server at a steady rate."""

    server_us: float  # processor time of the server per delivered event
    median_ms: float  # from asking for an event until a subscriber has it
    p99_ms: float


async def pace(subject: Subject, rate: float, together: int, seconds: float) -> Pace:
    """Publish `rate` events a second, `together` at a time, for so many seconds. Raises `Broken` when any is lost."""
    server, crowd = subject
    tally, number = crowd.tally, len(crowd.members)
    server.publish(1)
    await crowd.received(tally.events + number)
    gc.collect()
    crowd.start_clock()
    assert tally.published is not None
    first, cpu, start = tally.events, server.cpu_s(), time.perf_counter()
    turns = int(rate * seconds / together)
    for turn in range(turns):
        await asyncio.sleep(max(0.0, start + turn * together / rate - time.perf_counter()))
        tally.published += [time.perf_counter()] * together
        server.publish(together)
    await crowd.received(first + turns * together * number)
    waits = crowd.stop_clock()
    delivered = tally.events - first
    return Pace(
        server_us=(server.cpu_s() - cpu) / delivered * 1e6,
        median_ms=waits[len(waits) // 2] * 1000,
        p99_ms=waits[int(len(waits) * 0.99)] * 1000,
    )


class Spread(NamedTuple):
    """Several rounds of one figure."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.least)}–{_short(self.most)})"


def spread(values: Iterable[float]) -> Spread:
    """The median, with the least and the most beside it."""
    values = list(values)
    return Spread(statistics.median(values), min(values), max(values))


def ratios(above: Sequence[Delivery], below: Sequence[Delivery]) -> Spread:
    """How many times more server time per event `above` takes than `below`, round by round."""
    return spread(a.server_us / b.server_us for a, b in zip(above, below, strict=True))


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
