"""A large zone costs no more queries than a small one, to look at, to search and to write out; and no more of it is read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.zones.examples import Api
from zones.changes import create_zone
from zones.exporting import export_zone
from zones.listing import page_of
from zones.models import Zone
from zones.rrsets import RRset

MOST_QUERIES = 10
OF_THE_FRAME = 5
"""Queries of each page, whatever it shows: the log's head, the roll-out, maintenance, open alerts, groups."""

PAGES = (
    "/zones/{}/",
    "/zones/{}/?q=host-7",
    "/zones/{}/?q=host-7.{}",
    "/zones/{}/?type=TXT",
    "/zones/{}/?sort=-content",
    "/zones/{}/history/",
)
ROUTES = (
    "/api/zones/{}/",
    "/api/zones/{}/records/",
    "/api/zones/{}/records/?search=host-7",
    "/api/zones/{}/records/?name=host-7",
    "/api/zones/{}/changes/",
)


def rrsets(count: int) -> Iterator[RRset]:
    for number in range(count):
        kind, value = ("TXT", f'"text {number}"') if number % 3 else ("A", f"10.0.{number >> 8}.{number & 255}")
        yield RRset(f"host-{number}", kind, 300, (value,))


@pytest.fixture
def sizes(db: None) -> tuple[Zone, Zone]:
    """A hundred records, and thirty times as many."""
    small, large = (
        create_zone(name, rrsets=rrsets(count), nameservers=["ns.example.net"])
        for name, count in (("small.example", 98), ("large.example", 2998))
    )
    return small, large


@pytest.mark.parametrize("path", [*PAGES, *ROUTES])
def test_as_many_queries_as_for_a_small_zone(
    api: Api, olivia: User, client: Client, sizes: tuple[Zone, Zone], path: str
) -> None:
    client.force_login(olivia)
    asker: Any = api(olivia) if path in ROUTES else client
    counts = []
    for zone in sizes:
        address = path.format(zone.name, zone.name)
        asker.get(address)  # what is kept in memory from then on
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert asker.get(address).status_code == 200
        counts.append(len(asked))
    assert counts[0] == counts[1] <= MOST_QUERIES + (OF_THE_FRAME if path in PAGES else 0)


def test_pages_by_name_put_the_apex_first_and_miss_nothing(sizes: tuple[Zone, Zone]) -> None:
    zone = sizes[1]
    for sort in ("name", "-name"):
        shown = [
            (record.name, record.type)
            for number in range(1, 31)
            for record in page_of(zone, query="", kind="", sort=sort, number=number, private=True)
        ]
        assert len(shown) == len(set(shown)) == 3000
        names = [name for name, _ in shown]
        at_the_apex, others = (shown[:2], names[2:]) if sort == "name" else (shown[-2:][::-1], names[-3::-1])
        assert at_the_apex == [("@", "SOA"), ("@", "NS")]
        assert others == sorted(others)


def test_a_page_of_a_large_zone_is_read_along_an_index(sizes: tuple[Zone, Zone]) -> None:
    """Nothing sorts the whole zone: what is left to sort are records of one name and type."""
    with CaptureQueriesContext(connection) as asked:
        list(page_of(sizes[1], query="", kind="", sort="name", number=7, private=True, total=3000))
    for query in asked.captured_queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = " ".join(row[-1] for row in cursor.fetchall())
        assert "record_by" in plan
        assert "name" in query["sql"]
        if "NOT" in query["sql"]:
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan


def test_an_export_is_in_order_whatever_its_size_and_never_all_in_memory(
    sizes: tuple[Zone, Zone], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = export_zone(sizes[1])
    first = [next(lines) for _ in range(3)]
    assert [line.split()[0] for line in first] == ["$ORIGIN", "@", "@"]
    names = [line.split()[0] for line in lines]
    assert names == sorted(names)
    assert len(names) == 2998


def test_a_table_is_written_in_the_same_order(api: Api, olivia: User, sizes: tuple[Zone, Zone]) -> None:
    answer = api(olivia).get("/api/zones/large.example/export/?format=csv")
    content = b"".join(answer)
    assert int(answer["Content-Length"]) == len(content)
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [row["type"] for row in rows[:2]] == ["SOA", "NS"]
    assert [row["name"] for row in rows[2:]] == sorted(row["name"] for row in rows[2:])
