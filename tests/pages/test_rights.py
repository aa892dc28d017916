"""What one may not do is not offered, and what one may not see is not there."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import live, record_of, row


def _grant(site, zone, user, level, **limits):
    answer = site.client("admin").post(f"/api/zones/{zone}/grants/", {"user": user, "level": level, **limits})
    assert answer.status in (200, 201), answer.text
    return answer.data["id"]


def test_a_viewer_sees_records_but_nothing_to_change_them_with(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("vera", f"/zones/{zone}/")
    live(page)

    expect(row(page, "www")).to_be_visible()
    for button in ("Add record", "Import", "Settings"):
        expect(page.get_by_role("button", name=button)).to_have_count(0)
    expect(page.locator("[data-edit], [data-delete]")).to_have_count(0)
    page.keyboard.press("n")
    expect(page.locator(".editing")).to_have_count(0)


def test_the_owner_of_one_zone_sees_no_other(site, make_zone, profile):
    mine, other = make_zone(("www", "A", "192.0.2.1")), make_zone(("secret", "A", "192.0.2.2"))
    _grant(site, mine, "zoe", "edit")
    page = profile(site).sign_in("zoe", "/zones/")

    expect(page.get_by_role("link", name=mine, exact=True)).to_be_visible()
    expect(page.get_by_text(other)).to_have_count(0)
    assert page.goto(f"/zones/{other}/").status == 404
    page.goto("/")
    expect(page.locator(".line", has_text=mine).first).to_be_visible()
    expect(page.get_by_text(other)).to_have_count(0)
    found = page.evaluate("fetch('/search/?q=secret').then((answer) => answer.json())")
    assert found == {"zones": [], "records": []}


def test_a_new_right_shows_the_zone_and_a_withdrawn_one_hides_it(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("nils", "/zones/")
    live(page)
    expect(page.get_by_role("heading", name="No zones yet")).to_be_visible()

    grant = _grant(site, zone, "nils", "view")
    expect(page.get_by_role("link", name=zone, exact=True)).to_be_visible()

    site.client("admin").delete(f"/api/zones/{zone}/grants/{grant}/")
    expect(page.get_by_role("link", name=zone, exact=True)).to_have_count(0)


def test_the_page_of_a_zone_goes_when_the_right_to_it_does(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    grant = _grant(site, zone, "nils", "view")
    page = profile(site).sign_in("nils", f"/zones/{zone}/")
    live(page)

    site.client("admin").delete(f"/api/zones/{zone}/grants/{grant}/")

    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()


def test_a_private_comment_is_for_those_who_may_edit(site, make_zone, profile):
    zone = make_zone()
    record = {"name": "www", "type": "A", "ttl": 300, "content": "192.0.2.1", "comment": "rack 7", "private": True}
    site.client("admin").post(f"/api/zones/{zone}/records/", record)

    editor, viewer = (profile(site).sign_in(name, f"/zones/{zone}/") for name in ("olivia", "vera"))

    expect(row(editor, "www")).to_contain_text("rack 7")
    expect(row(viewer, "www")).not_to_contain_text("rack 7")
    assert "rack 7" not in viewer.content()


@pytest.mark.parametrize("path", ["/", "/zones/", "/zones/example.com/", "/activity/", "/search/?q=a", "/name-server/"])
def test_nobody_sees_anything_without_signing_in(site, path):
    answer = site.client().get(path)
    assert answer.status == 302
    assert answer.headers["Location"].startswith("/accounts/login/?next=")


def test_a_wrong_password_says_so_without_saying_which_half_was_wrong(site, profile):
    texts = []
    for username in ("vera", "nobody-of-that-name"):
        page = profile(site).open("/accounts/login/")
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill("wrong-password")
        page.get_by_role("button", name="Sign in").click()
        texts.append(page.get_by_role("alert").inner_text())
        expect(page.get_by_label("User name")).to_have_value(username)
    assert texts[0] == texts[1]


def test_signing_out_ends_the_session_of_the_page(site, profile):
    person = profile(site)
    page = person.sign_in_by_hand("vera")
    other = person.open("/zones/")
    live(other)

    page.locator("#user-menu > summary").click()
    page.get_by_role("button", name="Sign out").click()

    page.wait_for_url("**/accounts/login/")
    expect(other.locator("#connection")).to_contain_text("Signed out")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/accounts/login/?next=%2Fzones%2F")


def test_what_a_limited_right_does_not_reach_is_not_offered(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"), ("a.dev", "A", "192.0.2.2"), ("b.dev", "TXT", '"x"'))
    _grant(site, zone, "zoe", "edit", names=["*.dev"], types=["A"], actions=["update"])
    page = profile(site).sign_in("zoe", f"/zones/{zone}/")
    live(page)
    expect(row(page, "a.dev").locator("[data-edit]")).to_be_enabled()
    for name, button in (("a.dev", "delete"), ("www", "edit"), ("b.dev", "edit")):
        expect(row(page, name).locator(f"[data-{button}]")).to_be_disabled()
        expect(row(page, name).locator(f"[data-{button}]")).to_have_attribute("title", re.compile("do not reach"))
    expect(page.get_by_role("button", name="Add record")).to_be_disabled()
    row(page, "www").focus()
    page.keyboard.press("e")
    expect(page.locator("#notices")).to_contain_text("do not reach")
    expect(page.locator(".editor")).to_have_count(0)

    path = f"/api/zones/{zone}/records/{record_of(site, zone, 'www')['id']}/"
    assert site.client("admin").patch(path, {"name": "www.dev"}).status == 200
    expect(row(page, "www.dev").locator("[data-edit]")).to_be_enabled()
