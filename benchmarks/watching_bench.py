"""What watching the query stream costs the web process: by different filters, not by viewers.

`python -m benchmarks.watching_bench [--per-s N] [--seconds N] [--json FILE]`, two minutes. A whole site with its private
name server, which `dnsperf` asks 5,000 questions a second, and viewers on real WebSockets. For each crowd: processor time of
the web process (the collector runs in it) per second of stream, and what that is more than with nobody; frames and bytes to
each viewer; how old rows are when they arrive. At the end: whether the site has counted what the name server has.

Crowds take turns with nobody, so that what else the machine does shows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from websockets.asyncio.client import ClientConnection

from realtime.client import Client
from tests.parts.site import Person, Site
from zones.nameserver.endpoint import saved
from zones.nameserver.statistics import figures

ZONE = "watched.example"
GROUPS = 100
CROWDS = ((10, 10), (100, 10), (100, 100))
"""Viewers, and different filters among them."""
PEOPLE = [Person(f"analyst{n}", ("Security analysts",)) for n in range(20)]
"""Each has several pages open: nobody may send too many commands, and no address may sign in too often."""
AT_A_TIME = 10
MOST_FRAMES_S, MOST_KB_S, LATEST_S = 5.0, 100.0, 1.0


class Crowd(NamedTuple):
    """ms_per_s: processor time of the web process. The rest is of the viewer who got most, and of the latest row."""

    ms_per_s: float
    frames_per_s: float = 0.0
    kb_per_s: float = 0.0
    latest_s: float = 0.0


class Viewer(Client):
    """Somebody with a page of queries open, as far as the site can tell."""

    frames = size = 0
    latest_s = 0.0

    async def _next(self, socket: ClientConnection) -> str | bytes:
        text = await super()._next(socket)
        self.frames += 1
        self.size += len(text)
        return text

    async def look(self) -> None:
        async for event in self.events():
            now = datetime.now(UTC)
            for row in event["data"]["queries"][-1:]:
                self.latest_s = max(self.latest_s, (now - datetime.fromisoformat(row["time"])).total_seconds())


def main() -> int:
    parser = argparse.ArgumentParser(description="The cost of watching the query stream.")
    parser.add_argument("--per-s", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=10, help="of each measurement")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    if shutil.which("dnsperf") is None:
        parser.error("there is no program dnsperf: install the package of that name")
    with tempfile.TemporaryDirectory(prefix="dnsadmin-watching-") as directory:
        site = Site(Path(directory))
        try:
            site.prepare()
            site.add_people(*PEOPLE)
            site.start()
            with asked(site, options.per_s):
                found, nobody = asyncio.run(watch(site, options.seconds))
            result = show(site, options.per_s, found, nobody)
        finally:
            site.stop()
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if result["reached"] else 1


@contextmanager
def asked(site: Site, per_s: int) -> Iterator[None]:
    """The name server is asked for names of a zone that it serves."""
    made = site.client("admin").post("/api/zones/", {"name": ZONE, "kind": "primary"})
    assert made.status == 201, made.text
    names = (f"host{n % 997}.group{n % GROUPS}.{ZONE}" for n in range(9970))
    questions = site.directory / "questions"
    questions.write_text("".join(f"{name} {('A', 'AAAA')[n % 2]}\n" for n, name in enumerate(names)))
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(site.named_port), "-d", str(questions), "-Q", str(per_s)]
    with open(site.directory / "dnsperf.log", "w") as log:
        asking = subprocess.Popen([*command, "-l", "3600"], stdout=log)
        try:
            yield
        finally:
            asking.terminate()
            asking.wait()


async def watch(site: Site, seconds: int) -> tuple[dict[str, Crowd], list[Crowd]]:
    """What each crowd costs, and nobody before each."""
    await asyncio.sleep(3)
    found: dict[str, Crowd] = {}
    nobody: list[Crowd] = []
    for viewers, filters in CROWDS:
        nobody.append(await crowd(site, 0, 1, seconds))
        found[f"{viewers} viewers, {filters} filters"] = await crowd(site, viewers, filters, seconds)
    return found, nobody


async def crowd(site: Site, viewers: int, filters: int, seconds: int) -> Crowd:
    process = psutil.Process(site.process.pid)
    async with AsyncExitStack() as stack:
        people: list[Viewer] = []
        for begin in range(0, viewers, AT_A_TIME):
            people += await asyncio.gather(
                *(join(stack, site, n, n % filters) for n in range(begin, min(viewers, begin + AT_A_TIME)))
            )
        looking = [asyncio.create_task(person.look()) for person in people]
        await asyncio.sleep(2)
        for person in people:
            person.frames, person.size, person.latest_s = 0, 0, 0.0
        before, began = sum(process.cpu_times()[:2]), time.monotonic()
        await asyncio.sleep(seconds)
        took, spent = time.monotonic() - began, sum(process.cpu_times()[:2]) - before
        for task in looking:
            task.cancel()
        return Crowd(
            1000 * spent / took,
            max((person.frames / took for person in people), default=0),
            max((person.size / took / 1000 for person in people), default=0),
            max((person.latest_s for person in people), default=0),
        )


async def join(stack: AsyncExitStack, site: Site, number: int, group: int) -> Viewer:
    token = await asyncio.to_thread(site.token, PEOPLE[number % len(PEOPLE)].username)
    viewer = await stack.enter_async_context(Viewer(site.socket_url(), token=token, name=f"viewer{number}"))
    await viewer.unsubscribe("*")
    answer = await viewer.subscribe("dns_query_batch", filter={"name_suffix": f"group{group}.{ZONE}"})
    assert not answer.get("rejected"), answer
    return viewer


def show(site: Site, per_s: int, found: dict[str, Crowd], nobody: list[Crowd]) -> dict[str, Any]:
    base = statistics.median(each.ms_per_s for each in nobody)
    print(f"{per_s:,} queries a second; milliseconds of processor time per second of stream")
    spread = f"{min(nobody).ms_per_s:.1f} to {max(nobody).ms_per_s:.1f}"
    print(f"  {'nobody':<26} {base:7.1f}   ({spread})")
    for name, each in found.items():
        print(
            f"  {name:<26} {each.ms_per_s:7.1f}   {each.ms_per_s - base:+7.1f}   at most {each.frames_per_s:.1f} frames/s "
            f"and {each.kb_per_s:.1f} KB/s to a viewer, rows {each.latest_s:.2f} s old"
        )
    few, many, different = (each.ms_per_s - base for each in found.values())
    print(
        f"  ten times the viewers cost {many / few:.1f} times as much, with ten times the filters {different / few:.1f}"
    )
    counted, asked = settled(site)
    print(f"  the name server counted {asked:,} queries; the site {counted}")
    told = counted["total"] + counted["own_checks"] + counted["missing"]
    reached = told == asked and all(
        each.frames_per_s <= MOST_FRAMES_S and each.kb_per_s <= MOST_KB_S and each.latest_s <= LATEST_S
        for each in found.values()
    )
    print(f"  frames, bytes, age of rows and totals as wanted: {reached}; load {os.getloadavg()[0]:.1f}")
    return {"nobody": base, "crowds": {name: each._asdict() for name, each in found.items()}, "reached": reached}


def settled(site: Site) -> tuple[dict[str, int], int]:
    """What the site and the name server have counted, once the site has read it all."""
    where = saved(site.data_dir / "named")
    counted: dict[str, int] = {}
    asked = 0
    for _ in range(60):
        asked = figures(where).counters["dns_queries"]
        stats = site.client("admin").get("/api/queries/stats/").data
        counted = {name: stats[name] for name in ("total", "own_checks", "missing", "unreadable")}
        if sum(counted.values()) == asked:
            break
        time.sleep(0.5)
    return counted, asked


if __name__ == "__main__":
    sys.exit(main())
