"""The pages of monitoring and of forwarders, as people use them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.monitoring.small_servers import Stage, stage
from tests.pages.conftest import live


@pytest.fixture
def servers() -> Iterator[Stage]:
    with stage() as made:
        yield made


def test_a_name_server_that_is_stopped_and_started_is_seen_by_all(site, profile):
    vera = profile(site).sign_in("vera", "/monitoring/")
    live(vera)
    expect(vera.get_by_role("button", name="Stop")).to_have_count(0)
    olivia = profile(site).sign_in("olivia", "/monitoring/")
    live(olivia)
    expect(olivia.locator("#server [data-fact=state]")).to_have_text("Answers")
    olivia.on("dialog", lambda dialog: dialog.accept())
    olivia.get_by_role("button", name="Stop").click()
    for page in (olivia, vera):
        expect(page.locator("#server [data-fact=state]")).to_have_text("Down")
        expect(page.locator("[data-component=name_server]")).to_contain_text("stopped on purpose")
    olivia.get_by_role("button", name="Start").click()
    for page in (olivia, vera):
        expect(page.locator("#server [data-fact=state]")).to_have_text("Answers")
        expect(page.locator("[data-component=name_server] [data-slot=title]")).to_have_attribute("data-state", "up")
    olivia.get_by_role("button", name="Restart").focus()
    olivia.keyboard.press("Enter")
    expect(olivia.locator("#toasts")).to_contain_text("The name server runs again.")
    vera.goto("/activity/")
    expect(vera.locator("[data-severity=info]", has_text="restarted by olivia")).to_have_count(1)


def test_charts_are_drawn_and_their_numbers_are_those_of_the_database(site, profile):
    site.client("olivia").patch("/api/monitoring/intervals/", {"cpu": 1})
    page = profile(site).sign_in("vera", "/monitoring/?range=15m")
    live(page)
    chart = page.locator("[data-chart=load]")
    expect(chart.locator("canvas")).to_be_visible()
    # The legend shows the newest value that the database has.
    expect(chart.locator("[data-metric=load_1] [data-now]")).not_to_have_text("–", timeout=60_000)
    shown = float(chart.locator("[data-metric=load_1] [data-now]").inner_text())
    points = site.client("vera").get("/api/monitoring/series/", metric="load_1", step=30).data["points"]
    assert any(abs(point["value"] - shown) <= 0.05 * max(1, shown) for point in points)


def test_an_interval_that_cannot_be_is_refused_beside_its_field(site, profile):
    page = profile(site).sign_in("olivia", "/monitoring/")
    page.evaluate("document.querySelector('#interval-memory').removeAttribute('max')")
    page.locator("#interval-memory").fill("9999")
    page.locator("#intervals").get_by_role("button", name="Save").click()
    expect(page.locator("#interval-memory-problem")).not_to_be_empty()
    page.locator("#interval-memory").fill("20")
    page.locator("#intervals").get_by_role("button", name="Save").click()
    expect(page.locator("#toasts")).to_contain_text("Saved")
    assert site.client("vera").get("/api/monitoring/intervals/").data["memory"] == 20


def test_a_forwarder_is_added_tried_fails_in_front_of_all_and_is_removed(site, profile, servers):
    site.client("olivia").patch("/api/monitoring/intervals/", {"forwarders": 1})
    good, bad = servers.server(), servers.server()
    vera = profile(site).sign_in("vera", "/forwarders/")
    live(vera)
    expect(vera.get_by_role("heading", name="No forwarders")).to_be_visible()
    olivia = profile(site).sign_in("olivia", "/forwarders/")
    live(olivia)
    olivia.get_by_role("button", name="Add forwarder").click()
    olivia.get_by_label("Domain").fill("lab.example")
    olivia.get_by_label("Targets, one a line").fill("somewhere")
    olivia.get_by_role("button", name="Save").click()
    expect(olivia.locator("#f-targets-problem")).to_contain_text("is not an IP address")
    expect(olivia.get_by_label("Domain")).to_have_value("lab.example")
    olivia.get_by_label("Targets, one a line").fill(f"127.0.0.1#{bad.port}\n127.0.0.1#{good.port}")
    olivia.get_by_role("button", name="Save").click()

    card = vera.locator(".forwarder", has=vera.get_by_role("heading", name="lab.example", exact=True))
    expect(card).to_be_visible()
    expect(vera.get_by_role("button", name="Test")).to_have_count(0)
    olivia.get_by_role("button", name="Test").click()
    expect(olivia.locator("[data-results]")).to_contain_text("all is well")
    # The list being read again puts another card in the place of this one.
    olivia.evaluate("document.querySelector('.forwarder').dataset.former = ''")
    olivia.evaluate("dispatchEvent(new Event('forwarders-changed'))")
    expect(olivia.locator("[data-former]")).to_have_count(0)
    expect(olivia.locator("[data-results]")).to_contain_text("all is well")

    expect(card.locator("[data-slot=whole]")).to_have_text("up", timeout=60_000)
    bad.mood = "refusing"
    expect(card.locator("[data-slot=whole]")).to_have_text("degraded", timeout=60_000)
    expect(card.locator("[data-slot=reason]")).to_contain_text("it answers REFUSED")
    expect(card.locator("[data-slot=use]")).to_have_text(["standing by", "in use"])
    olivia.on("dialog", lambda dialog: dialog.accept())
    olivia.get_by_role("button", name="Remove").click()
    expect(vera.get_by_role("heading", name="No forwarders")).to_be_visible()
    expect(olivia.get_by_role("heading", name="No forwarders")).to_be_visible()


def test_owners_of_single_zones_find_no_way_there(site, profile):
    page = profile(site).sign_in("zoe")
    live(page)
    assert page.get_by_role("link", name="Monitoring").count() == 0
    assert page.goto("/monitoring/").status == 403
    assert page.goto("/forwarders/").status == 403
