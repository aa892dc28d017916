"""What fails turns its own health endpoint red, which says why; the others stay green."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import AsyncRequestFactory

from realtime import health
from realtime.lifespan import this_node
from tests.parts.postgres_server import PostgresServer
from tests.parts.process import Process
from tests.parts.redis_server import RedisServer
from tests.parts.site import CHECKOUT, Site

ENDPOINTS = ("live", "ready", "realtime")


@pytest.fixture(params=[30.0, pytest.param(5.0, marks=pytest.mark.soak)], ids=["on a busy machine", "as promised"])
def within_s(request: pytest.FixtureRequest) -> float:
    """How soon an endpoint must tell. What is promised is five seconds, which a busy machine does not prove."""
    return request.param  # type: ignore[no-any-return]


def state(site: Site) -> dict[str, tuple[int, dict[str, Any]]]:
    answers = {name: site.client().get(f"/health/{name}") for name in ENDPOINTS}
    return {name: (answer.status, answer.data) for name, answer in answers.items()}


def wait_for(site: Site, within_s: float = 60.0, **wanted: int) -> dict[str, tuple[int, dict[str, Any]]]:
    """Wait until the endpoints answer these status codes and return what they say."""
    began = time.monotonic()
    while True:
        here = state(site)
        if all(here[name][0] == status for name, status in wanted.items()):
            print(f"{wanted} after {time.monotonic() - began:.1f} s")  # noqa: T201  # the figures of `make soak`
            return here
        assert time.monotonic() < began + within_s, here
        time.sleep(0.2)


def test_all_is_well_on_a_site_that_runs(site: Site) -> None:
    wait_for(site, live=200, ready=200, realtime=200)


def test_without_redis_only_realtime_is_red(
    start_site: Callable[..., Site], redis_server: RedisServer, within_s: float
) -> None:
    site = start_site(REDIS_URL=redis_server.url)
    wait_for(site, live=200, ready=200, realtime=200)
    redis_server.stop()
    here = wait_for(site, within_s, realtime=503)
    assert "channel layer" in here["realtime"][1]["why"]["channel_layer"]
    assert (here["live"][0], here["ready"][0]) == (200, 200)
    redis_server.start()
    wait_for(site, live=200, ready=200, realtime=200)


def test_without_the_database_only_ready_is_red(start_site: Callable[..., Site], within_s: float) -> None:
    server = PostgresServer()
    server.start()
    try:
        site = start_site(DATABASE_URL=server.create_database())
        wait_for(site, live=200, ready=200, realtime=200)
        server.stop()
        here = wait_for(site, within_s, ready=503)
        assert here["ready"][1]["why"] == {"database": "the database does not answer"}
        time.sleep(3)
        assert [state(site)[name][0] for name in ENDPOINTS] == [200, 503, 200]
        server.start()
        wait_for(site, live=200, ready=200, realtime=200)
        site.stop()
    finally:
        server.remove()


async def test_a_loop_that_stands_still_turns_live_red_and_says_where(transactional_db: None) -> None:
    def work_that_should_not_be_on_the_loop() -> None:
        time.sleep(2)

    node = this_node()
    node.watch.start()
    try:
        await asyncio.sleep(0.6)
        request = AsyncRequestFactory().get("/health/live")
        assert (await health.live(request)).status_code == 200
        work_that_should_not_be_on_the_loop()
        await asyncio.sleep(0.6)
        answer = await health.live(request)
        assert answer.status_code == 503
        assert b"work_that_should_not_be_on_the_loop" in answer.content
    finally:
        await node.watch.stop()


def test_without_the_monitors_only_realtime_is_red(
    start_site: Callable[..., Site], redis_server: RedisServer, within_s: float
) -> None:
    site = start_site(REDIS_URL=redis_server.url)
    monitors = Process([sys.executable, "manage.py", "run_monitors"], site.directory / "monitors.log")

    def collecting() -> bool:
        return site.manage("run_monitors", "--status", check=False).returncode == 0

    monitors.start(collecting, env=site.environment(), cwd=CHECKOUT)
    wait_for(site, live=200, ready=200, realtime=200)
    monitors.signal(signal.SIGKILL)
    monitors.wait()
    here = wait_for(site, within_s, realtime=503)
    assert "run_monitors" in here["realtime"][1]["why"]["monitors"]
    assert (here["live"][0], here["ready"][0]) == (200, 200)
