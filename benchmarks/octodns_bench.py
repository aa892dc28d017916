"""A change of 10,000 records on one `named`: ours, beside octoDNS with its BIND provider.

`python -m benchmarks.octodns_bench [--records N] [--rounds N] [--json FILE]`. Both start from a zone file in which every
address has changed, and from a zone that the same private `named` serves; they take turns in the same run.

- ours: `zones.importing.import_zone` with `replace` (SQLite; records, history and events are written) and
  `zones.pushing.push`, which sends signed updates with prerequisites and reads back what is served;
- peer: `octodns.manager.Manager.sync` from `ZoneFileProvider` to `Rfc2136Provider` (AXFR, plan, signed updates).

Afterwards each zone is transferred and compared with its file, outside the time taken.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"


def main() -> int:
    parser = argparse.ArgumentParser(description="A change of many records until it is served.")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every round to FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dnsadmin-octodns-") as directory:
        for name in [name for name in os.environ if name.startswith("DNSADMIN_")]:
            del os.environ[name]
        os.environ |= {
            "DNSADMIN_DATA_DIR": directory,
            "DNSADMIN_SECRET_KEY": "only-for-benchmarks",
            "DNSADMIN_LOG_LEVEL": "WARNING",
        }
        result = compare(options.records, options.rounds, Path(directory))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def compare(records: int, rounds: int, directory: Path) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from zones.nameserver.private import PrivateNamed

    call_command("migrate", verbosity=0)
    logging.getLogger("octodns").setLevel(logging.ERROR)
    named = PrivateNamed(directory / "named")
    endpoint = named.start()
    taken: dict[str, list[float]] = {"ours": [], "peer": []}
    try:
        ways = {"ours": Ours(endpoint, records), "peer": OctoDns(endpoint, records, directory)}
        for number in range(1, rounds + 2):
            for kind, way in ways.items():
                text = zone_text(way.zone, records, number)
                began = time.perf_counter()
                way.change(text)
                seconds = time.perf_counter() - began
                way.check(text)
                if number > 1:  # the first round warms up
                    taken[kind].append(seconds)
    finally:
        named.stop()
    return report(records, taken)


def zone_text(zone: str, records: int, number: int) -> str:
    """The zone in its state `number`: other addresses each time."""
    head = f"$ORIGIN {zone}.\n$TTL 300\n@ SOA ns.example.net. hostmaster.example.net. 1 3600 600 86400 60\n"
    hosts = (f"h{each} A 10.{number % 250}.{each // 250}.{each % 250}\n" for each in range(records))
    return f"{head}@ NS ns.example.net.\n{''.join(hosts)}"


class Way:
    """One way to bring a change to the name server."""

    zone = ""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    def change(self, text: str) -> None:
        raise NotImplementedError

    def check(self, text: str) -> None:
        """What is served is what the file says. Raises `AssertionError`."""
        from zones.nameserver.transfer import transfer
        from zones.rrsets import group
        from zones.zonefile.read import read_zone_file

        served = {rrset for rrset in transfer(self._endpoint, self.zone).rrsets if rrset.type != "SOA"}
        wanted = {rrset for rrset in group(read_zone_file(text.encode(), self.zone).records) if rrset.type != "SOA"}
        assert served == wanted, f"{self.zone} is served otherwise"


class Ours(Way):
    zone = "ours.test"

    def __init__(self, endpoint: Any, records: int) -> None:
        super().__init__(endpoint)
        self.change(zone_text(self.zone, records, 0))

    def change(self, text: str) -> None:
        from zones.importing import import_zone
        from zones.pushing import push

        done = import_zone(text.encode(), self.zone, replace=True)
        if error := push(done.zone.pk):
            raise error


class OctoDns(Way):
    zone = "peer.test"

    def __init__(self, endpoint: Any, records: int, directory: Path) -> None:
        from zones.nameserver.hosting import add_zone

        super().__init__(endpoint)
        add_zone(endpoint, self.zone, zone_text(self.zone, records, 0))
        self._file = directory / f"{self.zone}."
        self._config = directory / "octodns.json"
        target = {
            "class": "octodns_bind.Rfc2136Provider",
            "host": endpoint.host,
            "port": endpoint.port,
            "key_name": endpoint.tsig.name,
            "key_secret": endpoint.tsig.secret,
            "key_algorithm": endpoint.tsig.algorithm,
        }
        source = {"class": "octodns_bind.ZoneFileProvider", "directory": str(directory)}
        zones = {f"{self.zone}.": {"sources": ["file"], "targets": ["named"]}}
        self._config.write_text(json.dumps({"providers": {"file": source, "named": target}, "zones": zones}))

    def change(self, text: str) -> None:
        from octodns.manager import Manager  # type: ignore[import-untyped]

        self._file.write_text(text)
        Manager(str(self._config)).sync(dry_run=False, force=True)


def report(records: int, taken: dict[str, list[float]]) -> dict[str, Any]:
    from rich.console import Console
    from rich.table import Table

    names = {"ours": "ours, with history and events", "peer": "octoDNS with octodns-bind"}
    medians = {kind: statistics.median(rounds) for kind, rounds in taken.items()}
    table = Table(title=f"{records:,} records changed until served, median of {len(taken['ours'])} rounds")
    for column in ("", "seconds", "× peer"):
        table.add_column(column, justify="right" if column else "left")
    for kind, name in names.items():
        table.add_row(name, f"{medians[kind]:.2f}", f"{medians[kind] / medians['peer']:.2f}")
    Console(width=100 if not sys.stdout.isatty() else None).print(table)
    return {"records": records, "rounds": taken, "seconds": medians, "ours_to_peer": medians["ours"] / medians["peer"]}


if __name__ == "__main__":
    sys.exit(main())
