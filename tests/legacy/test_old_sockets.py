"""The five sockets of the old system, as an old client knows them, against a running site."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.parts.site import Site

PATIENCE_S = 15.0
KINDS = ("health", "dns_management", "security", "system", "admin")


class OldClient:
    """What a page of the old system did: a token in the address, frames by their type."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []

    async def next(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE_S))
        self.frames.append(frame)
        return frame

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not wanted(frame := await self.next()):
            pass
        return frame

    async def say(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))


@asynccontextmanager
async def old_client(site: Site, kind: str, username: str | None) -> AsyncIterator[OldClient]:
    query = f"?token={await asyncio.to_thread(site.token, username)}" if username else ""
    url = f"ws://127.0.0.1:{site.port}/ws/{kind}/{query}"
    async with connect(url, ping_interval=None, compression=None, max_size=None) as socket:
        yield OldClient(socket)


async def make_zone(site: Site, name: str, username: str = "olivia") -> None:
    answer = await asyncio.to_thread(site.client(username).post, "/api/zones/", {"name": name, "kind": "primary"})
    assert answer.status == 201, answer.text


@pytest.mark.parametrize("kind", KINDS)
async def test_the_first_frame_says_that_the_endpoint_is_deprecated_and_where_to_go(site: Site, kind: str) -> None:
    async with old_client(site, kind, "admin") as client:
        first = await client.next()
        headers = client.socket.response.headers
    assert first["type"] == "deprecated"
    assert first["data"]["replacement"] == "/ws/"
    assert first["data"]["guide"].startswith("/docs/")
    assert headers["Deprecation"].startswith("@")
    assert headers["Sunset"].endswith("GMT")
    assert 'rel="deprecation"' in headers["Link"]


async def test_whoever_has_the_first_frame_misses_nothing_from_there_on(site: Site) -> None:
    """So a page may leave the one connection as soon as it has it."""
    async with old_client(site, "dns_management", "olivia") as client:
        await client.say(type="ping")  # not even an early question is answered before that
        assert (await client.next())["type"] == "deprecated"
        await make_zone(site, "from-the-first.example")
        await client.until(lambda frame: frame["type"] == "zone_created")
    kinds = [frame["type"] for frame in client.frames]
    assert kinds.count("deprecated") == 1
    assert "pong" in kinds


async def test_who_offers_what_only_the_new_system_has_is_served_in_the_old_way(site: Site) -> None:
    url = f"ws://127.0.0.1:{site.port}/ws/admin/?token={site.token('admin')}"
    offered: list[Any] = ["dnsadmin.v1", "feature.deflate"]
    async with connect(url, subprotocols=offered, compression=None, max_size=None) as socket:
        client = OldClient(socket)
        assert (await client.next())["type"] == "deprecated"
        await client.say(type="get_stats")
        await client.until(lambda frame: frame["type"] == "stats")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_ping_is_answered_by_a_pong(site: Site, kind: str) -> None:
    async with old_client(site, kind, "admin") as client:
        await client.say(type="ping")
        assert await client.until(lambda frame: frame["type"] == "pong") == {"type": "pong"}


async def test_events_come_without_an_envelope(site: Site) -> None:
    async with old_client(site, "dns_management", "olivia") as client:
        await client.say(type="get_stats")
        await client.until(lambda frame: frame["type"] == "stats")
        await make_zone(site, "old-frames.example")
        frame = await client.until(lambda frame: frame["type"] == "zone_created")
    assert set(frame) == {"type", "data", "timestamp"}
    assert frame["data"]["zone"] == "old-frames.example"


async def test_subscribe_narrows_a_connection_within_its_kind(site: Site) -> None:
    async with old_client(site, "dns_management", "olivia") as client:
        await client.say(type="subscribe", events=["record_created", "security_alert"])
        answer = await client.until(lambda frame: frame["type"] == "subscribed")
        assert answer["data"] == {"events": ["record_created"], "rejected": ["security_alert"]}
        await make_zone(site, "narrow.example")
        record = {"name": "www", "type": "A", "ttl": 300, "content": "192.0.2.1"}
        await asyncio.to_thread(site.client("olivia").post, "/api/zones/narrow.example/records/", record)
        frame = await client.until(lambda frame: frame["type"] not in ("deprecated", "subscribed", "system_changed"))
    assert frame["type"] == "record_created"


async def test_an_owner_of_one_zone_sees_nothing_of_others(site: Site) -> None:
    async with old_client(site, "dns_management", "zoe") as client:
        await client.say(type="get_stats")
        await client.until(lambda frame: frame["type"] == "stats")
        await make_zone(site, "not-hers.example")
        await make_zone(site, "hers.example")
        grant = {"user": "zoe", "level": "edit"}
        answer = await asyncio.to_thread(site.client("admin").post, "/api/zones/hers.example/grants/", grant)
        assert answer.status == 201, answer.text
        record = {"name": "www", "type": "A", "ttl": 300, "content": "192.0.2.1"}
        await asyncio.to_thread(site.client("olivia").post, "/api/zones/hers.example/records/", record)
        frame = await client.until(lambda frame: frame["type"] == "record_created")
    assert frame["data"]["zone"] == "hers.example"
    assert not [each for each in client.frames if each.get("data", {}).get("zone") == "not-hers.example"]


async def test_the_administrators_socket_is_for_administrators(site: Site) -> None:
    async with old_client(site, "admin", "olivia") as client:
        assert (await client.next())["type"] == "deprecated"
        assert (await client.next())["data"]["code"] == "permission_denied"
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4503


async def test_administrators_hear_of_sign_ins(site: Site) -> None:
    async with old_client(site, "admin", "admin") as client:
        await client.say(type="get_stats")
        await client.until(lambda frame: frame["type"] == "stats")
        await asyncio.to_thread(site.cookie, "vera")
        frame = await client.until(lambda frame: frame["type"] == "user_login" and frame["data"]["username"] == "vera")
    assert set(frame) == {"type", "data", "timestamp"}


async def test_without_a_token_the_socket_is_closed_with_a_reason(site: Site) -> None:
    async with old_client(site, "health", None) as client:
        assert (await client.next())["type"] == "deprecated"
        error = await client.next()
        assert error["data"]["code"] == "not_authenticated"
        assert error["data"]["help"] == "/docs/how-to/leave-the-old-sockets/"
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4501


async def test_several_pages_of_one_user_keep_their_sockets(site: Site) -> None:
    async with old_client(site, "health", "sam") as one, old_client(site, "health", "sam") as two:
        for client in (one, two):
            await client.say(type="get_stats")
            await client.until(lambda frame: frame["type"] == "stats")
        await asyncio.sleep(6)  # longer than it takes to find connections that are one too many
        await one.say(type="ping")
        assert await one.until(lambda frame: frame["type"] == "pong")


async def test_what_is_no_message_is_answered_and_does_no_harm(site: Site) -> None:
    async with old_client(site, "system", "olivia") as client:
        await client.socket.send("{")
        await client.socket.send('{"type": "subscribe", "events": 7}')
        await client.say(type="acknowledge")
        errors = [await client.until(lambda frame: frame["type"] == "error") for _ in range(3)]
        await client.say(type="ping")
        await client.until(lambda frame: frame["type"] == "pong")
    assert all("/docs/" in error["data"]["message"] for error in errors)


def test_the_old_endpoints_can_be_switched_off(start_site: Callable[..., Site]) -> None:
    async def knock(site: Site) -> tuple[list[dict[str, Any]], int]:
        async with old_client(site, "health", "admin") as client:
            with pytest.raises(ConnectionClosed) as closed:
                await client.until(lambda frame: False)
        assert closed.value.rcvd is not None
        return client.frames, closed.value.rcvd.code

    frames, code = asyncio.run(knock(start_site(LEGACY_ENABLED="0")))
    assert [frame["type"] for frame in frames] == ["deprecated", "error"]
    assert code == 4504
