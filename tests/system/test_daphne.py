"""The same site under Daphne, which has no lifespan and waits for nobody."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import pytest

from tests.parts.site import Site
from tests.realtime.peer import as_person


@pytest.mark.timeout(120)
async def test_daphne_serves_pages_api_and_socket(start_site: Any) -> None:
    site: Site = await asyncio.to_thread(start_site)
    await asyncio.to_thread(site.terminate)
    site.process.command = [
        sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(site.port), "dnsadmin.asgi:application"
    ]  # fmt: skip
    # Nothing starts the event system but the first socket, so readiness is asked for with one open.
    site.process.start(lambda: answers(site), env=site.environment())
    async with as_person(site, "olivia") as older:
        await older.welcome()
        created = await asyncio.to_thread(
            site.client("admin").post, "/api/zones/", {"name": "daphne.test", "nameservers": ["ns.example.net."]}
        )
        assert created.status == 201, created.text
        assert (await older.event("zone_created"))["data"]["zone"] == "daphne.test"
        async with as_person(site, "olivia") as newer:
            await newer.welcome()
            assert await older.closed() == 4509
            site.process.signal(signal.SIGTERM)
            # Daphne drops its sockets without a word; a client takes that for "come back".
            assert await newer.closed() in (1000, 1001, 1006, 1011, 1012, 4000)
            await asyncio.to_thread(site.process.wait)


def answers(site: Site) -> bool:
    try:
        return site.client().get("/health/live").status == 200
    except OSError:
        return False
