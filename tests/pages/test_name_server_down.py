"""While the name server is away the page says so and takes changes; when it is back they are served by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.pages.conftest import live, row
from zones.nameserver.private import PrivateNamed


@pytest.fixture
def named(tmp_path: Path) -> Iterator[PrivateNamed]:
    server = PrivateNamed(tmp_path / "named")
    server.start()
    yield server
    server.stop()


def test_changes_made_meanwhile_are_pending_and_then_served(named, start_site, profile):
    where = named.restart()
    site = start_site(
        NAMED_HOST=where.host,
        NAMED_PORT=where.port,
        NAMED_RNDC_PORT=where.rndc_port,
        NAMED_RNDC_KEY_FILE=named.directory / "rndc.key",
        NAMED_TSIG_KEY_FILE=named.directory / "tsig.key",
        NAMED_ZONE_DIR=where.zone_dir,
    )
    site.client("admin").post("/api/zones/", {"name": "kept.example", "nameservers": ["ns1.example.net"]})
    page = profile(site).sign_in("olivia", "/zones/kept.example/")
    standing = live(page).locator("#zone [data-slot=state]")
    expect(standing).to_contain_text("Served at serial")

    named.stop()
    page.get_by_role("button", name="Add record").click()
    page.locator(".editor [name=name]").fill("www")
    page.get_by_label("IPv4 address").fill("192.0.2.1")
    page.get_by_role("button", name="Save").click()

    expect(standing).to_contain_text("It is tried again by itself")
    expect(row(page, "www").locator("[data-slot=mark]")).to_have_text("pending")
    page.reload()
    expect(standing).to_contain_text("Pending: ")
    expect(row(page, "www").locator("[data-slot=mark]")).to_have_text("pending")
    page.goto("/")
    expect(page.locator("#name-server")).to_contain_text("Does not answer", timeout=60_000)
    expect(page.locator(".unserved")).to_contain_text("kept.example")

    named.start()
    expect(page.locator(".unserved")).to_have_count(0, timeout=60_000)
    expect(page.locator("#name-server")).to_contain_text("Answers", timeout=60_000)
    expect(page.locator(".line", has_text="added www A").locator(".state")).to_contain_text("served at")
