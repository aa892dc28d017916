"""Two people at one record: nobody's text is lost, and nobody overwrites without being asked."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import change, live, record_of, row


@pytest.fixture
def editing(site, make_zone, profile):
    """Olivia edits `www`; she has typed an address and a comment, and has not saved."""
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "www").get_by_role("button", name="Edit www A").click()
    page.get_by_label("IPv4 address").fill("192.0.2.77")
    page.locator(".editor [name=comment]").fill("moved")
    return zone, page


def _deaf(page: Page) -> None:
    """From here on the page hears of nothing: only the answer to its save tells that others were faster."""
    page.evaluate("""async () => {
        const { events } = await import(document.querySelector("script[src*='frame.js']").src.replace("frame.js", "live.js"));
        events.pause();
    }""")


def test_a_change_by_somebody_else_is_shown_beside_what_one_types(site, editing):
    zone, page = editing

    change(site, "oscar", zone, "www", content="192.0.2.5")

    expect(page.locator(".editor [data-note]")).to_contain_text("oscar changed this record meanwhile: 192.0.2.5")
    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.77")


def test_a_stale_save_shows_both_versions_and_keeps_the_text(site, editing):
    zone, page = editing
    _deaf(page)
    change(site, "oscar", zone, "www", content="192.0.2.5")

    page.get_by_role("button", name="Save").click()

    panel = page.locator(".compare")
    expect(panel.get_by_role("row", name="Content")).to_contain_text("192.0.2.5")
    expect(panel.get_by_role("row", name="Content")).to_contain_text("192.0.2.77")
    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.77")
    expect(page.locator("#alert")).to_contain_text("Not saved")
    assert record_of(site, zone, "www")["content"] == "192.0.2.5"


def test_keeping_mine_saves_all_of_mine(site, editing):
    zone, page = editing
    change(site, "oscar", zone, "www", content="192.0.2.5")
    page.get_by_role("button", name="Compare").click()

    page.get_by_role("button", name="Keep all of mine").click()

    expect(page.locator(".editing")).to_have_count(0)
    saved = record_of(site, zone, "www")
    assert (saved["content"], saved["comment"]) == ("192.0.2.77", "moved")


def test_taking_theirs_saves_nothing_and_one_s_text_can_be_brought_back(site, editing):
    zone, page = editing
    change(site, "oscar", zone, "www", content="192.0.2.5")
    page.get_by_role("button", name="Compare").click()

    page.get_by_role("button", name="Take theirs").click()

    expect(row(page, "www").locator("[data-slot=content]")).to_contain_text("192.0.2.5")
    assert record_of(site, zone, "www")["content"] == "192.0.2.5"
    page.get_by_role("button", name="Bring it back").click()
    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.77")


def test_fields_are_merged_as_chosen(site, editing):
    zone, page = editing
    change(site, "oscar", zone, "www", content="192.0.2.5", ttl=60)
    page.get_by_role("button", name="Compare").click()
    panel = page.locator(".compare")
    expect(panel.get_by_role("row", name="TTL").get_by_role("radio").first).to_be_checked()  # only oscar changed it

    panel.get_by_role("row", name="Content").get_by_role("radio").first.check()
    page.get_by_role("button", name="Save what is chosen").click()

    expect(page.locator(".editing")).to_have_count(0)
    saved = record_of(site, zone, "www")
    assert (saved["content"], saved["ttl"], saved["comment"]) == ("192.0.2.5", 60, "moved")


def test_a_record_deleted_meanwhile_is_saved_anew(site, editing):
    zone, page = editing
    site.client("oscar").delete(f"/api/zones/{zone}/records/{record_of(site, zone, 'www')['id']}/")
    expect(page.locator(".editor [data-note]")).to_contain_text("oscar deleted this record meanwhile")

    page.get_by_role("button", name="Save").click()

    expect(page.locator(".editing")).to_have_count(0)
    assert record_of(site, zone, "www")["content"] == "192.0.2.77"


def test_what_was_typed_outlives_a_reload(editing):
    _, page = editing

    page.reload()

    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.77")
    expect(page.locator(".editor [name=comment]")).to_have_value("moved")


def test_what_was_typed_outlives_a_reload_even_when_others_were_faster(site, editing):
    zone, page = editing
    _deaf(page)
    change(site, "oscar", zone, "www", content="192.0.2.5")

    page.reload()

    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.77")
    expect(page.locator(".editor [data-note]")).to_contain_text("oscar changed this record meanwhile")


def test_a_save_that_does_not_reach_the_site_keeps_the_text_and_can_be_repeated(site, editing):
    zone, page = editing
    page.context.set_offline(True)

    page.get_by_role("button", name="Save").click()

    expect(page.locator(".editor [data-note]")).to_contain_text("The site cannot be reached")
    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.77")
    page.context.set_offline(False)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".editing")).to_have_count(0)
    assert record_of(site, zone, "www")["content"] == "192.0.2.77"


def test_a_value_that_is_refused_is_marked_where_it_stands(editing):
    _, page = editing
    page.get_by_label("IPv4 address").fill("192.0.2.777")

    page.get_by_role("button", name="Save").click()

    address = page.get_by_label("IPv4 address")
    expect(address).to_have_attribute("aria-invalid", "true")
    expect(address).to_be_focused()
    expect(page.locator(".editor .part .problem")).not_to_be_empty()
    expect(page.locator("#alert")).to_contain_text("Not saved")


def test_somebody_else_s_change_does_not_take_the_focus(site, editing):
    zone, page = editing
    page.get_by_label("IPv4 address").focus()

    change(site, "oscar", zone, "www", content="192.0.2.5")

    expect(page.locator(".editor [data-note]")).to_contain_text("oscar")
    expect(page.get_by_label("IPv4 address")).to_be_focused()


def test_what_is_refused_is_marked_where_it_was_typed_and_said_in_whole_sentences(editing):
    _, page = editing
    page.locator(".editor [name=ttl]").fill("1h")

    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.locator(".editor [data-note]")).to_have_text(
        "Not saved: look at the fields that are marked. What you typed is kept."
    )
    expect(page.locator(".editor .ttl-field")).to_contain_text(
        "a TTL is a whole number of seconds, from 0 to 2147483647"
    )
    expect(page.locator(".editor [name=ttl]")).to_have_value("1h")
