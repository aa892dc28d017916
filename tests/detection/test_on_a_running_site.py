"""Detection on a whole site: the real name server is asked for real, and somebody else's socket hears of it."""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
import time
from typing import Any

import dns.message
import dns.query
import pytest

from tests.detection.traffic import tunnel
from tests.parts.site import Site
from tests.realtime.peer import Peer, as_person

pytestmark = pytest.mark.timeout(180)

PATIENCE_S = 90.0
"""A window, until it is over on a busy machine."""


@pytest.fixture(scope="module")
def site_settings() -> dict[str, Any]:
    """Thresholds that a test can reach."""
    return {"DETECTION_FLOOD_PER_S": 40, "DETECTION_TUNNEL_NAMES": 30, "DETECTION_NXDOMAIN_PER_S": 0}


def ask_all(site: Site, names: list[str], source: str) -> None:
    """Ask for names as fast as the name server takes them, waiting for no answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.bind((source, 0))
        for number, name in enumerate(names):
            out.sendto(dns.message.make_query(name, "A").to_wire(), ("127.0.0.1", site.named_port))
            if number % 20 == 19:
                time.sleep(0.01)


def ask(site: Site, name: str, source: str = "127.0.0.1") -> None:
    dns.query.udp(dns.message.make_query(name, "A"), "127.0.0.1", port=site.named_port, timeout=10, source=source)


async def listen(peer: Peer) -> None:
    await peer.welcome()
    await peer.ask("subscribe", event_types=["security_alert", "threat_detected", "suspicious_activity", "alert_*"])


async def test_a_flood_and_a_tunnel_are_told_with_their_evidence_to_those_who_may_see_it(site: Site) -> None:
    async with as_person(site, "sam", name="d") as sam, as_person(site, "vera", name="d") as vera:
        await listen(sam)
        await listen(vera)
        names = [name for _, _, name in tunnel(60, 1, domain="carrier.example")]
        await asyncio.to_thread(ask_all, site, ["www.flooded.example"] * 2500, "127.0.0.21")
        await asyncio.to_thread(ask_all, site, names, "127.0.0.22")

        flood = await sam.event("suspicious_activity", PATIENCE_S, category="flood")
        assert flood["data"]["client"] == "127.0.0.21"
        assert flood["data"]["evidence"]["queries_per_s"] >= 40
        told = await sam.event("suspicious_activity", PATIENCE_S, category="tunnel")
        assert (told["data"]["domain"], told["data"]["client"]) == ("carrier.example", "127.0.0.22")
        assert told["data"]["evidence"]["different_names"] >= 30
        alert = await sam.event("security_alert", alert=told["data"]["alert"])
        assert alert["data"]["title"] == "Queries below carrier.example look like a tunnel"

        masked = await vera.event("suspicious_activity", category="flood")
        assert (masked["data"]["client"], masked["data"]["evidence"]) == (None, None)
        assert "127.0.0.21" not in str(vera.frames)


def watched_rule(site: Site, trigger: str) -> None:
    """A rule in force whose hits raise an alert."""
    sam = site.client("sam")
    policies = sam.get("/api/rpz/policies/").data["results"]
    policy = (
        next((p for p in policies if p["name"] == "Watched"), None)
        or sam.post("/api/rpz/policies/", {"name": "Watched"}).data
    )
    made = sam.post(
        "/api/rpz/rules/",
        {"policy": policy["id"], "trigger_type": "qname", "trigger": trigger, "action": "nxdomain", "category": "c2"},
    )
    assert made.status == 201, made.text
    if not sam.get("/api/rpz/watches/").data["count"]:
        watch = {"policy": policy["id"], "category": "c2", "severity": "critical"}
        assert sam.post("/api/rpz/watches/", watch).status == 201
    until = time.monotonic() + 60
    while sam.get(f"/api/rpz/rules/{made.data['id']}/").data["sync_state"] != "served":
        assert time.monotonic() < until
        time.sleep(0.1)


async def test_a_blocked_query_is_an_alert_on_somebody_elses_screen(site: Site) -> None:
    await asyncio.to_thread(watched_rule, site, "*.master.example")
    async with as_person(site, "olivia", name="b") as olivia:
        await listen(olivia)
        await asyncio.to_thread(ask, site, "first.master.example", "127.0.0.31")
        alert = await olivia.event("security_alert", PATIENCE_S)
        assert (alert["priority"], alert["data"]["severity"], alert["data"]["client"]) == ("critical", "critical", None)
        assert "first.master.example" in alert["data"]["title"]
        assert alert["data"]["evidence"]["category"] == "c2"
        threat = await olivia.event("threat_detected", name="first.master.example")
        assert threat["data"]["alert"] == alert["data"]["alert"]
        assert {"feed", "category", "first_seen", "confidence", "reference"} <= set(threat["data"])


@pytest.mark.soak
async def test_how_long_it_takes_from_the_query_to_the_screen(site: Site) -> None:
    await asyncio.to_thread(watched_rule, site, "*.timed.example")
    taken: list[float] = []
    async with as_person(site, "olivia", name="t") as olivia:
        await listen(olivia)
        for number in range(60):
            name = f"n{number}.timed.example"
            began = time.monotonic()
            await asyncio.to_thread(ask, site, name, f"127.0.1.{number + 1}")
            await olivia.event("threat_detected", name=name)
            alert = await olivia.event("security_alert", title=f"Somebody asked for {name}, which Watched stopped")
            taken.append(time.monotonic() - began)
            assert alert["data"]["severity"] == "critical"
            await asyncio.sleep(0.05)
    p95 = statistics.quantiles(taken, n=20)[-1]
    figures = f"query to alert: median {statistics.median(taken):.3f} s, p95 {p95:.3f} s, most {max(taken):.3f} s"
    sys.stdout.write(f"\n{figures}\n")
    assert p95 <= 1, figures


def test_who_may_say_which_hits_are_watched(site: Site) -> None:
    watch: dict[str, Any] = {"category": "phishing", "severity": "error"}
    assert site.client("vera").get("/api/rpz/watches/").status == 200
    assert site.client("vera").post("/api/rpz/watches/", watch).status == 403
    assert site.client("zoe").get("/api/rpz/watches/").status == 403
    made = site.client("sam").post("/api/rpz/watches/", watch)
    assert made.status == 201
    assert site.client("sam").delete(f"/api/rpz/watches/{made.data['id']}/").status == 204
