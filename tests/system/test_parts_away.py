"""A site whose parts are away says so, lets nobody hang, and goes on by itself when they return."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import Site
from tests.realtime.peer import Peer, as_person

pytestmark = pytest.mark.timeout(180)


async def create_zone(site: Site, name: str) -> None:
    zone = {"name": name, "nameservers": ["ns.example.net."]}
    answer = await asyncio.to_thread(site.client("admin").post, "/api/zones/", zone)
    assert answer.status == 201, answer.text


async def rings(admin: Peer) -> int:
    return int((await admin.ask("get_stats"))["data"]["node"]["rings"])


async def test_a_site_starts_without_redis_and_uses_it_when_it_comes(start_site: Any, tmp_path: Path) -> None:
    redis = RedisServer(tmp_path)  # not there yet
    site: Site = await asyncio.to_thread(start_site, REDIS_URL=redis.url)
    async with as_person(site, "admin") as admin:
        await admin.welcome()
        await create_zone(site, "without.test")
        await admin.event("zone_created", zone="without.test")
        assert await rings(admin) == 0
        await asyncio.to_thread(redis.start)
        try:
            async with asyncio.timeout(30):
                number = 0
                while await rings(admin) == 0:
                    await create_zone(site, f"with-{number}.test")
                    number += 1
            created = [e["id"] for e in admin.events() if e["event_type"] == "zone_created"]
            assert len(created) == len(set(created))
        finally:
            await asyncio.to_thread(redis.stop)


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of this test's own, to be ended at will."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


async def test_while_the_database_is_away_who_is_connected_stays_and_who_comes_is_told_to_come_back(
    start_site: Any, postgres: PostgresServer
) -> None:
    site: Site = await asyncio.to_thread(start_site, DATABASE_URL=postgres.create_database())
    token = await asyncio.to_thread(site.token, "oscar")
    async with as_person(site, "admin") as admin:
        await admin.welcome()
        await asyncio.to_thread(postgres.kill)
        ready = await asyncio.to_thread(site.client().get, "/health/ready")
        assert (ready.status, ready.data["checks"]["database"]) == (503, False)
        assert (await asyncio.to_thread(site.client().get, "/health/live")).status == 200
        async with Peer(site.socket_url(), token=token) as oscar:
            assert await oscar.closed(40) == 4000
            assert oscar.frames[-1]["type"] == "bye"
            assert oscar.frames[-1]["retry_in_ms"] > 0
        await admin.settled()

        await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(30):
            while ready.status != 200:
                await asyncio.sleep(0.2)
                ready = await asyncio.to_thread(site.client().get, "/health/ready")
        await create_zone(site, "back.test")
        await admin.event("zone_created", zone="back.test")
        async with Peer(site.socket_url(), token=token) as oscar:
            await oscar.welcome()


SET_BACK = """
from realtime.models import LogEvent, LogHead
head = LogHead.objects.get()
LogEvent.objects.filter(position__gt=head.position - 3).delete()
LogHead.objects.update(position=head.position - 3)
"""
"""What restoring a backup does to the log of a site that runs."""


async def test_a_database_that_is_set_back_under_a_running_site_gets_a_new_epoch_and_loses_nothing_new(
    start_site: Any,
) -> None:
    site: Site = await asyncio.to_thread(start_site)
    async with as_person(site, "admin") as admin:
        await admin.welcome()
        await create_zone(site, "before.test")
        await admin.event("zone_created", zone="before.test")
        old = admin.position
        await asyncio.to_thread(site.python, SET_BACK)
        assert await admin.closed() == 4002
        assert admin.frames[-1]["retry_in_ms"] > 0
    async with as_person(site, "admin", since=old) as admin:
        welcome = await admin.welcome()
        assert welcome["resumed"] == {"recovered": False, "reason": "epoch_changed"}
        assert welcome["resume"]["epoch"] != old.partition(":")[0]
        await create_zone(site, "after.test")
        await admin.event("zone_created", zone="after.test")
