"""What is changed behind the site's back shows as a difference on the page, live, and ends there either way."""

from __future__ import annotations

import re
import subprocess

import pytest
from playwright.sync_api import expect

from tests.nameserver.wishes import until
from tests.pages.conftest import live
from zones.nameserver.endpoint import saved
from zones.nameserver.rndc import Rndc
from zones.nameserver.transfer import transfer


def behind_our_back(site, zone, *lines):
    where = saved(site.data_dir / "named")
    script = [f"server {where.host} {where.port}", f"key {where.tsig.algorithm}:{where.tsig.name} {where.tsig.secret}"]
    text = "\n".join([*script, f"zone {zone}", *lines, "send", ""])
    subprocess.run(["nsupdate"], input=text, text=True, check=True, timeout=10)


@pytest.mark.parametrize(("button", "stays"), [("Accept what is served", True), ("Overwrite it", False)])
def test_a_difference_comes_to_the_open_page_and_is_settled_there(site, make_zone, profile, button, stays):
    zone = make_zone()
    page = profile(site).sign_in("olivia", f"/zones/{zone}/")
    live(page)
    expect(page.locator("#zone [data-slot=state]")).to_contain_text("Served at serial", timeout=30_000)
    behind_our_back(site, zone, f"update add foreign.{zone}. 60 TXT hello")
    drift = page.locator("#truth .drift")
    expect(drift).to_contain_text("foreign", timeout=60_000)
    expect(drift.get_by_role("row", name="foreign")).to_contain_text('"hello"')
    cell = drift.get_by_role("row", name="foreign").get_by_role("rowheader")
    assert cell.evaluate(
        "each => { const at = each.getBoundingClientRect();"
        " return each.contains(document.elementFromPoint(at.x + at.width / 2, at.y + at.height / 2)) }"
    ), "something lies on it"
    page.set_viewport_size({"width": 360, "height": 740})
    box = drift.bounding_box()
    assert box
    assert box["x"] + box["width"] <= 360
    page.get_by_role("button", name=button).click()
    expect(drift).to_have_count(0, timeout=30_000)
    expect(page.locator("#zone [data-slot=state]")).to_contain_text("Served at serial")
    records = site.client("olivia").get(f"/api/zones/{zone}/records/", name="foreign").data
    assert records["count"] == (1 if stays else 0)
    newest = site.client("olivia").get(f"/api/zones/{zone}/changes/").data["results"][0]
    assert newest["author"] == "olivia"
    assert "name server" in newest["comment"]


def test_who_changes_a_zone_from_now_on_is_seen_in_every_open_page(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    page = profile(site).sign_in("oscar", f"/zones/{zone}/")
    live(page)
    site.python(f"""
from zones import adoption
from zones.models import Zone
Zone.objects.filter(name={zone!r}).update(adopted=True)
adoption.watch(Zone.objects.get(name={zone!r}))
""")
    expect(page.get_by_text("This zone is only watched")).to_be_visible()
    expect(page.get_by_role("button", name="Add record")).to_have_count(0)


def test_what_a_zone_is_signed_with_is_shown_beside_its_records(site, make_zone, profile):
    zone = make_zone(("www", "A", "192.0.2.1"))
    olivia, where = site.client("olivia"), saved(site.data_dir / "named")
    until(lambda: olivia.get(f"/api/zones/{zone}/").data["sync_state"] == "served")
    rndc = Rndc(where)
    clause = rndc.call(f'showzone "{zone}"')
    signed = re.sub(r"^.*?\{(.*)\};\s*$", r"{\1 dnssec-policy default; };", clause, flags=re.DOTALL)
    rndc.call(f'modzone "{zone}" {signed}')
    until(lambda: "RRSIG" in {rrset.type for rrset in transfer(where, zone).generated})
    site.manage("zone_sync", "--check", zone)

    page = live(profile(site).sign_in("olivia", f"/zones/{zone}/"))
    page.get_by_text("what it signs the zone with").click()
    made = page.locator("[data-asks=generated]")
    expect(made.get_by_role("row", name="@ DNSKEY").first).to_be_visible()
    expect(made.get_by_role("row", name="www RRSIG").first).to_be_visible()
    expect(page.locator("#records").get_by_text("DNSKEY")).to_have_count(0)
    olivia.post(f"/api/zones/{zone}/records/", {"name": "new", "type": "A", "content": "192.0.2.2"})
    expect(made.get_by_role("row", name="new RRSIG").first).to_be_visible()
