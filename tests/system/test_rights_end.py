"""Nobody sees what they may not: not its rows, not its events, live, on resume or over HTTP, and not a moment longer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.parts.site import Site
from tests.realtime.peer import Peer, as_person

SET_ROLE = """
import sys
from django.contrib.auth.models import Group, User
user = User.objects.get(username=sys.argv[1])
user.groups.set(Group.objects.filter(name__in=sys.argv[2:]))
"""
SET_ACTIVE = """
import sys
from django.contrib.auth.models import User
user = User.objects.get(username=sys.argv[1])
user.is_active = sys.argv[2] == "yes"
user.save()
"""
DNS = ("zone_", "record_", "change_set_", "bulk_")


@pytest.fixture(scope="module")
def site_settings() -> dict[str, Any]:
    """A quick heart: its pings say how far one is, also when there was nothing to see."""
    return {"REALTIME_HEARTBEAT_S": 1}


@pytest.fixture(scope="module")
def zone(site: Site) -> str:
    answer = site.client("admin").post("/api/zones/", {"name": "secret.test", "nameservers": ["ns.example.net."]})
    assert answer.status == 201, answer.text
    return "secret.test"


async def add(site: Site, zone: str, name: str) -> None:
    record = {"name": name, "type": "A", "ttl": 300, "content": "192.0.2.1"}
    answer = await asyncio.to_thread(site.client("admin").post, f"/api/zones/{zone}/records/", record)
    assert answer.status == 201, answer.text


def about_zones(peer: Peer) -> list[str]:
    """What a peer was shown of zones: the names of records, or the event's type."""
    events = [event for event in peer.events() if event["event_type"].startswith(DNS)]
    return [event["data"].get("record", {}).get("name", event["event_type"]) for event in events]


async def caught_up(peer: Peer, site: Site) -> None:
    """Wait until everything that is in the log now has been sent to the peer, or passed over for it."""
    head = await asyncio.to_thread(site.client("admin").get, "/api/realtime/events/", limit=1)
    position = int(head.data["upto"].rpartition(":")[2])
    await peer.until(lambda: peer.upto >= position, 40)


async def test_a_user_without_rights_sees_neither_the_zone_nor_its_events(site: Site, zone: str) -> None:
    nils = site.client("nils")
    async with as_person(site, "nils") as live:
        await live.welcome()
        beginning = f"{live.position.partition(':')[0]}:0"
        await add(site, zone, "hidden")
        await caught_up(live, site)
        assert about_zones(live) == []
    async with as_person(site, "nils", since=beginning) as resumed:
        welcome = await resumed.welcome()
        assert welcome["resumed"]["recovered"]
        await caught_up(resumed, site)
        assert about_zones(resumed) == []
    answer = await asyncio.to_thread(nils.get, "/api/realtime/events/", since=beginning, limit=1000)
    assert [event for event in answer.data["results"] if event["event_type"].startswith(DNS)] == []
    assert nils.get(f"/api/zones/{zone}/").status == 404
    assert nils.get(f"/api/zones/{zone}/records/").status == 404
    assert nils.get("/api/zones/").data["count"] == 0


async def test_closing_a_grant_ends_it_at_that_place_in_the_log(site: Site, zone: str) -> None:
    admin = site.client("admin")
    given = admin.post(f"/api/zones/{zone}/grants/", {"user": "zoe", "level": "edit"})
    assert given.status == 201, given.text
    async with as_person(site, "zoe") as zoe:
        await zoe.welcome()
        await add(site, zone, "while-granted")
        await zoe.until(lambda: "while-granted" in about_zones(zoe))
        closed = await asyncio.to_thread(admin.delete, f"/api/zones/{zone}/grants/{given.data['id']}/")
        assert closed.status == 204, closed.text
        await add(site, zone, "after-grant")
        changed = await zoe.event("permission_changed")
        await zoe.until(lambda: zoe.upto > changed["position"] + 1, 40)
        assert "after-grant" not in about_zones(zoe)
        position = zoe.position
    assert site.client("zoe").get(f"/api/zones/{zone}/").status == 404
    async with as_person(site, "zoe", since=f"{position.partition(':')[0]}:0") as back:
        await back.welcome()
        await caught_up(back, site)
        assert "after-grant" not in about_zones(back)
        assert "while-granted" not in about_zones(back), "replay shows what one may see today"


async def test_a_grant_shows_events_from_there_on_without_a_new_connection(site: Site, zone: str) -> None:
    async with as_person(site, "nils") as nils:
        await nils.welcome()
        await add(site, zone, "before-the-grant")
        given = await asyncio.to_thread(
            site.client("admin").post, f"/api/zones/{zone}/grants/", {"user": "nils", "level": "view"}
        )
        assert given.status == 201, given.text
        await nils.frame("notice", code="permissions_changed")
        await add(site, zone, "since-the-grant")
        await nils.until(lambda: "since-the-grant" in about_zones(nils))
        assert "before-the-grant" not in about_zones(nils)


async def test_who_loses_a_role_or_the_account_is_shown_nothing_more(site: Site, zone: str) -> None:
    async with as_person(site, "sam") as sam:
        await sam.welcome()
        await add(site, zone, "for-sam")
        await sam.until(lambda: "for-sam" in about_zones(sam))
        await asyncio.to_thread(site.python, SET_ROLE, "sam")
        await sam.event("permission_changed")
        await add(site, zone, "not-for-sam")
        await asyncio.to_thread(site.python, SET_ACTIVE, "sam", "no")
        assert await sam.closed() == 4503
        assert "not-for-sam" not in about_zones(sam)
    async with as_person(site, "sam") as again:
        assert await again.closed() == 4503
