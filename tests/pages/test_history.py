"""The history of a zone: seen live, taken back, and a zone brought back to a serial."""

from __future__ import annotations

import time

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.pages.conftest import change, live, record_of


@pytest.fixture
def told(site, make_zone):
    """A zone whose www was changed twice, each served before the next."""
    zone = make_zone(("www", "A", "192.0.2.1"))
    serials = [served(site, zone)]
    for content in ("192.0.2.2", "192.0.2.3"):
        change(site, "olivia", zone, "www", content=content)
        serials.append(served(site, zone))
    return zone, serials


def served(site, zone: str) -> int:
    deadline = time.monotonic() + 30
    while (now := site.client("admin").get(f"/api/zones/{zone}/").data)["sync_state"] != "served":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return int(now["serial"])


def test_a_change_is_seen_as_records_and_taken_back(site, told, profile):
    zone, _ = told
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    page.get_by_role("link", name="History").click()
    live(page)
    newest = page.locator(".change-set").first
    expect(newest.locator("[data-op='-']")).to_contain_text("www 300 A 192.0.2.2")
    expect(newest.locator("[data-op='+']")).to_contain_text("www 300 A 192.0.2.3")
    assert Axe().run(page).violations_count == 0

    newest.get_by_role("button", name="Take back").click()

    expect(page.locator(".change-set").first).to_contain_text("takes back")
    assert record_of(site, zone, "www")["content"] == "192.0.2.2"


def test_others_changes_are_offered_and_do_not_move_the_page(site, told, profile):
    zone, _ = told
    page = profile(site).sign_in("olivia", f"/zones/{zone}/history/")
    live(page)
    count = page.locator(".change-set").count()
    page.locator(".change-set").first.hover()
    change(site, "oscar", zone, "www", content="192.0.2.9")
    page.locator("[data-held] button").click()
    expect(page.locator(".change-set")).to_have_count(count + 1)
    expect(page.locator(".change-set").first).to_contain_text("oscar")


def test_the_zone_is_brought_back_to_a_serial_by_keyboard(site, told, profile):
    zone, serials = told
    page = profile(site).sign_in("olivia", f"/zones/{zone}/history/")
    live(page)
    oldest = page.get_by_role("button", name=f"Back to this state of serial {serials[0]}").first
    oldest.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 record would change")
    expect(dialog.get_by_role("button", name="Go back")).to_be_focused()
    assert Axe().run(page).violations_count == 0
    page.keyboard.press("Enter")
    expect(page.locator(".change-set").first).to_contain_text(f"back to serial {serials[0]}")
    assert record_of(site, zone, "www")["content"] == "192.0.2.1"


def test_going_back_takes_nobody_elses_change_back_unseen(site, told, profile):
    zone, serials = told
    page = profile(site).sign_in("olivia", f"/zones/{zone}/history/")
    live(page)
    page.get_by_role("button", name=f"Back to this state of serial {serials[0]}").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 record would change")
    site.client("oscar").post(
        f"/api/zones/{zone}/records/", {"name": "new", "type": "A", "ttl": 60, "content": "192.0.2.7"}
    )
    expect(dialog.locator("[data-outdated]")).to_contain_text("oscar has changed")

    dialog.get_by_role("button", name="Go back").click()

    expect(dialog.locator("[data-outdated]")).to_contain_text("Nothing was changed, because oscar")
    expect(dialog).to_contain_text("2 records would change")
    assert record_of(site, zone, "www")["content"] == "192.0.2.3"
