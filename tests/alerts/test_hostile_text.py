"""Sixty hostile strings, as names that somebody asks for and as comments: harmless on the page, in CSV, log and terminal."""

from __future__ import annotations

import csv
import io
import time

import dns.message
import dns.name
import dns.query
import pytest
from playwright.sync_api import expect

from realtime.plain import plain
from tests.alerts.hostile import HOSTILE, acts
from tests.detection.test_on_a_running_site import watched_rule
from tests.pages.conftest import live

pytestmark = pytest.mark.timeout(240)


def ask_for(site, text: str, number: int) -> None:
    """Ask for a name whose first label is the text, byte for byte, each from an address of its own."""
    label = text.encode("utf-8", "surrogatepass")[:60]
    name = dns.name.Name([label, b"hostile", b"example", b""])
    query = dns.message.make_query(name, "A")
    dns.query.udp(query, "127.0.0.1", port=site.named_port, timeout=10, source=f"127.0.3.{number + 1}")


@pytest.mark.parametrize("strings", [HOSTILE[::6], pytest.param(HOSTILE, marks=pytest.mark.soak)], ids=["ten", "sixty"])
def test_hostile_strings_do_nothing_anywhere(site, profile, strings):
    watched_rule(site, "*.hostile.example")
    sam = site.client("sam")
    before = sam.get("/api/realtime/events/", limit=1).position
    for number, text in enumerate(strings):
        ask_for(site, text, number)
        if number % 20 == 19:
            time.sleep(1)  # of a flood only the first fifty are told one by one
    page = profile(site).sign_in("sam")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto("/alerts/?q=Somebody+asked")
    live(page)

    def found() -> list[dict]:
        return list(sam.get("/api/alerts/", search="Somebody asked", page_size=200).data["results"])

    for _ in range(300):
        if len(alerts := found()) == len(strings):
            break
        page.wait_for_timeout(200)
    assert len(alerts) == len(strings), site.log()[-6000:]

    for alert, comment in zip(alerts, strings, strict=True):
        done = sam.post(f"/api/alerts/{alert['id']}/acknowledge/", {"comment": comment})
        # A NUL is refused at the door of the API; everything else is kept as text that does nothing.
        assert done.status == (400 if "\x00" in comment else 200), done.text
    page.goto("/alerts/?q=Somebody+asked&state=all")
    live(page)
    cards = page.locator(".alert-card")
    expect(cards).to_have_count(min(50, len(strings)))
    titles = {alert["title"] for alert in alerts}
    assert set(cards.locator("h2").all_inner_texts()) <= {" ".join(title.split()) for title in titles} | titles
    for summary in cards.locator("summary").all()[:50]:
        summary.click()
    page.goto("/activity/")
    live(page)
    page.goto("/")
    live(page)
    assert dialogs == []
    assert (
        page.locator(
            "main script:not([type='application/json']), main iframe, main svg script, main base, main meta"
        ).count()
        == 0
    )

    exported = page.request.get(f"{site.url}/alerts/export/?state=all&q=Somebody+asked").text()
    rows = list(csv.reader(io.StringIO(exported)))
    assert len(rows) == len(strings) + 1
    for row in rows:
        assert len(row) == len(rows[0])
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert not acts("".join(row))

    queries = page.request.get(f"{site.url}/api/queries/export/?name_suffix=hostile.example").text()
    assert len(list(csv.reader(io.StringIO(queries)))) >= len(strings)
    assert not acts(queries.replace("\r\n", "\n"))

    wanted = 2 * len(strings) - 2
    tail = site.manage(
        "realtime_tail",
        "--user",
        "sam",
        "--since",
        before,
        "--count",
        str(wanted),
        "security_alert",
        "alert_*",
        "threat_*",
    )
    assert tail.stdout.count("\n") >= wanted
    assert not acts(tail.stdout)
    assert not acts(site.log())


def test_kept_texts_hold_nothing_that_acts():
    for text in HOSTILE:
        assert not acts(plain(text))
        assert acts(plain(text, lines=True).replace("\n", "")) == []
