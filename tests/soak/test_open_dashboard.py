"""A dashboard that stays open at full stream keeps its memory: half an hour, at the rate that one core asks."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import dns.message
import pytest

from tests.pages.conftest import live

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

MINUTES = 30
MOST_MIB = 20.0


class Flood(threading.Thread):
    """Questions to the name server, a thousand or two a second, until it is told to end."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.ending = threading.Event()

    def run(self) -> None:
        wires = [dns.message.make_query(f"name{number}.example", "A").to_wire() for number in range(500)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            for number in range(1 << 62):
                if self.ending.wait(0.01):
                    return
                for place in range(20):
                    try:
                        sender.sendto(wires[(20 * number + place) % len(wires)], ("127.0.0.1", self._port))
                        sender.recv(4096)
                    except BlockingIOError:
                        continue


def used_mib(page: Any, session: Any) -> float:
    """Bytes of the page's JavaScript heap that are in use after a collection, in MiB."""
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 2**20


def test_half_an_hour_of_stream_leaves_the_memory_of_the_page_where_it_was(site, profile):
    page = profile(site).sign_in("olivia")
    page.goto("/?range=15m")
    live(page)
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.enable")
    flood = Flood(site.named_port)
    flood.start()
    try:
        page.wait_for_timeout(30_000)
        before = used_mib(page, session)
        until = time.monotonic() + MINUTES * 60
        while time.monotonic() < until:
            page.wait_for_timeout(30_000)
            assert used_mib(page, session) - before < MOST_MIB
    finally:
        flood.ending.set()
        flood.join(10)
