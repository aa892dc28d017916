"""A critical alert goes through all its steps on a site of two processes, one of which is killed in the middle of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from tests.alerts.raising import raise_on
from tests.parts.receivers import MailServer, WebhookReceiver
from tests.parts.site import Site
from tests.realtime.peer import as_person

pytestmark = pytest.mark.timeout(180)

PATIENCE_S = 60.0


def eventually(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.2)
    return found


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def prepare(site: Site, hook: str) -> None:
    """Three steps: screens of the analysts, a letter, a webhook."""
    admin = site.client("admin")
    for step in admin.get("/api/alerts/steps/").data["results"]:
        assert admin.delete(f"/api/alerts/steps/{step['id']}/").status == 204
    analysts = int(
        site.python(
            "from django.contrib.auth.models import Group as G; print(G.objects.get(name='Security analysts').pk)"
        )
    )
    channels = [
        {"name": "duty", "kind": "email", "target": "duty@example.com", "events": ""},
        {"name": "hook", "kind": "webhook", "target": hook, "events": "", "allow_private": True},
    ]
    made = [admin.post("/api/alerts/channels/", channel) for channel in channels]
    assert [answer.status for answer in made] == [201, 201], [answer.text for answer in made]
    duty, webhook = (answer.data["id"] for answer in made)
    for step in (
        {"number": 1, "after_s": 1, "group": analysts},
        {"number": 2, "after_s": 2, "channel": duty},
        {"number": 3, "after_s": 3, "channel": webhook},
    ):
        assert admin.post("/api/alerts/steps/", step).status == 201


def whose(port: int, sites: tuple[Site, ...]) -> Site:
    """The site whose process has a connection from this port."""
    for site in sites:
        connections = psutil.Process(site.process.pid).net_connections(kind="tcp")
        if any(connection.laddr and connection.laddr.port == port for connection in connections):
            return site
    raise AssertionError("nobody holds the line")


def test_all_steps_are_taken_once_though_a_sender_is_killed(start_site: Any, mail: MailServer) -> None:
    with WebhookReceiver(lambda number: None if number == 1 else 204) as hook:
        first = start_site(EMAIL_HOST="127.0.0.1", EMAIL_PORT=mail.port, REALTIME_DELIVERY_LEASE_S=3)
        second = first.twin()
        second.start()
        prepare(first, hook.url)
        alert_id = raise_on(first, "goes-on", title="It goes on")

        (held,) = hook.wait(1)
        killed = whose(held.port, (first, second))
        killed.kill()
        left = second if killed is first else first

        _, again = hook.wait(2)
        assert again.headers["webhook-id"] == held.headers["webhook-id"]
        assert again.body == held.body

        def rows() -> list[dict[str, Any]]:
            found = left.client("admin").get("/api/alerts/deliveries/").data["results"]
            return (
                [row for row in found if row["alert"] == alert_id] if all(r["state"] == "sent" for r in found) else []
            )

        done = sorted(eventually(rows), key=lambda row: row["step"])
        assert [(row["step"], row["channel_name"], row["event_type"]) for row in done] == [
            (1, "screens", "alert_escalated"),
            (2, "duty", "alert_escalated"),
            (3, "hook", "alert_escalated"),
        ]
        assert done[2]["id"] == held.headers["webhook-id"]
        ((recipients, letter),) = mail.came
        assert recipients == ["duty@example.com"]
        assert "Nobody looks after: It goes on" in letter
        log = left.client("admin").get("/api/realtime/events/", event_type="alert_escalated").data["results"]
        assert sorted(event["data"]["step"] for event in log) == [1, 2, 3]


@pytest.mark.soak
async def test_acknowledged_on_one_process_it_stops_on_all(start_site: Any) -> None:
    with WebhookReceiver() as hook:
        first = await asyncio.to_thread(start_site)
        second = first.twin()
        await asyncio.to_thread(second.start)
        await asyncio.to_thread(prepare, first, hook.url)
        step = first.client("admin").get("/api/alerts/steps/").data["results"][2]["id"]
        first.client("admin").patch(f"/api/alerts/steps/{step}/", {"after_s": 8})
        async with as_person(second, "sam", name="a") as sam, as_person(first, "olivia", name="a") as olivia:
            for peer in (sam, olivia):
                await peer.welcome()
                await peer.ask("subscribe", event_types=["*_alert", "alert_*"])
            alert_id = await asyncio.to_thread(raise_on, first, "stops")
            event = await sam.event("alert_escalated", alert=alert_id, step=1)
            assert (event["data"]["group"], event["priority"]) == ("Security analysts", "critical")
            assert (await sam.ask("acknowledge", event_id=event["id"]))["data"]["acknowledged_by"] == "sam"
            await olivia.event("alert_acknowledged", alert=alert_id)
            await asyncio.sleep(9)  # past the last step: it is not taken, which no wait for something could show
            assert not [e for e in olivia.events() if e["data"].get("step") == 3]
        assert hook.came == []
