"""However many connects of one user and client race, over however many processes, one stays: the newest."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from realtime.client import Client, Refused
from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import Site
from tests.soak.ledger import until

FAST_CLOCK = """
import sys, time
import django.utils.timezone as timezone
from datetime import timedelta
real_now, real_time = timezone.now, time.time
timezone.now = lambda: real_now() + timedelta(seconds=10)
time.time = lambda: real_time() + 10
sys.argv = ["manage.py", "serve"]
from manage import main
main()
"""
"""A site whose clock is ten seconds ahead."""

NEWEST = """
from realtime.models import Presence
print(Presence.objects.filter(client="racer").order_by("-pk").values_list("connection_id", flat=True).first())
"""


class Racer:
    """One client that connects, and would come back if it were told to; and what became of it."""

    def __init__(self, url: str, token: str) -> None:
        self.client = Client(url, token=token, name="racer")
        self.code: int | None = None

    async def race(self) -> None:
        try:
            async with self.client as client:
                async for _ in client.events():
                    pass
        except Refused as refused:
            self.code = refused.code


@pytest.mark.timeout(240)
@pytest.mark.parametrize("count", [60, pytest.param(200, marks=pytest.mark.soak)])
async def test_of_racing_connects_the_newest_stays(
    count: int, start_site: Any, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    first: Site = await asyncio.to_thread(
        start_site, DATABASE_URL=postgres_server.create_database(), REDIS_URL=redis_server.url
    )
    second = first.twin()
    second.process.command = [sys.executable, "-c", FAST_CLOCK]
    await asyncio.to_thread(second.start)
    token = first.token("olivia")

    urls = [first.socket_url(), second.socket_url()]
    racers = [Racer(urls[n % 2], token) for n in range(count)]
    racing = [asyncio.create_task(racer.race()) for racer in racers]
    await until(lambda: sum(racer.code is not None for racer in racers) == count - 1, 60)
    await asyncio.sleep(6)  # a reconciliation more than that would show whether the last one stays

    survivors = [racer for racer in racers if racer.code is None]
    newest = (await asyncio.to_thread(first.python, NEWEST)).strip()
    assert [racer.client.welcome["connection_id"] for racer in survivors] == [newest]
    assert {racer.code for racer in racers if racer.code is not None} == {4509}
    for task in racing:
        task.cancel()
    await asyncio.gather(*racing, return_exceptions=True)
