"""Two sites that share a Redis know nothing of each other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.parts.redis_server import RedisServer
from tests.realtime.peer import as_person


@pytest.mark.timeout(120)
async def test_two_sites_on_one_redis_do_not_ring_each_other(start_site: Any, redis_server: RedisServer) -> None:
    one = await asyncio.to_thread(start_site, REDIS_URL=redis_server.url)
    other = await asyncio.to_thread(start_site, REDIS_URL=redis_server.url)
    async with (
        as_person(one, "admin", name="ears") as here,
        as_person(other, "admin", name="ears") as there,
        as_person(one, "admin", name="mouth") as mouth,
    ):
        for peer in (here, there, mouth):
            await peer.welcome()
            await peer.ask("subscribe", event_types=["connection_*"])
        await mouth.ask("broadcast_test", message="only here")
        await here.event("broadcast_test", message="only here")
        async with as_person(one, "olivia", name="passes-by") as olivia:
            identity = (await olivia.welcome())["connection_id"]
        await here.event("connection_closed", connection_id=identity)
        await asyncio.sleep(1.5)  # longer than a look of the other at its log takes
        strange = [e for e in there.events() if e["event_type"] == "broadcast_test" or "olivia" in str(e["data"])]
        assert strange == []
        figures = (await there.ask("get_stats"))["data"]["node"]
        assert figures["connections"] == 1
