"""Nothing committed is lost on the way to a client, whatever is cut, killed or paused in between."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any, NamedTuple

import pytest

from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import Site
from tests.soak.ledger import COMMITTED, NOTHING_WRONG, WRITER, Reader, Tokens, cut_again_and_again, until, verdict


class Extent(NamedTuple):
    """How much of it: readers, writers with their events, and how often each thing goes wrong."""

    readers: int
    writers: int
    events_each: int
    pause_s: float
    cuts: int
    kills: int
    redis_kills: int
    redis_pause_s: float


SHORT = Extent(20, 4, 100, 0.08, 3, 2, 2, 3)
LONG = Extent(200, 8, 2800, 0.12, 20, 20, 20, 30)


@pytest.mark.timeout(240)
async def test_nothing_is_lost(start_site: Any, redis_server: RedisServer, postgres_server: PostgresServer) -> None:
    await nothing_is_lost(SHORT, start_site, redis_server, postgres_server)


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_nothing_is_lost_in_the_long_run(
    start_site: Any, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    await nothing_is_lost(LONG, start_site, redis_server, postgres_server)


async def nothing_is_lost(
    extent: Extent, start_site: Any, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    chance = random.Random(7)
    first: Site = await asyncio.to_thread(
        start_site,
        DATABASE_URL=postgres_server.create_database(),
        REDIS_URL=redis_server.url,
        REALTIME_CONNECTIONS_PER_ADDRESS=10_000,
    )
    second = first.twin()
    await asyncio.to_thread(second.start)
    tokens = await asyncio.to_thread(Tokens, [first, second], "admin")
    urls = [first.socket_url(), second.socket_url()]
    readers = [Reader(f"reader-{n}", urls, tokens, chance) for n in range(extent.readers)]
    reading = [asyncio.create_task(reader.read()) for reader in readers]
    assert await until(lambda: all(reader.client.welcome for reader in readers), 60)

    writing = asyncio.create_task(
        asyncio.to_thread(first.python, WRITER, str(extent.writers), str(extent.events_each), str(extent.pause_s))
    )
    over_s = extent.events_each * extent.pause_s + 5
    await asyncio.gather(
        cut_again_and_again(readers, extent.cuts, over_s, chance),
        kill_sites([first, second], extent.kills, over_s, chance),
        trouble_redis(redis_server, extent, over_s, chance),
    )
    taken_back = json.loads(await writing)
    committed = json.loads(await asyncio.to_thread(first.python, COMMITTED))
    assert len(committed) + len(taken_back) == extent.writers * extent.events_each
    await until(lambda: all(len(reader.received) >= len(committed) for reader in readers), 120)
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    assert verdict(readers, committed, taken_back) == NOTHING_WRONG


async def kill_sites(sites: list[Site], times: int, over_s: float, chance: random.Random) -> None:
    """Kill one of the web processes now and then, and start it again."""
    for number in range(times):
        await asyncio.sleep(chance.uniform(0, 2 * over_s / times / 3))
        site = sites[number % len(sites)]
        await asyncio.to_thread(site.kill)
        await asyncio.to_thread(site.start)


async def trouble_redis(redis: RedisServer, extent: Extent, over_s: float, chance: random.Random) -> None:
    """Kill Redis now and then, start it again, and once let it hang."""
    for _ in range(extent.redis_kills):
        await asyncio.sleep(chance.uniform(0, 2 * over_s / extent.redis_kills / 3))
        await asyncio.to_thread(redis.kill)
        await asyncio.sleep(chance.uniform(0, 2))
        await asyncio.to_thread(redis.start)
    redis.pause()
    await asyncio.sleep(extent.redis_pause_s)
    redis.resume()
