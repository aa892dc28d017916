"""The life of a connection: heartbeat, displacement, expiry, sign-out, and a proper goodbye in every case."""

from __future__ import annotations

import asyncio
import json
import signal
import socket as sockets
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.parts.json_client import JsonClient
from tests.parts.site import PASSWORD as GOOD_PASSWORD
from tests.parts.site import Site
from tests.realtime.peer import Peer, as_page, as_person
from tests.realtime.test_handshake import token_of

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def site_settings() -> dict[str, Any]:
    """A quick heart."""
    return {"REALTIME_HEARTBEAT_S": 1, "REALTIME_PONG_TIMEOUT_S": 4}


def bye(peer: Peer) -> dict[str, Any]:
    """The farewell, which is the last frame."""
    assert peer.frames[-1]["type"] == "bye"
    assert peer.frames[-1]["code"] == peer.code
    return peer.frames[-1]


async def run(site: Site, code: str, *arguments: str) -> str:
    return await asyncio.to_thread(site.python, code, *arguments)


# -- heartbeat ------------------------------------------------------------------------------------------------------------


async def test_the_heartbeat_moves_upto_also_when_nothing_for_this_client_happened(site: Site) -> None:
    async with as_person(site, "zoe") as zoe:
        beginning = (await zoe.welcome())["resume"]["position"]
        await run(site, TOUCH, "nils")
        await zoe.until(lambda: zoe.upto > beginning)
        assert zoe.events() == []


TOUCH = """
import secrets, sys
from django.contrib.auth.models import User
user = User.objects.get(username=sys.argv[1]); user.last_name = secrets.token_hex(4); user.save()
"""


async def test_who_answers_pings_stays_and_who_does_not_is_sent_away_to_come_back(site: Site) -> None:
    async with as_person(site, "olivia") as good, as_person(site, "oscar", answers_pings=False) as dead:
        await good.welcome()
        await dead.welcome()
        assert await dead.closed(30) == 4001
        bye(dead)
        await good.settled()
        assert [f["n"] for f in good.frames if f["type"] == "ping"][:2] == [1, 2]


# -- one survivor ---------------------------------------------------------------------------------------------------------


async def test_a_newer_connection_of_the_same_user_and_client_displaces_the_older(site: Site) -> None:
    async with as_person(site, "olivia") as first, as_person(site, "olivia") as second:
        await second.welcome()
        assert await first.closed() == 4509
        assert "displaced" in bye(first)["reason"]
        async with as_person(site, "olivia") as third:
            await third.welcome()
            assert await second.closed() == 4509
            await third.settled()


async def test_other_client_names_and_other_users_are_left_alone(site: Site) -> None:
    async with AsyncExitStack() as stack:
        names = [("olivia", "one"), ("olivia", "two"), ("oscar", "one"), ("olivia", "web"), ("olivia", None)]
        peers = [await stack.enter_async_context(as_person(site, user, name=name)) for user, name in names]
        page = await stack.enter_async_context(as_page(site, "oscar"))
        for peer in [*peers, page]:
            await peer.welcome()
        for peer in [*peers, page]:
            await peer.settled()


async def test_of_many_at_once_the_newest_survives_also_the_reconciliation(site: Site) -> None:
    async with AsyncExitStack() as stack:
        others = [await stack.enter_async_context(as_person(site, "sam", name=name)) for name in ("one", "two")]
        entering = [stack.enter_async_context(as_person(site, "sam", name="crowd")) for _ in range(12)]
        peers = await asyncio.gather(*entering)
        async with asyncio.timeout(20):
            while sum(peer.code is None for peer in peers) > 1:
                await asyncio.sleep(0.1)
                assert any(peer.code is None for peer in peers), "they have displaced each other"
        await asyncio.sleep(6)
        (survivor,) = [peer for peer in peers if peer.code is None]
        for peer in (survivor, *others):
            await peer.settled()
        assert {peer.code for peer in peers} == {None, 4509}


# -- the end of a right ---------------------------------------------------------------------------------------------------


async def test_signing_out_closes_the_sockets_of_that_session_only(site: Site) -> None:
    first, second = await asyncio.to_thread(site.cookie, "vera"), await asyncio.to_thread(site.cookie, "vera")
    async with (
        as_page(site, "vera", first) as signs_out,
        as_page(site, "vera", second, name="other") as stays,
        as_person(site, "vera", name="script") as script,
    ):
        for peer in (signs_out, stays, script):
            await peer.welcome()
        await asyncio.to_thread(sign_out, site, first)
        assert await signs_out.closed() == 4501
        assert "signed out" in bye(signs_out)["reason"]
        await stays.settled()
        await script.settled()
    async with as_page(site, "vera", first) as again:
        assert await again.closed() == 4501


def sign_out(site: Site, cookie: str) -> None:
    token = next(part.split("=")[1] for part in cookie.split("; ") if part.startswith("csrftoken="))
    answer = site.client().post(
        "/accounts/logout/",
        f"csrfmiddlewaretoken={token}".encode(),
        Content_Type="application/x-www-form-urlencoded",
        Cookie=cookie,
        Referer=f"{site.url}/",
    )
    assert answer.status == 302, answer.text


async def test_a_new_password_ends_sessions_and_tokens_that_were_made_with_the_old_one(site: Site) -> None:
    await run(site, ADD, "pia")
    async with as_page(site, "pia") as page, as_person(site, "pia") as script:
        await page.welcome()
        await script.welcome()
        await run(site, PASSWORD, "pia", "another-password-entirely")
        assert await page.closed() == 4501
        assert await script.closed() == 4501
        bye(page)


async def test_a_session_that_runs_out_closes_its_sockets_and_is_told_of(site: Site) -> None:
    cookie = await asyncio.to_thread(site.cookie, "nils")
    async with as_page(site, "nils", cookie) as page, as_person(site, "admin", name="hears") as admin:
        await page.welcome()
        await admin.welcome()
        await run(site, RUN_OUT)
        assert await page.closed(40) == 4501
        assert "expired" in bye(page)["reason"]
        told = await admin.event("session_expired", username="nils", reason="expired")
        assert told["data"]["method"] == "session"


RUN_OUT = """
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
nils = User.objects.get(username="nils")
for session in Session.objects.all():
    if session.get_decoded().get(SESSION_KEY) == str(nils.pk):
        Session.objects.filter(pk=session.pk).update(expire_date=timezone.now())
"""


async def test_a_revoked_token_closes_its_sockets_and_opens_nothing_any_more(site: Site) -> None:
    pairs = [await asyncio.to_thread(sign_in, site, "oscar") for _ in range(2)]
    mine, other = (pair["access"] for pair in pairs)
    refreshed = site.client().post("/api/token/refresh/", {"refresh": pairs[0]["refresh"]}).data["access"]
    async with (
        Peer(site.socket_url(), token=mine, name="mine") as first,
        Peer(site.socket_url(), token=refreshed, name="refreshed") as second,
        Peer(site.socket_url(), token=other, name="other") as stays,
    ):
        for peer in (first, second, stays):
            await peer.welcome()
        assert site.client().post("/api/token/revoke/", {"token": pairs[0]["refresh"]}).status == 204
        for peer in (first, second):
            assert await peer.closed() == 4501
            assert bye(peer)["reason"] == "revoked"
        await stays.settled()
        for token in (mine, refreshed):
            assert (await stays.ask("authenticate", token=token))["code"] == "not_authenticated"
    async with Peer(site.socket_url(), token=mine, name="mine") as again:
        assert await again.closed() == 4501
    assert site.client().post("/api/token/refresh/", {"refresh": pairs[0]["refresh"]}).status == 401
    for token, status in ((mine, 401), (refreshed, 401), (other, 200)):
        assert JsonClient(site.url, {"Authorization": f"Bearer {token}"}).get("/api/zones/").status == status


def sign_in(site: Site, username: str) -> Any:
    return site.client().post("/api/token/", {"username": username, "password": GOOD_PASSWORD}).data


async def test_who_is_signed_out_everywhere_has_to_sign_in_again_everywhere(site: Site) -> None:
    cookie = await asyncio.to_thread(site.cookie, "sam")
    token = (await asyncio.to_thread(sign_in, site, "sam"))["access"]
    async with (
        as_page(site, "sam", cookie, name="page") as page,
        Peer(site.socket_url(), token=token, name="script") as script,
        as_person(site, "vera", name="bystander") as bystander,
    ):
        for peer in (page, script, bystander):
            await peer.welcome()
        done = await asyncio.to_thread(site.manage, "realtime_sign_out", "sam", "--json")
        assert json.loads(done.stdout)["sessions"] >= 1
        assert await page.closed() == await script.closed() == 4501
        await bystander.settled()
    async with as_page(site, "sam", cookie) as page, Peer(site.socket_url(), token=token) as script:
        assert await page.closed() == await script.closed() == 4501
    await asyncio.sleep(1)  # tokens carry whole seconds
    anew = (await asyncio.to_thread(sign_in, site, "sam"))["access"]
    async with Peer(site.socket_url(), token=anew) as script:
        await script.welcome()


ADD = """
import sys
from django.contrib.auth.models import User
from tests.parts.site import PASSWORD
User.objects.create_user(sys.argv[1], password=PASSWORD)
"""
PASSWORD = """
import sys
from django.contrib.auth.models import User
user = User.objects.get(username=sys.argv[1]); user.set_password(sys.argv[2]); user.save()
"""


async def test_who_is_deactivated_or_removed_is_told_not_to_come_back(site: Site) -> None:
    for name, code in (("dora", "user.is_active = False; user.save()"), ("rita", "user.delete()")):
        await run(site, ADD, name)
        async with as_person(site, name) as peer:
            await peer.welcome()
            await run(
                site, f"from django.contrib.auth.models import User; user = User.objects.get(username={name!r}); {code}"
            )
            assert await peer.closed() == 4503
            bye(peer)
        async with as_person(site, name) as peer:
            assert await peer.closed() == (4503 if name == "dora" else 4501)


async def test_a_token_about_to_expire_is_told_and_a_newer_one_goes_on(site: Site) -> None:
    short = token_of(site, "olivia", exp=int(time.time()) + 30)
    async with Peer(site.socket_url(), token=short) as peer:
        await peer.welcome()
        notice = await peer.frame("notice", code="token_expiring")
        assert 0 <= notice["data"]["expires_in_s"] <= 30
        answer = await peer.ask("authenticate", token=token_of(site, "olivia", exp=int(time.time()) + 3600))
        assert answer["type"] == "response"


# -- slow and rude clients ------------------------------------------------------------------------------------------------


class Deaf:
    """A client that is let in and then reads nothing; it may go on to write."""

    def __init__(self, site: Site, username: str) -> None:
        self.socket = sockets.socket()
        self.socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", site.port))
        self.socket.sendall(
            f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: dnsadmin.v1, bearer.{site.token(username)}, client.deaf\r\n\r\n".encode()
        )
        assert b"101" in self.socket.recv(20)

    def say(self, frame: dict[str, Any], times: int) -> None:
        text = json.dumps(frame).encode()
        assert len(text) < 126
        wire = bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text
        for _ in range(times):
            self.socket.sendall(wire)


async def test_a_client_that_asks_without_reading_takes_no_memory_and_holds_nobody_up(site: Site) -> None:
    deaf = await asyncio.to_thread(Deaf, site, "oscar")
    async with as_person(site, "olivia") as other:
        await other.welcome()
        with pytest.raises(OSError):  # it is cut off, or its own writing blocks
            await asyncio.to_thread(deaf.say, {"type": "ping", "id": "x" * 90}, 2_000_000)
        await other.settled()
    deaf.socket.close()


async def test_a_deaf_client_holds_up_no_restart(start_site: Any) -> None:
    site: Site = await asyncio.to_thread(start_site)
    deaf = await asyncio.to_thread(Deaf, site, "oscar")
    await asyncio.to_thread(deaf.say, {"type": "ping", "id": "x" * 90}, 10_000)  # a megabyte of answers
    begun = time.monotonic()
    assert await asyncio.to_thread(site.terminate) == 0
    assert time.monotonic() - begun < 15
    deaf.socket.close()


async def test_a_frame_over_the_limit_of_the_transport_ends_the_connection(site: Site) -> None:
    async with as_person(site, "olivia") as peer:
        await peer.welcome()
        await peer.send("x" * 300_000)
        assert await peer.closed() == 1009


async def test_clients_that_vanish_leave_nothing_behind(site: Site) -> None:
    async with as_person(site, "admin", name="observer") as admin:
        await admin.welcome()
        gone = [await as_person(site, "olivia", name=f"v{n}").__aenter__() for n in range(10)]
        for peer in gone:
            await peer.welcome()
            peer.socket.transport.abort()
        async with asyncio.timeout(20):
            while [c for c in await connections(admin) if c["client"].startswith("v")]:
                await asyncio.sleep(0.3)
                await admin.settled()
        node = (await admin.ask("get_stats"))["data"]["node"]
        assert node["readers"] == 0


async def connections(admin: Peer) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await admin.ask("list_connections"))["data"]["connections"]
    return listed


# -- a restart ------------------------------------------------------------------------------------------------------------


async def test_a_restart_says_when_to_come_back_spread_over_time(start_site: Any) -> None:
    site: Site = await asyncio.to_thread(start_site)
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(as_person(site, "olivia", name=f"p{n}")) for n in range(12)]
        for peer in peers:
            await peer.welcome()
        site.process.signal(signal.SIGTERM)
        assert {await peer.closed() for peer in peers} == {4000}
        pauses = {bye(peer)["retry_in_ms"] for peer in peers}
        assert len(pauses) > 6, "they do not all come back at once"
        assert all(0 < pause <= 20_000 for pause in pauses)
        assert await asyncio.to_thread(site.process.wait) == 0
        await asyncio.to_thread(site.start)
        position = peers[0].position
        async with as_person(site, "olivia", since=position) as back:
            assert (await back.welcome())["resumed"]["recovered"] is True
