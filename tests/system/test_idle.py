"""Connections on which nothing happens stay, also with Redis in between, whose client gives idle ones up by default."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.parts.redis_server import RedisServer
from tests.parts.site import Site
from tests.realtime.peer import as_person

CLIENTS = 200
GIVEN_UP_AFTER_S = 5
"""The default of redis-py."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("idle_s", [2 * GIVEN_UP_AFTER_S, pytest.param(30, marks=pytest.mark.soak)])
async def test_two_hundred_idle_connections_live_and_are_still_rung(
    start_site: Any, redis_server: RedisServer, idle_s: float
) -> None:
    site: Site = await asyncio.to_thread(start_site, REDIS_URL=redis_server.url)
    await asyncio.to_thread(site.token, "admin")
    async with AsyncExitStack() as stack:
        peers = [as_person(site, "admin", name=f"idle-{number}") for number in range(CLIENTS)]
        for peer in peers:
            await stack.enter_async_context(peer)
        for peer in peers:
            await peer.welcome()
        rung = (await peers[0].ask("get_stats"))["data"]["node"]["rings"]
        await asyncio.sleep(idle_s)
        assert [peer.code for peer in peers if peer.code is not None] == []
        assert "out of reach" not in site.log()
        answer = await asyncio.to_thread(
            site.client("admin").post, "/api/zones/", {"name": "idle.test", "nameservers": ["ns.example.net."]}
        )
        assert answer.status == 201, answer.text
        for peer in peers:
            await peer.event("zone_created", zone="idle.test")
        assert (await peers[0].ask("get_stats"))["data"]["node"]["rings"] > rung, "by the doorbell, not by the tick"
