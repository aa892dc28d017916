"""A right that is withdrawn ends at its place in the log: under load, without Redis, everywhere, and for who was away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import Site
from tests.realtime.peer import Peer, as_person

ZONE = "given.example"
WRITE = """
import sys, time
from zones import changes
from zones.models import Record, Zone
zone = Zone.objects.living().get(name=sys.argv[1])
with changes.change_set(zone) as change:
    record = change.create(name="busy", type="A", ttl=60, content="192.0.2.1")
for number in range(int(sys.argv[2])):
    with changes.change_set(zone) as change:
        change.update(record.pk, content=f"192.0.2.{number % 250 + 2}")
    time.sleep(0.02)
"""
WITHDRAWN = """
import json
from realtime.models import LogEvent
rows = LogEvent.objects.filter(event_type="permission_changed", source_username="admin").order_by("-position")
print(json.dumps([rows[0].position, LogEvent.objects.filter(event_type="record_updated").order_by("-position")[0].position]))
"""
"""Where in the log the right ended, and where the last change of the zone is."""


def positions(peer: Peer) -> list[int]:
    return [event["position"] for event in peer.events() if event["event_type"] == "record_updated"]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("times", [60, pytest.param(2000, marks=pytest.mark.soak)])
async def test_nothing_after_the_withdrawal_gets_through(
    times: int, start_site: Any, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    one: Site = await asyncio.to_thread(
        start_site, DATABASE_URL=postgres_server.create_database(), REDIS_URL=redis_server.url, REALTIME_HEARTBEAT_S=1
    )
    two = one.twin()
    await asyncio.to_thread(two.start)
    admin = one.client("admin")
    assert admin.post("/api/zones/", {"name": ZONE, "kind": "primary"}).status == 201
    grant = admin.post(f"/api/zones/{ZONE}/grants/", {"user": "zoe", "level": "view"}).data["id"]
    two._tokens = one._tokens
    one.token("zoe")

    async with (
        as_person(one, "zoe", name="here") as here,
        as_person(two, "zoe", name="there") as there,
        as_person(two, "admin", name="all") as everything,
    ):
        async with as_person(one, "zoe", name="away") as away:
            for peer in (here, there, everything, away):
                await peer.welcome()
            writing = asyncio.create_task(asyncio.to_thread(one.python, WRITE, ZONE, str(times)))
            for peer in (here, there, away):
                await peer.until(lambda peer=peer: len(positions(peer)) >= 5, 60)  # type: ignore[misc]
            left_at = away.position
        await asyncio.to_thread(redis_server.kill)
        answer = await asyncio.to_thread(admin.delete, f"/api/zones/{ZONE}/grants/{grant}/")
        assert answer.status == 204, answer.text
        await writing
        ended, last = json.loads(await asyncio.to_thread(one.python, WITHDRAWN))
        assert last > ended, "the load went on after the withdrawal"
        for peer in (here, there, everything):
            await peer.until(lambda peer=peer: peer.upto >= last, 60)  # type: ignore[misc]
        assert max(positions(everything)) == last
        for peer in (here, there):
            assert max(positions(peer)) < ended

    for site in (one, two):
        async with as_person(site, "zoe", name="away", since=left_at) as back:
            assert (await back.welcome())["resumed"]["recovered"] is True
            await back.until(lambda back=back: back.upto >= last, 60)  # type: ignore[misc]
            assert [position for position in positions(back) if position > ended] == []
