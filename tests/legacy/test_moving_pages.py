"""A page moves between the old sockets and the one connection, and loses nothing on the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page

from tests.pages.conftest import live, make_zone  # noqa: F401  # a fixture
from tests.parts.site import Site

LISTEN = """async () => {
    const { events } = await import("/static/site/live.js");
    window.heard = [];
    events.on("record_created", (event) => window.heard.push(event.data.record.name));
}"""
ANSWERED = "() => window.sockets.filter(({ readyState }) => readyState === 1).map(({ url }) => new URL(url).pathname)"
KEEP_SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
    constructor(...all) { super(...all); window.sockets.push(this); }
};
"""


class Writer:
    """Adds one record after the other to a zone, and knows which."""

    def __init__(self, site: Site, zone: str) -> None:
        self._site = site
        self._zone = zone
        self.names: list[str] = []

    def write(self, count: int) -> None:
        for _ in range(count):
            name = f"r{len(self.names)}"
            record = {"name": name, "type": "A", "ttl": 300, "content": "192.0.2.1"}
            answer = self._site.client("admin").post(f"/api/zones/{self._zone}/records/", record)
            assert answer.status == 201, answer.text
            self.names.append(name)


@contextmanager
def meanwhile(site: Site, *arguments: str) -> Iterator[None]:
    """Do a step of the roll-out while the block runs."""
    step = threading.Thread(target=site.manage, args=("realtime_rollout", *arguments))
    step.start()
    yield
    step.join()


def heard_all(page: Page, writer: Writer) -> None:
    """Everything that was written has come to the page, each once."""
    page.wait_for_function("count => window.heard.length >= count", arg=len(writer.names))
    assert sorted(page.evaluate("window.heard")) == sorted(writer.names)


def write_until(page: Page, writer: Writer, condition: str) -> None:
    until = time.monotonic() + 40
    while not page.evaluate(condition):
        assert time.monotonic() < until, page.evaluate(ANSWERED)
        writer.write(1)


def test_a_page_moves_to_the_old_sockets_and_back_without_losing_a_change(
    site: Site,
    profile: Callable[..., Any],
    make_zone: Callable[..., str],  # noqa: F811
) -> None:
    writer = Writer(site, make_zone())
    people = profile(site)
    people.context.add_init_script(KEEP_SOCKETS)
    people.sign_in("olivia").close()
    page = live(people.open("/zones/"))
    page.evaluate(LISTEN)
    writer.write(3)
    heard_all(page, writer)
    with meanwhile(site, "rollback", "--reason", "a test"):
        writer.write(5)
    old = "() => window.sockets.filter(({ readyState, url }) => readyState === 1 && /dns_management/.test(url)).length > 0"
    write_until(page, writer, f"({old})()")
    writer.write(3)
    heard_all(page, writer)
    live(page)
    # Another page of somebody who is on the old system begins there.
    second = live(people.open("/activity/"))
    assert "/ws/dns_management/" in second.evaluate(ANSWERED)
    second.close()
    site.manage("realtime_rollout", "resume")
    with meanwhile(site, "start", "--percent", "100"):
        writer.write(5)
    gone = "() => window.sockets.every(({ readyState }) => readyState === 3)"
    write_until(page, writer, f"({gone})()")
    writer.write(3)
    heard_all(page, writer)
    live(page)
