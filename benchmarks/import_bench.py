"""A zone file of 10,000 records until `named` serves it: our import, beside `named-compilezone` and `nsupdate`.

`python -m benchmarks.import_bench [--records N] [--rounds N] [--json FILE]`, under a minute. Both work on the same private
`named` in the same run, in turns, each time with a zone of a new name:

- ours: `zones.importing.import_zone` (SQLite; the records, their history and the events are written) and
  `zones.pushing.push`, which hosts the zone by file and `rndc addzone`;
- peer: `named-compilezone`, and its lines sent by `nsupdate` in batches of 1000 into a zone with only SOA and NS;
- floor: `named-compilezone` and `rndc addzone`, with no database behind it.

Afterwards every zone is transferred and compared with what was imported, outside the time taken.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"

BATCH = 1000


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="dnsadmin-import-") as directory:
        for name in [name for name in os.environ if name.startswith("DNSADMIN_")]:
            del os.environ[name]
        os.environ |= {
            "DNSADMIN_DATA_DIR": directory,
            "DNSADMIN_SECRET_KEY": "only-for-benchmarks",
            "DNSADMIN_LOG_LEVEL": "WARNING",
        }
        result = compare(options, Path(directory))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Import of a zone file until it is served.")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every round to FILE")
    return parser.parse_args()


def compare(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from zones.nameserver.private import PrivateNamed

    call_command("migrate", verbosity=0)
    named = PrivateNamed(directory / "named")
    endpoint = named.start()
    try:
        bench = Bench(endpoint, zone_text(options.records), options.records + 3)
        kinds: dict[str, Callable[[str], dict[str, float]]] = {
            "ours": bench.ours,
            "peer": bench.peer,
            "floor": bench.floor,
        }
        taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        for number in range(options.rounds + 1):
            for kind, run in kinds.items():
                zone = f"{kind}{number}.test"
                figures = run(zone)
                bench.check(zone)
                if number:  # the first round warms up
                    taken[kind].append(figures)
    finally:
        named.stop()
    return {"records": options.records, "rounds": taken} | report(options, taken)


def zone_text(records: int) -> bytes:
    """A zone as hosting companies have them: hosts, aliases, mail, texts. Its names do not depend on the zone's."""
    lines = ["$TTL 300", "@ SOA ns hostmaster 1 3600 600 86400 60", "@ NS ns", "ns A 192.0.2.1"]
    for number in range(records):
        owner = f"host-{number}"
        match number % 10:
            case 7:
                lines.append(f"{owner} CNAME host-{number - 1}")
            case 8:
                lines.append(f"{owner} MX 10 host-{number - 2}")
            case 9:
                lines.append(f'{owner} TXT "v=spf1 ip4:192.0.2.{number % 256} -all"')
            case 5 | 6:
                lines.append(f"{owner} AAAA 2001:db8::{number >> 16:x}:{number & 0xFFFF:x}")
            case _:
                lines.append(f"{owner} A 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    return ("\n".join(lines) + "\n").encode()


class Bench:
    """The three ways, each from the text of a zone file to a zone that is served. They answer seconds by step."""

    def __init__(self, endpoint: Any, text: bytes, records: int) -> None:
        self._endpoint = endpoint
        self._text = text
        self._records = records

    def ours(self, zone: str) -> dict[str, float]:
        from zones.importing import import_zone
        from zones.pushing import push

        began = time.perf_counter()
        done = import_zone(self._text, zone)
        imported = time.perf_counter()
        if error := push(done.zone.pk):
            raise error
        return {"import": imported - began, "serve": time.perf_counter() - imported}

    def peer(self, zone: str) -> dict[str, float]:
        from zones.nameserver.hosting import add_zone

        add_zone(self._endpoint, zone, "".join(self._text.decode().splitlines(keepends=True)[:4]))
        began = time.perf_counter()
        lines = iter(self._compiled(zone).splitlines())
        compiled = time.perf_counter()
        key = self._endpoint.tsig
        script = [
            f"server {self._endpoint.host} {self._endpoint.port}",
            f"key {key.algorithm}:{key.name} {key.secret}",
            f"zone {zone}",
        ]
        while batch := list(islice(lines, BATCH)):
            script += [f"update add {line}" for line in batch if " SOA\t" not in line]
            script.append("send")
        subprocess.run(["nsupdate", "-v"], input="\n".join(script) + "\n", text=True, check=True)
        return {"compile": compiled - began, "nsupdate": time.perf_counter() - compiled}

    def floor(self, zone: str) -> dict[str, float]:
        from zones.nameserver.hosting import add_zone

        began = time.perf_counter()
        text = self._compiled(zone)
        compiled = time.perf_counter()
        add_zone(self._endpoint, zone, text)
        return {"compile": compiled - began, "addzone": time.perf_counter() - compiled}

    def check(self, zone: str) -> None:
        """All of it is served. Raises `AssertionError`."""
        from zones.nameserver.transfer import transfer
        from zones.rrsets import group
        from zones.zonefile.read import read_zone_file

        served = transfer(self._endpoint, zone).rrsets
        assert list(served) == group(read_zone_file(self._text, zone).records), f"{zone} is served otherwise"
        assert sum(len(rrset.rdata) for rrset in served) == self._records

    def _compiled(self, zone: str) -> str:
        from zones.zonefile.compile import program

        command = [
            program("named-compilezone"),
            "-q",
            "-i",
            "local",
            "-k",
            "ignore",
            "-s",
            "full",
            "-o",
            "-",
            zone,
            "/dev/stdin",
        ]
        return subprocess.run(command, input=self._text, capture_output=True, check=True).stdout.decode("ascii")


def report(options: argparse.Namespace, taken: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    from rich.console import Console
    from rich.table import Table

    names = {
        "ours": "our import",
        "peer": "named-compilezone + nsupdate",
        "floor": "named-compilezone + rndc addzone",
    }
    medians = {kind: statistics.median(sum(figures.values()) for figures in rounds) for kind, rounds in taken.items()}
    table = Table(title=f"{options.records:,} records until served, median of {options.rounds} rounds")
    for column in ("", "seconds", "× peer", "records/s", "steps, seconds"):
        table.add_column(column, justify="left" if column in ("", "steps, seconds") else "right")
    for kind, name in names.items():
        steps = {step: statistics.median(figures[step] for figures in taken[kind]) for step in taken[kind][0]}
        table.add_row(
            name,
            f"{medians[kind]:.2f}",
            f"{medians[kind] / medians['peer']:.2f}",
            f"{options.records / medians[kind]:,.0f}",
            ", ".join(f"{step} {seconds:.2f}" for step, seconds in steps.items()),
        )
    Console(width=120 if not sys.stdout.isatty() else None).print(table)
    return {"seconds": medians, "ours_to_peer": medians["ours"] / medians["peer"]}


if __name__ == "__main__":
    sys.exit(main())
