"""What fails turns its own health endpoint red, which says why; the others stay green."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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


def test_a_loop_that_stands_still_turns_live_red_and_says_where(
    start_site: Callable[..., Site], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python loads `sitecustomize` by itself; what it does on a signal, it does in the thread of the loop."""
    (tmp_path / "sitecustomize.py").write_text(
        "import signal, time\n"
        "def work_that_should_not_be_on_the_loop(*_): time.sleep(2)\n"
        "signal.signal(signal.SIGUSR2, work_that_should_not_be_on_the_loop)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    site = start_site()
    wait_for(site, live=200, ready=200, realtime=200)
    site.process.signal(signal.SIGUSR2)
    here = wait_for(site, 10.0, live=503)
    assert "work_that_should_not_be_on_the_loop" in here["live"][1]["why"]["event_loop"]
    assert (here["ready"][0], here["realtime"][0]) == (200, 200)
    wait_for(site, live=200)


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
