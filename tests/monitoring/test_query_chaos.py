"""What happens to the counts when parts die: it is shown, nothing crashes or is counted twice, all recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import psutil
import pytest

from realtime.client import Client
from tests.conftest import StartSite
from tests.parts.process import Process
from tests.parts.redis_server import RedisServer
from tests.parts.site import CHECKOUT, PASSWORD, Site
from zones.nameserver.endpoint import saved
from zones.nameserver.rndc import Rndc
from zones.nameserver.statistics import figures


def ask(site: Site, number: int, name: str = "chaos.example") -> None:
    """Ask so often, each time until there is an answer; what was asked in vain is asked again under another name."""
    for n in range(number):
        for attempt in range(60):
            label = f"{name}" if not attempt else f"again{attempt}.{n}.elsewhere.example"
            try:
                dns.query.udp(dns.message.make_query(label, "A"), "127.0.0.1", port=site.named_port, timeout=1)
                break
            except (dns.exception.Timeout, OSError):
                time.sleep(0.2)
        else:
            pytest.fail("the name server does not come back")


def until(true: Callable[[], Any], what: str, within_s: float = 60) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return found


def counted(site: Site) -> Any:
    answer = site.client("admin").get("/api/queries/stats/?top=100")
    assert answer.status == 200, answer.text
    return answer.data


def of(site: Site, name: str) -> int:
    return next((each["count"] for each in counted(site)["top"]["names"] if each["value"] == name), 0)


def all_is_counted_once(site: Site, name: str, number: int) -> None:
    until(lambda: of(site, name) >= number, f"{name} is not counted")
    time.sleep(1)
    stats = until(lambda: is_level(s := counted(site)) and s, "counts and lines differ")
    assert of(site, name) == number
    assert (stats["missing"], stats["unreadable"]) == (0, 0)


def is_level(stats: Any) -> bool:
    """Every line of the log is counted."""
    source = stats["source"]
    return bool(stats["total"] + stats["own_checks"] == source["lines"] and source["state"] == "following")


def named_of(site: Site) -> psutil.Process:
    return psutil.Process(int((site.data_dir / "named" / "named.pid").read_text()))


@pytest.fixture(scope="module")
def log(site: Site) -> Path:
    until(lambda: counted(site)["source"]["named"] == "up", "the collector does not see the server")
    return site.data_dir / "named" / "log" / "query.log"


def test_a_name_server_that_dies_is_told_of_and_nothing_is_counted_twice(site: Site, log: Path) -> None:
    ask(site, 10, "killed.example")
    process = named_of(site)
    process.suspend()  # so that it is down long enough to be seen: the site starts it again at once when it ends
    until(lambda: "down" in _named_states(site), "nobody says that the server is down")
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    ask(site, 5, "restarted.example")
    until(lambda: counted(site)["source"]["named"] == "up", "nobody says that the server is back")
    all_is_counted_once(site, "killed.example", 10)


def _named_states(site: Site) -> set[str]:
    return {counted(site)["source"]["named"]}


def test_rotation_loses_nothing(site: Site, log: Path) -> None:
    rndc = Rndc(saved(site.data_dir / "named"))
    for _ in range(3):
        ask(site, 4, "rotated.example")
        for n in (1, 0):
            if (older := log.with_name(f"query.log.{n}")).exists():
                older.rename(log.with_name(f"query.log.{n + 1}"))
        log.rename(log.with_name("query.log.0"))
        ask(site, 3, "rotated.example")  # still into the old file
        rndc.call("reconfig")
    ask(site, 2, "rotated.example")
    all_is_counted_once(site, "rotated.example", 23)


def test_a_truncated_log_is_followed_from_its_new_beginning(site: Site, log: Path) -> None:
    ask(site, 6, "before.example")
    all_is_counted_once(site, "before.example", 6)
    os.truncate(log, 0)
    ask(site, 7, "truncated.example")
    all_is_counted_once(site, "truncated.example", 7)
    assert counted(site)["source"]["truncations"] >= 1


# -- full disks -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[None]:
    """A file system of its own in `directory`."""
    directory.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", directory], capture_output=True
    )
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


@contextlib.contextmanager
def filled(directory: Path) -> Iterator[None]:
    """No room is left."""
    filler = directory / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    yield
    filler.unlink()


def health_of(site: Site, name: str) -> Any:
    components = site.client("vera").get("/api/monitoring/summary/").data["components"]
    return next((each for each in components if each["name"] == name), {"state": "none", "reason": ""})


def test_a_disk_on_which_the_log_has_no_room_is_shown_and_what_it_lacks_is_counted(
    tmp_path: Path, site_template: Path
) -> None:
    site = Site(tmp_path)
    site.prepare(site_template)
    log_dir = site.data_dir / "named" / "log"
    with contextlib.ExitStack() as stack:
        stack.enter_context(small_disk(log_dir, "1m"))
        stack.callback(site.stop)
        site.start()
        ask(site, 5, "before.example")
        all_is_counted_once(site, "before.example", 5)
        with filled(log_dir):
            ask(site, 100, "lost.example")
            until(lambda: counted(site)["missing"] > 0, "nobody says that queries are missing")
            until(lambda: health_of(site, "disk")["state"] == "down", "the disk is not told full")
            until(lambda: health_of(site, "query_log")["state"] == "degraded", "the log is not told to lack queries")
            assert "where the name server writes its logs" in health_of(site, "disk")["reason"]
        ask(site, 7, "after.example")
        until(lambda: of(site, "after.example") >= 6, "the log is not followed again")
        until(lambda: health_of(site, "disk")["state"] == "up", "the disk is not told to have room again")

        def adds_up() -> bool:
            stats = counted(site)
            told = stats["total"] + stats["own_checks"] + stats["missing"] + stats["unreadable"]
            return bool(told == figures(saved(site.data_dir / "named")).counters["dns_queries"])

        until(adds_up, "what was counted is not what the server has counted")


@pytest.mark.soak
def test_a_full_disk_under_the_database_loses_no_count(tmp_path: Path, site_template: Path) -> None:
    site = Site(tmp_path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(small_disk(site.data_dir, "60m"))
        stack.callback(site.stop)
        site.prepare(site_template)
        site.start()
        ask(site, 5, "before.example")
        all_is_counted_once(site, "before.example", 5)
        site.token("vera")  # to sign in, something has to be written
        with filled(site.data_dir):
            until(lambda: health_of(site, "disk")["state"] == "down", "the disk is not told full")
            refused = site.client().post("/api/token/", {"username": "sam", "password": PASSWORD})
            assert (refused.status, refused.data["code"]) == (503, "database_unavailable")
            ask(site, 20, "meanwhile.example")
            time.sleep(10)
        until(lambda: counted(site)["source"]["state"] == "following", "it does not recover")
        ask(site, 5, "after.example")
        for name, number in (("before.example", 5), ("after.example", 5)):
            until(lambda name=name, number=number: of(site, name) == number, f"{name} is not counted")
        stats = until(lambda: is_level(s := counted(site)) and s, "counts and lines differ")
        asked = stats["total"] + stats["own_checks"] + stats["missing"] + stats["unreadable"]
        assert asked == figures(saved(site.data_dir / "named")).counters["dns_queries"]


# -- the collector --------------------------------------------------------------------------------------------------------


@pytest.fixture
def apart(start_site: StartSite, redis_server: RedisServer, tmp_path: Path) -> Iterator[tuple[Site, Process]]:
    """A site whose collectors run in a process of their own."""
    site = start_site(REDIS_URL=redis_server.url)
    process = Process([sys.executable, "manage.py", "run_monitors"], tmp_path / "monitors.log")
    process.start(lambda: True, env=site.environment(), cwd=CHECKOUT)
    yield site, process
    process.stop()


async def test_what_one_process_collects_is_watched_in_another(apart: tuple[Site, Process]) -> None:
    site, _ = apart
    await asyncio.to_thread(ask, site, 1, "warm.example")
    names: set[str] = set()
    async with Client(site.socket_url(), token=site.token("sam"), name="watcher") as client:
        await client.unsubscribe("*")
        await client.subscribe("dns_query_batch", filter={"name_suffix": "watched.example"})
        work = asyncio.create_task(asyncio.to_thread(_keep_asking, site, "watched.example", names))
        async with asyncio.timeout(60):
            async for event in client.events():
                names.update(row["name"] for row in event["data"]["queries"])
                assert event["data"]["filter"] == {"name_suffix": "watched.example"}
                break
        await work
    assert names == {"watched.example"}


def _keep_asking(site: Site, name: str, until_seen: set[str]) -> None:
    """The collector may hear of the watcher, or begin at all, only after a while."""
    deadline = time.monotonic() + 60
    while not until_seen and time.monotonic() < deadline:
        ask(site, 1, name)
        ask(site, 1, "unwatched.example")
        time.sleep(0.3)


def test_a_collector_that_is_killed_is_missed_and_its_successor_goes_on_where_it_saved(
    apart: tuple[Site, Process],
) -> None:
    site, process = apart
    ask(site, 5, "first.example")
    all_is_counted_once(site, "first.example", 5)
    ask(site, 5, "unsaved.example")
    process.signal(signal.SIGKILL)
    process.wait()
    until(lambda: counted(site)["source"]["state"] == "stopped", "nobody misses the collector")
    assert "nobody runs the collectors" in counted(site)["source"]["reason"]
    assert site.manage("run_monitors", "--status", check=False).returncode == 1
    ask(site, 5, "meanwhile.example")
    process.start(lambda: True, env=site.environment(), cwd=CHECKOUT)
    for name in ("first.example", "unsaved.example", "meanwhile.example"):
        all_is_counted_once(site, name, 5)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert counted(site)["source"]["state"] == "stopped"
