"""Alerts as scripts see them: live over the socket, and in the API."""

from __future__ import annotations

import asyncio

import pytest

from tests.alerts.raising import raise_on
from tests.parts.site import Site
from tests.realtime.peer import as_person

pytestmark = pytest.mark.timeout(120)


async def test_an_alert_reaches_all_at_once_and_the_first_acknowledgement_counts(site: Site) -> None:
    async with as_person(site, "sam", name="a") as sam, as_person(site, "vera", name="a") as vera:
        for peer in (sam, vera):
            await peer.welcome()
            await peer.ask("subscribe", event_types=["security_alert", "alert_*"])
        alert_id = await asyncio.to_thread(raise_on, site, "reaches-all")
        seen = await sam.event("security_alert", alert=alert_id)
        masked = await vera.event("security_alert", alert=alert_id)
        assert (seen["priority"], seen["severity"], seen["category"]) == ("critical", "critical", "security")
        assert (seen["data"]["client"], seen.get("redacted")) == ("192.0.2.7", None)
        assert (masked["data"]["client"], masked["data"]["evidence"]) == (None, None)
        assert {"client", "evidence"} <= set(masked["redacted"])
        batched = [event for peer in (sam, vera) for f in peer.frames if f["type"] == "batch" for event in f["events"]]
        assert all(event["priority"] != "critical" for event in batched)

        refused = await vera.ask("acknowledge", event_id=seen["id"])
        assert (refused["type"], refused["code"]) == ("error", "permission_denied")
        answer = (await sam.ask("acknowledge", event_id=seen["id"]))["data"]
        assert set(answer) == {"acknowledged_by", "acknowledged_at"}
        assert answer["acknowledged_by"] == "sam"
        told = await vera.event("alert_acknowledged", alert=alert_id)
        assert (told["data"]["state"], told["source_user"]["username"]) == ("acknowledged", "sam")

        async with as_person(site, "olivia", name="a") as olivia:
            await olivia.welcome()
            assert (await olivia.ask("acknowledge", event_id=seen["id"]))["data"] == answer


async def test_what_is_no_alert_cannot_be_acknowledged(site: Site) -> None:
    async with as_person(site, "admin", name="b") as admin:
        await admin.welcome()
        await admin.ask("subscribe", event_types=["user_login"])
        await asyncio.to_thread(site.cookie, "nils")
        login = await admin.event("user_login", username="nils")
        assert (await admin.ask("acknowledge", event_id=login["id"]))["code"] == "invalid_message"
        assert (await admin.ask("acknowledge", event_id="nothing"))["code"] == "permission_denied"
        assert (await admin.ask("acknowledge"))["code"] == "invalid_message"


def test_the_life_of_an_alert_in_the_api(site: Site) -> None:
    alert_id = raise_on(site, "in-the-api", title="Life of an alert")
    olivia, vera, zoe = site.client("olivia"), site.client("vera"), site.client("zoe")
    listed = olivia.get("/api/alerts/", search="Life of an", state="open").data
    assert (listed["count"], listed["results"][0]["id"]) == (1, alert_id)
    assert listed["results"][0]["client"] is None
    assert listed["results"][0]["evidence"] == {"client": None, "per_s": 900}
    assert vera.get(f"/api/alerts/{alert_id}/").data["evidence"] is None

    assert vera.post(f"/api/alerts/{alert_id}/acknowledge/").status == 403
    assert zoe.post(f"/api/alerts/{alert_id}/acknowledge/").status == 404
    done = olivia.post(f"/api/alerts/{alert_id}/acknowledge/", {"comment": "mine"})
    assert (done.status, done.data["acknowledged_by"], done.data["state"]) == (200, "olivia", "acknowledged")
    again = site.client("sam").post(f"/api/alerts/{alert_id}/acknowledge/")
    assert (again.status, again.data["acknowledged_by"]) == (200, "olivia")
    over = site.client("sam").post(f"/api/alerts/{alert_id}/resolve/", {"comment": "gone"})
    assert (over.data["state"], over.data["resolved_by"]) == ("resolved", "sam")
    assert [(e["deed"], e["who"], e["text"]) for e in over.data["timeline"]] == [
        ("raised", "", ""),
        ("acknowledged", "olivia", "mine"),
        ("resolved", "sam", "gone"),
    ]


def test_what_is_over_answers_a_conflict(site: Site) -> None:
    alert_id = raise_on(site, "over")
    sam = site.client("sam")
    assert sam.post(f"/api/alerts/{alert_id}/resolve/").status == 200
    late = sam.post(f"/api/alerts/{alert_id}/acknowledge/")
    assert (late.status, late.data["code"]) == (409, "conflict")
    assert sam.post(f"/api/alerts/{alert_id}/mute/", {"seconds": 3600}).status == 409


@pytest.mark.parametrize("query", ["state=nothing", "severity=loud", "kind=zone_created", "muted=perhaps"])
def test_filters_that_are_none_are_told(site: Site, query: str) -> None:
    name, _, value = query.partition("=")
    answer = site.client("sam").get("/api/alerts/", **{name: value})
    assert (answer.status, list(answer.data["errors"])) == (400, [name])
