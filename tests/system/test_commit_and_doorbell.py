"""A process that dies right after its commit: what it committed arrives, what it rolled back never does."""

from __future__ import annotations

import asyncio
import http.client
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.parts.site import Site
from tests.realtime.peer import Peer, as_person

DIES_BEFORE_THE_DOORBELL = """
import os, signal, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "dnsadmin.settings"
import django
django.setup()
from realtime import log
from realtime.models import LogEvent
publish = log.publish

def die_if_told(fault=sys.argv[1]):
    if os.path.exists(fault) and LogEvent.objects.filter(position=None, event_type="record_created").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    publish()

log.publish = die_if_told
sys.argv = ["manage.py", "serve"]
from manage import main
main()
"""
"""A site that kills itself between the commit of a new record and its numbering, once the file of its argument exists.

Not at any other event: a site that has just begun also tells of its services, before the record is there."""

ROLL_BACK = """
from django.db import transaction
from zones.changes import change_set
from zones.models import Zone
try:
    with transaction.atomic():
        with change_set(Zone.objects.living().get(name="doorbell.test")) as changes:
            changes.create(name="never", type="A", ttl=300, content="192.0.2.9")
        raise RuntimeError
except RuntimeError:
    print("rolled back")
"""


@pytest.mark.timeout(180)
async def test_what_was_committed_arrives_after_the_restart_and_what_was_rolled_back_never(
    start_site: Any, tmp_path: Path
) -> None:
    site: Site = await asyncio.to_thread(start_site)
    admin = site.client("admin")
    created = admin.post("/api/zones/", {"name": "doorbell.test", "nameservers": ["ns.example.net."]})
    assert created.status == 201, created.text
    async with as_person(site, "olivia") as olivia:
        await olivia.welcome()
        await olivia.settled()
        position = olivia.position

    fault = tmp_path / "fault"
    normal = site.process.command
    site.process.command = [sys.executable, "-c", DIES_BEFORE_THE_DOORBELL, str(fault)]
    await asyncio.to_thread(site.restart)
    fault.touch()
    record = {"name": "www", "type": "A", "ttl": 300, "content": "192.0.2.1"}
    with pytest.raises((OSError, http.client.HTTPException)):
        await asyncio.to_thread(admin.post, "/api/zones/doorbell.test/records/", record)
    await asyncio.to_thread(site.process.wait)
    assert site.process.exit_code == -signal.SIGKILL

    site.process.command = normal
    await asyncio.to_thread(site.start)
    assert (await asyncio.to_thread(site.python, ROLL_BACK)).strip() == "rolled back"
    async with as_person(site, "olivia", since=position) as olivia:
        assert (await olivia.welcome())["resumed"]["recovered"]
        arrived = await olivia.event("record_created")
        assert (arrived["data"]["record"]["name"], arrived["data"]["record"]["content"]) == ("www", "192.0.2.1")
        await see_a_last_change(site, olivia)
        names = [e["data"]["record"]["name"] for e in olivia.events() if e["event_type"] == "record_created"]
        assert names == ["www", "last"]


async def see_a_last_change(site: Site, peer: Peer) -> None:
    """Whatever was before it in the log has come by then."""
    record = {"name": "last", "type": "A", "ttl": 300, "content": "192.0.2.2"}
    answer = await asyncio.to_thread(site.client("admin").post, "/api/zones/doorbell.test/records/", record)
    assert answer.status == 201, answer.text
    await peer.until(lambda: [e for e in peer.events() if e["data"].get("record", {}).get("name") == "last"])
