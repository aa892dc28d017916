"""How a connection begins: who may come in, by what proof, and how everyone else is told why not."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from typing import Any

import jwt
import pytest
from websockets.asyncio.client import connect

from tests.parts.site import Site
from tests.realtime.peer import Peer, as_page, as_person

pytestmark = pytest.mark.timeout(120)


def token_of(site: Site, username: str, **claims: Any) -> str:
    """A token like the site's own, with other claims."""
    own = jwt.decode(site.token(username), options={"verify_signature": False})
    return jwt.encode(own | {"jti": "0" * 32} | claims, site.settings["SECRET_KEY"], algorithm="HS256")


async def refused(peer: Peer, code: int = 4501) -> str:
    """Check that a peer is turned away properly; answers the message that it was told."""
    async with peer:
        assert await peer.closed() == code
    kinds = [frame["type"] for frame in peer.frames]
    assert kinds == ["error", "bye"], "an error says why, a bye precedes the close"
    assert peer.frames[1]["code"] == code
    assert peer.frames[0]["help"]
    if code == 4501:
        assert peer.frames[0]["code"] == "not_authenticated"
    return str(peer.frames[0]["message"])


# -- the proof ------------------------------------------------------------------------------------------------------------


async def test_a_page_comes_in_by_its_session(site: Site) -> None:
    async with as_page(site, "olivia") as page:
        welcome = await page.welcome()
        assert page.frames[0] is welcome, "nothing comes before the welcome"
    assert welcome["protocol"] == 1
    assert welcome["user"]["username"] == "olivia"
    assert welcome["user"]["is_admin"] is False
    assert welcome["token_expires_at"] is None
    assert welcome["resumed"] is None
    assert set(welcome["resume"]) == {"epoch", "position"}
    assert set(welcome["subscriptions"]) <= set(welcome["available"])
    assert welcome["heartbeat_s"] > 0
    assert welcome["connection_id"]
    assert welcome["node"]


async def test_a_script_comes_in_by_a_token_without_an_origin(site: Site) -> None:
    async with as_person(site, "admin") as script:
        welcome = await script.welcome()
        assert script.socket.subprotocol == "dnsadmin.v1", "the token is never echoed"
    assert welcome["user"]["is_admin"] is True
    assert welcome["token_expires_at"].endswith("Z")


async def test_a_token_in_the_first_frame_does_as_well(site: Site) -> None:
    async with Peer(site.socket_url(), protocols=[]) as script:
        answer = await script.ask("authenticate", token=site.token("olivia"), client="late")
        assert answer["type"] == "response"
        assert answer["data"]["token_expires_at"]
        assert [f["type"] for f in script.frames[:2]] == ["welcome", "response"]


async def test_without_the_slash_it_is_the_same_address(site: Site) -> None:
    async with Peer(site.socket_url().rstrip("/"), token=site.token("olivia")) as script:
        await script.welcome()


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://localhost.evil.example:{port}",
        "http://127.0.0.1.evil.example:{port}",
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}/",
        "http://evil.example",
        "file://",
        "",
    ],
)
async def test_a_session_counts_only_from_the_sites_own_origin(site: Site, origin: str | None) -> None:
    exact = origin.format(port=site.port) if origin else origin
    why = await refused(as_page(site, "olivia", shared_cookie(site), origin=exact))
    assert "origin" in why


_cookies: dict[Site, str] = {}


def shared_cookie(site: Site) -> str:
    return _cookies.setdefault(site, site.cookie("olivia"))


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
async def test_a_token_from_a_foreign_page_is_refused_all_the_same(site: Site, origin: str) -> None:
    assert "origin" in await refused(as_person(site, "olivia", origin=origin))


async def test_a_token_from_the_sites_own_page_is_fine(site: Site) -> None:
    async with as_person(site, "olivia", origin=site.url) as page:
        await page.welcome()


@pytest.mark.parametrize(
    "token",
    ["x", "a.b.c", "", ".".join(["e30"] * 3), "x" * 5000],
    ids=["junk", "three junks", "empty", "empty objects", "long"],
)
async def test_a_token_that_is_none_is_refused(site: Site, token: str) -> None:
    async with Peer(site.socket_url(), protocols=[]) as script:
        await script.give("authenticate", token=token)
        assert await script.closed() == 4501
        assert [frame["type"] for frame in script.frames] == ["error", "bye"]


@pytest.mark.parametrize(
    "claims",
    [
        {"user_id": "999999"},
        {"user_id": "x"},
        {"user_id": None},
        {"token_type": "refresh"},
        {"hash_password": "0" * 32, "hash": "0" * 32},
    ],
    ids=["nobody's", "no number", "no user", "refresh token", "another password's"],
)
async def test_a_token_that_does_not_hold_is_refused(site: Site, claims: dict[str, Any]) -> None:
    from rest_framework_simplejwt.settings import api_settings

    if "hash" in claims:
        claims = {api_settings.REVOKE_TOKEN_CLAIM: claims["hash"]}
    await refused(Peer(site.socket_url(), token=token_of(site, "olivia", **claims)))


async def test_an_expired_token_is_refused_with_the_word_to_get_a_new_one(site: Site) -> None:
    why = await refused(Peer(site.socket_url(), token=token_of(site, "olivia", exp=1_000_000_000)), 4003)
    assert "expired" in why


async def test_failed_attempts_are_told_of_and_too_many_have_to_wait(start_site: Any) -> None:
    site = await asyncio.to_thread(start_site)
    await asyncio.to_thread(site.token, "olivia")
    async with as_person(site, "admin", name="guard") as guard:
        await guard.welcome()
        codes = []
        for _ in range(80):
            async with Peer(site.socket_url(), token="not.a.token") as peer:
                codes.append(await peer.closed())
                last = peer.frames
        assert codes == [4501] * 60 + [4029] * 20
        assert last[0]["code"] == "rate_limited"
        assert 0 < last[0]["details"]["retry_after_s"] <= 60
        assert last[1]["retry_in_ms"] > 0
        told = await guard.event("authentication_failed", method="websocket", address="127.0.0.1")
        assert "not valid" in told["data"]["reason"]
        failed = lambda: [e["id"] for e in guard.events() if e["event_type"] == "authentication_failed"]  # noqa: E731
        await guard.until(lambda: len(failed()) == 60)
        async with as_person(site, "olivia") as olivia:  # a good token cannot be guessed, so it need not wait
            await olivia.welcome()
        answer = site.client().post("/api/token/", {"username": "vera", "password": "a guess"})
        assert answer.status == 429, "the same measure for every way in"


async def test_a_token_with_a_foreign_signature_is_refused(site: Site) -> None:
    claims = jwt.decode(site.token("olivia"), options={"verify_signature": False})
    for forged in (jwt.encode(claims, "k" * 60, algorithm="HS256"), jwt.encode(claims, "", algorithm="none")):
        await refused(Peer(site.socket_url(), token=forged))


async def test_a_token_in_the_address_is_refused_even_if_it_is_good(site: Site) -> None:
    why = await refused(Peer(site.socket_url(f"?token={site.token('olivia')}")))
    assert "log" in why
    assert site.token("olivia") not in site.log()


async def test_a_session_that_ended_is_refused(site: Site) -> None:
    await refused(as_page(site, "olivia", "sessionid=abcdefghijklmnopqrstuvwxyz012345"))


async def test_before_the_sign_in_every_other_command_is_refused_but_a_ping_is_answered(site: Site) -> None:
    async with Peer(site.socket_url()) as nobody:
        for command in ("subscribe", "get_stats", "resume", "announce", "no_such", "pong"):
            assert (await nobody.ask(command))["code"] == "not_authenticated"
        assert (await nobody.ask("ping"))["type"] == "pong"
        assert (await nobody.ask("authenticate"))["code"] == "invalid_message"
        assert (await nobody.ask("authenticate", token=site.token("olivia")))["type"] == "response"


async def test_a_first_authenticate_that_is_refused_is_answered_as_the_command_that_it_is(site: Site) -> None:
    async with Peer(site.socket_url()) as nobody:
        answer = await nobody.ask("authenticate", token="not.a.token")
        assert (answer["type"], answer["code"]) == ("error", "not_authenticated")
        assert await nobody.closed() == 4501


async def test_who_says_nothing_is_sent_away_after_ten_seconds(site: Site) -> None:
    begun = time.monotonic()
    await refused(Peer(site.socket_url()))
    assert time.monotonic() - begun > 8


async def test_an_unknown_path_is_told_after_the_handshake(site: Site) -> None:
    for path in ("/ws/nothing/", "/other", "/ws/%E2%82%AC" + "%E2%82%AC" * 60):
        nowhere = Peer(f"ws://127.0.0.1:{site.port}{path}")
        assert "nothing" in (await refused(nowhere, 4504)).lower()


async def test_clients_of_long_and_odd_names_are_clients_of_their_own(site: Site) -> None:
    names = ["check.one", "check.two", f"check-{'0' * 57}1", f"check-{'0' * 57}2"]
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(as_person(site, "olivia", name=name)) for name in names]
        for peer in peers:
            await peer.welcome()
        await peers[0].ask("ping")
        assert [peer.code for peer in peers] == [None] * 4


async def test_a_name_that_is_none_is_refused_rather_than_taken_for_another(site: Site) -> None:
    async with as_person(site, "olivia", name="b" * 65) as second:
        assert await second.closed() == 4500
        assert (await second.frame("error"))["code"] == "invalid_message"
    async with Peer(site.socket_url()) as third:
        for name in ("a b", "", "ä", 7, "legacy:health"):
            answer = await third.ask("authenticate", token=site.token("olivia"), client=name)
            assert answer["code"] == "invalid_message"
        assert (await third.ask("authenticate", token=site.token("olivia"), client="c"))["type"] == "response"


# -- where to go on -------------------------------------------------------------------------------------------------------


async def test_a_resume_from_the_head_replays_nothing(site: Site) -> None:
    async with as_person(site, "olivia") as first:
        await first.welcome()
        position = first.position
    async with as_person(site, "olivia", since=position) as back:
        resumed = (await back.welcome())["resumed"]
        assert resumed["recovered"] is True
        assert resumed["replayed"] >= 0


NO_POSITIONS = (
    "other:3", "{epoch}:99999999", "{epoch}:", "{epoch}:-1", "{epoch}:1.5", "junk", ":", "{epoch}:٣", "%00:1",
    "{epoch}:" + "9" * 40,
)  # fmt: skip


@pytest.mark.parametrize("since", NO_POSITIONS)
async def test_a_position_that_means_nothing_here_is_another_epoch(site: Site, since: str) -> None:
    async with as_person(site, "olivia") as first:
        epoch = (await first.welcome())["resume"]["epoch"]
    async with as_person(site, "olivia", since=since.replace("{epoch}", epoch)) as back:
        welcome = await back.welcome()
        assert welcome["resumed"] == {"recovered": False, "reason": "epoch_changed"}
        assert welcome["resume"]["epoch"] == epoch


async def test_the_first_authenticate_can_resume_too(site: Site) -> None:
    async with as_person(site, "admin") as first:
        epoch = (await first.welcome())["resume"]["epoch"]
    for resume in (f"{epoch}:0", {"epoch": epoch, "position": 0}):
        async with Peer(site.socket_url()) as back:
            await back.give("authenticate", token=site.token("admin"), resume=resume)
            resumed = (await back.welcome())["resumed"]
            assert resumed["recovered"] is True
            await back.until(lambda back=back, n=resumed["replayed"]: len(back.events()) >= n)
            positions = [e["position"] for e in back.events()]
            assert positions == sorted(set(positions))


async def test_a_page_can_go_on_from_the_position_of_any_answer(site: Site) -> None:
    """Also when the answer was read a moment before the node heard of what is in it."""
    admin = site.client("admin")
    for number in range(5):
        await asyncio.to_thread(site.python, f"{TOUCH}{number}")
        position = (await asyncio.to_thread(admin.get, "/api/realtime/event-types/")).position
        async with as_person(site, "admin", since=position) as back:
            assert (await back.welcome())["resumed"]["recovered"] is True


TOUCH = """
from django.contrib.auth.models import User
user = User.objects.get(username="nils"); user.first_name = user.first_name + "x"; user.save()
# """


# -- the shape of frames ----------------------------------------------------------------------------------------------------


async def test_frames_of_a_kibibyte_come_compressed_to_who_asked_for_it(site: Site) -> None:
    import zlib

    protocols: list[Any] = ["dnsadmin.v1", "feature.deflate", f"bearer.{site.token('olivia')}", "client.deflate"]
    async with connect(site.socket_url(), subprotocols=protocols, compression=None) as socket:
        first = await socket.recv()
        assert isinstance(first, bytes)
        assert json.loads(zlib.decompress(first, wbits=-zlib.MAX_WBITS))["type"] == "welcome"
        await socket.send('{"type": "ping", "id": 1}')
        assert json.loads(await socket.recv())["type"] == "pong"
