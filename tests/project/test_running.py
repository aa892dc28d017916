"""`make run`: the whole demo in one process tree, gone when it is told to go."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.parts.json_client import JsonClient
from tests.parts.ports import free_port
from tests.parts.process import DidNotStart, Process
from tests.parts.redis_server import RedisServer

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "a-password-for-the-demo"
pytestmark = pytest.mark.timeout(300)  # the demo is started whole, and loaded on the first start


class Demo:
    """`make run` with a data directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.data_dir = directory / "data"
        self.port = free_port()
        self.client = JsonClient(f"http://127.0.0.1:{self.port}")
        self.settings = {
            "DNSADMIN_PORT": str(self.port),
            "DNSADMIN_DATA_DIR": str(self.data_dir),
            "DNSADMIN_NAMED_PORT": str(free_port()),
            "DNSADMIN_ADMIN_PASSWORD": PASSWORD,
        }
        self.process = Process(["make", "-C", str(CHECKOUT), "run"], directory / "run.log")

    def start(self, **settings: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DNSADMIN_", "DJANGO_"))}
        self.said_before = len(self.process.log())
        self.process.start(self._ready, env=inherited | self.settings | settings, timeout_s=90)

    def tree(self) -> list[psutil.Process]:
        """Every process that belongs to this demo, wherever it stands in the process tree."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("DNSADMIN_DATA_DIR") == str(self.data_dir):
                    found.append(process)
        return found

    def gone_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while self.tree():
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def collects_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while "collecting, in term" not in self.process.log()[self.said_before :]:
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True

    def _ready(self) -> bool:
        try:
            return self.client.get("/health/ready").status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The demo of this module, which is loaded on its first start only."""
    return Demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture
def demo(data: Demo) -> Iterator[Demo]:
    """The demo, which does not run yet."""
    yield data
    data.process.stop()
    for process in data.tree():
        process.kill()


def test_sigterm_to_make_ends_the_whole_tree(demo: Demo) -> None:
    demo.start()
    assert "named" in {process.name() for process in demo.tree()}, "the demo has a name server of its own"
    demo.process.signal(signal.SIGTERM)
    demo.process.wait()
    assert demo.gone_within(10), [process.cmdline() for process in demo.tree()]


def test_everybody_of_the_demo_signs_in_and_finds_their_zones_after_a_second_start_and_ctrl_c_ends_it(
    demo: Demo, redis_server: RedisServer
) -> None:
    demo.start(DNSADMIN_REDIS_URL=redis_server.url)
    zones = {}
    for username in ("admin", "olivia", "sam", "vera", "zoe"):
        token = demo.client.post("/api/token/", {"username": username, "password": PASSWORD}).data["access"]
        zones[username] = demo.client.request("GET", "/api/zones/", Authorization=f"Bearer {token}").data["count"]
    assert zones["admin"] == zones["olivia"] == zones["sam"] == zones["vera"] > 1
    assert zones["zoe"] == 1
    assert demo.collects_within(30), "everything is in it, with Redis as well"
    os.killpg(demo.process.pid, signal.SIGINT)  # which is what a terminal does
    demo.process.wait()
    assert demo.gone_within(10), [process.cmdline() for process in demo.tree()]


def test_the_demo_refuses_an_address_that_others_can_reach(demo: Demo) -> None:
    with pytest.raises(DidNotStart, match="loopback"):
        demo.start(DNSADMIN_BIND="0.0.0.0")
    assert demo.gone_within(5)
