"""The main tasks without a mouse; and the keys can be switched off."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.pages.conftest import live, record_of, row
from tests.pages.test_accessibility import check


def test_from_signing_in_to_a_saved_record_by_keyboard_alone(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia")
    live(page)

    page.keyboard.press("/")
    page.keyboard.type(zone)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/zones/{zone}/")
    live(page)

    page.locator("main").focus()
    for _ in range(3):  # SOA, NS, www
        page.keyboard.press("j")
    expect(row(page, "www")).to_be_focused()
    page.keyboard.press("e")
    address = page.get_by_label("IPv4 address")
    expect(address).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("192.0.2.9")
    page.keyboard.press("Enter")

    expect(row(page, "www")).to_be_focused()
    assert record_of(site, zone, "www")["content"] == "192.0.2.9"


def test_a_new_record_by_keyboard_alone(site, make_zone, profile):
    zone = make_zone()
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)

    page.keyboard.press("n")
    page.keyboard.type("mail")
    page.keyboard.press("Tab")
    page.keyboard.type("MX")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("10")
    page.keyboard.press("Tab")
    page.keyboard.type("mx.example.net.")
    page.keyboard.press("Enter")

    expect(row(page, "mail").locator("[data-slot=content]")).to_have_text("10 mx.example.net.")
    page.keyboard.press("n")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Add record")).to_be_focused()


def test_changes_are_collected_and_saved_by_keyboard_alone(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)

    tab_to(page, page.get_by_role("button", name="Collect changes"))
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    page.keyboard.type("new")
    tab_to(page, page.get_by_label("IPv4 address"))
    page.keyboard.type("192.0.2.8")
    page.keyboard.press("Enter")
    expect(page.locator("#basket")).to_contain_text("192.0.2.8")
    check(page, "a basket with a new record")
    tab_to(page, page.locator("#basket-comment"))
    page.keyboard.type("by hand")
    tab_to(page, page.get_by_role("button", name="Save all"))
    page.keyboard.press("Enter")

    expect(row(page, "new")).to_be_visible()
    made = site.client("admin").get(f"/api/zones/{zone}/changes/").data["results"][0]
    assert (made["comment"], made["change_count"]) == ("by hand", 1)


def tab_to(page, there):
    """Press Tab until it has the focus, as somebody without a mouse does."""
    for _ in range(120):
        if there.evaluate("(it) => it === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{there} is not reached by Tab")


def test_jumps_lead_from_page_to_page(site, profile):
    page = profile(site).sign_in("vera")
    for keys, path in (("z", "/zones/"), ("a", "/activity/"), ("d", "/")):
        live(page)
        page.keyboard.press("g")
        page.keyboard.press(keys)
        page.wait_for_url(lambda url, path=path: url == f"{site.url}{path}")


def test_the_sheet_tells_the_keys(site, profile):
    page = profile(site).sign_in("vera")
    live(page)

    page.keyboard.press("?")

    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_keys_can_be_switched_off_and_stay_off(site, profile):
    page = profile(site).sign_in("vera")
    live(page)
    page.locator("#user-menu > summary").click()
    page.get_by_label("Keyboard shortcuts").uncheck()

    page.reload()
    live(page)
    page.keyboard.press("?")

    expect(page.get_by_role("dialog", name="Keyboard")).to_be_hidden()


def test_letters_that_are_typed_are_no_shortcuts(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)

    page.locator("#record-q").fill("")
    page.locator("#record-q").type("gzeju?n")

    expect(page.locator("#record-q")).to_have_value("gzeju?n")
    expect(page.locator(".editing")).to_have_count(0)
    assert page.url.startswith(f"{site.url}/zones/{zone}/")
