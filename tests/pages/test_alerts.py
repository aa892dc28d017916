"""A critical alert is on every permitted screen at once, and gone from all when one person takes it on."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.alerts.raising import raise_on
from tests.pages.conftest import live
from tests.pages.test_accessibility import check, overflow


def alarm(page: Page, title: str) -> Locator:
    return page.locator("#alarms [role=alert]", has_text=title)


def card(page: Page, title: str) -> Locator:
    return page.locator(".alert-card", has_text=title)


def test_it_is_on_every_screen_and_leaves_all_when_one_acknowledges(site, profile):
    places = {"sam": "/", "olivia": "/zones/", "vera": "/alerts/", "zoe": "/"}
    sam, olivia, vera, zoe = (profile(site).sign_in(name, path) for name, path in places.items())
    for page in (sam, olivia, vera, zoe):
        live(page)

    raise_on(site, "every-screen", title="Every screen shows this")

    for page in (sam, olivia, vera):
        expect(alarm(page, "Every screen")).to_be_visible()
        expect(page).to_have_title(re.compile(r"^\(\d+\) "))
        expect(page.locator("#bell")).to_have_attribute("data-severity", "critical")
    expect(card(vera, "Every screen").locator(".state")).to_contain_text("nobody looks after it")
    olivia.get_by_role("button", name="Import").first.click()
    over, under = alarm(olivia, "Every screen").bounding_box(), olivia.get_by_role("dialog").bounding_box()
    assert over and under
    assert over["y"] >= under["y"] + under["height"], "it lies on the buttons of the dialog"
    olivia.keyboard.press("Escape")
    expect(alarm(vera, "Every screen").get_by_role("button", name="Acknowledge")).to_have_count(0)

    alarm(olivia, "Every screen").get_by_role("button", name="Acknowledge").click()

    for page in (sam, olivia, vera):
        expect(alarm(page, "Every screen")).to_have_count(0)
        expect(page.locator("#bell")).to_have_attribute("data-severity", "none")
        expect(page).to_have_title(re.compile(r"^[^(]"))
    expect(card(vera, "Every screen").locator(".state")).to_contain_text("olivia looks after it")
    expect(zoe.locator("#alarms")).to_be_empty()
    assert "Every screen" not in zoe.content()


def test_what_is_done_on_the_page_with_a_comment_is_seen_by_the_other(site, profile):
    raise_on(site, "done-on-page", severity="warning", title="Done on the page")
    sam, olivia = (profile(site).sign_in(name, "/alerts/") for name in ("sam", "olivia"))
    for page in (sam, olivia):
        live(page)
    card(olivia, "Done on").locator("summary").click()
    card(olivia, "Done on").get_by_placeholder("Comment").fill("half a thought")

    card(sam, "Done on").get_by_placeholder("Comment").fill("a <b>load</b> test")
    card(sam, "Done on").get_by_role("button", name="Acknowledge").click()

    seen = card(olivia, "Done on")
    expect(seen.locator(".state")).to_have_text("sam looks after it")
    expect(seen.locator(".timeline")).to_contain_text("a <b>load</b> test")
    expect(seen.get_by_placeholder("Comment")).to_have_value("half a thought")

    card(sam, "Done on").get_by_role("button", name="Resolve").click()
    sam.mouse.move(0, 0)
    expect(card(sam, "Done on")).to_have_count(0)
    sam.goto("/alerts/?state=resolved&q=Done+on")
    expect(card(sam, "Done on").locator(".state")).to_have_text("Over, says sam")


def test_muted_for_an_hour_the_same_is_listed_but_nobody_is_disturbed(site, profile):
    raise_on(site, "mute-me", title="Mute me")
    sam = profile(site).sign_in("sam", "/alerts/")
    live(sam)
    card(sam, "Mute me").get_by_label("Mute for").select_option("for 1 hour")
    expect(card(sam, "Mute me").locator(".state")).to_have_text("sam looks after it")
    expect(alarm(sam, "Mute me")).to_have_count(0)
    card(sam, "Mute me").get_by_role("button", name="Resolve").click()
    sam.mouse.move(0, 0)
    expect(card(sam, "Mute me")).to_have_count(0)

    raise_on(site, "mute-me", title="Mute me")
    raise_on(site, "heard", title="This one is heard")
    expect(alarm(sam, "This one is heard")).to_be_visible()
    expect(alarm(sam, "Mute me")).to_have_count(0)
    sam.goto("/alerts/?muted=yes")
    expect(card(sam, "Mute me").locator(".chip")).to_have_text("muted")


def test_by_keyboard_and_put_aside_until_the_next(site, profile):
    raise_on(site, "aside", title="Put this aside")
    olivia = profile(site, viewport={"width": 360, "height": 800}).sign_in("olivia")
    live(olivia)
    while olivia.locator("#alarms [role=alert]").count():
        olivia.get_by_role("button", name="Put aside").first.click()
    olivia.keyboard.press("g")
    olivia.keyboard.press("l")
    olivia.wait_for_url("**/alerts/")
    live(olivia)
    expect(alarm(olivia, "Put this aside")).to_have_count(0)
    expect(card(olivia, "Put this aside")).to_be_visible()
    olivia.keyboard.press("j")
    expect(olivia.locator(".alert-card").first).to_be_focused()
    olivia.keyboard.press("Enter")
    expect(olivia.locator(".alert-card details").first).to_have_attribute("open", "")
    raise_on(site, "louder", title="And then another")
    expect(alarm(olivia, "And then another")).to_be_visible()
    check(olivia, "alerts")
    assert overflow(olivia) == 0


def test_a_channel_is_tried_with_its_button_and_tells_how_it_went(site, profile):
    channel = {"name": "Pager", "kind": "webhook", "target": "http://127.0.0.1:9999/hook"}
    assert site.client("admin").post("/api/alerts/channels/", channel).status == 201
    admin = profile(site, viewport={"width": 360, "height": 800}).sign_in("admin", "/alerts/notifications/")
    live(admin)
    check(admin, "notifications")
    assert overflow(admin) == 0
    admin.get_by_role("button", name="Test Pager").click()
    expect(admin.locator("[data-outcome]")).to_contain_text("is private")
    admin.reload()
    expect(admin.get_by_role("button", name="Try again")).to_be_visible()

    olivia = profile(site).sign_in("olivia", "/alerts/notifications/")
    olivia.wait_for_url(f"{site.url}/")
