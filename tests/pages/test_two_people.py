"""What one person changes, the other sees: who, what it was, what it is, and whether it is served."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.pages.conftest import change, live, record_of, row


def test_a_change_appears_in_the_row_with_who_and_the_value_before(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    writer, reader = (profile(site).sign_in(name, f"/zones/{zone}/") for name in ("olivia", "vera"))
    for page in (writer, reader):
        live(page)

    row(writer, "www").get_by_role("button", name="Edit www A").click()
    writer.get_by_label("IPv4 address").fill("192.0.2.2")
    writer.get_by_role("button", name="Save").click()

    seen = row(reader, "www")
    expect(seen.locator("[data-slot=content]")).to_contain_text("192.0.2.2")
    expect(seen.locator("[data-slot=content] del")).to_contain_text("192.0.2.1")
    expect(seen.locator("[data-slot=who]")).to_have_text("olivia")
    assert record_of(site, zone, "www")["content"] == "192.0.2.2"


def test_both_are_told_when_it_is_served_and_at_which_serial(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    reader = profile(site).sign_in("vera", f"/zones/{zone}/")
    standing = live(reader).locator("#zone [data-slot=state]")
    expect(standing).to_contain_text("Served at serial")
    before = standing.inner_text()

    change(site, "olivia", zone, "www", content="192.0.2.2")

    expect(row(reader, "www").locator("[data-slot=mark]")).to_have_text("served")
    expect(standing).not_to_have_text(before)
    expect(standing).to_contain_text("Served at serial")


def test_new_records_slide_in_where_they_belong_and_deleted_ones_are_struck_then_go(site, make_zone, profile):
    zone = make_zone(("alpha", "A", "192.0.2.1"), ("gamma", "A", "192.0.2.3"))
    reader = profile(site).sign_in("vera", f"/zones/{zone}/")
    live(reader)
    olivia = site.client("olivia")

    fields = {"name": "beta", "type": "A", "ttl": 300, "content": "192.0.2.2"}
    made = olivia.post(f"/api/zones/{zone}/records/", fields).data
    expect(row(reader, "beta")).to_be_visible()
    names = reader.locator("tr.record [data-slot=name]").all_inner_texts()
    assert names.index("alpha") < names.index("beta") < names.index("gamma")
    expect(reader.locator("nav.pages")).to_contain_text(f"1–{len(names)} of {len(names)} records")

    olivia.delete(f"/api/zones/{zone}/records/{made['id']}/")
    expect(row(reader, "beta")).to_have_attribute("data-news", "deleted")
    expect(row(reader, "beta")).to_have_count(0)


def test_nothing_moves_while_somebody_points_at_the_list(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    reader = profile(site).sign_in("vera", f"/zones/{zone}/")
    live(reader)
    row(reader, "www").hover()
    before = row(reader, "www").bounding_box()

    fields = {"name": "aaa", "type": "A", "ttl": 300, "content": "192.0.2.9"}
    site.client("olivia").post(f"/api/zones/{zone}/records/", fields)
    change(site, "olivia", zone, "www", content="192.0.2.2")

    expect(reader.get_by_role("button", name="2 new · show")).to_be_visible()
    assert row(reader, "www").bounding_box() == before
    expect(row(reader, "www").locator("[data-slot=content]")).to_have_text("192.0.2.1")

    reader.mouse.move(5, 5)
    expect(row(reader, "aaa")).to_be_visible()
    expect(row(reader, "www").locator("[data-slot=content]")).to_contain_text("192.0.2.2")


def test_what_waits_comes_in_as_it_is_by_then(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    reader = profile(site).sign_in("vera")
    reader.goto(f"/zones/{zone}/")
    live(reader)
    row(reader, "www").hover()

    olivia = site.client("olivia")
    for name in ("short-lived", "changed"):
        olivia.post(f"/api/zones/{zone}/records/", {"name": name, "type": "A", "ttl": 300, "content": "192.0.2.9"})
    expect(reader.get_by_role("button", name="2 new · show")).to_be_visible()
    olivia.delete(f"/api/zones/{zone}/records/{record_of(site, zone, 'short-lived')['id']}/")
    change(site, "olivia", zone, "changed", content="192.0.2.10")
    expect(reader.get_by_role("button", name="1 new · show")).to_be_visible()

    reader.mouse.move(5, 5)
    expect(row(reader, "changed").locator("[data-slot=content]")).to_have_text("192.0.2.10")
    expect(row(reader, "short-lived")).to_have_count(0)


def test_what_waits_can_be_let_in_by_the_button(site, make_zone, profile):
    zone = make_zone(*((f"host{number:03}", "A", "192.0.2.1") for number in range(60)))
    reader = profile(site).sign_in("vera", f"/zones/{zone}/")
    live(reader)
    reader.mouse.wheel(0, 900)
    reader.wait_for_function("() => scrollY > 500")

    fields = {"name": "aaa", "type": "A", "ttl": 300, "content": "192.0.2.9"}
    site.client("olivia").post(f"/api/zones/{zone}/records/", fields)

    button = reader.get_by_role("button", name="1 new · show")
    expect(button).to_be_visible()
    expect(row(reader, "aaa")).to_have_count(0)
    button.click()
    expect(row(reader, "aaa")).to_have_count(1)


def test_the_dashboard_tells_as_it_happens_from_which_value_to_which(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = live(profile(site).sign_in("vera"))

    change(site, "olivia", zone, "www", content="192.0.2.2", ttl=60)

    line = page.locator(".line", has_text=zone).first
    expect(line).to_contain_text("olivia changed www A")
    expect(line.locator("del")).to_have_text(["300", "192.0.2.1"])
    expect(line.locator("ins")).to_have_text(["60", "192.0.2.2"])
    expect(line.locator(".state")).to_contain_text("served at")


def test_a_line_reads_the_same_live_and_after_a_reload(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = live(profile(site).sign_in("vera"))
    change(site, "olivia", zone, "www", content="192.0.2.2")
    line = page.locator(".line", has_text=zone).filter(has_text="192.0.2.2").first
    expect(line.locator(".state")).to_contain_text("served at")
    text = " ".join(line.locator(".deed, .values, .standing").all_inner_texts())

    page.reload()

    again = page.locator(".line", has_text=zone).first
    assert " ".join(again.locator(".deed, .values, .standing").all_inner_texts()).split() == text.split()


def test_the_list_of_zones_counts_along_and_shows_new_zones(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("vera", f"/zones/?q={zone}")
    live(page)
    shown = page.locator(f"tr[data-zone='{zone}']")
    expect(shown.locator("[data-slot=records]")).to_have_text("3")

    fields = {"name": "mail", "type": "A", "ttl": 300, "content": "192.0.2.9"}
    site.client("olivia").post(f"/api/zones/{zone}/records/", fields)
    expect(shown.locator("[data-slot=records]")).to_have_text("4")

    make_zone(name=f"sub.{zone}")
    expect(page.locator(f"tr[data-zone='sub.{zone}']")).to_be_visible()
    expect(page.locator(f"tr[data-zone='sub.{zone}'] .state")).to_contain_text("Served at serial")


def test_a_large_change_set_does_not_flood_the_dashboard(site, make_zone, profile):
    zone = make_zone()
    page = live(profile(site).sign_in("vera"))
    fields = [{"op": "create", "name": f"host{n}", "type": "A", "ttl": 300, "content": "192.0.2.9"} for n in range(20)]

    site.client("olivia").post(f"/api/zones/{zone}/changes/", {"changes": fields})

    lines = page.locator(".line", has_text=zone).filter(has_text="olivia added")
    expect(lines.filter(has_text="and 17 more")).to_have_count(1)
    expect(lines).to_have_count(3)
    page.reload()
    expect(lines.filter(has_text="and 17 more")).to_have_count(1)
    expect(lines).to_have_count(3)
    page.goto(f"/activity/?zone={zone}")
    expect(lines).to_have_count(20)


def test_two_browsers_edit_one_record_see_each_other_and_merge(site, make_zone, profile):
    """From seeing each other to a record that holds what both wanted, by two people with a mouse each."""
    zone = make_zone(("www", "A", "192.0.2.1"))
    olivia, oscar = (profile(site).sign_in(name, f"/zones/{zone}/") for name in ("olivia", "oscar"))
    for page in (olivia, oscar):
        live(page)
    expect(olivia.locator("#people li")).to_have_count(1)
    expect(oscar.locator("#people li")).to_have_count(1)

    row(olivia, "www").get_by_role("button", name="Edit www A").click()
    olivia.get_by_label("IPv4 address").fill("192.0.2.77")
    expect(row(oscar, "www").locator(".being-edited")).to_contain_text("olivia editing")
    oscar.reload()  # who comes later sees it, too
    expect(row(oscar, "www").locator(".being-edited")).to_contain_text("olivia editing")
    row(oscar, "www").get_by_role("button", name="Edit www A").click()
    oscar.locator(".editor [name=ttl]").fill("60")
    oscar.get_by_label("IPv4 address").fill("192.0.2.5")
    oscar.get_by_role("button", name="Save").click()
    expect(oscar.locator(".editor")).to_have_count(0)

    expect(olivia.locator(".editor [data-note]")).to_contain_text(
        "oscar changed this record meanwhile: ttl 60, 192.0.2.5"
    )
    olivia.get_by_role("button", name="Compare").click()
    content = olivia.locator(".compare").get_by_role("row", name="Content")
    expect(content).to_contain_text("192.0.2.5")
    expect(content).to_contain_text("192.0.2.77")
    content.get_by_role("radio").last.check()
    olivia.get_by_role("button", name="Save what is chosen").click()

    expect(olivia.locator(".editor")).to_have_count(0)
    expect(row(oscar, "www").locator("[data-slot=content]")).to_contain_text("192.0.2.77")
    expect(row(oscar, "www").locator("[data-slot=ttl]")).to_have_text("60")
    expect(row(oscar, "www").locator("[data-slot=who]")).to_have_text("olivia")
