"""No page breaks a rule that axe knows (WCAG 2.2 AA and its good practice), in either theme, at any width."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.pages.conftest import live, row
from tests.parts.site import Site

WIDTHS = (1400, 768, 360)
THEMES = ("light", "dark")
OF_COLOURS = ("color-contrast", "link-in-text-block")
"""The rules of axe that look at colours."""

axe = Axe()


@pytest.fixture(scope="module")
def site(tmp_path_factory, site_template):
    """The demo: its banner stands on every page, its pages are full, and its name server is asked."""
    demo = Site(tmp_path_factory.mktemp("demo"), DEMO=1)
    demo.prepare(site_template)
    demo.manage("seed_demo")
    try:
        demo.start()
        yield demo
    finally:
        demo.stop()


def check(page: Page, what: str, **options: Any) -> None:
    found = axe.run(page, options={"resultTypes": ["violations"], **options})
    assert found.violations_count == 0, f"{what}: {found.generate_report()}"


def check_all_over(page: Page, what: str) -> None:
    """At every width in light; in dark, which changes nothing but colours, what is said about those."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) == 0, f"{what} at {width}"
        check(page, f"{what} at {width}")
    page.emulate_media(color_scheme="dark")
    check(page, f"{what} in dark", runOnly=OF_COLOURS)
    page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    check(page, f"{what} in dark, wide", runOnly=OF_COLOURS)
    page.emulate_media(color_scheme="light")


def overflow(page: Page) -> int:
    """How many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def test_pages_as_one_finds_them(site, make_zone, profile):
    long = f"{'a-rather-long-label.' * 6}end"
    zone = make_zone(("www", "A", "192.0.2.1"), (long, "TXT", f'"{"x" * 200}"'), name="a-long-zone-name.example")
    person = profile(site, color_scheme="light", reduced_motion="reduce")
    check_all_over(person.open("/accounts/login/"), "sign in")
    page = person.sign_in("olivia")
    for path in (
        "/",
        "/zones/",
        f"/zones/{zone}/",
        "/activity/",
        "/monitoring/",
        "/forwarders/",
        "/alerts/",
        "/security/",
        "/queries/",
        "/accounts/password/",
        "/zones/?q=nothing-like-this",
        "/zones/missing.example/",
    ):
        page.goto(path)
        if "missing" not in path:
            live(page)
        check_all_over(page, path)


@pytest.mark.parametrize("theme", THEMES)
def test_the_dashboard_with_all_that_it_shows_live(site, profile, theme):
    page = profile(site, color_scheme=theme).sign_in("sam", "/?range=15m")
    live(page)
    page.locator("[data-chart=queries] canvas").wait_for()
    for what in ("#health [data-state=up]", "[data-top=names] li .count", "li[data-forwarder]", "[data-alerts] li"):
        page.locator(what).first.wait_for(timeout=60_000)
    check(page, "dashboard")


@pytest.mark.parametrize("theme", THEMES)
def test_what_opens_on_the_page_of_a_zone(site, make_zone, profile, theme):
    zone = make_zone(("www", "A", "192.0.2.1"), ("mail", "MX", "10 mx.example.net."))
    page = profile(site, color_scheme=theme).sign_in("olivia", f"/zones/{zone}/")
    live(page)

    page.get_by_role("button", name="Add record").click()
    page.get_by_role("button", name="Save").click()
    page.locator(".editor [aria-invalid=true]").first.wait_for()
    check(page, "a refused record")
    row(page, "mail").get_by_role("button", name="Edit mail MX").click()
    check(page, "editing")
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    check(page, "settings")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Import").click()
    check(page, "import")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Collect changes").click()
    row(page, "www").get_by_role("button", name="Delete www A").click()
    page.locator("#basket .collected > li").first.wait_for()
    check(page, "a basket")
    page.locator("#user-menu > summary").click()
    check(page, "menu")


@pytest.mark.parametrize("theme", THEMES)
def test_what_only_administrators_have(site, profile, theme):
    page = profile(site, color_scheme=theme).sign_in("admin")
    check(page, "dashboard")
    page.get_by_role("link", name="Check it").click()
    live(page)
    page.get_by_role("button", name="Check now").click()
    page.get_by_role("heading", name="All is well").wait_for()
    check(page, "the check of the name server")


@pytest.mark.parametrize("theme", THEMES)
def test_two_versions_side_by_side_and_a_row_with_news(site, make_zone, profile, theme):
    zone = make_zone(("www", "A", "192.0.2.1"), ("news", "A", "192.0.2.1"))
    page = profile(site, color_scheme=theme).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    row(page, "www").get_by_role("button", name="Edit www A").click()
    page.get_by_label("IPv4 address").fill("192.0.2.77")
    oscar = site.client("oscar")
    for record in oscar.get(f"/api/zones/{zone}/records/", type="A").data["results"]:
        oscar.patch(f"/api/zones/{zone}/records/{record['id']}/", {"content": "192.0.2.5"})
    row(page, "news").locator("del").wait_for()
    check(page, "news")
    page.get_by_role("button", name="Compare").click()
    check(page, "compare")


def test_the_theme_one_chooses_stays_and_does_not_flash(site, profile):
    page = profile(site, color_scheme="light").sign_in("vera")
    live(page)
    page.locator("#user-menu > summary").click()
    page.get_by_role("button", name="Dark").click()

    page.goto("/zones/", wait_until="commit")
    first = page.evaluate("""() => new Promise((seen) => {
        const look = () => document.body ? seen(document.documentElement.dataset.theme) : setTimeout(look);
        look();
    })""")

    assert first == "dark"
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_the_row_with_news_does_not_move_for_those_who_want_less_motion(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site, reduced_motion="reduce").sign_in("vera", f"/zones/{zone}/")
    live(page)

    olivia = site.client("olivia")
    (record,) = olivia.get(f"/api/zones/{zone}/records/", type="A").data["results"]
    olivia.patch(f"/api/zones/{zone}/records/{record['id']}/", {"content": "192.0.2.5"})

    row(page, "www").locator("del").wait_for()
    assert page.evaluate("document.getAnimations().length") == 0


def test_tokens_on_a_narrow_page(site, profile):
    for name in ("nightly export", "a-rather-long-name-without-any-place-to-break-it"):
        assert site.client("olivia").post("/api/tokens/", {"name": name, "scopes": ["read", "write"]}).status == 201
    page = profile(site, viewport={"width": 360, "height": 800}).sign_in("olivia", "/accounts/tokens/")
    assert overflow(page) == 0
    check(page, "tokens at 360")


def test_a_hundred_changes_are_one_sentence_for_a_screen_reader(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("vera", f"/zones/{zone}/")
    live(page)
    page.evaluate("""() => {
        window.heard = [];
        for (const id of ["polite", "alert"])
            new MutationObserver(() => window.heard.push([id, performance.now()]))
                .observe(document.getElementById(id), { childList: true });
    }""")

    olivia = site.client("olivia")
    fields = [{"op": "create", "name": f"host{n}", "type": "A", "ttl": 300, "content": "192.0.2.9"} for n in range(100)]
    olivia.post(f"/api/zones/{zone}/changes/", {"changes": fields})

    row(page, "host99").wait_for()
    page.wait_for_function("() => window.heard.length > 0")
    page.wait_for_timeout(1500)
    heard = page.evaluate("window.heard")
    moments = [moment for place, moment in heard if place == "polite"]
    assert all(later - earlier > 9_000 for earlier, later in pairwise(moments)), moments
    assert [place for place, _ in heard if place == "alert"] == []
