"""The feed: whatever is rung, twice, late, in any order or not at all, each event is handed on once and in order."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import Any

import msgspec
import pytest

from realtime import doorbell, log
from realtime.events import Event
from realtime.feed import Feed
from realtime.models import LogHead
from tests.realtime.catalogue import HIGH, event


class Follower:
    """A feed over a log in memory, and what it handed on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
        self.log = [event(HIGH, n + 1, text=str(n + 1)) for n in range(length)]
        self.written = 0
        self.breaks = 0
        self.head = LogHead(epoch="e")
        self.handed_on: list[int | None] = []
        self.feed = Feed(1.0, lambda e: self.handed_on.append(e.position), lambda e: None, lambda m: None, self.broke)

        def read(after: int, limit: int = log.CHUNK) -> list[Event]:
            return self.log[after : min(self.written, after + limit)]

        async def in_database(function: Any, *args: Any) -> Any:
            return function(*args)

        monkeypatch.setattr("realtime.feed.log.read", read)

        def guard(memory: Any, reached: Any) -> LogHead:
            self.head.position = self.head.position or self.written
            return self.head

        monkeypatch.setattr("realtime.feed.in_database", in_database)
        monkeypatch.setattr("realtime.feed.log.publish", lambda: None)
        monkeypatch.setattr("realtime.feed.log.guard_against_rollback", guard)
        self.feed.epoch = "e"

    def broke(self) -> None:
        self.breaks += 1

    def ring(self, first: int, last: int, *, whole: bool = True) -> None:
        """Rung for the events `first` to `last`; without them, when they are too large to travel."""
        message: dict[str, Any] = {"type": "ring", "first": first, "last": last}
        if whole:
            message["events"] = [msgspec.json.encode(e).decode() for e in self.log[first - 1 : last]]
        self.feed._hear(message)

    @property
    def behind(self) -> bool:
        return self.feed._behind.is_set()


@pytest.fixture
def follower(catalogue: None, monkeypatch: pytest.MonkeyPatch) -> Follower:
    return Follower(monkeypatch, 200)


def test_a_ring_in_turn_is_handed_on_at_once(follower: Follower) -> None:
    follower.ring(1, 3)
    follower.ring(4, 4)
    assert follower.handed_on == [1, 2, 3, 4]
    assert not follower.behind


def test_a_ring_that_comes_twice_or_overlaps_is_handed_on_once(follower: Follower) -> None:
    follower.ring(1, 3)
    follower.ring(1, 3)
    follower.ring(2, 5)
    assert follower.handed_on == [1, 2, 3, 4, 5]


async def test_a_ring_after_a_missed_one_sends_the_feed_to_the_log(follower: Follower) -> None:
    follower.ring(1, 1)
    follower.ring(3, 4)
    assert follower.handed_on == [1]
    assert follower.behind
    follower.written = 4
    await follower.feed._catch_up()
    assert follower.handed_on == [1, 2, 3, 4]
    assert follower.feed.found == 3


def test_a_ring_without_its_events_sends_the_feed_to_the_log(follower: Follower) -> None:
    follower.ring(1, 2, whole=False)
    assert follower.handed_on == []
    assert follower.behind


def test_a_ring_that_this_release_cannot_read_sends_the_feed_to_the_log(follower: Follower) -> None:
    follower.log[1] = msgspec.structs.replace(follower.log[1], event_type="zone_teleported")  # type: ignore[arg-type]
    follower.ring(1, 2)
    assert follower.handed_on == []
    assert follower.behind


@pytest.mark.parametrize("seed", range(20))
async def test_in_whatever_order_rings_and_readings_come_each_event_is_handed_on_once(
    follower: Follower, seed: int
) -> None:
    chance = random.Random(seed)
    while follower.written < 200:
        first = follower.written + 1
        follower.written = min(200, follower.written + chance.randint(1, 6))
        rings = [(first, follower.written), (max(1, first - 5), follower.written), (first, first)]
        for low, high in chance.choices(rings, k=chance.randint(0, 3)):
            follower.ring(low, high, whole=chance.random() < 0.8)
        if chance.random() < 0.2:
            await follower.feed._catch_up()
    await follower.feed._catch_up()
    assert follower.handed_on == list(range(1, 201))


async def test_what_is_remembered_and_what_is_read_from_the_log_are_the_same(follower: Follower) -> None:
    follower.feed._recent = deque(maxlen=50)
    follower.written = 200
    await follower.feed._catch_up()
    for after in (0, 100, 149, 150, 151, 199, 200, 500):
        events = await follower.feed.read(after, 30)
        assert [e.position for e in events] == list(range(after + 1, min(200, after + 30) + 1))


async def test_a_hole_in_the_log_is_not_passed_over(follower: Follower) -> None:
    """Somebody deleted a row by hand: better to stand still, and say so, than to lose an event in silence."""
    del follower.log[4]
    follower.written = 199
    await follower.feed._catch_up()
    assert follower.handed_on == [1, 2, 3, 4]


async def test_after_the_log_was_set_back_the_feed_goes_on_in_the_new_epoch(follower: Follower) -> None:
    follower.written = 50
    await follower.feed._catch_up_or_break()
    follower.head = LogHead(epoch="f", position=20)
    await follower.feed._catch_up_or_break()
    assert (follower.feed.epoch, follower.feed.position, follower.breaks) == ("f", 20, 1)
    follower.ring(21, 22)
    assert follower.handed_on[-2:] == [21, 22]
    assert [e.position for e in await follower.feed.read(20)] == [21, 22]


async def test_a_feed_that_the_log_was_pruned_under_goes_on_at_its_end(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pruned(after: int, limit: int = 0) -> list[Event]:
        raise log.TooOld(after)

    follower.head = LogHead(epoch="e", position=120)
    with monkeypatch.context() as patch:
        patch.setattr("realtime.feed.log.read", pruned)
        await follower.feed._catch_up_or_break()
    assert (follower.feed.position, follower.breaks) == (120, 1)
    follower.ring(121, 121)
    assert follower.handed_on == [121]


async def test_the_feed_reads_no_further_than_it_has_come(follower: Follower) -> None:
    follower.feed._recent = deque(maxlen=3)
    follower.written = 10
    await follower.feed._catch_up()
    follower.written = 200
    assert [e.position for e in await follower.feed.read(0)] == list(range(1, 11))


async def test_a_position_ahead_of_the_feed_is_reached_if_the_log_goes_that_far(follower: Follower) -> None:
    follower.written = 40
    assert await follower.feed.reach(40)
    assert follower.handed_on == list(range(1, 41))
    assert not await follower.feed.reach(41)


async def test_who_waits_for_the_feed_to_go_on_is_woken_by_the_next_event(follower: Follower) -> None:
    waiting = [asyncio.ensure_future(follower.feed.beyond(0, 600)) for _ in range(2)]
    await asyncio.sleep(0)
    follower.ring(1, 1)
    await asyncio.wait_for(asyncio.gather(*waiting), 60)
    await asyncio.wait_for(follower.feed.beyond(0, 600), 60)  # it is already


async def test_who_waits_for_the_feed_to_go_on_waits_no_longer_than_it_wants(follower: Follower) -> None:
    await follower.feed.beyond(0, 0.01)
    assert follower.feed.position == 0


def test_an_event_travels_with_a_ring_as_it_is_in_the_log(catalogue: None) -> None:
    original = event(HIGH, 7, zone="a.example", text="ä€🜁", subject_id=3)
    assert doorbell.decode_event(msgspec.json.encode(original)) == original


def test_a_ring_too_large_to_travel_goes_without_its_events(catalogue: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(doorbell.ringer, "send", lambda group, message: sent.append(message))
    small, large = event(HIGH, 1), event(HIGH, 2, text="x" * doorbell.LARGEST_RING)
    doorbell.ring([small])
    doorbell.ring([small, large])
    assert [("events" in message, message["first"], message["last"]) for message in sent] == [
        (True, 1, 1),
        (False, 1, 2),
    ]
