"""The query stream of a whole site: the real name server asked, its log followed, everybody told what they may see."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message
import dns.query
import pytest

from realtime.client import Client
from tests.parts.site import Site
from zones.nameserver.endpoint import saved

BATCH, STATISTICS = "dns_query_batch", "dns_query_statistics"
ZONE = {"name": "stream.example", "kind": "primary"}


@pytest.fixture(scope="module")
def site(site: Site) -> Site:
    """With a zone of which zoe may see the queries."""
    admin = site.client("admin")
    assert admin.post("/api/zones/", ZONE).status == 201
    assert admin.post("/api/zones/stream.example/grants/", {"user": "zoe", "level": "view"}).status == 201
    return site


def ask(site: Site, *names: str, type: str = "A") -> None:
    for name in names:
        try:
            dns.query.udp(dns.message.make_query(name, type), "127.0.0.1", port=site.named_port, timeout=5)
        except dns.exception.Timeout:
            pytest.fail("the name server does not answer")


async def hear(
    site: Site, username: str, asked: Callable[[], None], until: Callable[[list[Any]], bool], **wanted: Any
) -> list[Any]:
    """The events that a user gets from when they listen, while `asked` is done, until `until` says that it is enough."""
    events: list[Any] = []
    async with Client(site.socket_url(), token=site.token(username), name=f"t{time.monotonic_ns()}") as client:
        await client.unsubscribe("*")
        answer = await client.subscribe(BATCH, STATISTICS, **wanted)
        events.append(answer)
        await asyncio.sleep(0.6)  # for the source to hear of it
        work = asyncio.create_task(asyncio.to_thread(asked))
        async with asyncio.timeout(30):
            async for event in client.events():
                events.append(event)
                if until(events[1:]):
                    break
        await work
    return events


def rows(events: list[Any]) -> list[Any]:
    return [row for event in events if event.get("event_type") == BATCH for row in event["data"]["queries"]]


def total(events: list[Any]) -> int:
    return sum(event["data"]["total"] for event in events if event.get("event_type") == BATCH)


async def test_what_is_asked_is_seen_by_those_who_may(site: Site) -> None:
    def asked() -> None:
        ask(site, *[f"a{n}.stream.example" for n in range(7)], "elsewhere.example")

    def seven(events: list[Any]) -> bool:
        return total(events) >= 8

    sam, vera = await asyncio.gather(hear(site, "sam", asked, seven), hear(site, "vera", lambda: None, seven))
    assert {row["client"] for row in rows(sam)} == {"127.0.0.1"}
    assert {row["client"] for row in rows(vera)} == {None}
    assert {row["name"] for row in rows(sam)} == {*(f"a{n}.stream.example" for n in range(7)), "elsewhere.example"}
    assert all(event["redacted"] == ["queries.*.client"] for event in vera if event.get("event_type") == BATCH)
    assert {row["outcome"] for row in rows(vera)} == {"allowed"}


async def test_an_owner_sees_the_queries_of_their_zone_alone(site: Site) -> None:
    def asked() -> None:
        ask(site, "elsewhere.example", "b.stream.example", "elsewhere.example", "c.stream.example")

    events = await hear(site, "zoe", asked, lambda events: total(events) >= 2)
    assert [row["name"] for row in rows(events)] == ["b.stream.example", "c.stream.example"]
    assert {row["client"] for row in rows(events)} == {None}
    assert events[0]["rejected"] == [{"event_type": STATISTICS, "code": "permission_denied"}]


async def test_a_filter_counts_what_matches_whole_labels(site: Site) -> None:
    def asked() -> None:
        ask(site, "d.stream.example", "dstream.example", "stream.example")
        ask(site, "d.stream.example", type="MX")

    wanted = {"name_suffix": "Stream.Example.", "qtype": "A"}
    events = await hear(site, "olivia", asked, lambda events: total(events) >= 2, filter=wanted)
    assert [row["name"] for row in rows(events)] == ["d.stream.example", "stream.example"]
    assert events[-1]["data"]["filter"] == {"name_suffix": "stream.example", "qtype": "A"}


async def test_who_may_not_see_clients_cannot_filter_by_them(site: Site) -> None:
    async with Client(site.socket_url(), token=site.token("vera"), name="sly") as client:
        answer = await client.subscribe(BATCH, filter={"client": "127.0.0.1"})
    assert answer["rejected"] == [{"event_type": BATCH, "code": "permission_denied"}]
    assert site.client("vera").get("/api/queries/?client=127.0.0.1").status == 403


async def test_rows_keep_to_the_rate_that_was_asked_for_and_totals_to_the_truth(site: Site) -> None:
    def asked() -> None:
        ask(site, *["many.stream.example"] * 200)

    wanted = {"name_suffix": "many.stream.example", "rows_per_s": 4}
    events = await hear(site, "sam", asked, lambda events: total(events) >= 200, filter=wanted)
    assert total(events) == 200
    assert len(rows(events)) < 100
    assert all(
        event["data"]["shown"] == len(event["data"]["queries"]) for event in events if event.get("event_type") == BATCH
    )


def settled(site: Site, enough: Callable[[Any], bool], path: str = "/api/queries/stats/") -> Any:
    """What is answered once it says what is waited for."""
    deadline = time.monotonic() + 30
    while True:
        answer = site.client("admin").get(path)
        assert answer.status == 200, answer.text
        if enough(answer.data):
            return answer.data
        assert time.monotonic() < deadline, answer.data
        time.sleep(0.2)


def test_every_query_is_counted_as_the_server_counts_it(site: Site) -> None:
    ask(site, *[f"n{n % 5}.count.example" for n in range(50)])

    def of_this(counted: Any) -> set[int]:
        return {each["count"] for each in counted["top"]["names"] if each["value"].endswith(".count.example")}

    # The answers' codes come from the server's own counters, a moment after the log.
    counted = settled(site, lambda counted: of_this(counted) == {10} and sum(counted["rcodes"].values()) >= 50)
    with urllib.request.urlopen(f"{saved(site.data_dir / 'named').statistics_url}/json/v1/server") as answer:
        asked = counted["total"] + counted["own_checks"]
        assert asked == counted["source"]["lines"] == json.load(answer)["opcodes"]["QUERY"]
    assert (counted["missing"], counted["unreadable"]) == (0, 0)
    assert sum(point["total"] for point in counted["series"]) == counted["total"]


def test_recent_queries_are_found_and_shown_as_one_may_see_them(site: Site) -> None:
    ask(site, "find-me.stream.example", "find-me.elsewhere.example", type="AAAA")
    path = "/api/queries/?name_suffix=find-me.stream.example"
    found = settled(site, lambda answer: answer["count"] == 1, path)
    assert found["results"][0]["client"] == "127.0.0.1"
    assert (
        found["results"][0].items() >= {"name": "find-me.stream.example", "type": "AAAA", "outcome": "allowed"}.items()
    )
    part = site.client("admin").get("/api/queries/?search=Me.Stream").data
    assert {row["name"] for row in part["results"]} == {"find-me.stream.example"}
    assert site.client("vera").get(path).data["results"][0]["client"] is None
    zoe = site.client("zoe").get("/api/queries/?qtype=AAAA").data
    assert {row["name"] for row in zoe["results"]} == {"find-me.stream.example"}
    assert site.client("nils").get(path).status == 403
    assert site.client("zoe").get("/api/queries/stats/").status == 403
    assert site.client("vera").get("/api/queries/stats/").data["top"]["clients"][0]["value"] is None


@pytest.mark.parametrize("query", ["client=nobody", "outcome=odd", "cursor=x", "from=yesterday", "page_size=0"])
def test_a_question_that_makes_no_sense_is_refused(site: Site, query: str) -> None:
    answer = site.client("admin").get(f"/api/queries/?{query}")
    assert (answer.status, answer.data["code"]) == (400, "invalid")


def test_an_export_is_a_table_that_no_spreadsheet_runs(site: Site) -> None:
    ask(site, "=1+1.export.example", "-x.export.example")
    settled(site, lambda answer: answer["count"] == 2, "/api/queries/?name_suffix=export.example")
    answer = site.client("sam").get("/api/queries/export/?name_suffix=export.example")
    table = list(csv.reader(io.StringIO(answer.text)))
    assert table[0] == ["time", "client", "name", "type", "outcome"]
    assert [row[2] for row in table[1:]] == ["'-x.export.example", "'=1+1.export.example"]
