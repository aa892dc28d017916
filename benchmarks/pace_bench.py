"""What a steady rate costs, and how long an event takes to a thousand people: beside stock Channels and the floor.

`python -m benchmarks.pace_bench [--quick]`, two minutes. Ten events a second, each in a frame of its own (stock Channels gets
two, as it cannot do more); then two hundred a second, which may wait 10 ms for each other. The time of an event begins
when the publisher is asked for it: for this project that includes the transaction and the log. The servers take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from benchmarks.fanout import measuring
from benchmarks.fanout.measuring import Pace, Spread, Subject, spread
from benchmarks.fanout.servers import CLIENT_CPU, JOINING, KINDS
from benchmarks.fanout.subscribers import Crowd
from benchmarks.fanout_bench import allow_many_sockets, prepare, say, table

SLOW = {"stock-uvicorn": 2.0, "stock-daphne": 2.0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer subscribers, shorter rounds")
    parser.add_argument("--subscribers", type=int, help="of each server (1000)")
    options = parser.parse_args()
    number = options.subscribers or (300 if options.quick else 1000)
    allow_many_sockets()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory(prefix="dnsadmin-pace-") as directory, ExitStack() as stack:
        return uvloop.run(compare(number, 2 if options.quick else 3, Path(directory), stack))


async def compare(number: int, rounds: int, directory: Path, stack: ExitStack) -> int:
    """Both comparisons. Returns 0 when every goal is reached, else 1."""
    template, tokens = prepare(directory / "template", number)
    subjects: dict[str, Subject] = {}
    for kind, make in (KINDS | JOINING).items():
        server = make(directory / kind, template)
        stack.callback(server.stop)
        server.start()
        server.start_publisher()
        subjects[kind] = Subject(server, Crowd(server.port, subscribes=server.subscribes))
        subjects[kind].crowd.tally.batches = kind in JOINING
        say(f"connecting to {server.name}")
        await measuring.arrive(subjects[kind], tokens)

    single: dict[str, list[Pace]] = {kind: [] for kind in KINDS}
    joined: dict[str, list[Pace]] = {kind: [] for kind in JOINING}
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        for kind, found in single.items():
            found.append(await measuring.pace(subjects[kind], SLOW.get(kind, 10.0), 1, 4.0))
            await asyncio.sleep(0.2)
        for kind, found in joined.items():
            found.append(await measuring.pace(subjects[kind], 200.0, 2, 4.0))
            await asyncio.sleep(0.2)

    names = {kind: subject.server.name for kind, subject in subjects.items()}
    show("10 events a second (stock: 2), a frame each", names, single)
    show("200 events a second", names, joined)
    reached = [
        verdict("CPU, uvicorn, × the bare writer", over(single, "ours-uvicorn", "bare", "server_us"), most=1.5),
        verdict("p99, uvicorn, × the bare writer", over(single, "ours-uvicorn", "bare", "p99_ms"), most=1.5),
        verdict(
            "CPU, stock on Daphne, × ours on Daphne", over(single, "stock-daphne", "ours-daphne", "server_us"), least=4
        ),
        verdict("CPU at 200/s, µs per delivery", spread(p.server_us for p in joined["ours-waiting"]), most=3),
        verdict("p99 at 200/s, × the corked writer", over(joined, "ours-waiting", "bare-corked", "p99_ms"), most=2),
    ]
    print(f"{os.cpu_count()} processors, load average of the last five minutes {os.getloadavg()[1]:.1f}")
    return 0 if all(reached) else 1


def over(found: dict[str, list[Pace]], above: str, below: str, figure: str) -> Spread:
    """How many times more of a figure `above` has than `below`, round by round."""
    return spread(getattr(a, figure) / getattr(b, figure) for a, b in zip(found[above], found[below], strict=True))


def verdict(what: str, found: Spread, *, most: float | None = None, least: float | None = None) -> bool:
    """Print a goal and whether the median reaches it."""
    reached = found.median <= most if most is not None else found.median >= (least or 0)
    goal = f"at most {most:g}" if most is not None else f"at least {least:g}"
    print(f"  {what}: {found}; wanted {goal}: {'reached' if reached else 'NOT REACHED'}")
    return reached


def show(title: str, names: dict[str, str], found: dict[str, list[Pace]]) -> None:
    def column(rounds: Sequence[Pace], figure: str) -> str:
        return str(spread(getattr(each, figure) for each in rounds))

    rows = [
        [names[kind], *(column(rounds, figure) for figure in ("server_us", "median_ms", "p99_ms"))]
        for kind, rounds in found.items()
    ]
    table(f"{title}: median (least–most)", ["server", "server µs per delivery", "median ms", "p99 ms"], rows)


if __name__ == "__main__":
    sys.exit(main())
