"""Zones to look at, and people who look at them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.parts.site import Site

NAMES = (f"zone{number}.example" for number in itertools.count(1))

expect.set_options(timeout=15_000)  # as long as the machine is slow; what is asserted is that it comes at all


@pytest.fixture
def make_zone(site: Site) -> Callable[..., str]:
    """Make a zone that no other test has, with `(name, type, content)` records; answers its name."""

    def make(*records: tuple[str, str, str], name: str | None = None) -> str:
        zone = name or next(NAMES)
        admin = site.client("admin")
        made = admin.post("/api/zones/", {"name": zone, "nameservers": ["ns1.example.net"]})
        assert made.status == 201, made.text
        changes = [{"op": "create", "name": n, "type": t, "ttl": 300, "content": c} for n, t, c in records]
        if changes:
            answer = admin.post(f"/api/zones/{zone}/changes/", {"changes": changes})
            assert answer.status in (200, 201), answer.text
        return zone

    return make


def record_of(site: Site, zone: str, name: str) -> dict[str, Any]:
    """The one record of that name, as the API has it."""
    (record,) = site.client("admin").get(f"/api/zones/{zone}/records/", name=name).data["results"]
    return dict(record)


def change(site: Site, who: str, zone: str, name: str, **fields: Any) -> None:
    """Somebody changes a record through the API."""
    record = record_of(site, zone, name)
    answer = site.client(who).patch(f"/api/zones/{zone}/records/{record['id']}/", fields)
    assert answer.status == 200, answer.text


def row(page: Page, name: str) -> Locator:
    """The row of the record with that name."""
    return page.locator("tr.record", has=page.locator("[data-slot=name]").get_by_text(name, exact=True))


def live(page: Page) -> Page:
    """The page, when its connection is live."""
    page.locator("#connection [data-state=live]").wait_for()
    return page
