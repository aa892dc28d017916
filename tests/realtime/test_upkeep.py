"""What a node does for its connections once a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec
import pytest

from realtime import node as nodes
from realtime.connections import WebSocketConnection
from realtime.protocol import CloseCode
from tests.realtime.bench import Bench, Client
from tests.realtime.catalogue import audience

MakeBench = Callable[..., Bench]


def came_in(site: Bench) -> tuple[Client, WebSocketConnection]:
    client = site.connect(1, audience("zones.view_zone", user_id=1))
    site.turn(20)
    return client, client.member


def look_after(site: Bench, member: WebSocketConnection) -> None:
    """The upkeep, now."""

    async def upkeep() -> None:
        site.node._look_after(member, time.monotonic())

    site.run(upkeep())
    site.turn(20)


class Clock:
    """Stands in for `time.monotonic`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def expires(member: WebSocketConnection, in_s: float) -> None:
    assert member.claim is not None
    member.claim = msgspec.structs.replace(member.claim, expires_at=time.time() + in_s)


def notices(client: Client) -> list[str]:
    return [frame["code"] for frame in client.frames if frame["type"] == "notice"]


def test_a_token_is_said_to_expire_once(bench: MakeBench) -> None:
    site = bench()
    client, member = came_in(site)
    expires(member, 3600)
    look_after(site, member)
    assert notices(client) == []
    expires(member, 50)
    look_after(site, member)
    look_after(site, member)
    assert notices(client) == ["token_expiring"]


def test_an_expired_token_is_granted_some_grace_and_then_ends_the_connection(bench: MakeBench) -> None:
    site = bench()
    client, member = came_in(site)
    expires(member, -5)
    look_after(site, member)
    assert client.code is None
    expires(member, -60)
    look_after(site, member)
    assert client.code == 4003
    assert client.frames[-1]["type"] == "bye"


def test_silence_after_a_ping_ends_the_connection_and_any_word_keeps_it(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    site = bench(heartbeat_s=10, pong_timeout_s=5)
    client, member = came_in(site)
    client.answers_pings = False
    clock.now += 11
    look_after(site, member)
    assert client.frames[-1]["type"] == "ping"
    clock.now += 4
    look_after(site, member)
    client.give("get_stats")
    site.turn(10)
    clock.now += 4
    look_after(site, member)
    assert client.code is None, "it said something meanwhile"
    clock.now += 2
    look_after(site, member)
    assert client.code == 4001


def test_nothing_is_sent_after_the_farewell(bench: MakeBench) -> None:
    site = bench()
    client, member = came_in(site)
    site.run(member.close(CloseCode.GOING_AWAY, "restart", 1000))
    member.ping()
    look_after(site, member)
    assert client.frames[-1] == {"type": "bye", "code": 4000, "reason": "restart", "retry_in_ms": 1000}


def test_a_duty_that_fails_keeps_no_other_from_being_done(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    site = bench()
    done = asyncio.Event()

    async def fails() -> None:
        raise RuntimeError("the database is away")

    async def reconcile() -> None:
        done.set()

    monkeypatch.setattr(nodes, "UPKEEP_S", 0.0)
    monkeypatch.setattr(nodes, "RECONCILE_S", 0.0)
    monkeypatch.setattr(site.desk, "catch_up", fails)
    monkeypatch.setattr(site.node, "_reconcile", reconcile)

    async def keep_up() -> None:
        upkeep = asyncio.ensure_future(site.node._keep_up())
        async with asyncio.timeout(5):
            await done.wait()
        upkeep.cancel()

    site.run(keep_up())


@pytest.mark.parametrize(("left_meanwhile", "code"), [(False, 4509), (True, None)])
def test_a_client_that_left_while_it_came_in_displaces_nobody(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, left_meanwhile: bool, code: int | None
) -> None:
    site = bench()
    first = site.connect(1, audience(user_id=1), name="web")
    site.turn(20)
    first.member.presence_id = 5

    async def arrive(connection: WebSocketConnection) -> int:
        connection.presence_id = 6
        return 6

    monkeypatch.setattr(site.desk, "arrive", arrive)
    site.connect(1, name="web").gone = left_meanwhile
    site.turn(40)
    assert first.code == code


def test_a_draining_node_sends_everyone_away_within_a_bounded_spread(bench: MakeBench) -> None:
    site = bench()
    clients = [site.connect(n, audience(user_id=n)) for n in range(1, 30)]
    site.turn(60)
    site.run(site.node.drain())
    site.turn(20)
    assert {client.code for client in clients} == {4000}
    pauses = {client.frames[-1]["retry_in_ms"] for client in clients}
    assert len(pauses) > 10
    late = site.connect(99, audience(user_id=99))
    site.turn(20)
    assert late.code == 4000


def test_who_has_not_said_who_they_are_is_sent_away_with_a_bye_as_well(bench: MakeBench) -> None:
    site = bench()
    stranger, known = site.connect(None), site.connect(1, audience(user_id=1))
    site.turn(20)
    site.run(site.node.drain())
    site.turn(20)
    for client in (stranger, known):
        assert client.code == 4000
        assert client.frames[-1]["type"] == "bye"
        assert client.frames[-1]["retry_in_ms"] >= 200
    assert not site.node.at_the_door


@pytest.mark.parametrize("turns", range(12))
def test_who_is_coming_in_while_the_node_drains_is_sent_away_as_well(bench: MakeBench, turns: int) -> None:
    site = bench()
    client = site.connect(1, audience(user_id=1))
    site.turn(turns)
    site.run(site.node.drain())
    site.turn(40)
    assert client.code == 4000
    assert client.frames[-1]["type"] == "bye"
    assert 200 <= client.frames[-1]["retry_in_ms"] <= 25_000
