"""People change their own password in the page; whoever came in with the old one is out."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.pages.conftest import live
from tests.parts.site import PASSWORD, Site

NEW = "a-new-one-for-the-day"


def change(page: Page, old: str, new: str, again: str) -> None:
    page.get_by_label("Your password now").fill(old)
    page.get_by_label("The new one", exact=True).fill(new)
    page.get_by_label("The new one once more").fill(again)
    page.get_by_role("button", name="Change the password").click()


def test_a_new_password_keeps_this_session_and_ends_the_others(site: Site, profile) -> None:
    elsewhere = live(profile(site).sign_in("olivia"))
    page = live(profile(site).sign_in("olivia"))
    page.locator("#user-menu > summary").click()
    page.get_by_role("link", name="Your password").click()

    change(page, "not it", NEW, NEW)
    expect(page.locator(".problem")).to_contain_text("Nothing was changed. Your old password was entered incorrectly.")
    change(page, PASSWORD, "olivia", "olivia")
    expect(page.locator(".problem")).to_contain_text("too similar to the username")
    change(page, PASSWORD, NEW, f"{NEW}, or so")
    expect(page.locator(".problem")).to_contain_text("didn’t match")
    change(page, PASSWORD, NEW, NEW)
    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    live(page)

    elsewhere.reload()
    expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_old_password_cannot_be_guessed_at_an_unlocked_screen(site: Site, profile) -> None:
    page = profile(site).sign_in("vera", "/accounts/password/")
    for _ in range(5):
        change(page, "a guess", NEW, NEW)
        expect(page.locator(".problem")).to_be_visible()
    change(page, PASSWORD, NEW, NEW)
    expect(page.locator(".note.bad")).to_contain_text("too many attempts")
    told = site.client("admin").get("/api/realtime/events/", event_type="authentication_failed").data["results"]
    assert [event["data"]["username"] for event in told].count("vera") == 5
