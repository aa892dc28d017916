"""The query log, from its lines to what is saved: how many lines a second one core takes, and what that costs in memory.

`python -m benchmarks.ingest_bench [--lines N] [--rounds N] [--names N] [--long] [--json FILE]`, under a minute. In turns, in
the same run, over the same file in `named`'s own format, as if 20,000 were asked a second, names by a Zipf distribution:

- ours: `monitoring.queries.ingest.Ingest`, everything that the collector does: follow, parse, count by the minute, save
  minutes, hours and days with the place in the log (SQLite);
- floor: the same regular expression over the same blocks, and nothing done with what it finds;
- peer: what one writes first: a line at a time, a dictionary for each, exact counters.

Rates are lines a second of processor time. `--long` feeds ten million queries with a million different names and shows the
resident memory on the way, and how many of the hundred most frequent names of an exact count are among ours.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"

PER_S = 20_000
LONG_LINES, LONG_NAMES = 10_000_000, 1_000_000
PIECE = 250_000


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="dnsadmin-ingest-") as directory:
        for name in [name for name in os.environ if name.startswith("DNSADMIN_")]:
            del os.environ[name]
        os.environ |= {
            "DNSADMIN_DATA_DIR": directory,
            "DNSADMIN_SECRET_KEY": "only-for-benchmarks",
            "DNSADMIN_LOG_LEVEL": "WARNING",
        }
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        result = long_run(Path(directory), options) if options.long else compare(Path(directory), options)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="From lines of the query log to saved counts.")
    parser.add_argument("--lines", type=int, default=400_000)
    parser.add_argument("--names", type=int, default=100_000, help="different names")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--long", action="store_true", help=f"{LONG_LINES:,} queries, {LONG_NAMES:,} names")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    return parser.parse_args()


# -- lines as named writes them -------------------------------------------------------------------------------------------


def asked(names: int, number: int, seed: int = 1) -> Iterator[int]:
    """Numbers of names, the frequency of each falling with its rank."""
    draw = random.Random(seed)
    weights = list(accumulate(1 / rank for rank in range(1, names + 1)))
    for _ in range(number):
        yield bisect(weights, draw.random() * weights[-1])


def line(n: int, name: int) -> str:
    ms = n * 1000 // PER_S
    written = f"host{name}.Zone{name % 500}.example.com"
    return (
        f"2026-11-22T{ms // 3_600_000 % 24:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}Z queries: info: "
        f"client @0x7ff57bca1498 192.0.{n % 3}.{n % 251}#{1024 + n % 60000} ({written}): "
        f"query: {written} IN {('A', 'AAAA', 'A', 'MX')[n % 4]} +E(0)K (127.0.0.1)\n"
    )


def write(path: Path, numbers: Iterator[int], first: int = 0) -> int:
    count = 0
    with path.open("a", buffering=1 << 20) as file:
        for count, name in enumerate(numbers, 1):
            file.write(line(first + count, name))
    return count


# -- three ways --------------------------------------------------------------------------------------------------------------


def ours(directory: Path) -> int:
    from monitoring.models import LogPlace, QueryRollup, QuerySource

    for model in (LogPlace, QueryRollup, QuerySource):
        model.objects.all().delete()
    reading = reader(directory)
    while reading.turn():
        pass
    reading.close()
    counted = sum(QueryRollup.objects.filter(period=QueryRollup.Period.HOUR).values_list("total", flat=True))
    assert counted == reading.lines, (counted, reading.lines)
    return int(counted)


def reader(directory: Path) -> Any:
    from monitoring.queries.ingest import Ingest
    from realtime.interests import InterestBook
    from zones.nameserver.endpoint import Endpoint, new_key

    where = Endpoint(
        host="127.0.0.1", port=53, tsig=new_key("a"), rndc_host="127.0.0.1", rndc_port=953, rndc_key=new_key("b"),
        statistics_url="", zone_dir=directory, log_dir=directory, private=True,
    )  # fmt: skip
    return Ingest(where, InterestBook())


def floor(directory: Path) -> int:
    from zones.nameserver.log_files import LogFollower
    from zones.nameserver.query_log import _QUERY

    follower, found = LogFollower(directory / "query.log"), 0
    while block := follower.read():
        found += len(_QUERY.findall(block.decode("latin-1")))
    return found


PEER = re.compile(
    r"^(?P<time>\S+) queries: info: client @\S+ (?P<client>[^#]+)#(?P<port>\d+) \(\S+\): "
    r"query: (?P<name>\S+) IN (?P<type>\S+) (?P<flags>\S+) "
)


def peer(directory: Path) -> int:
    total, names, clients, types = 0, Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    with (directory / "query.log").open() as file:
        for text in file:
            if (match := PEER.match(text)) is None:
                continue
            query = match.groupdict()
            total += 1
            names[query["name"].lower()] += 1
            clients[query["client"]] += 1
            types[query["time"][:16], query["type"]] += 1
    return total


def compare(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    lines = write(directory / "query.log", asked(options.names, options.lines))
    rates: dict[str, list[float]] = {"ours": [], "floor": [], "peer": []}
    for _ in range(options.rounds):
        for way in (ours, floor, peer):
            began = time.process_time()
            assert way(directory) == lines
            rates[way.__name__].append(lines / (time.process_time() - began))
    print(f"{lines:,} lines, {options.names:,} names, {options.rounds} rounds; lines a second of one core")
    middle = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"  {name:<6} {middle[name]:>10,.0f}   ({min(values):,.0f} to {max(values):,.0f})")
    print(f"  ours / floor {middle['ours'] / middle['floor']:.2f}    ours / peer {middle['ours'] / middle['peer']:.2f}")
    return rates


def write_pieces(log: Path, orders: Connection) -> None:
    """In a process of its own, so that nothing of the check is in the memory that is measured: a piece of log at each order,
    and at the end how many different names there were, and which hundred most often."""
    exact: Counter[int] = Counter()
    while (number := orders.recv()) is not None:
        numbers = list(asked(LONG_NAMES, PIECE, seed=number))
        exact.update(numbers)
        log.unlink(missing_ok=True)
        orders.send(write(log, iter(numbers), number * PIECE))
    orders.send((len(exact), [name for name, _ in exact.most_common(100)]))


def long_run(directory: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Feeds the log piece by piece, so that the disk does not hold all of it."""
    import psutil

    from monitoring.queries.heavy_hitters import HeavyHitters

    log = directory / "query.log"
    orders, theirs = Pipe()
    writer = get_context("spawn").Process(target=write_pieces, args=(log, theirs))
    writer.start()
    reading, process = reader(directory), psutil.Process()
    memory, spent = [], 0.0
    for number in range(LONG_LINES // PIECE):
        orders.send(number)
        orders.recv()
        began = time.process_time()
        while reading.turn():
            pass
        reading.turn()
        spent += time.process_time() - began
        memory.append(process.memory_info().rss)
        if number % 8 == 7:
            print(f"  {(number + 1) * PIECE:>10,} queries   {memory[-1] / 2**20:6.0f} MiB resident", flush=True)
    orders.send(None)
    different, best = orders.recv()
    writer.join()
    reading.save()
    together = HeavyHitters()
    for (period, _), tally in reading._saved.items():  # noqa: SLF001
        if period == "day":
            together.merge(tally.names)
    names = {f"host{name}.zone{name % 500}.example.com" for name in best}
    recall = len(names & {name for name, _ in together.top(100)})
    rate = LONG_LINES / spent
    warm = memory[len(memory) // 4]
    print(f"{LONG_LINES:,} queries, {different:,} names: {rate:,.0f} lines a second, {recall} of the top 100 found,")
    print(f"counts too low by {together.error:,} at most ({together.error / LONG_LINES:.4%} of all)")
    print(
        f"memory after a quarter {warm / 2**20:.0f} MiB, most after that {max(memory[len(memory) // 4 :]) / 2**20:.0f} MiB"
    )
    return {"rate": rate, "recall": recall, "memory": memory, "error": together.error}


if __name__ == "__main__":
    sys.exit(main())
