"""Two web processes on PostgreSQL and Redis are one site."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import Site
from tests.realtime.peer import Peer, as_page, as_person

ZONE = "both.test"


class Pair(NamedTuple):
    first: Site
    second: Site
    redis: RedisServer


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        redis = RedisServer(directory)
        redis.start()
        stack.callback(redis.stop)
        first = Site(
            directory, DATABASE_URL=postgres_server.create_database(), REDIS_URL=redis.url, REALTIME_HEARTBEAT_S=1
        )
        stack.callback(first.stop)
        first.prepare()
        first.start()
        second = first.twin()
        second.start()
        answer = first.client("admin").post("/api/zones/", {"name": ZONE, "nameservers": ["ns.example.net."]})
        assert answer.status == 201, answer.text
        yield Pair(first, second, redis)


async def add_record(site: Site, name: str) -> None:
    record = {"name": name, "type": "A", "ttl": 300, "content": "192.0.2.1"}
    answer = await asyncio.to_thread(site.client("admin").post, f"/api/zones/{ZONE}/records/", record)
    assert answer.status == 201, answer.text


async def test_a_change_made_on_one_reaches_a_client_of_the_other(pair: Pair) -> None:
    async with as_person(pair.second, "olivia") as olivia:
        await olivia.welcome()
        await add_record(pair.first, "crossing")
        event = await olivia.event("record_created")
        assert event["data"]["record"]["name"] == "crossing"
        assert event["source_user"]["username"] == "admin"


async def test_a_newer_connection_on_one_displaces_the_older_on_the_other(pair: Pair) -> None:
    async with as_person(pair.first, "oscar", name="screen") as older:
        await older.welcome()
        async with as_person(pair.second, "oscar", name="screen") as newer:
            await newer.welcome()
            assert await older.closed() == 4509
            await newer.settled()
            assert newer.code is None


async def test_signing_out_on_one_closes_the_socket_on_the_other(pair: Pair) -> None:
    cookie = await asyncio.to_thread(pair.first.cookie, "vera")
    origin = pair.second.url
    async with as_page(pair.second, "vera", cookie, origin=origin) as vera:
        await vera.welcome()
        await asyncio.to_thread(sign_out, pair.first, cookie)
        assert await vera.closed() == 4501


def sign_out(site: Site, cookie: str) -> None:
    token = next(part.split("=")[1] for part in cookie.split("; ") if part.startswith("csrftoken="))
    answer = site.client().post(
        "/accounts/logout/",
        f"csrfmiddlewaretoken={token}".encode(),
        Content_Type="application/x-www-form-urlencoded",
        Cookie=cookie,
        Referer=f"{site.url}/",
    )
    assert answer.status == 302, answer.text


SET_ROLES = """
import sys
from django.contrib.auth.models import Group, User
User.objects.get(username=sys.argv[1]).groups.set(Group.objects.filter(name__in=sys.argv[2:]))
"""


async def test_a_right_ends_on_every_process_also_while_redis_is_gone(pair: Pair) -> None:
    async with as_person(pair.first, "sam") as here, as_person(pair.second, "sam", name="there") as there:
        for peer in (here, there):
            await peer.welcome()
        pair.redis.kill()
        try:
            await asyncio.to_thread(pair.first.python, SET_ROLES, "sam")
            await add_record(pair.first, "not-for-sam")
            for peer in (here, there):
                changed = await peer.event("permission_changed")
                await peer.until(lambda peer=peer, after=changed["position"]: peer.upto > after, 40)
                assert [e for e in peer.events() if e["data"].get("record", {}).get("name") == "not-for-sam"] == []
            await asyncio.to_thread(pair.second.python, DEACTIVATE, "sam")
            assert [await here.closed(), await there.closed()] == [4503, 4503]
        finally:
            await asyncio.to_thread(pair.redis.start)


DEACTIVATE = """
import sys
from django.contrib.auth.models import User
user = User.objects.get(username=sys.argv[1]); user.is_active = False; user.save()
"""


async def test_a_client_may_go_on_at_the_other_process_from_any_position_of_the_first(pair: Pair) -> None:
    for number in range(4):
        async with as_person(pair.first, "oscar", name="moves") as here:
            await here.welcome()
            await add_record(pair.first, f"moves-{number}")
            await here.until(lambda here=here, n=number: f"moves-{n}" in names(here))
            position = here.position
        async with as_person(pair.second, "oscar", name="moves", since=position) as there:
            assert (await there.welcome())["resumed"]["recovered"] is True
            await add_record(pair.second, f"moved-{number}")
            await there.until(lambda there=there, n=number: f"moved-{n}" in names(there))
            assert f"moves-{number}" not in names(there), "what came there does not come again here"


def names(peer: Peer) -> list[str]:
    return [e["data"]["record"]["name"] for e in peer.events() if e["event_type"] == "record_created"]


async def test_a_nul_in_a_frame_harms_nobody(pair: Pair) -> None:
    """PostgreSQL stores none: whatever is written for all must not fail because of one."""
    async with as_person(pair.first, "olivia", name="nul") as bad, as_person(pair.first, "oscar", name="good") as good:
        for peer in (bad, good):
            await peer.welcome()
        await bad.give("subscribe", event_types=["[\x00a-z]*"], zones=["a\x00b"])
        await bad.frame("error", code="invalid_message")
        await good.ask("unsubscribe", event_types=["*"])
        await asyncio.sleep(2.5)  # written down by then
    async with as_person(pair.second, "oscar", name="good") as good:
        assert (await good.welcome())["subscriptions"] == []


async def test_without_redis_events_arrive_from_the_log_and_with_it_they_are_rung_again(pair: Pair) -> None:
    async with as_person(pair.second, "admin", name="watch") as admin:
        await admin.welcome()
        pair.redis.kill()
        await add_record(pair.first, "no-redis")
        await admin.until(lambda: [e for e in admin.events() if e["data"].get("record", {}).get("name") == "no-redis"])

        await asyncio.to_thread(pair.redis.start)
        before = (await admin.ask("get_stats"))["data"]["node"]["rings"]
        async with asyncio.timeout(30):
            number = 0
            while (await admin.ask("get_stats"))["data"]["node"]["rings"] == before:
                await add_record(pair.first, f"again-{number}")
                number += 1
        names = [e["data"]["record"]["name"] for e in admin.events() if e["event_type"] == "record_created"]
        assert len(names) == len(set(names))


async def test_a_paused_redis_hangs_no_save_and_loses_no_event(pair: Pair) -> None:
    async with as_person(pair.second, "admin", name="pause") as admin:
        await admin.welcome()
        pair.redis.pause()
        try:
            async with asyncio.timeout(15):
                await add_record(pair.first, "while-paused")
            await admin.until(
                lambda: [e for e in admin.events() if e["data"].get("record", {}).get("name") == "while-paused"]
            )
        finally:
            pair.redis.resume()
