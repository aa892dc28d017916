"""Many records at once, from the page: find and replace, and tables in and out."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.pages.conftest import live, record_of, row


def test_find_and_replace_shows_the_difference_and_is_done_by_keyboard(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"), ("mail", "A", "192.0.2.2"), ("other", "A", "198.51.100.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    page.get_by_role("button", name="Find and replace").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Find", exact=True).focus()
    page.keyboard.type("192.0.2.")
    page.keyboard.press("Tab")
    page.keyboard.type("203.0.113.")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 records in 1 zone would change")
    expect(dialog.locator("[data-op='+']").first).to_contain_text("mail 300 A 203.0.113.2")
    assert Axe().run(page).violations_count == 0
    assert record_of(site, zone, "www")["content"] == "192.0.2.1"

    page.keyboard.press("Enter")

    expect(dialog).to_contain_text("Changed 2 records in 1 zone")
    with page.expect_download() as download:
        dialog.get_by_role("link", name="Keep the result").click()
    assert "203.0.113.1" in download.value.path().read_text()
    page.keyboard.press("Escape")
    expect(row(page, "www").locator("[data-slot=content]")).to_contain_text("203.0.113.1")
    assert record_of(site, zone, "other")["content"] == "198.51.100.1"


def test_what_is_not_possible_is_marked_and_keeps_what_was_typed(site, make_zone, profile):
    zones = [make_zone(("www", "A", "192.0.2.1")) for _ in range(2)]
    page = profile(site).sign_in("olivia", "/zones/")
    live(page)
    page.get_by_role("button", name="Find and replace").click()
    page.get_by_label("Zones, one on a line").fill("\n".join(zones))
    page.get_by_label("Find", exact=True).fill("192.0.2.1")
    page.get_by_label("Replace by").fill("192.0.2.1111")
    page.get_by_role("button", name="Show the difference").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".note.bad")).to_have_count(2)
    expect(dialog.get_by_role("button", name="Change them")).to_be_hidden()
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_label("Replace by")).to_have_value("192.0.2.1111")
    page.get_by_label("Replace by").fill("192.0.2.9")
    page.get_by_role("button", name="Show the difference").click()
    page.get_by_role("button", name="Change them").click()
    expect(dialog).to_contain_text("Changed 2 records in 2 zones")
    assert {record_of(site, zone, "www")["content"] for zone in zones} == {"192.0.2.9"}


def test_what_is_selected_is_what_is_meant(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"), ("mail", "A", "192.0.2.2"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "www").get_by_role("checkbox").check()
    page.get_by_role("button", name="Replace in them").click()
    expect(page.get_by_label("Only in the 1 selected record")).to_be_checked()
    page.get_by_label("Find", exact=True).fill("192.0.2.")
    page.get_by_label("Replace by").fill("203.0.113.")
    page.get_by_role("button", name="Show the difference").click()
    page.get_by_role("button", name="Change them").click()
    expect(page.get_by_role("dialog")).to_contain_text("Changed 1 record in 1 zone")
    assert record_of(site, zone, "mail")["content"] == "192.0.2.2"


def test_a_table_goes_out_and_comes_in(site, make_zone, profile, tmp_path):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Table (CSV)").click()
    page.keyboard.press("Escape")
    table = tmp_path / "table.csv"
    table.write_text(download.value.path().read_text() + "new,A,60,192.0.2.8,from a table\n")

    page.get_by_role("button", name="Import").click()
    page.get_by_label("Zone file, CSV or JSON").set_input_files(table)
    page.get_by_role("button", name="Show the difference").click()
    expect(page.locator(".difference li")).to_have_count(1)
    page.get_by_role("dialog").get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Imported the zone file.", exact=True)).to_be_visible()

    page.mouse.move(0, 0)  # rows do not move under the pointer
    expect(row(page, "new")).to_be_visible()
    assert record_of(site, zone, "new")["comment"] == "from a table"
