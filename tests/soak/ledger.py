"""Keeping books on events: what was committed, what each client was sent, and whether the two agree."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from realtime.client import Client, Missed
from tests.parts.site import PASSWORD, Site

RENEW_S = 300.0

WRITER = """
import json, random, sys, threading
from django.db import connection, transaction
from realtime.accounts import AccountPayload
from realtime.broadcasting import emit
from realtime.events import EventType
from realtime.models import LogEvent

writers, each, pause_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
taken_back, lock = [], threading.Lock()

class ChangedMyMind(Exception):
    pass

def write(writer):
    chance = random.Random(writer)
    for number in range(each):
        try:
            with transaction.atomic():
                payload = AccountPayload(user=0, username=f"{writer}.{number}", is_active=True)
                emit(EventType.USER_UPDATED, payload)
                if chance.random() < 0.1:
                    raise ChangedMyMind
        except ChangedMyMind:
            with lock:
                taken_back.append(f"{writer}.{number}")
        threading.Event().wait(chance.random() * pause_s * 2)
    connection.close()

threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps(taken_back))
"""
"""Several writers at once; one change in ten is rolled back. Prints the names of those."""

COMMITTED = """
import json
from realtime.models import LogEvent
rows = LogEvent.objects.filter(event_type="user_updated").order_by("position").values_list("event_id", "position", "data")
print(json.dumps([(event_id, position, json.loads(data)["username"]) for event_id, position, data in rows]))
"""
"""The log itself, when all is over: `[(event id, position, name)]` in order."""


class Tokens:
    """An access token for all readers, renewed as clients do it: by the refresh token, at whichever site is up."""

    def __init__(self, sites: list[Site], username: str) -> None:
        self._sites = sites
        answer = sites[0].client().post("/api/token/", {"username": username, "password": PASSWORD})
        self._access, self._refresh = answer.data["access"], answer.data["refresh"]
        self._since = time.monotonic()
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        async with self._lock:
            if time.monotonic() - self._since > RENEW_S:
                site = next(site for site in self._sites if site.process.running)
                answer = await asyncio.to_thread(site.client().post, "/api/token/refresh/", {"refresh": self._refresh})
                self._access, self._since = answer.data["access"], time.monotonic()
        return self._access


class Reader:
    """A client that writes down what it was sent, and is cut off now and then. stopped: why it ended by itself."""

    def __init__(self, name: str, urls: list[str], tokens: Tokens, chance: random.Random) -> None:
        self.name = name
        self.received: list[tuple[str, int]] = []
        self.missed: list[str] = []
        self.stopped = ""
        self._urls = urls
        self._chance = chance
        self.client = Client(urls[0], token=tokens, name=name)

    async def read(self) -> None:
        """Read until cancelled."""
        try:
            await self._read()
        except Exception as error:  # noqa: BLE001  # the verdict tells of it
            self.stopped = repr(error)

    async def _read(self) -> None:
        async with self.client as client:
            events = client.events()
            while True:
                try:
                    event = await anext(events)
                except Missed as reason:
                    self.missed.append(str(reason))
                    events = client.events()
                    continue
                if event["event_type"] == "user_updated":
                    self.received.append((event["id"], event["position"]))

    async def cut(self) -> None:
        """Cut the connection, by an end (FIN), a reset (RST) or by falling silent; it comes back to either process."""
        self.client.url = self._chance.choice(self._urls)
        socket = self.client.socket
        if socket is None or socket.transport is None:
            return
        match self._chance.choice(["fin", "rst", "silence"]):
            case "fin":
                socket.transport.close()
            case "rst":
                socket.transport.abort()
            case "silence":
                with contextlib.suppress(RuntimeError):
                    socket.transport.pause_reading()
                await asyncio.sleep(self._chance.uniform(0.5, 3.0))
                socket.transport.abort()


async def cut_again_and_again(readers: list[Reader], times: int, over_s: float, chance: random.Random) -> None:
    """Cut each reader so many times, spread at random over the time."""

    async def cut(reader: Reader) -> None:
        for _ in range(times):
            await asyncio.sleep(chance.uniform(0, 2 * over_s / times))
            await reader.cut()

    await asyncio.gather(*(cut(reader) for reader in readers))


async def until(met: Callable[[], bool], within_s: float) -> bool:
    """Wait until `met()`; whether it came true in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not met():  # noqa: ASYNC110  # what it looks at has no event to wait for
                await asyncio.sleep(0.2)
    return met()


def verdict(readers: list[Reader], committed: list[tuple[str, int, str]], taken_back: list[str]) -> dict[str, Any]:
    """What went wrong, counted over all readers; all zeros is what is promised."""
    log = {event_id: position for event_id, position, _ in committed}
    names = {name for _, _, name in committed}
    lost = late = phantom = out_of_order = twice = 0
    for reader in readers:
        ids = [event_id for event_id, _ in reader.received]
        positions = [position for _, position in reader.received]
        missing = [log[event_id] for event_id in log.keys() - set(ids)]
        lost += sum(position < max(positions, default=0) for position in missing)
        late += sum(position > max(positions, default=0) for position in missing)
        phantom += len(set(ids) - log.keys())
        twice += len(ids) - len(set(ids))
        out_of_order += sum(later <= earlier for earlier, later in pairwise(positions))
    return {
        "lost": lost,
        "not there in time": late,
        "phantom": phantom,
        "out of order": out_of_order,
        "twice": twice,
        "stopped": {reader.stopped for reader in readers} - {""},
        "not resumed": sum(len(reader.missed) for reader in readers),
        "rolled back and in the log": len(names & set(taken_back)),
    }


NOTHING_WRONG = {
    "lost": 0,
    "not there in time": 0,
    "phantom": 0,
    "out of order": 0,
    "twice": 0,
    "stopped": set(),
    "not resumed": 0,
    "rolled back and in the log": 0,
}
