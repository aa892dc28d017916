"""A crowd moves to the one connection and back while events come, and misses none of them on either side."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.parts.json_client import JsonClient
from tests.parts.postgres_server import PostgresServer
from tests.parts.redis_server import RedisServer
from tests.parts.site import Person, Site
from tests.soak.ledger import until

OLD, NEW = "legacy", "unified"
EFFECTIVE_WITHIN_S = 5.0
TAKEN_BACK_WITHIN_S = 30.0

PLAINLY: Any = {"compression": None, "max_size": None, "ping_interval": None, "open_timeout": 60}
"""How a page connects. On a busy machine it takes its time; a browser waits as long."""

TOKENS = """
import json
from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import AccessToken
people = User.objects.filter(username__startswith="mover")
print(json.dumps({user.username: str(AccessToken.for_user(user)) for user in people}))
"""
WRITER = """
import json, sys, time
from pathlib import Path
from django.db import transaction
from realtime.broadcasting import emit
from realtime.events import EventType
from zones.events import RecordData, RecordEvent
from zones.models import Zone

stop, per_s = Path(sys.argv[1]), float(sys.argv[2])
zone, number, began = Zone.objects.get(name="moved.example"), 0, time.monotonic()
while not stop.exists():
    with transaction.atomic():
        data = {"type": "A", "ttl": 300, "content": "192.0.2.1", "comment": None, "private": False, "version": 1}
        record = RecordData(id=number, name=f"moved{number}", **data)
        emit(EventType.RECORD_CREATED, RecordEvent(zone=zone.name, record=record), scope=zone.key)
    number += 1
    time.sleep(max(0.0, began + number / per_s - time.monotonic()))
print(json.dumps({"written": number, "per_s": number / (time.monotonic() - began)}))
"""
"""Events of a zone, so many a second, until a file is there. Prints how many and how fast."""

NAME = re.compile(rb'"name":"(moved\d+)"')
UPTO = re.compile(rb'"upto":(\d+)')
PING = re.compile(rb'^\{"type":"ping","n":(\d+)')
CHANGED = re.compile(rb'"system_changed".*"system":"(\w+)"')


class Extent(NamedTuple):
    users: int
    per_s: float
    stay_s: float
    kinds: tuple[str, ...]


SHORT = Extent(15, 20, 1.0, ("dns_management",))
LONG = Extent(150, 50, 15.0, ("health", "dns_management", "security", "system"))


class Page:
    """A page of one user on one device. It does as the site's pages do: opens the new before it leaves the old.

    heard: the names of all that was told, by either system. reached: the position that it knows to have read up to.
    """

    def __init__(
        self, site: Site, device: str, token: str, kinds: tuple[str, ...], at: str, http: aiohttp.ClientSession
    ) -> None:
        self._site, self._device, self._token, self._kinds, self._http = site, device, token, kinds, http
        self._epoch, _, position = at.rpartition(":")
        self._reached = int(position)
        self.system = ""
        self.heard: set[bytes] = set()
        self.problems: list[str] = []
        self._sockets: dict[str, list[ClientConnection]] = {OLD: [], NEW: []}
        self._tasks: set[asyncio.Task[None]] = set()
        self._going: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Be on whichever system this user is on."""
        if not await self._open_new():
            await self._open_old()

    async def close(self) -> None:
        for system in (OLD, NEW):
            await self._leave(system)
        for task in (*self._tasks, self._going):
            if task is not None:
                task.cancel()

    @property
    def is_on_the_new(self) -> bool:
        """Whether it has the one connection still, wherever it is going."""
        return bool(self._sockets[NEW])

    async def blunder(self) -> None:
        """Say something that is no message."""
        for socket in self._sockets[NEW]:
            await socket.send("{")

    # -- the one connection

    async def _open_new(self) -> bool:
        url = f"{self._site.socket_url()}?since={self._epoch}:{self._reached}"
        protocols: list[Any] = ["dnsadmin.v1", f"client.{self._device}", f"bearer.{self._token}"]
        socket = await connect(url, subprotocols=protocols, **PLAINLY)
        first = json.loads(await socket.recv())
        if first["type"] != "welcome":
            goodbye = json.loads(await socket.recv())  # after the error that says why
            assert (first["type"], goodbye["code"]) == ("error", 4510), (first, goodbye)
            return False
        if not first["resumed"]["recovered"]:
            self.problems.append(f"not resumed: {first['resumed']}")
        self._sockets[NEW] = [socket]
        self._follow(self._listen_new(socket))
        self.system = NEW
        return True

    async def _listen_new(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = await socket.recv(decode=False)
                self.heard.update(NAME.findall(frame))
                if upto := UPTO.findall(frame[-40:]) or UPTO.findall(frame):
                    self._reached = max(self._reached, int(upto[-1]))
                if ping := PING.match(frame):
                    await socket.send(f'{{"type":"pong","data":{{"n":{int(ping[1])}}}}}')
                elif changed := CHANGED.search(frame):
                    self._go(changed[1].decode())
        if socket in self._sockets[NEW]:
            self._sockets[NEW] = []
            if socket.close_code != 4510:
                self.problems.append(f"the one connection closed with {socket.close_code}")
            self._go(OLD)

    # -- the old sockets

    async def _open_old(self) -> None:
        self._sockets[OLD] = list(await asyncio.gather(*(self._open_one(kind) for kind in self._kinds)))
        await self._read_the_log()
        self.system = OLD

    async def _open_one(self, kind: str) -> ClientConnection:
        url = f"ws://127.0.0.1:{self._site.port}/ws/{kind}/?token={self._token}"
        socket = await connect(url, **PLAINLY)
        await socket.send('{"type":"get_stats"}')  # its answer tells that the sign-in is over
        while b'"type":"stats"' not in (frame := await socket.recv(decode=False)):
            self.heard.update(NAME.findall(frame))
        self._follow(self._listen_old(socket))
        return socket

    async def _listen_old(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = await socket.recv(decode=False)
                self.heard.update(NAME.findall(frame))
                if changed := CHANGED.search(frame):
                    self._go(changed[1].decode())
        if socket in self._sockets[OLD]:
            self.problems.append(f"an old socket closed with {socket.close_code}")

    async def _read_the_log(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        more = True
        while more:
            query = {"since": f"{self._epoch}:{self._reached}", "limit": "500"}
            url = f"{self._site.url}/api/realtime/events/"
            try:
                async with self._http.get(url, params=query, headers=headers) as answer:
                    text = await answer.read()
            except aiohttp.ClientError:  # a connection that was kept open, and closed just now
                await asyncio.sleep(0.5)
                continue
            assert answer.status == 200, text
            self.heard.update(NAME.findall(text))
            data = json.loads(text)
            self._reached = int(data["upto"].rpartition(":")[2])
            more = len(data["results"]) == 500

    # -- from one to the other

    def _follow(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _go(self, system: str) -> None:
        if system != self.system and (self._going is None or self._going.done()):
            self._going = asyncio.create_task(self._move(system))

    async def _move(self, system: str) -> None:
        before = self.system
        try:
            if system == OLD:
                await self._open_old()
            elif not await self._open_new():
                return
            await self._leave(before)
        except Exception as problem:  # noqa: BLE001  # the test tells of it
            self.problems.append(f"on the way to {system}: {problem!r}")

    async def _leave(self, system: str) -> None:
        sockets, self._sockets[system] = self._sockets[system], []
        await asyncio.gather(*(socket.close() for socket in sockets))


class Crowd:
    """All pages, and where they are."""

    def __init__(self, pages: dict[str, tuple[Page, Page]]) -> None:
        self.pages = pages

    def __iter__(self) -> Any:
        return (page for both in self.pages.values() for page in both)

    def on(self, system: str) -> set[str]:
        """The users who are on a system with both their devices."""
        return {user for user, both in self.pages.items() if all(page.system == system for page in both)}

    async def moved(self, wanted: set[str], within_s: float) -> float:
        """Wait until just these users, with both devices, are on the one connection. Returns how long it took."""
        began = time.monotonic()
        while self.on(NEW) != wanted or self.on(OLD) != self.pages.keys() - wanted:
            assert time.monotonic() - began < within_s, (
                f"{len(self.on(NEW))} new, {len(self.on(OLD))} old, {len(wanted)} wanted; {self.problems()[:5]}"
            )
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def gone(self, within_s: float) -> float:
        """Wait until nobody has the one connection any more. Returns how long it took."""
        began = time.monotonic()
        assert await until(lambda: not any(page.is_on_the_new for page in self), within_s), self.problems()[:5]
        return time.monotonic() - began

    def problems(self) -> list[str]:
        return [problem for page in self for problem in page.problems]


@pytest.mark.timeout(240)
async def test_a_crowd_moves_over_and_back_without_missing_an_event(start_site: Any, redis_server: RedisServer) -> None:
    print(await over_and_back(SHORT, start_site, redis_server))  # noqa: T201  # the figures, with -s


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_three_hundred_pages_move_over_and_back_in_time(
    start_site: Any, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    database = postgres_server.create_database()
    taken = await over_and_back(LONG, start_site, redis_server, DATABASE_URL=database)
    print(taken)  # noqa: T201  # the figures of `make soak`
    assert taken["per_s"] > 0.9 * LONG.per_s
    assert taken["rolled back"] <= EFFECTIVE_WITHIN_S
    assert taken["taken back by the guard"] <= TAKEN_BACK_WITHIN_S


async def over_and_back(
    extent: Extent, start_site: Callable[..., Site], redis: RedisServer, **settings: str
) -> dict[str, float]:
    """0 → 25 → 100 % → rollback → 100 % → errors. Returns the seconds that steps took, and the pace of the events."""
    first = await asyncio.to_thread(
        start_site,
        REDIS_URL=redis.url,
        REALTIME_CONNECTIONS_PER_ADDRESS=10_000,
        ROLLOUT_SLOWEST_P99_S=60,  # the readers share this process
        ROLLOUT_MOST_LAGGING=1,
        **settings,
    )
    second = first.twin()
    await asyncio.to_thread(second.start)
    admin = first.client("admin")
    stop = Path(first.directory) / "stop"
    people = [Person(f"mover{number}", ("DNS operators",)) for number in range(extent.users)]
    await asyncio.to_thread(first.add_people, *people)
    tokens: dict[str, str] = json.loads(await asyncio.to_thread(first.python, TOKENS))

    zone = await asyncio.to_thread(admin.post, "/api/zones/", {"name": "moved.example", "kind": "primary"})
    assert zone.status == 201, zone.text
    await step(admin, "start", percent=0)
    at = (await asyncio.to_thread(admin.get, "/api/realtime/events/", limit=1)).position
    async with aiohttp.ClientSession() as http:
        crowd = Crowd(
            {
                user: (
                    Page(first, "desk", token, extent.kinds, at, http),
                    Page(second, "phone", token, extent.kinds, at, http),
                )
                for user, token in tokens.items()
            }
        )
        pages = list(crowd)
        for some in range(0, len(pages), 20):
            await asyncio.gather(*(page.open() for page in pages[some : some + 20]))
        await crowd.moved(set(), 60)
        writing = asyncio.create_task(asyncio.to_thread(first.python, WRITER, str(stop), str(extent.per_s)))
        try:
            taken = await there_and_back_again(crowd, admin, extent.stay_s)
        finally:
            stop.touch()
        written = json.loads(await writing)
        names = {f"moved{number}".encode() for number in range(written["written"])}
        await until(lambda: all(page.heard == names for page in crowd), 60)
        assert crowd.problems() == []
        assert {page: len(names - page.heard) for page in crowd if page.heard != names} == {}
        await asyncio.gather(*(page.close() for page in crowd))
    return {name: round(value, 2) for name, value in taken.items()} | {
        "per_s": round(written["per_s"], 1),
        "events": written["written"],
    }


async def step(admin: JsonClient, action: str, **more: Any) -> None:
    answer = await asyncio.to_thread(admin.post, "/api/realtime/rollout/", {"action": action, **more})
    assert answer.status == 200, answer.text


async def there_and_back_again(crowd: Crowd, admin: JsonClient, stay_s: float) -> dict[str, float]:
    """The steps, with a stay after each. Returns how many seconds the crowd took for some of them."""
    everybody, taken = set(crowd.pages), {}
    await asyncio.sleep(stay_s)
    await step(admin, "advance", percent=25)
    taken["a quarter on"] = await settled(crowd, 90)
    quarter = crowd.on(NEW)
    assert 0 < len(quarter) < len(everybody)
    await asyncio.sleep(stay_s)
    await step(admin, "advance", percent=100)
    taken["all on"] = await crowd.moved(everybody, 90)
    await asyncio.sleep(stay_s)
    await step(admin, "rollback", reason="a test")
    taken["rolled back"] = await crowd.gone(90)
    taken["and all on the old"] = await crowd.moved(set(), 90)
    await asyncio.sleep(stay_s)

    await step(admin, "resume")
    await step(admin, "start", percent=25)
    await crowd.moved(quarter, 90)  # the same users as before
    await step(admin, "advance", percent=100)
    await crowd.moved(everybody, 90)
    await asyncio.sleep(max(5.0, stay_s / 2))  # samples from before the trouble
    pages = list(crowd)
    await asyncio.gather(*(page.blunder() for page in pages[: max(12, len(pages) // 10)]))
    taken["taken back by the guard"] = await crowd.gone(120)
    await crowd.moved(set(), 120)
    status = (await asyncio.to_thread(admin.get, "/api/realtime/rollout/")).data
    assert (status["state"], "met an error" in status["reason"]) == ("locked", True), status
    alerts = (await asyncio.to_thread(admin.get, "/api/alerts/")).data["results"]
    assert any("taken back" in alert["title"] for alert in alerts)
    return taken


async def settled(crowd: Crowd, within_s: float) -> float:
    """Wait until nobody is between the systems, for a while, and no user's devices differ. Returns when that began."""
    began = since = time.monotonic()
    before: set[str] = set()
    while True:
        here = crowd.on(NEW)
        if not here or here != before or here | crowd.on(OLD) != crowd.pages.keys():
            since, before = time.monotonic(), here
        elif time.monotonic() - since > 3:
            return since - began
        assert time.monotonic() - began < within_s, crowd.problems()[:5]
        await asyncio.sleep(0.05)
