"""Several records at once: selected by mouse or key, changed as one change set, taken back by one press."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.pages.conftest import live, record_of, row


def _records(*names: str) -> list[tuple[str, str, str]]:
    return [(name, "A", "192.0.2.1") for name in names]


def test_selected_records_are_deleted_together_and_come_back_together(site, make_zone, profile):
    zone = make_zone(*_records("a", "b", "c", "d"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "b").get_by_role("checkbox").check()
    row(page, "d").get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.locator("[data-picked-count]")).to_have_text("3 selected")

    page.locator("[data-delete-picked]").click()
    for name in "bcd":
        expect(row(page, name)).to_have_count(0)
    expect(row(page, "a")).to_be_visible()

    page.locator(".toast", has_text="Deleted 3 records").get_by_role("button", name="Undo").click()
    for name in "bcd":
        expect(row(page, name)).to_be_visible()
    assert record_of(site, zone, "c")["content"] == "192.0.2.1"


def test_why_a_record_is_not_deleted_is_said_once(site, make_zone, profile):
    page = profile(site).sign_in("olivia", f"/zones/{make_zone()}/")
    live(page)
    page.get_by_role("button", name="Delete @ SOA").click()
    expect(page.locator(".toast.bad p")).to_have_text("@ SOA is not deleted: a zone needs its SOA record.")


def test_the_ttl_of_selected_records_is_set_by_keyboard(site, make_zone, profile):
    zone = make_zone(*_records("a", "b"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "a").focus()
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.get_by_label("TTL", exact=True).fill("5m")
    page.keyboard.press("Enter")
    expect(page.locator(".toast.bad")).to_contain_text("2147483647. Your selection is kept.")
    page.get_by_label("TTL", exact=True).fill("60")
    page.keyboard.press("Enter")

    expect(page.locator(".toast", has_text="Set the TTL of 2 records")).to_be_visible()
    assert {record_of(site, zone, name)["ttl"] for name in "ab"} == {60}
    expect(row(page, "a").locator("[data-slot=ttl]")).to_have_text("60")
    expect(page.locator("[data-picked]")).to_be_hidden()


def test_if_one_was_changed_by_somebody_else_none_is(site, make_zone, profile):
    zone = make_zone(*_records("a", "b"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    page.get_by_label("Select all of this page").check()
    row(page, "@").first.get_by_role("checkbox").uncheck()
    row(page, "@").last.get_by_role("checkbox").uncheck()
    expect(page.locator("[data-picked-count]")).to_have_text("2 selected")
    page.evaluate("""async () => {
        const { events } = await import(document.querySelector("script[src*='frame.js']").src.replace("frame.js", "live.js"));
        events.pause();
    }""")
    other = site.client("oscar")
    other.patch(f"/api/zones/{zone}/records/{record_of(site, zone, 'a')['id']}/", {"comment": "mine"})

    page.locator("[data-delete-picked]").click()

    expect(page.locator(".toast.bad")).to_contain_text("Nothing was changed")
    expect(page.locator("[data-picked-count]")).to_have_text("2 selected")
    assert record_of(site, zone, "b")["content"] == "192.0.2.1"
