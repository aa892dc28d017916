"""The browser client in a real Chromium: one socket for all tabs, nothing lost, honest about what it knows.

Each in both ways of sharing: over a SharedWorker, and, where a browser has none, over a lock and a broadcast channel.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.parts.browser import Profile
from tests.parts.site import Site

pytestmark = pytest.mark.timeout(120)

NO_SHARED_WORKER = "delete globalThis.SharedWorker"

LISTEN = """async () => {
  const { service, events } = await import("/static/site/live.js");
  globalThis.client = { service, records: [], resyncs: [], states: [] };
  events.on("record_*", ({ data }) => client.records.push(data.record.name));
  events.onResync(({ reason }) => client.resyncs.push(reason));
  service.onState(({ name }) => name === client.states.at(-1) || client.states.push(name));
}"""

ADD_RECORD = """
import sys
from zones.changes import change_set
from zones.models import Zone
for name in sys.argv[2:]:
    with change_set(Zone.objects.get(name=sys.argv[1])) as changes:
        changes.create(name=name, type="A", ttl=300, content="192.0.2.1")
"""

WAYS = ("shared worker", "lock and broadcast")
OpenProfile = Callable[..., Profile]
zone_names = (f"zone{n}.example" for n in itertools.count())


@pytest.fixture(scope="module")
def site_settings() -> dict[str, Any]:
    """A quick heart: a server that falls silent is noticed by what it does not answer."""
    return {"REALTIME_HEARTBEAT_S": 4}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def person(profile: OpenProfile, way: str) -> OpenProfile:
    """A browser profile that shares its socket in this way: `person(site)`."""

    def make(site: Site) -> Profile:
        return sharing(way, profile(site))

    return make


@pytest.fixture
def in_every_way(site: Site, profile: OpenProfile) -> list[Page]:
    """Two live tabs of somebody who shares in one way, and two of somebody else who shares in the other: what takes its time
    is waited for once."""
    tabs = []
    for way, username in zip(WAYS, ("olivia", "oscar"), strict=True):
        somebody = sharing(way, profile(site))
        somebody.sign_in(username, "/zones/")
        tabs += [open_tab(somebody) for _ in range(2)]
    for tab in tabs:
        wait_for_state(tab, "live")
    return tabs


def sharing(way: str, profile: Profile) -> Profile:
    """A profile that shares its socket in this way."""
    if way == "lock and broadcast":
        profile.context.add_init_script(NO_SHARED_WORKER)
    return profile


def new_zone(site: Site) -> str:
    name = next(zone_names)
    assert site.client("olivia").post("/api/zones/", {"name": name, "kind": "primary"}).status == 201
    return name


def add_record(site: Site, zone: str, name: str) -> None:
    record = {"name": name, "type": "A", "ttl": 300, "content": "192.0.2.1"}
    assert site.client("olivia").post(f"/api/zones/{zone}/records/", record).status == 201


def open_tab(profile: Profile, path: str = "/zones/") -> Page:
    page = profile.open(path)
    page.evaluate(LISTEN)
    return page


def wait_for_state(page: Page, *names: str) -> None:
    page.wait_for_function("(names) => names.includes(client.service.state.name)", arg=list(names), timeout=30_000)


def wait_for_records(page: Page, names: list[str]) -> None:
    """The tab has seen exactly these, once each and in order."""
    page.wait_for_function("(count) => client.records.length >= count", arg=len(names), timeout=30_000)
    assert page.evaluate("client.records") == names


def sockets(site: Site, username: str) -> list[str]:
    """The ids of this person's connections."""
    everyone = site.client("admin").get("/api/realtime/connections/").data["results"]
    return [one["connection_id"] for one in everyone if one["user"]["username"] == username]


def wait_for_sockets(site: Site, username: str, count: int) -> list[str]:
    """Who is connected is written down a moment after it is so."""
    deadline = time.monotonic() + 15
    while len(found := sockets(site, username)) != count:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def test_ten_tabs_have_one_socket_and_each_sees_every_change(site: Site, person: OpenProfile) -> None:
    zone = new_zone(site)
    olivia = person(site)
    olivia.sign_in("olivia", "/zones/")
    tabs = [open_tab(olivia) for _ in range(9)]
    for tab in tabs:
        wait_for_state(tab, "live")
    wait_for_sockets(site, "olivia", 1)
    for name in ("one", "two", "three"):
        add_record(site, zone, name)
    for tab in tabs:
        wait_for_records(tab, ["one", "two", "three"])
    assert len(sockets(site, "olivia")) == 1


def test_when_the_first_tab_is_closed_the_others_go_on_without_a_loss(site: Site, person: OpenProfile) -> None:
    zone = new_zone(site)
    olivia = person(site)
    first = olivia.sign_in("olivia", "/zones/")
    tabs = [open_tab(olivia) for _ in range(2)]
    for tab in tabs:
        wait_for_state(tab, "live")
    add_record(site, zone, "before")
    first.close()
    tabs[0].close()
    add_record(site, zone, "after")
    wait_for_records(tabs[1], ["before", "after"])
    assert tabs[1].evaluate("client.resyncs") == []


def test_a_tab_gets_what_happened_while_its_scripts_were_still_loading(site: Site, person: OpenProfile) -> None:
    zone = new_zone(site)
    olivia = person(site)
    other = olivia.sign_in("olivia", "/zones/")
    other.evaluate(LISTEN)
    wait_for_state(other, "live")
    held: list[Route] = []
    slow = olivia.context.new_page()
    slow.route("**/realtime/index*.js", lambda route: held.append(route))
    slow.goto("/zones/", wait_until="commit")
    slow.wait_for_selector("#connection", state="attached")
    other.wait_for_timeout(200)
    add_record(site, zone, "early")
    wait_for_records(other, ["early"])
    for route in held:
        route.continue_()
    slow.evaluate(LISTEN)
    wait_for_records(slow, ["early"])


def test_a_server_that_is_killed_is_waited_for_and_nothing_is_lost(site: Site, in_every_way: list[Page]) -> None:
    zone = new_zone(site)
    add_record(site, zone, "before")
    for tab in in_every_way:
        wait_for_records(tab, ["before"])
    site.kill()
    for tab in in_every_way:
        wait_for_state(tab, "reconnecting", "offline")
    site.python(ADD_RECORD, zone, "meanwhile", "too")
    site.start()
    add_record(site, zone, "after")
    for tab in in_every_way:
        wait_for_state(tab, "live")
        wait_for_records(tab, ["before", "meanwhile", "too", "after"])
        assert tab.evaluate("client.resyncs") == []
    wait_for_sockets(site, "olivia", 1)  # of her former one only the row had been left


def test_a_server_that_says_nothing_any_more_is_noticed_and_nothing_is_lost(
    site: Site, in_every_way: list[Page]
) -> None:
    zone = new_zone(site)
    site.freeze()
    try:
        for tab in in_every_way:
            wait_for_state(tab, "reconnecting", "offline")
        site.python(ADD_RECORD, zone, "meanwhile")
    finally:
        site.process.signal(signal.SIGCONT)
    for tab in in_every_way:
        wait_for_state(tab, "live")
        wait_for_records(tab, ["meanwhile"])


def test_a_browser_that_goes_offline_says_so_and_comes_back_without_a_loss(site: Site, person: OpenProfile) -> None:
    zone = new_zone(site)
    olivia = person(site)
    olivia.sign_in("olivia", "/zones/")
    tabs = [open_tab(olivia) for _ in range(2)]
    for tab in tabs:
        wait_for_state(tab, "live")
    olivia.context.set_offline(True)
    for tab in tabs:
        wait_for_state(tab, "reconnecting", "offline")
    add_record(site, zone, "meanwhile")
    olivia.context.set_offline(False)
    for tab in tabs:
        wait_for_state(tab, "live")
        wait_for_records(tab, ["meanwhile"])


def test_the_older_of_two_browsers_of_one_person_is_displaced_and_quiet_until_asked(
    site: Site, person: OpenProfile
) -> None:
    zone = new_zone(site)
    old, new = person(site), person(site)
    old.sign_in("olivia", "/zones/")
    olds = [open_tab(old) for _ in range(2)]
    for tab in olds:
        wait_for_state(tab, "live")
    new.sign_in("olivia", "/zones/")
    newer = open_tab(new)
    wait_for_state(newer, "live")
    for tab in olds:
        wait_for_state(tab, "displaced")
    survivor = wait_for_sockets(site, "olivia", 1)
    add_record(site, zone, "elsewhere")
    newer.wait_for_timeout(2000)
    assert sockets(site, "olivia") == survivor
    assert newer.evaluate("client.states").count("live") == 1

    olds[1].evaluate("client.service.reconnect()")
    for tab in olds:
        wait_for_state(tab, "live")
        wait_for_records(tab, ["elsewhere"])
    wait_for_state(newer, "displaced")


def test_who_signs_in_as_somebody_else_gets_a_connection_of_their_own(site: Site, person: OpenProfile) -> None:
    browser = person(site)
    browser.sign_in("olivia", "/zones/")
    old = open_tab(browser)
    wait_for_state(old, "live")
    browser.context.clear_cookies()
    browser.sign_in("vera", "/zones/")
    tab = open_tab(browser)
    wait_for_state(tab, "live")
    assert tab.evaluate("client.service.state.user.username") == "vera"
    wait_for_state(old, "signed_out")
    wait_for_sockets(site, "olivia", 0)


def test_following_links_keeps_one_socket_and_loses_nothing(site: Site, person: OpenProfile) -> None:
    zone = new_zone(site)
    olivia = person(site)
    olivia.sign_in("olivia", "/zones/")
    stays, goes = open_tab(olivia), open_tab(olivia)
    for path in ("/activity/", f"/zones/{zone}/", "/zones/"):
        goes.goto(path)
        add_record(site, zone, path.strip("/").replace("/", "-").replace(".", "-"))
    goes.evaluate(LISTEN)
    wait_for_state(goes, "live")
    wait_for_records(stays, ["activity", f"zones-{zone.replace('.', '-')}", "zones"])
    wait_for_sockets(site, "olivia", 1)
    goes.go_back()
    goes.evaluate(LISTEN)
    wait_for_state(goes, "live")
    add_record(site, zone, "last")
    goes.wait_for_function("() => client.records.includes('last')")


NO_WEBSOCKET = """
delete globalThis.SharedWorker;
globalThis.WebSocket = class {
  constructor() { setTimeout(() => this.onclose?.({ code: 1006 })); }
  close() {}
};
"""


def test_where_no_websocket_gets_through_changes_are_still_seen(site: Site, profile: OpenProfile) -> None:
    zone = new_zone(site)
    olivia = profile(site)
    olivia.context.add_init_script(NO_WEBSOCKET)
    olivia.sign_in("olivia", "/zones/")
    tab = open_tab(olivia)
    wait_for_state(tab, "polling")
    add_record(site, zone, "one")
    wait_for_records(tab, ["one"])
