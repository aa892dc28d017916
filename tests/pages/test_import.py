"""A zone file comes in by the page: first the difference, then the change, and it can be taken back."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.pages.conftest import live, record_of, row

FILE = """$TTL 300
@    IN SOA ns1.example.net. hostmaster.example.net. 2026010101 3600 600 604800 300
@    IN NS  ns1.example.net.
www  IN A   192.0.2.2
mail IN A   192.0.2.3
"""


def _open(page: Page, button: str) -> None:
    live(page)
    page.get_by_role("button", name=button).first.click()


def test_the_difference_is_shown_before_anything_is_changed(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"), ("old", "A", "192.0.2.9"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    _open(page, "Import")

    page.get_by_label("or its text").fill(FILE)
    page.get_by_role("button", name="Show the difference").click()

    lines = page.locator(".difference li")
    expect(lines.filter(has_text="www A").locator("del")).to_have_text("300 192.0.2.1")
    expect(lines.filter(has_text="www A").locator("ins")).to_have_text("300 192.0.2.2")
    expect(lines.filter(has_text="old A")).to_contain_text("deleted")
    expect(lines.filter(has_text="mail A")).to_contain_text("added")
    assert record_of(site, zone, "www")["content"] == "192.0.2.1"

    page.get_by_role("dialog").get_by_role("button", name="Import", exact=True).click()
    page.mouse.move(0, 0)  # rows do not move under the pointer

    expect(row(page, "mail")).to_be_visible()
    expect(row(page, "old")).to_have_count(0)
    assert record_of(site, zone, "www")["content"] == "192.0.2.2"

    page.locator(".toast", has_text="Imported the zone file").get_by_role("button", name="Undo").click()
    expect(page.locator(".toast", has_text="Taken back")).to_be_visible()
    assert record_of(site, zone, "old")["content"] == "192.0.2.9"


def test_a_new_zone_comes_from_a_file(site, profile, tmp_path):
    page = profile(site).sign_in("olivia", "/zones/")
    _open(page, "Import zone file")
    file = tmp_path / "zone"
    file.write_text(FILE)

    page.get_by_role("dialog").get_by_label("Zone", exact=True).fill("from-a-file.example")
    page.get_by_label("Zone file, CSV or JSON", exact=True).set_input_files(file)
    page.get_by_role("button", name="Show the difference").click()
    expect(page.get_by_role("dialog")).to_contain_text("There is no zone from-a-file.example yet")
    page.get_by_role("dialog").get_by_role("button", name="Import", exact=True).click()

    page.wait_for_url("**/zones/from-a-file.example/")
    expect(row(page, "mail")).to_be_visible()
    expect(page.locator("#zone [data-slot=state]")).to_contain_text("Served at serial")


def test_a_file_that_is_refused_says_line_and_reason_and_stays(make_zone, site, profile):
    zone = make_zone()
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    _open(page, "Import")
    wrong = f"{FILE}$INCLUDE /etc/passwd\n"

    page.get_by_label("or its text").fill(wrong)
    page.get_by_role("button", name="Show the difference").click()

    expect(page.locator(".lines-wrong")).to_contain_text("Line 6")
    expect(page.locator("[data-problem] .note")).to_contain_text("Nothing was imported")
    expect(page.get_by_label("or its text")).to_have_value(wrong)


def test_somebody_who_looks_at_the_zone_sees_the_import(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("vera", f"/zones/{zone}/")
    live(page)

    site.client("olivia").request(
        "POST", f"/api/zones/{zone}/import/?replace=1", FILE.encode(), Content_Type="text/dns"
    )

    expect(page.locator("#notes")).to_contain_text("olivia imported a zone file")
    expect(row(page, "mail")).to_be_visible()
    expect(row(page, "www").locator("[data-slot=content]")).to_contain_text("192.0.2.2")


def test_what_others_change_after_the_difference_is_told_before_anything_is_imported(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    _open(page, "Import")
    page.get_by_label("or its text").fill(FILE)
    page.get_by_role("button", name="Show the difference").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".difference li").filter(has_text="www A")).to_be_visible()

    added = {"name": "theirs", "type": "A", "ttl": 60, "content": "192.0.2.7"}
    assert site.client("oscar").post(f"/api/zones/{zone}/records/", added).status == 201
    expect(dialog.locator("[data-outdated]")).to_contain_text(f"oscar has changed {zone} since")
    dialog.get_by_role("button", name="Import", exact=True).click()

    expect(dialog.locator("[data-outdated]")).to_contain_text("Nothing was changed, because oscar")
    expect(dialog.locator(".difference li").filter(has_text="theirs A")).to_contain_text("deleted")
    assert record_of(site, zone, "theirs")["content"] == "192.0.2.7"
    assert record_of(site, zone, "www")["content"] == "192.0.2.1"

    dialog.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Imported the zone file.", exact=True)).to_be_visible()
    assert record_of(site, zone, "www")["content"] == "192.0.2.2"


def test_two_imports_of_one_person_show_each_its_own_progress(site, make_zone, profile):
    zones = [make_zone(), make_zone()]
    page = profile(site).sign_in("olivia", f"/zones/{zones[0]}/")
    live(page)

    page.evaluate(
        """async (files) => {
            const { request, zoneUrl } = await import("/static/site/api.js");
            const { withProgress } = await import("/static/site/zones/progress.js");
            for (const [zone, text] of files) {
                const place = document.createElement("div");
                place.id = zone;
                document.querySelector("#main").append(place);
                withProgress(place, "Importing", async (trace) => {
                    await request("POST", `${zoneUrl(zone, "import/")}?replace=1`, text, { type: "text/dns", trace });
                    await new Promise(() => {});
                });
            }
        }""",
        [[zones[0], FILE], [zones[1], f"{FILE}more IN A 192.0.2.4\n"]],
    )

    for zone, records in zip(zones, (4, 5), strict=True):
        place = page.locator(f"[id='{zone}']")
        expect(place).to_contain_text(f"of {records} records")
        expect(place.get_by_role("button", name="Cancel")).to_be_visible()


def test_while_an_import_runs_its_dialog_offers_nothing_but_to_cancel_it(site, make_zone, profile):
    zone = make_zone()
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog")
    page.evaluate(
        """async ([zone, text]) => {
            const { request, zoneUrl } = await import("/static/site/api.js");
            const { withProgress } = await import("/static/site/zones/progress.js");
            const place = document.querySelector("#import [data-step=preview]");
            place.hidden = false;
            const finished = new Promise((resolve) => { window.finish = resolve; });
            document.querySelector("#import [data-step=choose]").hidden = true;
            withProgress(place, "Importing", async (trace) => {
                await request("POST", `${zoneUrl(zone, "import/")}?replace=1`, text, { type: "text/dns", trace });
                await finished;
            });
        }""",
        [zone, FILE],
    )
    expect(dialog.get_by_role("button")).to_have_text(["Cancel"])
    expect(dialog.get_by_role("button")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    page.evaluate("window.finish()")
    expect(dialog.get_by_role("button", name="Show the difference")).to_be_visible()
