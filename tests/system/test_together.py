"""People on the same zone see each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from realtime.client import Client, CommandError
from tests.parts.site import Site


@pytest.fixture(scope="module")
def zone(site: Site) -> str:
    answer = site.client("admin").post("/api/zones/", {"name": "together.test", "nameservers": ["ns.example.net."]})
    assert answer.status == 201, answer.text
    return "together.test"


async def client(site: Site, username: str) -> Client:
    return Client(site.socket_url(), token=await asyncio.to_thread(site.token, username), name="page")


async def wait_for(events: AsyncIterator[dict[str, Any]], event_type: str) -> Any:
    async with asyncio.timeout(10):
        while True:
            event = await anext(events)
            if event["event_type"] == event_type:
                return event["data"]


async def test_who_opens_a_zone_hears_who_is_there_and_they_hear_of_it(site: Site, zone: str) -> None:
    async with await client(site, "olivia") as olivia, await client(site, "oscar") as oscar:
        assert (await olivia.command("announce", zone=zone, state="viewing"))["others"] == []
        heard = olivia.events()
        others = (await oscar.command("announce", zone=zone, state="viewing"))["others"]
        assert [(other["user"]["username"], other["state"]) for other in others] == [("olivia", "viewing")]
        viewers = await wait_for(heard, "zone_viewers")
        while len(viewers["users"]) < 2:  # the first is her own coming
            viewers = await wait_for(heard, "zone_viewers")
        assert {user["username"] for user in viewers["users"]} == {"olivia", "oscar"}


async def test_a_record_in_somebodys_hands_is_told_and_let_go_of_with_the_connection(site: Site, zone: str) -> None:
    async with await client(site, "olivia") as olivia:
        await olivia.command("announce", zone=zone, state="viewing")
        heard = olivia.events()
        async with await client(site, "oscar") as oscar:
            await oscar.command("announce", zone=zone, record=7, state="editing")
            began = await wait_for(heard, "record_editing")
            assert (began["record"], began["user"]["username"], began["state"]) == (7, "oscar", "editing")
        ended = await wait_for(heard, "record_editing")
        assert (ended["record"], ended["user"]["username"], ended["state"]) == (7, "oscar", "left")


async def test_a_zone_that_one_may_not_see_is_no_meeting_place(site: Site, zone: str) -> None:
    async with await client(site, "zoe") as zoe:
        with pytest.raises(CommandError, match="permission_denied"):
            await zoe.command("announce", zone=zone, state="viewing")
