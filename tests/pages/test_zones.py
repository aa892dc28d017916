"""Zones are added, commented, shared and deleted by their pages."""

from __future__ import annotations

import time

from playwright.sync_api import expect

from tests.pages.conftest import change, live, record_of, row


def test_a_zone_is_added_and_served(site, profile):
    page = profile(site).sign_in("olivia", "/zones/")
    live(page)
    page.get_by_role("button", name="Add zone").first.click()
    page.get_by_label("Name", exact=True).fill("Added.Example.")
    page.get_by_role("dialog").get_by_role("button", name="Add zone").click()

    page.wait_for_url("**/zones/added.example/")
    expect(page.locator("#zone [data-slot=state]")).to_contain_text("Served at serial")


def test_a_name_that_is_none_is_refused_where_it_was_typed(site, make_zone, profile):
    taken = make_zone()
    page = profile(site).sign_in("olivia", "/zones/")
    live(page)
    page.get_by_role("button", name="Add zone").first.click()
    name = page.get_by_label("Name", exact=True)
    for wrong in ("not a name", taken):
        name.fill(wrong)
        name.press("Enter")
        expect(name).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#new-name-problem")).not_to_be_empty()
        expect(name).to_have_value(wrong)


def test_what_happens_while_the_list_is_read_again_is_in_it_afterwards(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia")
    page.goto("/zones/")
    live(page)
    records = page.locator(f"tr[data-zone='{zone}'] [data-slot=records]")
    before = int(records.inner_text())

    def answer_late(route):
        response = route.fetch()
        record = {"name": "new", "type": "A", "ttl": 300, "content": "192.0.2.2"}
        added = site.client("oscar").post(f"/api/zones/{zone}/records/", record)
        assert added.status == 201, added.text
        time.sleep(1)
        route.fulfill(response=response)

    page.route("**/zones/", answer_late, times=1)
    another = make_zone()
    expect(page.locator(f"tr[data-zone='{another}']")).to_be_visible()
    expect(records).to_have_text(str(before + 1))


def test_a_comment_that_somebody_has_just_changed_is_not_overwritten_unseen(site, make_zone, profile):
    zone = make_zone()
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Comment").fill("mine")
    page.evaluate("""async () => {
        const { events } = await import(document.querySelector("script[src*='frame.js']").src.replace("frame.js", "live.js"));
        events.pause();
    }""")
    site.client("oscar").patch(f"/api/zones/{zone}/", {"comment": "theirs"})

    dialog.get_by_role("button", name="Save comment").click()
    expect(dialog.locator("[data-settings] .problem")).to_contain_text("theirs")
    expect(dialog.get_by_label("Comment")).to_have_value("mine")
    assert site.client("admin").get(f"/api/zones/{zone}/").data["comment"] == "theirs"

    dialog.get_by_role("button", name="Save comment").click()
    expect(page.locator(".toast")).to_contain_text("Comment saved")
    assert site.client("admin").get(f"/api/zones/{zone}/").data["comment"] == "mine"


def test_a_right_is_given_and_taken_away(site, make_zone, profile):
    zone = make_zone()
    page = profile(site).sign_in("admin", f"/zones/{zone}/")
    live(page)
    page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("Name of the user or group").fill("nobody-here")
    dialog.get_by_role("button", name="Give the right").click()
    expect(dialog.locator("[data-add-grant] [data-problem]")).not_to_be_empty()

    dialog.get_by_label("Name of the user or group").fill("zoe")
    dialog.get_by_label("May", exact=True).select_option("edit")
    dialog.get_by_role("button", name="Give the right").click()
    expect(dialog.get_by_role("row", name="zoe")).to_contain_text("may change records")
    assert site.client("zoe").get(f"/api/zones/{zone}/").status == 200

    dialog.get_by_role("row", name="zoe").get_by_role("button").click()
    expect(dialog.get_by_role("row", name="zoe")).to_have_count(0)
    assert site.client("zoe").get(f"/api/zones/{zone}/").status == 404


def test_a_zone_is_deleted_only_after_its_name_was_typed_and_others_are_told(site, make_zone, profile):
    zone = make_zone()
    page, other = (profile(site).sign_in(name, f"/zones/{zone}/") for name in ("olivia", "vera"))
    for each in (page, other):
        live(each)
    page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("Name of the zone").fill("something-else.example")
    dialog.get_by_role("button", name="Delete zone").click()
    expect(dialog.locator("[data-delete-zone] .problem")).to_contain_text("nothing was deleted")
    assert site.client("admin").get(f"/api/zones/{zone}/").status == 200

    dialog.get_by_label("Name of the zone").fill(zone)
    dialog.get_by_role("button", name="Delete zone").click()
    page.wait_for_url("**/zones/")
    expect(other.locator("#notes")).to_contain_text("olivia deleted this zone")


def test_a_zone_is_cloned_from_its_page(site, make_zone, profile):
    zone = make_zone(("www", "CNAME", "@"), ("@", "A", "192.0.2.1"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    page.get_by_role("link", name="Clone").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Zone to clone")).to_have_value(zone)
    dialog.get_by_label("Name", exact=True).fill(f"copy.{zone}")
    dialog.get_by_role("button", name="Add zone").click()
    page.wait_for_url(f"**/zones/copy.{zone}/")
    expect(row(page, "www").locator("[data-slot=content]")).to_have_text(f"copy.{zone}.")


def test_the_servers_of_a_zone_are_changed_and_its_key_stays(site, profile):
    admin = site.client("admin")
    made = {"name": "copied.example", "kind": "secondary", "primaries": ["192.0.2.1"], "tsig": "a-key:c2VjcmV0c2VjcmV0"}
    assert admin.post("/api/zones/", made).status == 201
    page = profile(site).sign_in("olivia", "/zones/copied.example/")
    live(page)
    page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog")
    servers = dialog.get_by_label("Fetched from")
    expect(servers).to_have_value("192.0.2.1")
    servers.fill("192.0.2.1, nonsense")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.locator("[data-settings] .problem")).not_to_be_empty()
    servers.fill("192.0.2.1, 192.0.2.2 port 5300")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#notices")).to_contain_text("Settings saved.")
    assert admin.get("/api/zones/copied.example/").data["primaries"] == [
        {"address": "192.0.2.1", "port": 53, "key": "a-key"},
        {"address": "192.0.2.2", "port": 5300, "key": ""},
    ]
    secret = dialog.get_by_label("New TSIG key")
    secret.fill("a-key:YW5vdGhlcmFub3RoZXI=")
    dialog.get_by_role("button", name="Save").click()
    expect(secret).to_have_value("")


def test_where_the_questions_of_a_forward_zone_go_is_changed(site, profile):
    admin = site.client("admin")
    assert (
        admin.post("/api/zones/", {"name": "corp.test", "kind": "forward", "forwarders": ["127.0.0.1:9"]}).status == 201
    )
    page = profile(site).sign_in("olivia", "/zones/corp.test/")
    live(page)
    page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Questions go to")).to_have_value("127.0.0.1 port 9")
    dialog.get_by_label("Questions go to").fill("127.0.0.1 port 9, 127.0.0.2")
    dialog.get_by_label("Never look elsewhere").uncheck()
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#notices")).to_contain_text("Settings saved.")
    zone = admin.get("/api/zones/corp.test/").data
    assert ([server["address"] for server in zone["forwarders"]], zone["forward_only"]) == (
        ["127.0.0.1", "127.0.0.2"],
        False,
    )


def test_the_number_of_records_follows_what_happens_on_other_pages_of_the_list(site, make_zone, profile):
    zone = make_zone(*[(f"n{number:03}", "A", "192.0.2.1") for number in range(110)])
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    count = page.locator("#records [data-count]")
    expect(count).to_have_text("112 records")
    oscar = site.client("oscar")

    change(site, "oscar", zone, "n000", ttl=60)  # what came before it has come, too
    made = oscar.post(f"/api/zones/{zone}/records/", {"name": "z", "type": "A", "ttl": 60, "content": "192.0.2.9"})
    expect(count).to_have_text("113 records")
    of_type = page.locator("#record-type option[value=A]")
    expect(of_type).to_have_text("A (111)")
    oscar.delete(f"/api/zones/{zone}/records/{made.data['id']}/")
    expect(count).to_have_text("112 records")
    oscar.delete(f"/api/zones/{zone}/records/{record_of(site, zone, 'n109')['id']}/")
    expect(count).to_have_text("111 records")

    page.get_by_role("button", name="Add record").click()
    page.locator(".editor [name=name]").fill("zz")
    page.get_by_label("IPv4 address").fill("192.0.2.8")
    page.keyboard.press("Enter")
    expect(row(page, "zz")).to_be_visible()
    expect(count).to_have_text("112 records")
    change(site, "oscar", zone, "n001", ttl=61)
    expect(row(page, "n001").locator("[data-slot=ttl]")).to_contain_text("61")
    expect(count).to_have_text("112 records")
    expect(of_type).to_have_text("A (110)")


def test_an_internationalised_name_reads_as_one_whether_it_was_there_or_comes(site, make_zone, profile):
    zone = make_zone(("bücher", "CNAME", "münchen.example."))
    page = profile(site).sign_in("vera", f"/zones/{zone}/")
    live(page)
    site.client("oscar").post(
        f"/api/zones/{zone}/records/", {"name": "straße", "type": "MX", "ttl": 60, "content": "10 рф.example."}
    )
    for stored, name, target in (
        ("xn--bcher-kva", "bücher", "münchen.example."),
        ("xn--strae-oqa", "straße", "рф.example."),
    ):
        expect(row(page, stored).locator("[data-slot=idn]")).to_have_text(name)
        expect(row(page, stored).locator("[data-slot=target-idn]")).to_have_text(target)
    expect(page.locator("#record-type option[value=MX]")).to_have_text("MX (1)")


def test_the_number_found_follows_records_into_and_out_of_the_filter(site, make_zone, profile):
    zone = make_zone(("shop.bücher", "A", "192.0.2.1"), ("mail", "A", "192.0.2.2"))
    page = profile(site).sign_in("olivia", f"/zones/{zone}/?q=bücher")
    live(page)
    count = page.locator("#records [data-count]")
    expect(count).to_have_text("1 record")
    change(site, "oscar", zone, "mail", comment="of the bücher")
    expect(count).to_have_text("2 records")
    shop = record_of(site, zone, "shop.xn--bcher-kva")["id"]
    assert site.client("oscar").patch(f"/api/zones/{zone}/records/{shop}/", {"name": "shop"}).status == 200
    expect(count).to_have_text("1 record", timeout=15_000)
    expect(row(page, "mail")).to_be_visible()
    expect(row(page, "shop")).to_have_count(0)
