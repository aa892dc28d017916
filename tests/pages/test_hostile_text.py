"""Text that looks like markup stays text, wherever it is shown."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.pages.conftest import live, row

PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7*7 }} {% debug %}",
    "' onmouseover='alert(1)",
    "__proto__",
    "‮moc.elpmaxe",
)


def _watch(page):
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    return dialogs


def test_in_contents_and_comments_from_the_server_and_live(site, make_zone, profile):
    texts = [payload for payload in PAYLOADS if payload.isascii()]
    zone = make_zone(*((f"p{index}", "TXT", f'"{text}"') for index, text in enumerate(texts)))
    olivia = site.client("olivia")
    page = profile(site).sign_in("olivia")
    dialogs = _watch(page)
    page.goto(f"/zones/{zone}/")
    live(page)
    for index, text in enumerate(texts):
        expect(row(page, f"p{index}").locator("[data-slot=content]")).to_have_text(f'"{text}"')

    for index, payload in enumerate(PAYLOADS):
        record = {"name": f"live{index}", "type": "A", "ttl": 300, "content": "192.0.2.1", "comment": payload}
        assert olivia.post(f"/api/zones/{zone}/records/", record).status == 201
    for index, payload in enumerate(PAYLOADS):
        expect(row(page, f"live{index}").locator("[data-slot=comment]")).to_have_text(payload)

    row(page, "live0").get_by_role("button", name="Edit live0 A").click()
    expect(page.locator(".editor [name=comment]")).to_have_value(PAYLOADS[0])
    page.goto("/")
    live(page)
    page.goto(f"/activity/?zone={zone}")
    expect(page.locator(".line ins", has_text=PAYLOADS[0]).first).to_be_visible()
    assert dialogs == []


def test_in_the_address_of_a_page(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("vera")
    dialogs = _watch(page)
    for payload in PAYLOADS:
        for path in (f"/zones/{zone}/?q=", "/zones/?q=", "/zones/?sort=", "/activity/?who=", "/activity/?before="):
            page.goto(path + payload.replace("#", "%23"))
            expect(page.locator("main")).to_be_visible()
    assert dialogs == []
