"""The dashboard: its numbers are those of the database, it keeps still, and everybody sees only what they may."""

from __future__ import annotations

import subprocess
from datetime import datetime
from typing import Any

from playwright.sync_api import expect

from tests.pages.conftest import live
from tests.parts.site import Site


def ask(site: Site, times: int) -> None:
    """Questions to the name server of the site."""
    query = ["@127.0.0.1", "-p", str(site.named_port), "+tries=1", "+time=3", "www.missing.example", "A"]
    for _ in range(times):
        subprocess.run(["dig", *query], capture_output=True, check=True)


def drawn(page: Any, metric: str) -> dict[int, float]:
    """What the chart of queries shows: seconds -> value."""
    found = page.evaluate(
        """async (metric) => {
        const { shownValues } = await import("/static/site/charts/chart.js");
        return shownValues(document.querySelector("[data-chart=queries]"), metric);
    }""",
        metric,
    )
    return {int(at): value for at, value in found}


def test_the_chart_is_the_database_also_for_what_came_by_the_stream(site, profile):
    page = profile(site).sign_in("vera", "/?range=15m")
    live(page)
    expect(page.locator("[data-chart=queries] canvas")).to_be_visible()
    ask(site, 25)
    page.wait_for_timeout(13_000)  # at least one span of ten seconds ends, and another is begun
    for _ in range(10):  # on a busy machine what is counted is written, and told, later
        ask(site, 5)
        page.wait_for_timeout(3_000)
        on_page = drawn(page, "dns_queries")
        points = site.client("vera").get("/api/monitoring/series/", metric="dns_queries", step=10).data["points"]
        in_database = {int(datetime.fromisoformat(each["at"]).timestamp()): each["value"] for each in points}
        newest = max(in_database, default=0)
        ended = {at: value for at, value in in_database.items() if at < newest and at in on_page}
        if ended:
            break
    assert ended
    assert {at: round(on_page[at], 6) for at in ended} == {at: round(value, 6) for at, value in ended.items()}
    assert sum(each["total"] for each in points) >= 25


def test_nothing_moves_while_figures_come_in(site, profile):
    page = profile(site, viewport={"width": 1400, "height": 1400}).sign_in("vera")
    page.add_init_script("""
        window.shifts = [];
        new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.shifts.push([entry.value, entry.startTime]);
        }).observe({ type: "layout-shift", buffered: true });
    """)
    page.goto("/")
    live(page)
    expect(page.locator("[data-chart=queries] canvas")).to_be_visible()
    ask(site, 5)
    page.wait_for_timeout(4_000)
    assert sum(value for value, _ in page.evaluate("window.shifts")) < 0.1, page.evaluate("window.shifts")


def test_owners_of_single_zones_see_their_zones_and_nothing_of_servers(site, profile):
    page = profile(site).sign_in("zoe")
    live(page)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    assert page.locator("[data-chart]").count() == 0
    assert page.locator("#health").count() == 0
    vera = profile(site).sign_in("vera")
    expect(vera.locator("#health [data-component=name_server]")).to_contain_text("answers")
    assert vera.locator("[data-top=clients]").count() == 0, "viewers see no clients"
    sam = profile(site).sign_in("sam")
    assert sam.locator("[data-top=clients]").count() == 1
