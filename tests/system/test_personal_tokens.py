"""Personal tokens against a running site: what they open, on the API and on the socket, and when they stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.parts.json_client import JsonClient
from tests.parts.site import Site
from tests.realtime.peer import Peer


def make(site: Site, username: str, *scopes: str, **more: Any) -> dict[str, Any]:
    answer = site.client(username).post("/api/tokens/", {"name": "a script", "scopes": scopes, **more})
    assert answer.status == 201, answer.text
    return dict(answer.data)


def holder(site: Site, token: dict[str, Any]) -> JsonClient:
    return JsonClient(site.url, {"Authorization": f"Bearer {token['token']}"})


def test_a_token_has_the_rights_of_its_user_as_far_as_its_scopes_reach(site: Site) -> None:
    reading, writing = make(site, "olivia", "read"), make(site, "olivia", "write")
    assert holder(site, reading).get("/api/zones/").status == 200
    refused = holder(site, reading).post("/api/zones/", {"name": "tokens.example"})
    assert (refused.status, refused.data["code"]) == (403, "scope_missing")
    assert holder(site, writing).post("/api/zones/", {"name": "tokens.example"}).status == 201
    assert holder(site, writing).get("/api/zones/").status == 403
    of_a_viewer = make(site, "vera", "read", "write")
    assert holder(site, of_a_viewer).post("/api/zones/", {"name": "more.example"}).status == 403
    history = site.client("olivia").get("/api/zones/tokens.example/changes/").data["results"]
    assert history[0]["author"] == "olivia"


def test_its_use_is_noted_and_its_text_never_shown_again(site: Site) -> None:
    made = make(site, "olivia", "read", days=30)
    holder(site, made).get("/api/zones/")
    listed = site.client("olivia").get("/api/tokens/")
    assert made["token"] not in listed.text
    (row,) = [row for row in listed.data["results"] if row["id"] == made["id"]]
    assert row["last_used_at"]
    assert row["expires_at"]
    assert row["hint"] == made["token"][-4:]
    assert site.client("sam").delete(f"/api/tokens/{made['id']}/").status == 404


def test_a_token_neither_sees_nor_makes_tokens(site: Site) -> None:
    client = holder(site, make(site, "olivia", "read", "write"))
    assert client.get("/api/tokens/").status == 403
    assert client.post("/api/tokens/", {"name": "x", "scopes": ["write"]}).status == 403


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "scopes": ["read"]},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z"},
    ],
)
def test_what_makes_no_token(site: Site, body: dict[str, Any]) -> None:
    assert site.client("olivia").post("/api/tokens/", body).status == 400


def test_what_is_no_token_opens_nothing(site: Site) -> None:
    for text in ("dnsadmin_", "dnsadmin_x", "dnsadmin_" + "A" * 43, "dnsadmin_\x00", "dnsadmin_" + "A" * 3000):
        answer = JsonClient(site.url, {"Authorization": f"Bearer {text}"}).get("/api/zones/")
        assert answer.status in (400, 401), text


@pytest.mark.parametrize("text", ["junk", "dnsadmin_" + "A" * 43])
def test_who_has_no_valid_token_is_told_how_to_get_one(site: Site, text: str) -> None:
    answer = JsonClient(site.url, {"Authorization": f"Bearer {text}"}).get("/api/zones/")
    assert answer.status == 401
    assert "make a" in answer.data["detail"].lower()


async def test_a_socket_opened_by_it_hears_events_and_closes_when_it_is_ended(site: Site) -> None:
    made = await asyncio.to_thread(make, site, "olivia", "events")
    async with Peer(site.socket_url(), token=made["token"]) as peer:
        assert (await peer.welcome())["user"]["username"] == "olivia"
        answer = await asyncio.to_thread(site.client("admin").post, "/api/zones/", {"name": "heard.example"})
        assert answer.status == 201
        await peer.event("zone_created", zone="heard.example")
        assert (await asyncio.to_thread(site.client("olivia").delete, f"/api/tokens/{made['id']}/")).status == 204
        await peer.frame("bye")
    async with Peer(site.socket_url(), token=made["token"]) as again:
        error = await again.frame("error")
        assert "not valid" in error["message"]


async def test_without_the_scope_it_opens_no_socket(site: Site) -> None:
    made = await asyncio.to_thread(make, site, "olivia", "read")
    async with Peer(site.socket_url(), token=made["token"]) as peer:
        assert "events" in (await peer.frame("error"))["message"]


def test_the_page_makes_shows_once_and_ends(site: Site) -> None:
    cookie = site.cookie("olivia")
    client = JsonClient(site.url, {"Cookie": cookie, "Referer": f"{site.url}/accounts/tokens/"})
    page = client.get("/accounts/tokens/")
    assert page.status == 200
    csrf = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    form = f"csrfmiddlewaretoken={csrf}&name=by+page&scopes=read&days=7".encode()
    kind = {"Content_Type": "application/x-www-form-urlencoded"}
    made = client.post("/accounts/tokens/", form, **kind)
    assert made.status == 200
    assert "dnsadmin_" in made.text
    assert "dnsadmin_" not in client.get("/accounts/tokens/").text
    again = client.post("/accounts/tokens/", form + b"&after=0", **kind)
    assert (again.status, "was made since" in again.text) == (400, True)
    wrong = client.post("/accounts/tokens/", f"csrfmiddlewaretoken={csrf}&name=x".encode(), **kind)
    assert wrong.status == 400
    assert "choose what the token may do" in wrong.text
