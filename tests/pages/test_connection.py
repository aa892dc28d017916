"""The badge says how the connection is, in words, and what can be done; nothing typed is lost meanwhile."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.pages.conftest import change, live, row


def test_a_restart_of_the_site_is_told_and_what_happened_meanwhile_arrives(start_site, profile):
    site = start_site()
    admin = site.client("admin")
    admin.post("/api/zones/", {"name": "kept.example", "nameservers": ["ns1.example.net"]})
    record = {"name": "www", "type": "A", "ttl": 300, "content": "192.0.2.1"}
    admin.post("/api/zones/kept.example/records/", record)
    page = profile(site).sign_in("olivia", "/zones/kept.example/")
    live(page)
    row(page, "www").get_by_role("button", name="Edit www A").click()
    page.get_by_label("IPv4 address").fill("192.0.2.77")

    site.terminate()
    expect(page.locator("#connection")).to_contain_text("Reconnecting")
    expect(page.locator("#connection")).to_contain_text("as of")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editor [data-note]")).to_contain_text("cannot be reached")

    site.start()
    change(site, "oscar", "kept.example", "www", ttl=60)
    expect(page.locator("#connection")).to_contain_text("Live", timeout=40_000)
    expect(page.locator(".editor [data-note]")).to_contain_text("oscar changed this record meanwhile")
    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.77")


def test_a_second_browser_of_the_same_person_takes_over_and_can_be_called_back(site, profile):
    first = live(profile(site).sign_in("sam"))
    live(profile(site).sign_in("sam"))

    badge = first.locator("#connection")
    expect(badge).to_contain_text("Moved to another window")
    expect(first.locator("#alert")).to_contain_text("moved to another window")
    badge.get_by_role("button", name="Resume here").click()
    live(first)


def test_the_activity_can_be_paused_and_shows_what_waited(site, make_zone, profile):
    page = live(profile(site).sign_in("vera"))
    page.keyboard.press(" ")
    expect(page.locator("#connection")).to_contain_text("Paused")

    zone = make_zone(("www", "A", "192.0.2.1"))
    button = page.locator("[data-pause]")
    expect(button).to_contain_text("waiting")
    expect(page.locator(".line", has_text=zone)).to_have_count(0)

    button.click()
    expect(page.locator(".line", has_text=zone).first).to_be_visible()
    live(page)
