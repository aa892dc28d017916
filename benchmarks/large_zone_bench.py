"""A zone of 100,000 records beside one of 100: how long until the first byte of each page and answer, and how many queries.

`python -m benchmarks.large_zone_bench [--records N] [--rounds N] [--database sqlite|postgresql] [--json FILE]`, about two
minutes with both databases. A real site with its private name server and both zones, imported and served. Each address is
asked for in the one zone and in the other, in turns, over a new connection; in both it shows about as many rows (no type
fills a page of the small one, which shows all types instead). The ratio is that of the medians; the goals are twice, and ten
queries. Queries are those of a whole page, with who one is and the frame around it: of an administrator, or of somebody who
sees both by grants alone, whichever are more.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from benchmarks.import_bench import zone_text
from tests.parts.postgres_server import PostgresServer
from tests.parts.site import Site

GOAL, MOST_QUERIES = 2.0, 10
SMALL = 100

PAGES = {
    "open": "",
    "deep page": "?page={deep}",
    "last page": "?page={last}",
    "of one type": "?{type}",
    **{f"by {sort}": f"?sort={sort}" for sort in ("-name", "type", "ttl", "content", "-content", "-changed")},
    "search: rare": "?q={rare}",
    "search: absent": "?q=nowhere",
    "search: absent, short": "?q=zq",
    "search: all of them": "?q=host",
    "search: one in nine": "?q={one_in_nine}",
    "search: the last ones": "?q={the_last}",
    "search: content": "?q={content}",
    "search: whole name": "?q={rare}.{zone}",
    "search: by TTL": "?q={one_in_nine}&sort=ttl",
    "history": "history/",
    "history of a name": "history/?name={rare}",
}
ANSWERS = {
    "zone": "",
    "records": "records/",
    "deep page": "records/?page={deep}",
    "of one name": "records/?name={rare}",
    "of one type": "records/?{type}",
    "search: rare": "records/?search={rare}",
    "search: absent": "records/?search=nowhere",
    "search: all of them": "records/?search=host",
    "search: one in nine": "records/?search={one_in_nine}",
    "changes": "changes/",
    "changes of a name": "changes/?name={rare}",
}

COUNT = """
import json, sys
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from zones import grants
from zones.models import Zone
owner = User.objects.create_user("granted")
for zone in Zone.objects.filter(name__in=("small.example", "large.example")):
    grants.give(zone, level="edit", user=owner)
paths, counts = json.load(sys.stdin), {}
for user in (User.objects.get(username="admin"), owner):
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    for path in paths:
        client.get(path)  # what is kept in memory from then on
        with CaptureQueriesContext(connection) as asked:
            assert client.get(path).status_code == 200, path
        counts[path] = max(len(asked), counts.get(path, 0))
print(json.dumps(counts))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="A large zone beside a small one.")
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args()
    databases = [options.database] if options.database else ["sqlite", "postgresql"]
    figures = {database: compare(database, options.records, options.rounds) for database in databases}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def compare(database: str, records: int, rounds: int) -> list[dict[str, Any]]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dnsadmin-large-")))
        settings: dict[str, Any] = {"LOG_LEVEL": "WARNING", "API_REQUESTS_PER_MINUTE": 1_000_000}
        if database == "postgresql":
            server = PostgresServer()
            stack.callback(server.remove)
            server.start()
            settings["DATABASE_URL"] = server.create_database()
        site = Site(directory, **settings)
        site.prepare()
        site.start()
        stack.callback(site.stop)
        zones = {SMALL: "small.example", records: "large.example"}
        for count, name in zones.items():
            fill(site, directory, name, count)
        if database == "postgresql":
            # What its autovacuum does within a minute.
            with psycopg.connect(settings["DATABASE_URL"], autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        cookie = site.cookie("admin")
        figures: list[dict[str, Any]] = []
        for kind, addresses, prefix in (("page", PAGES, "/zones/"), ("API", ANSWERS, "/api/zones/")):
            for what, address in addresses.items():
                paths = [prefix + f"{name}/" + filled(address, name, count) for count, name in zones.items()]
                small, large = in_turns(site, paths, cookie, rounds)
                figures.append({"kind": kind, "what": what, "paths": paths, "small": small, "large": large})
        every = [path for row in figures for path in row["paths"]]
        queries = json.loads(site.python(COUNT, stdin=json.dumps(every)).splitlines()[-1])
        for row in figures:
            row["queries"] = [queries[path] for path in row.pop("paths")]
    report(database, records, rounds, figures)
    return figures


def fill(site: Site, directory: Path, name: str, count: int) -> None:
    """Import a zone, change some of its records one by one, and wait until all is served."""
    file = directory / f"{name}.zone"
    file.write_bytes(zone_text(count))
    site.manage("zone_import", str(file), "--zone", name)
    client = site.client("admin")
    for number in range(30):
        record = client.get(f"/api/zones/{name}/records/", name=f"host-{number}").data["results"][0]
        assert client.patch(f"/api/zones/{name}/records/{record['id']}/", {"comment": f"no. {number}"}).status == 200
    deadline = time.monotonic() + 120
    while client.get(f"/api/zones/{name}/").data["sync_state"] != "served":
        assert time.monotonic() < deadline, f"{name} is not served"
        time.sleep(0.2)


def filled(address: str, zone: str, count: int) -> str:
    """The address with what is sought in it: in the small zone, what fills as much of a page as in the large one."""
    pages, large = -(-(count + 3) // 100), count > SMALL
    return address.format(
        zone=zone,
        rare=f"host-{count * 73 // 100 + 1}",
        one_in_nine="host-7" if large else "host-",
        the_last="host-9" if large else "host-",
        content="v=spf1" if large else "1",
        type="type=TXT" if large else "",
        deep=(pages + 1) // 2,
        last=pages,
    )


def in_turns(site: Site, paths: list[str], cookie: str, rounds: int) -> list[float]:
    taken: list[list[float]] = [[] for _ in paths]
    for number in range(rounds + 2):
        for path, seconds in zip(paths, taken, strict=True):
            took = first_byte(site.port, path, cookie)
            if number >= 2:  # the first warm up
                seconds.append(took)
    return [statistics.median(seconds) for seconds in taken]


def first_byte(port: int, path: str, cookie: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        began = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie})
        response = connection.getresponse()
        response.read(1)
        took = time.perf_counter() - began
        assert response.status == 200, f"{path}: {response.status}"
        response.read()
    finally:
        connection.close()
    return took


def report(database: str, records: int, rounds: int, figures: list[dict[str, Any]]) -> None:
    title = f"{database}: first byte of {SMALL} and of {records:,} records, medians of {rounds}"
    table = Table(title=title)
    for column in ("", "ms", "ms", "×", "queries", "goals"):
        table.add_column(column, justify="left" if column in ("", "goals") else "right")
    for row in figures:
        ratio, queries = row["large"] / row["small"], row["queries"]
        met = ratio <= GOAL and max(queries) <= MOST_QUERIES
        table.add_row(
            f"{row['kind']}, {row['what']}",
            f"{row['small'] * 1000:.1f}",
            f"{row['large'] * 1000:.1f}",
            f"{ratio:.2f}",
            " / ".join(map(str, queries)),
            "met" if met else "NOT MET",
        )
    Console(width=100 if not sys.stdout.isatty() else None).print(table)


if __name__ == "__main__":
    sys.exit(main())
