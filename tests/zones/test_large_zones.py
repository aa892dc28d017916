"""A large zone costs no more queries than a small one, to look at, to search and to write out; and no more of it is read."""

from __future__ import annotations

import csv
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.zones.examples import Api, whole
from zones import bulk, grants, listing, searching
from zones.access import Limits
from zones.changes import change_set
from zones.exporting import export_zone
from zones.lifecycle import create_zone
from zones.listing import COUNTED, LOOKED_AT, ORDERS, Pages
from zones.models import Record, Zone
from zones.rrsets import RRset

MOST_QUERIES = 10
"""Of a whole page: who one is, the frame around it, and what it shows."""

PAGES = (
    "/zones/",
    "/zones/?q={}&sort=-changed",
    "/search/?q=host-7",
    "/search/?q=host-7.{}",
    "/zones/{}/",
    "/zones/{}/?page=20",
    "/zones/{}/?q=host-7",
    "/zones/{}/?q=host-777",
    "/zones/{}/?q=nowhere",
    "/zones/{}/?q=host-7.{}",
    "/zones/{}/?type=TXT",
    *(f"/zones/{{}}/?sort=-{sort}" for sort in ORDERS),
    "/zones/{}/history/",
    "/zones/{}/history/?name=host-7",
)
ROUTES = (
    "/api/zones/",
    "/api/zones/?search={}",
    "/api/zones/{}/",
    "/api/zones/{}/records/",
    "/api/zones/{}/records/?page=20&page_size=5",
    "/api/zones/{}/records/?type=TXT&search=host-7",
    "/api/zones/{}/records/?name=host-7&search=10",
    "/api/zones/{}/records/{record}/",
    "/api/zones/{}/changes/{change_set}/",
    "/api/zones/{}/records/?search=host-7",
    "/api/zones/{}/records/?search=nowhere",
    "/api/zones/{}/records/?name=host-7",
    "/api/zones/{}/changes/",
    "/api/zones/{}/changes/?name=host-7",
)


def rrsets(count: int) -> Iterator[RRset]:
    for number in range(count):
        kind, value = ("TXT", f'"text {number}"') if number % 3 else ("A", f"10.0.{number >> 8}.{number & 255}")
        yield RRset(f"host-{number}", kind, 300, (value,))


@pytest.fixture
def sizes(db: None) -> tuple[Zone, Zone]:
    """A hundred records, and more than a search looks at one by one."""
    small, large = (
        create_zone(name, rrsets=rrsets(count), nameservers=["ns.example.net"])
        for name, count in (("small.example", 98), ("large.example", 2998))
    )
    return small, large


def page_of(zone: Zone, number: int = 1, *, query: str = "", kind: str = "", sort: str = "name") -> Any:
    rows = listing.of(zone, query=query, kind=kind, sort=sort, private=True)
    return Pages(rows, listing.PAGE_SIZE).page(number)


def test_no_more_queries_than_for_a_small_zone(
    api: Api, admin: User, olivia: User, vera: User, zoe: User, client: Client, sizes: tuple[Zone, Zone]
) -> None:
    """Whether one sees by role or by grants alone, and may edit all of it, some or nothing; of zones that wait to be served,
    which takes most."""
    for zone in sizes:
        grants.give(zone, level="edit", user=zoe, limits=Limits(names=("host-*",)))
    for user in (admin, olivia, vera, zoe):
        client.force_login(user)
        for path in [*PAGES, *ROUTES]:
            asker: Any = api(user) if path in ROUTES else client
            counts = []
            for zone in sizes:
                record, change_set = zone.records.filter(name="host-7").get(), zone.change_sets.latest("pk")
                address = path.format(zone.name, zone.name, record=record.pk, change_set=change_set.pk)
                asker.get(address)  # what is kept in memory from then on
                with CaptureQueriesContext(connection) as asked:
                    assert asker.get(address).status_code == 200
                counts.append(len(asked))
            # A search that does not find enough among the first asks for those beyond.
            more = range(2) if "q=" in path or "search=" in path else range(1)
            assert counts[1] - counts[0] in more, (path, counts)
            assert max(counts) <= MOST_QUERIES, (user.username, path, counts)


def test_pages_in_any_order_miss_nothing(sizes: tuple[Zone, Zone]) -> None:
    for sort in ORDERS:
        shown, turned = (
            [record.pk for number in range(1, 31) for record in page_of(sizes[1], number, sort=sign + sort)]
            for sign in ("", "-")
        )
        assert len(shown) == len(set(shown)) == 3000
        assert turned == shown[::-1]


def test_the_apex_comes_first(sizes: tuple[Zone, Zone]) -> None:
    first, last = (list(page_of(sizes[1], number, sort=sort)) for number, sort in ((1, "name"), (30, "-name")))
    assert [record.type for record in first[:2]] == ["SOA", "NS"]
    assert [record.type for record in last[-2:]] == ["NS", "SOA"]
    names = [record.name for record in first[2:]]
    assert names == sorted(names)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the plan is told in the words of PostgreSQL")
def test_two_characters_that_are_nowhere_are_sought_in_the_index(sizes: tuple[Zone, Zone]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE zones_record")
        cursor.execute("SET LOCAL cpu_tuple_cost = 100")  # to look at three thousand records would be quicker
        plan = searching.likely(["zq"], [sizes[1].pk]).explain()
    assert plan.count("on zones_record_text") == 2, plan
    assert "on zones_record_beyond_ascii" in plan


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan is told in the words of SQLite")
def test_a_page_of_a_large_zone_is_read_along_an_index(sizes: tuple[Zone, Zone]) -> None:
    for sort in [*ORDERS, *(f"-{sort}" for sort in ORDERS)]:
        with CaptureQueriesContext(connection) as asked:
            list(page_of(sizes[1], 7, sort=sort))
        (query,) = asked.captured_queries
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = [row[-1] for row in cursor.fetchall()]
        found = next(at for at, step in enumerate(plan) if "SUBQUERY" in step)
        assert "INDEX record_" in plan[found + 1], sort
        # What is sorted are the hundred rows of the page.
        assert [step for step in plan if "ORDER BY" in step] == plan[-1:], sort


# -- search ---------------------------------------------------------------------------------------------------------------


QUERIES = ("host-7", "HOST-2777", "77", "7", 'xt 2777"', "10.0.7.", "nowhere", "zq", "host-1.large.example", "%", "\\")


def test_a_search_finds_what_a_look_at_every_record_finds(sizes: tuple[Zone, Zone]) -> None:
    records = list(Record.objects.filter(zone=sizes[1]))
    for query in QUERIES:
        part = query.removesuffix(".large.example").lower()
        wanted = [
            record.pk for record in records if any(part in side.lower() for side in (record.name, record.content))
        ]
        page = page_of(sizes[1], query=query)
        found = [record.pk for record in page]
        while page.has_next():
            page = page_of(sizes[1], page.number + 1, query=query)
            found += [record.pk for record in page]
        assert page.paginator.count == len(found) == len(wanted), query
        assert set(found) == set(wanted), query


def test_the_index_of_the_text_follows_every_way_of_writing(sizes: tuple[Zone, Zone]) -> None:
    """It fails when a later migration makes the table of records anew without it."""
    zone, chance = sizes[1], random.Random(7)
    pks = list(zone.records.exclude(name="@").values_list("pk", flat=True))
    some = chance.sample(pks, 60)
    with change_set(zone) as changes:
        for pk in some[:20]:
            changes.update(pk, comment="the Printer's ä")
        for number, pk in enumerate(some[20:40]):
            changes.update(pk, name=f"renamed-{number}")
        for pk in some[40:]:
            changes.delete(pk)
    with change_set(zone) as changes:
        changes.replace([RRset("plotter", "A", 300, ("192.0.2.1",))], keep_others=True)
    for part, count in (("printer's ä", 20), ("renamed-", 20), ("plotter", 1), ("ter's", 20)):
        assert searching.likely([part], [zone.pk]).count() == count
    gone = {f"host-{number}" for number in range(2998)} - set(zone.records.values_list("name", flat=True))
    assert len(gone) == 40
    assert not any(searching.likely([f"{name}\n"], [zone.pk]).filter(pk__in=some).exists() for name in gone)


def test_two_characters_are_found_by_the_index_wherever_they_stand(sizes: tuple[Zone, Zone]) -> None:
    zone = sizes[1]
    with change_set(zone) as changes:
        changes.create(name="zq", type="A", ttl=60, content="192.0.2.1")
        changes.create(name="a", type="A", ttl=60, content="192.0.2.1", comment="its end is zQ")
        changes.create(name="b", type="TXT", ttl=60, content='"within zqzq"', comment='and a " in it')
        changes.create(name="c", type="A", ttl=60, content="192.0.2.1", comment="between äzqß")
    all_of_them = ["a", "b", "c", "zq"]
    for part, names in (("zq", all_of_them), ("ZQ", all_of_them), ("qz", ["b"]), ('q"', ["b"]), ("zz", [])):
        found = searching.likely([part], [zone.pk]).order_by("name").values_list("name", flat=True)
        assert list(found) == names, part


def test_of_very_many_that_are_found_the_least_is_told_and_all_are_reached(
    api: Api, olivia: User, client: Client, sizes: tuple[Zone, Zone], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "COUNTED", 1000)
    answer = api(olivia).get("/api/zones/large.example/records/?search=host&page_size=1000").json()
    assert (answer["count"], answer["count_is_least"]) == (1001, True)
    reached = len(answer["results"])
    while answer["next"]:
        answer = api(olivia).get(answer["next"].removeprefix("http://testserver")).json()
        reached += len(answer["results"])
    assert reached == 2999  # the SOA names a hostmaster
    client.force_login(olivia)
    assert b"more than" in client.get("/zones/large.example/?q=host").content
    for asked, shown in (("1", 1), ("2", 2), ("13", 13), ("500", 30), ("x", 1)):
        page = client.get(f"/zones/large.example/?q=host&page={asked}").context["page"]
        assert (page.number, page.has_next()) == (shown, shown < 30), asked
    assert api(olivia).get("/api/zones/large.example/records/?search=host&page=500").status_code == 404
    assert api(olivia).get("/api/zones/large.example/records/?search=host&page=last").status_code == 200
    assert COUNTED <= LOOKED_AT  # of what is frequent no more is counted than was looked at


# -- counts ---------------------------------------------------------------------------------------------------------------


def test_the_counts_of_a_zone_are_those_of_its_records(sizes: tuple[Zone, Zone]) -> None:
    zone = sizes[0]
    first, second = zone.records.filter(type="A")[:2]
    with change_set(zone) as changes:
        changes.create(name="new", type="AAAA", ttl=60, content="2001:db8::1")
        changes.delete(first)
        changes.update(second, type="TXT", content='"now a text"')
    with change_set(zone) as changes:
        changes.replace([RRset("host-1", "MX", 300, ("10 host-3.small.example.",))], keep_others=True)
    for each in Zone.objects.all():
        assert each.record_counts == Counter(each.records.values_list("type", flat=True))
        assert all(made.change_count == made.changes.count() for made in each.change_sets.all())


# -- written out ----------------------------------------------------------------------------------------------------------


def test_an_export_is_in_order_whatever_its_size_and_never_all_in_memory(sizes: tuple[Zone, Zone]) -> None:
    lines = export_zone(sizes[1])
    first = [next(lines) for _ in range(3)]
    assert [line.split()[0] for line in first] == ["$ORIGIN", "@", "@"]
    names = [line.split()[0] for line in lines]
    assert names == sorted(names)
    assert len(names) == 2998


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="SQLite refuses at once to write on from what has changed since"
)
def test_an_export_is_announced_whoever_writes_meanwhile(transactional_db: None) -> None:
    zone = create_zone("large.example", rrsets=rrsets(2998), nameservers=["ns.example.net"])

    def another_process_writes(execute: Any, statement: str, *rest: Any) -> Any:
        if statement.startswith("BEGIN"):
            with closing(sqlite3.connect(connection.settings_dict["NAME"])) as theirs, theirs:
                theirs.execute("UPDATE zones_zone SET comment = comment || '!'")
        return execute(statement, *rest)

    with connection.execute_wrapper(another_process_writes):
        assert len(list(export_zone(zone))) == 3001
    assert Zone.objects.get().comment


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's memory for pages")
def test_room_for_many_rows_is_given_back(db: None) -> None:
    def room() -> int:
        with connection.cursor() as cursor:
            return int(cursor.execute("PRAGMA cache_size").fetchone()[0])

    usual = room()
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA cache_size = 700")
    try:
        with bulk.many(Record):
            assert room() == -bulk.ROOM_KIB
        assert room() == 700
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA cache_size = {usual}")


def test_a_table_is_written_in_the_same_order(api: Api, olivia: User, sizes: tuple[Zone, Zone]) -> None:
    answer = api(olivia).get("/api/zones/large.example/export/?format=csv")
    content = whole(answer)
    assert int(answer["Content-Length"]) == len(content)
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert [row["type"] for row in rows[:2]] == ["SOA", "NS"]
    assert [row["name"] for row in rows[2:]] == sorted(row["name"] for row in rows[2:])
