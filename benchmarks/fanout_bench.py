"""What an event costs the server per subscriber: `/ws/` as it is shipped, beside stock Channels and beside the floor.

`python -m benchmarks.fanout_bench [--quick] [--json FILE]`, two to three minutes. A thousand people, signed in by token and
of five audiences, subscribe to each server: this project and stock Channels, both on uvicorn and on Daphne, and a bare
writer. Rounds of publishing alternate between the servers. Each event is a WebSocket frame of its own (the waits for
others are set to 0). The first processor is the server's, the second the clients', the publishers' and Redis's.

Two ways of publishing: one event per transaction, as people make them, and fifty per transaction, as a bulk change does.
Fifty reach the sockets together and may share system calls, so stock is compared with the first way only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.fanout import measuring
from benchmarks.fanout.accounts import AUDIENCES
from benchmarks.fanout.measuring import Arrival, Delivery, Subject
from benchmarks.fanout.servers import CHECKOUT, CLIENT_CPU, KINDS, clean_environment, site_variables
from benchmarks.fanout.subscribers import Broken, Crowd

REQUIRED = (("stock-uvicorn", "ours-uvicorn", 12.0), ("stock-daphne", "ours-daphne", 6.0))
WANTED = (("stock-uvicorn", "ours-uvicorn", 20.0), ("stock-daphne", "ours-daphne", 10.0))
CLOSE_TO_FLOOR = 1.5
WINDOW = 4  # events under way while one is published at a time
TOGETHER = 50


def main() -> int:
    options = arguments()
    allow_many_sockets()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {CLIENT_CPU})
    with tempfile.TemporaryDirectory(prefix="dnsadmin-fanout-") as directory, ExitStack() as stack:
        result = uvloop.run(compare(options, Path(directory), stack))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Server CPU per delivered event.")
    parser.add_argument("--quick", action="store_true", help="half a minute: fewer subscribers, shorter rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every round to FILE")
    parser.add_argument(
        "--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="SERVER", help=", ".join(KINDS)
    )
    parser.add_argument("--subscribers", type=int, help="of each server (1000)")
    parser.add_argument("--rounds", type=int, help="of each server (5)")
    parser.add_argument("--seconds", type=float, help="of a round (2)")
    parser.add_argument("--idle", type=float, help="seconds without events (25: each connection's heartbeat once)")
    options = parser.parse_args()
    defaults = (400, 3, 0.8, 0.0) if options.quick else (1000, 5, 2.0, 25.0)
    for name, value in zip(("subscribers", "rounds", "seconds", "idle"), defaults, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def allow_many_sockets() -> None:
    """As many as the administrator lets us have; servers inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# -- the run ------------------------------------------------------------------------------------------------------------


async def compare(options: argparse.Namespace, directory: Path, stack: ExitStack) -> dict[str, Any]:
    """Everything from an empty directory to the printed tables. Returns the figures."""
    say(f"{options.subscribers} people and their tokens")
    template, tokens = prepare(directory / "template", options.subscribers)

    subjects: dict[str, Subject] = {}
    arrivals: dict[str, Arrival] = {}
    for kind in options.only:
        server = KINDS[kind](directory / kind, template)
        stack.callback(server.stop)
        server.start()
        server.start_publisher()
        subjects[kind] = Subject(server, Crowd(server.port, subscribes=server.subscribes))
        say(f"connecting to {server.name} (process {server.pid})")
        arrivals[kind] = await measuring.arrive(subjects[kind], tokens)

    quiet: dict[str, float] = {}
    if options.idle:
        say(f"idle for {options.idle:g} s")
        quiet = await measuring.idle(subjects, options.idle)

    say("one event per transaction")
    single = await alternate(subjects, options.rounds, options.seconds, 1, WINDOW)
    for kind in subjects:
        if kind.startswith("ours"):
            check_views(subjects[kind].crowd)
    bulk: dict[str, list[Delivery]] = {}
    if not options.quick:
        say(f"{TOGETHER} events per transaction")
        able = {kind: subject for kind, subject in subjects.items() if not kind.startswith("stock")}
        bulk = await alternate(able, 3, 1.0, TOGETHER, 2 * TOGETHER)

    names = {kind: subject.server.name for kind, subject in subjects.items()}
    print_arrivals(names, arrivals, quiet)
    print_deliveries("one event per transaction", names, single)
    if bulk:
        print_deliveries(f"{TOGETHER} events per transaction", names, bulk)
    print_verdicts(single)
    if options.quick:
        print("A quick run only indicates: with fewer subscribers, what an event costs once weighs more.")
    print(f"{os.cpu_count()} processors, load average of the last five minutes {os.getloadavg()[1]:.1f}")
    return {
        "options": {name: str(value) if name == "json" else value for name, value in vars(options).items()},
        "load_average": os.getloadavg(),
        "arrivals": {kind: arrival._asdict() for kind, arrival in arrivals.items()},
        "idle_percent": quiet,
        "single": {kind: [round_._asdict() for round_ in rounds] for kind, rounds in single.items()},
        "bulk": {kind: [round_._asdict() for round_ in rounds] for kind, rounds in bulk.items()},
    }


def prepare(directory: Path, number: int) -> tuple[Path, list[str]]:
    """A migrated database with `number` people in it, and a token for each."""
    directory.mkdir()
    environment = clean_environment() | site_variables(directory)
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=CHECKOUT, env=environment, check=True)
    made = subprocess.run(
        [sys.executable, "-m", "benchmarks.fanout.accounts", str(number)],
        cwd=CHECKOUT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    return directory / "db.sqlite3", json.loads(made.stdout)


async def alternate(
    subjects: dict[str, Subject], number: int, seconds: float, together: int, window: int
) -> dict[str, list[Delivery]]:
    """Rounds of all servers in turn: A B C A B C …"""
    rounds: dict[str, list[Delivery]] = {kind: [] for kind in subjects}
    for _ in range(number):
        for kind, subject in subjects.items():
            rounds[kind].append(await measuring.deliver(subject, seconds, together, window))
    return rounds


def check_views(crowd: Crowd) -> None:
    """Rights were really at work: all five audiences got the event, those without the right to it redacted."""
    for member in crowd.members:
        event = member.first_event
        assert event is not None
        shown = event["data"]["record"]["comment"] is not None
        if shown is ("redacted" in event):
            raise Broken(f"neither whole nor redacted: {event}")
    redacted = sum("redacted" in (member.first_event or {}) for member in crowd.members)
    if redacted != len(crowd.members) * 3 // len(AUDIENCES):
        raise Broken(f"{redacted} of {len(crowd.members)} subscribers saw a redacted event")


# -- what is printed ----------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    print(f"\n{title}")
    for row in (heads, ["-" * width for width in widths], *rows):
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells))


def print_arrivals(names: dict[str, str], arrivals: dict[str, Arrival], quiet: dict[str, float]) -> None:
    rows = [
        [
            names[kind],
            f"{arrival.per_s:.0f}",
            f"{arrival.server_us:.0f}",
            f"{arrival.kilobytes:.1f}",
            f"{quiet[kind]:.2f}" if quiet else "–",
        ]
        for kind, arrival in arrivals.items()
    ]
    table("Connecting and waiting", ["server", "connects/s", "server µs each", "KiB each", "idle CPU %"], rows)


def print_deliveries(title: str, names: dict[str, str], rounds: dict[str, list[Delivery]]) -> None:
    def column(kind: str, figure: Callable[[Delivery], float]) -> str:
        return str(measuring.spread(figure(delivery) for delivery in rounds[kind]))

    heads = [
        "server",
        "server µs per delivery",
        "deliveries/s",
        "CPU used",
        "events/read",
        "bytes",
        "× the bare writer",
    ]
    rows = [
        [
            names[kind],
            column(kind, lambda d: d.server_us),
            column(kind, lambda d: d.per_s),
            f"{measuring.spread(d.busy for d in rounds[kind]).median:.2f}",
            f"{measuring.spread(d.events_per_read for d in rounds[kind]).median:.1f}",
            f"{rounds[kind][0].bytes:.0f}",
            str(measuring.ratios(rounds[kind], rounds["bare"])) if "bare" in rounds else "–",
        ]
        for kind in rounds
    ]
    table(f"Delivering, {title}: median (least–most)", heads, rows)


def print_verdicts(rounds: dict[str, list[Delivery]]) -> None:
    print("\nServer CPU per delivered event, one event per transaction, round by round")
    for word, goals in (("required", REQUIRED), ("wanted", WANTED)):
        for above, below, factor in goals:
            if above in rounds and below in rounds:
                ratio = measuring.ratios(rounds[above], rounds[below])
                verdict = "reached" if ratio.median >= factor else "NOT REACHED"
                print(f"  {below}: {ratio} times less than {above}; {word} {factor:g}: {verdict}")
    if "bare" in rounds and "ours-uvicorn" in rounds:
        ratio = measuring.ratios(rounds["ours-uvicorn"], rounds["bare"])
        verdict = "reached" if ratio.median <= CLOSE_TO_FLOOR else "NOT REACHED"
        print(f"  ours-uvicorn: {ratio} times the bare writer; wanted at most {CLOSE_TO_FLOOR:g}: {verdict}")


if __name__ == "__main__":
    sys.exit(main())
