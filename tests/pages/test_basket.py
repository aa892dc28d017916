"""Changes that are collected and saved together, by one person and by two."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.pages.conftest import change, live, record_of, row


@pytest.fixture
def collecting(site, make_zone, profile):
    """A page with a changed www, a deleted mail and a new record in its basket; none of it saved."""
    zone = make_zone(("www", "A", "192.0.2.1"), ("mail", "A", "192.0.2.2"), ("other", "A", "192.0.2.3"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    page.get_by_role("button", name="Collect changes").click()
    row(page, "www").get_by_role("button", name="Edit www A").click()
    page.get_by_label("IPv4 address").fill("192.0.2.77")
    page.get_by_role("button", name="Collect", exact=True).click()
    expect(items(page)).to_have_count(1)
    row(page, "mail").get_by_role("button", name="Delete mail A").click()
    expect(items(page)).to_have_count(2)
    page.get_by_role("button", name="Add record").click()
    page.locator(".editor [name=name]").fill("new")
    page.get_by_label("IPv4 address").fill("192.0.2.8")
    page.get_by_role("button", name="Collect", exact=True).click()
    expect(items(page)).to_have_count(3)
    return zone, page


def items(page: Page):
    return page.locator("#basket .collected > li:has(.rr-lines)")


def history(site, zone: str) -> list:
    return site.client("admin").get(f"/api/zones/{zone}/changes/").data["results"]


def test_nothing_is_saved_before_all_of_it_is(site, collecting):
    zone, page = collecting
    before = len(history(site, zone))
    assert record_of(site, zone, "www")["content"] == "192.0.2.1"
    expect(page.locator("#basket")).to_contain_text("192.0.2.77")
    page.locator("#basket-comment").fill("move the web server")

    page.get_by_role("button", name="Save all").click()

    expect(row(page, "www").locator("[data-slot=content]")).to_have_text("192.0.2.77")
    expect(row(page, "mail")).to_have_count(0)
    expect(row(page, "new")).to_be_visible()
    expect(page.locator("#basket")).to_be_hidden()
    made = history(site, zone)
    assert len(made) == before + 1
    assert (made[0]["comment"], made[0]["change_count"], made[0]["origin"]) == ("move the web server", 3, "page")
    page.keyboard.press("u")
    expect(row(page, "mail")).to_be_visible()


def test_what_is_collected_outlives_a_reload_and_can_be_dropped(site, collecting):
    _, page = collecting
    page.reload()
    expect(items(page)).to_have_count(3)
    page.get_by_role("button", name="Drop the change of mail A").click()
    expect(items(page)).to_have_count(2)
    page.get_by_role("button", name="Discard all").click()
    expect(items(page)).to_have_count(0)
    page.get_by_role("button", name="Bring them back").click()
    expect(items(page)).to_have_count(2)


def test_what_the_rules_forbid_is_told_when_it_is_collected(collecting):
    _, page = collecting
    page.get_by_role("button", name="Add record").click()
    page.locator(".editor [name=name]").fill("other")
    page.get_by_label("Type", exact=True).last.select_option("CNAME")
    page.get_by_label("Host name", exact=True).fill("x.example.net.")
    page.get_by_role("button", name="Collect", exact=True).click()
    expect(page.locator(".editor")).to_contain_text("a CNAME stands alone")
    expect(items(page)).to_have_count(3)


def test_somebody_else_s_change_of_the_same_field_has_to_be_chosen(site, collecting):
    zone, page = collecting
    change(site, "oscar", zone, "www", content="192.0.2.5")
    expect(page.locator("#basket .collides")).to_contain_text("oscar changed it meanwhile to: 300 192.0.2.5")

    page.get_by_role("button", name="Save all").click()
    expect(page.locator("#basket [data-problem]")).to_contain_text("Choose first")
    assert record_of(site, zone, "www")["content"] == "192.0.2.5"
    page.get_by_role("button", name="Keep mine").click()
    page.get_by_role("button", name="Save all").click()

    expect(page.locator("#basket")).to_be_hidden()
    assert record_of(site, zone, "www")["content"] == "192.0.2.77"


def test_what_does_not_collide_is_merged(site, collecting):
    zone, page = collecting
    change(site, "oscar", zone, "www", ttl=60)
    expect(page.locator(".toast")).to_contain_text(["both changes fit together"])

    page.get_by_role("button", name="Save all").click()

    expect(page.locator("#basket")).to_be_hidden()
    saved = record_of(site, zone, "www")
    assert (saved["content"], saved["ttl"]) == ("192.0.2.77", 60)


def test_a_change_unheard_of_is_met_when_saving(site, collecting):
    zone, page = collecting
    page.context.route("**/*", lambda route: route.continue_())
    page.evaluate("import('/static/site/live.js').then(({ events }) => events.pause())")
    change(site, "oscar", zone, "www", content="192.0.2.5")

    page.get_by_role("button", name="Save all").click()

    expect(page.locator("#basket .collides")).to_contain_text("192.0.2.5")
    assert record_of(site, zone, "www")["content"] == "192.0.2.5"
    page.get_by_role("button", name="Take theirs").click()
    expect(items(page)).to_have_count(2)


def test_an_editor_takes_over_what_only_others_changed(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "www").get_by_role("button", name="Edit www A").click()
    page.get_by_label("IPv4 address").fill("192.0.2.77")
    change(site, "oscar", zone, "www", ttl=60)
    expect(page.locator(".editor [data-note]")).to_contain_text("That is taken over")
    expect(page.locator(".editor [name=ttl]")).to_have_value("60")
    expect(page.get_by_label("IPv4 address")).to_have_value("192.0.2.77")

    page.get_by_role("button", name="Save").click()

    expect(page.locator(".editing")).to_have_count(0)
    saved = record_of(site, zone, "www")
    assert (saved["content"], saved["ttl"]) == ("192.0.2.77", 60)


def test_two_changes_collected_at_once_are_both_kept(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"), ("mail", "A", "192.0.2.2"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    page.get_by_role("button", name="Collect changes").click()

    page.evaluate("for (const button of document.querySelectorAll('tr.record [data-delete]')) "
                  "if (/ (www|mail) A/.test(button.textContent)) button.click()")  # fmt: skip

    expect(items(page)).to_have_count(2)
