"""Every change of one's own can be taken back from where it was made."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.pages.conftest import change, live, record_of, row


def test_a_deleted_record_comes_back(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"), ("mail", "A", "192.0.2.2"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)

    row(page, "www").get_by_role("button", name="Delete www A").click()
    expect(row(page, "www")).to_have_count(0)
    page.locator(".toast", has_text="Deleted www A").get_by_role("button", name="Undo").click()

    expect(row(page, "www").locator("[data-slot=content]")).to_have_text("192.0.2.1")
    assert record_of(site, zone, "www")["content"] == "192.0.2.1"


def test_a_changed_record_is_as_before_by_pressing_u(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "www").get_by_role("button", name="Edit www A").click()
    page.get_by_label("IPv4 address").fill("192.0.2.2")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editing")).to_have_count(0)

    page.keyboard.press("u")

    expect(page.locator(".toast", has_text="Taken back")).to_be_visible()
    expect(row(page, "www").locator("[data-slot=content]")).to_contain_text("192.0.2.1")
    assert record_of(site, zone, "www")["content"] == "192.0.2.1"


def test_what_somebody_else_has_changed_since_is_not_overwritten(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "www").get_by_role("button", name="Edit www A").click()
    page.get_by_label("IPv4 address").fill("192.0.2.2")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editing")).to_have_count(0)
    change(site, "oscar", zone, "www", content="192.0.2.3")

    page.locator(".toast", has_text="Changed www A").get_by_role("button", name="Undo").click()

    expect(page.locator(".toast.bad")).to_contain_text("somebody has changed the same record since")
    assert record_of(site, zone, "www")["content"] == "192.0.2.3"


def test_text_that_was_typed_and_left_can_be_brought_back(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "www").get_by_role("button", name="Edit www A").click()
    page.get_by_label("IPv4 address").fill("192.0.2.2")

    page.keyboard.press("Escape")
    expect(page.locator(".editing")).to_have_count(0)
    page.get_by_role("button", name="Bring it back").click()

    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.2")


def test_records_that_share_an_rrset_get_its_ttl_together(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"), ("www", "A", "192.0.2.2"), ("www", "A", "192.0.2.3"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    last = row(page, "www").last
    last.get_by_role("button", name="Edit www A").click()
    page.locator(".editor [name=ttl]").fill("60")
    page.get_by_role("button", name="Save").click()

    expect(row(page, "www").locator("[data-slot=ttl]")).to_have_text(["60", "60", "60"])
    expect(last).to_be_focused()
