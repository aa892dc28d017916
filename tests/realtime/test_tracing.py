"""The way of one event: who got it when, and who did not and why."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import Person, Site
from tests.realtime.peer import Peer, as_person


def by_client(traced: dict[str, Any], what: str) -> dict[str, Any]:
    return {one.get("client", one["user"]["username"]): one for one in traced[what]}


async def ask(site: Site, event_id: str) -> dict[str, Any]:
    answer = await asyncio.to_thread(site.client("admin").get, f"/api/realtime/trace/{event_id}/")
    assert answer.status == 200, answer.text
    return answer.data  # type: ignore[no-any-return]


async def test_every_connection_of_every_process_is_accounted_for(
    start_site: Callable[..., Site], redis_server: RedisServer
) -> None:
    site = await asyncio.to_thread(start_site, REDIS_URL=redis_server.url)
    twin = site.twin()
    await asyncio.to_thread(twin.start)
    try:
        async with (
            as_person(site, "olivia", name="here") as here,
            as_person(twin, "oscar", name="there") as there,
            as_person(site, "zoe", name="blind") as blind,
            as_person(site, "sam", name="deaf") as deaf,
            as_person(twin, "vera", name="elsewhere") as elsewhere,
        ):
            for peer in (here, there, blind, deaf, elsewhere):
                await peer.welcome()
            await deaf.ask("unsubscribe", event_types=["zone_*"])
            await elsewhere.ask("subscribe", event_types=["zone_*"], zones=["other.example"])
            zone = {"name": "traced.example", "kind": "primary"}
            await asyncio.to_thread(site.client("olivia").post, "/api/zones/", zone)
            event = await here.event("zone_created", zone="traced.example")
            await there.event("zone_created", zone="traced.example")
            async with as_person(site, "nils", name="late") as late:
                await late.welcome()
                traced = await ask(site, event["id"])
            printed = await asyncio.to_thread(site.manage, "realtime_trace", event["id"])
    finally:
        await asyncio.to_thread(twin.terminate)
    assert (traced["position"], traced["event_type"]) == (event["position"], "zone_created")
    assert {hop["heard_by"] for hop in traced["hops"]} <= {"doorbell", "log"}
    assert len(traced["hops"]) == 2
    assert all(hop["heard_at"] for hop in traced["hops"])
    got = by_client(traced, "recipients")
    assert set(got) == {"here", "there"}
    assert all(one["sent_at"] >= traced["committed_at"][:10] for one in got.values())
    why = {client: one["reason"] for client, one in by_client(traced, "others").items()}
    assert why["blind"] == "no permission for what it is about"
    assert why["deaf"] == "not subscribed to it"
    assert why["elsewhere"] == "subscribed to other zones than traced.example"
    assert why["late"].startswith("connected later")
    assert why["admin"] == "was not connected"
    assert "oscar" in printed.stdout


async def test_what_a_reader_sent_and_who_has_gone_is_known(site: Site) -> None:
    zone = {"name": "read.example", "kind": "primary"}
    async with as_person(site, "olivia", name="first") as first:
        await first.welcome()
        start = first.position
        await asyncio.to_thread(site.client("olivia").post, "/api/zones/", zone)
        event = await first.event("zone_created", zone="read.example")
    async with as_person(site, "olivia", name="second", since=start) as second:
        await second.event("zone_created", zone="read.example")
        traced = await ask(site, event["id"])
    got = by_client(traced, "recipients")
    assert (got["first"]["by"], got["first"]["connected"]) == ("route", False)
    assert (got["second"]["by"], got["second"]["connected"]) == ("log", True)


async def test_only_administrators_trace_and_only_what_there_is(site: Site) -> None:
    assert (await asyncio.to_thread(site.client("olivia").get, "/api/realtime/trace/x/")).status == 403
    assert (await asyncio.to_thread(site.client("admin").get, "/api/realtime/trace/x/")).status == 404
    missing = await asyncio.to_thread(site.manage, "realtime_trace", "x", "--json", check=False)
    assert missing.returncode == 1
    assert "no event x" in missing.stderr
    async with as_person(site, "olivia") as olivia:
        assert (await olivia.ask("trace", event_id="x"))["code"] == "permission_denied"
    async with as_person(site, "admin") as admin:
        answer = await admin.ask("trace", event_id="x")
    assert (answer["type"], answer["code"]) == ("error", "invalid_message"), json.dumps(answer)


TOKENS = """
import json
from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import AccessToken
people = User.objects.filter(username__startswith="many")
print(json.dumps({user.username: str(AccessToken.for_user(user)) for user in people}))
"""


@pytest.mark.soak
async def test_three_hundred_are_accounted_for_within_three_seconds(
    start_site: Callable[..., Site], redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """Two hundred get it, fifty have not subscribed to it, fifty may not see it; all over two processes."""
    site = await asyncio.to_thread(
        start_site,
        REDIS_URL=redis_server.url,
        DATABASE_URL=postgres_server.create_database(),
        REALTIME_CONNECTIONS_PER_ADDRESS=10_000,
    )
    twin = site.twin()
    await asyncio.to_thread(twin.start)
    roles = ["DNS operators"] * 250 + ["Zone owners"] * 50
    await asyncio.to_thread(site.add_people, *(Person(f"many{n}", (role,)) for n, role in enumerate(roles)))
    tokens = json.loads(await asyncio.to_thread(site.python, TOKENS))
    async with AsyncExitStack() as stack:
        peers = []
        for number in range(300):
            url = (site, twin)[number % 2].socket_url()
            peers.append(await stack.enter_async_context(Peer(url, token=tokens[f"many{number}"], name="page")))
            await peers[-1].welcome()
        for peer in peers[:50]:
            await peer.ask("unsubscribe", event_types=["zone_*"])
        zone = {"name": "seen-by-many.example", "kind": "primary"}
        await asyncio.to_thread(site.client("olivia").post, "/api/zones/", zone)
        event = await peers[60].event("zone_created", zone="seen-by-many.example")
        for number in range(500):  # and the hour goes on
            change = {"comment": f"{number}", "version": number + 1}
            await asyncio.to_thread(site.client("olivia").patch, "/api/zones/seen-by-many.example/", change)
        taken = []
        for asked in (site, twin, site):
            began = time.monotonic()
            traced = await ask(asked, event["id"])
            taken.append(time.monotonic() - began)
    print(f"traced in {max(taken):.2f} s at most")  # noqa: T201  # the figures of `make soak`
    many = [one for one in traced["others"] if one["user"]["username"].startswith("many")]
    assert len(traced["hops"]) == 2
    assert all(hop["heard_at"] for hop in traced["hops"])
    assert len(traced["recipients"]) == 200
    assert all(one["sent_at"] for one in traced["recipients"])
    assert sorted(Counter(one["reason"] for one in many).items()) == [
        ("no permission for what it is about", 50),
        ("not subscribed to it", 50),
    ]
    assert max(taken) < 3.0
