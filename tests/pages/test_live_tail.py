"""The page of queries: what is asked appears, waits while one looks, pauses, filters by a click, is blocked from its row."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.conftest import live
from tests.parts.site import Site


def ask(site: Site, *names: str, type: str = "A") -> dns.message.Message | None:
    answer = None
    for name in names:
        try:
            answer = dns.query.udp(dns.message.make_query(name, type), "127.0.0.1", port=site.named_port, timeout=5)
        except dns.exception.Timeout:
            pytest.fail("the name server does not answer")
    return answer


def rows(page: Page, name: str) -> Locator:
    return page.locator(f'.query[data-name="{name}"]')


@pytest.fixture
def open_tail(site: Site, profile: Callable[..., Any]) -> Callable[..., Page]:
    def open_as(username: str, query: str = "") -> Page:
        page = profile(site).sign_in(username, f"/queries/{query}")
        page.mouse.move(5, 5)
        return live(page)

    return open_as


def test_what_is_asked_appears_and_clients_are_hidden_from_those_who_may_not_see_them(site, open_tail):
    sam, vera = open_tail("sam"), open_tail("vera")
    sam.wait_for_timeout(1000)
    ask(site, "seen.example", type="AAAA")
    for page, client in ((sam, "127.0.0.1"), (vera, "hidden")):
        expect(rows(page, "seen.example")).to_have_count(1)
        expect(rows(page, "seen.example").locator("[data-slot=client]")).to_have_text(client)
        expect(rows(page, "seen.example").locator("[data-slot=type]")).to_have_text("AAAA")
    expect(vera.locator("#client")).to_have_count(0)
    vera.reload()
    expect(rows(vera, "seen.example").locator("[data-slot=client]")).to_have_text("hidden")


def test_the_figures_beside_the_stream_are_those_of_the_database(site, open_tail):
    page = open_tail("sam")
    ask(site, *[f"figure{n}.example" for n in range(7)])

    def shown() -> dict[str, int]:
        slots = ("total", "missing", "own_checks")
        return {slot: int(page.locator(f"#counts [data-slot={slot}]").inner_text().replace(",", "")) for slot in slots}

    for _ in range(100):
        counted = site.client("sam").get("/api/queries/stats/", **{"from": "-3600"}).data
        if counted["total"] >= 7 and shown() == {name: counted[name] for name in shown()}:
            break
        page.wait_for_timeout(200)
    else:
        pytest.fail(f"{shown()} is not what was counted: {counted}")


def test_rows_wait_while_one_points_at_them(site, open_tail):
    page = open_tail("sam")
    ask(site, "first.example")
    expect(rows(page, "first.example")).to_have_count(1)
    rows(page, "first.example").hover()
    ask(site, "second.example", "third.example")
    expect(page.locator("[data-held] button")).to_have_text("2 new · show")
    expect(rows(page, "second.example")).to_have_count(0)
    page.mouse.move(5, 5)
    expect(rows(page, "second.example")).to_have_count(1)


def test_a_pause_asks_for_nothing_and_shows_afterwards_what_was_asked(site, open_tail):
    page = open_tail("sam")
    ask(site, "before.example")
    expect(rows(page, "before.example")).to_have_count(1)
    page.keyboard.press(" ")
    expect(page.locator("[data-pause]")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(500)
    ask(site, "meanwhile.example")
    expect(page.locator("[data-pause]")).to_have_text(re.compile(r"Resume · [1-9]\d* asked since"))
    expect(rows(page, "meanwhile.example")).to_have_count(0)
    page.keyboard.press(" ")
    expect(rows(page, "meanwhile.example")).to_have_count(1)
    ask(site, "after.example")
    expect(rows(page, "after.example")).to_have_count(1)


def test_a_click_filters_and_the_filter_stands_in_the_address(site, open_tail):
    page = open_tail("sam")
    ask(site, "www.clicked.example", "other.example")
    rows(page, "www.clicked.example").locator("[data-slot=name]").click()
    page.wait_for_url("**/queries/?name_suffix=www.clicked.example")
    live(page).mouse.move(5, 5)
    page.wait_for_timeout(1000)
    expect(page.locator("#name_suffix")).to_have_value("www.clicked.example")
    expect(rows(page, "www.clicked.example")).to_have_count(1)
    ask(site, "other.example", "a.www.clicked.example", "xwww.clicked.example")
    expect(rows(page, "a.www.clicked.example")).to_have_count(1)
    expect(page.locator(".query")).to_have_count(2)


def test_a_filter_that_makes_no_sense_is_told(open_tail):
    page = open_tail("sam", "?client=somebody")
    expect(page.locator(".note.bad[role=alert]")).to_contain_text("somebody")
    expect(page.locator("#client")).to_have_value("somebody")


def test_an_owner_sees_the_queries_of_their_zone(site, make_zone, open_tail):
    zone = make_zone(("www", "A", "192.0.2.1"))
    site.client("admin").post(f"/api/zones/{zone}/grants/", {"user": "zoe", "level": "view"})
    page = open_tail("zoe")
    page.wait_for_timeout(1000)
    ask(site, "elsewhere.example", f"www.{zone}")
    expect(rows(page, f"www.{zone}")).to_have_count(1)
    expect(rows(page, "elsewhere.example")).to_have_count(0)
    expect(page.locator("#counts")).to_have_count(0)


def test_a_name_is_blocked_from_its_row_and_the_block_taken_back(site, make_zone, open_tail):
    zone = make_zone(("bad", "A", "192.0.2.66"))
    name = f"bad.{zone}"
    assert site.client("admin").post("/api/rpz/policies/", {"name": "Blocked by hand"}).status == 201
    page = open_tail("sam")
    page.wait_for_timeout(1000)
    ask(site, name)
    rows(page, name).first.hover()
    page.locator(".acts [data-act=block]").click()
    toast = page.locator(".toast", has_text=name)
    expect(toast).to_be_visible()
    if toast.locator("text=Do it all the same").count():  # the name is in a zone of ours
        toast.locator("text=Do it all the same").click()
    expect(page.locator(".toast", has_text=f"{name} is blocked.")).to_be_visible()
    page.mouse.move(5, 5)

    def blocked() -> bool:
        answer = ask(site, name)
        return answer is not None and answer.rcode() == dns.rcode.NXDOMAIN

    _until(page, blocked)
    expect(page.locator(f'.query[data-name="{name}"][data-outcome=blocked]').first).to_be_visible()
    page.locator(".toast", has_text=f"{name} is blocked.").get_by_role("button", name="Undo").click()
    _until(page, lambda: not blocked())


def _until(page: Page, true: Callable[[], bool]) -> None:
    for _ in range(100):
        if true():
            return
        page.wait_for_timeout(200)
    pytest.fail("it never came to that")
