"""Routes: who sees the same shares one filtering and one frame; what may wait waits, and goes out together."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from realtime.events import EventPriority
from realtime.filters import RateLimitFilter
from realtime.layers import LocalChannelLayer
from realtime.protocol import MOST_IN_BATCH, CloseCode
from realtime.routes import Encodings, Route, RouteKey
from realtime.subscriptions import FlowFilter
from tests.realtime.bench import Bench, Client, events_of
from tests.realtime.catalogue import CRITICAL, FLOW, HIGH, LOW, NORMAL, OWN, RIGHTS, audience, event

MakeBench = Callable[..., Bench]
OPERATOR = audience("zones.view_zone")


def notes(frames: list[dict]) -> list[list[str]]:  # type: ignore[type-arg]
    """The texts of the events, frame by frame."""
    return [[e["data"]["text"] for e in events_of(f)] for f in frames if events_of(f)]


def test_the_first_event_after_a_quiet_spell_goes_at_once_and_those_that_follow_wait(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(event(LOW, text="first"))
    assert notes(client.frames) == [["first"]]
    site.publish(event(LOW, text="second"), event(LOW, text="third"))
    assert notes(client.frames) == [["first"]]
    site.pass_time(0.9)
    assert notes(client.frames) == [["first"]]
    site.pass_time(0.2)
    assert notes(client.frames) == [["first"], ["second", "third"]]
    site.pass_time(60)
    site.publish(event(LOW, text="fourth"))
    assert notes(client.frames)[2:] == [["fourth"]]


def test_the_wait_for_others_begins_when_everybody_has_what_was_sent(bench: MakeBench) -> None:
    """Sending to a thousand takes as long as a short wait does; else it would be over before another event could come."""
    site = bench(wait_high_ms=10)
    client = site.connect(1, OPERATOR)
    site.turn(20)
    client.on_frame = lambda frame: site.turn_clock(0.008)
    site.publish(event(HIGH, text="first"))
    client.on_frame = lambda frame: None
    site.publish(event(HIGH, text="second"))
    site.pass_time(0.008)
    site.publish(event(HIGH, text="third"))
    assert notes(client.frames) == [["first"]]
    site.pass_time(0.003)
    assert notes(client.frames) == [["first"], ["second", "third"]]


def test_what_one_transaction_brought_goes_at_once_and_together(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish_together(
        event(LOW, text="a"), event(HIGH, text="b"), event(CRITICAL, text="fire"), event(LOW, text="c")
    )
    assert notes(client.frames) == [["fire"], ["a", "b", "c"]]
    assert client.frames[-1]["upto"] == 4


class Lingering(Client):
    """Its server's part of the closing handshake takes its time."""

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close":
            await asyncio.sleep(5)
        await super()._send(message)


def test_nothing_follows_the_farewell(bench: MakeBench) -> None:
    site = bench()
    leaves, stays = site.connect(1, OPERATOR, kind=Lingering), site.connect(2, OPERATOR)
    site.turn(20)
    site.publish(event(HIGH, text="first"), event(LOW, text="waits"))
    closing = site.loop.create_task(leaves.member.close(CloseCode.GOING_AWAY, "restart"))
    site.turn(4)
    site.publish(event(CRITICAL, text="fire"))
    site.pass_time(1)
    assert notes(stays.frames) == [["first"], ["fire"], ["waits"]]
    assert notes(leaves.frames) == [["first"]]
    assert leaves.frames[-1]["type"] == "bye"
    assert not closing.done(), "it is still there"


def test_each_has_its_share_of_what_was_sent_to_many(bench: MakeBench) -> None:
    site = bench(wait_high_ms=0)
    first = site.connect(1, OPERATOR)
    site.turn(20)
    welcomed = first.member.sent, first.member.frames
    site.publish(event(HIGH, text="before the other came"))
    second = site.connect(2, OPERATOR)
    site.turn(20)
    assert (second.member.sent, second.member.frames) == welcomed
    site.publish(event(HIGH, text="to both"))
    sizes = [len(json.dumps(each, separators=(",", ":"))) for each in first.frames if events_of(each)]
    assert first.member.sent == welcomed[0] + sum(sizes)
    assert (second.member.sent, second.member.frames) == (welcomed[0] + sizes[1], welcomed[1] + 1)
    site.node.router.leave(second.member)
    site.publish(event(HIGH, text="to the first"))
    assert (second.member.sent, second.member.frames) == (welcomed[0] + sizes[1], welcomed[1] + 1)
    assert first.member.frames == welcomed[1] + 3


def test_without_waits_each_event_has_a_frame_of_its_own(bench: MakeBench) -> None:
    site = bench(wait_high_ms=0)
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish_together(event(HIGH, text="a"), event(HIGH, text="b"))
    assert notes(client.frames) == [["a"], ["b"]]


def test_whoever_joins_holds_up_nothing_for_those_who_are_there(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(event(LOW, text="first"))
    site.pass_time(0.5)
    site.publish(event(LOW, text="waits"))
    site.connect(2, OPERATOR)
    site.turn(20)
    assert notes(client.frames) == [["first"], ["waits"]]
    site.publish(event(NORMAL, text="goes at once"))
    assert notes(client.frames)[2:] == [["goes at once"]]


def test_the_most_urgent_pending_event_sets_the_wait_and_all_go_in_order_of_position(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(event(LOW, text="first"), event(LOW, text="low"), event(NORMAL, text="normal"))
    site.publish(event(HIGH, text="high"))
    site.pass_time(0.06)
    assert notes(client.frames) == [["first"], ["low", "normal", "high"]]
    batch = client.frames[-1]
    assert [e["position"] for e in batch["events"]] == [2, 3, 4]
    assert batch["upto"] == 4


def test_a_critical_event_travels_alone_at_once_and_tells_only_the_position_that_is_complete(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(event(LOW, text="first"), event(LOW, text="waits"), event(CRITICAL, text="fire"))
    assert notes(client.frames) == [["first"], ["fire"]]
    assert client.frames[-1]["type"] == "event"
    assert (client.frames[-1]["position"], client.frames[-1]["upto"]) == (3, 1)
    site.pass_time(2)
    assert notes(client.frames)[2:] == [["waits"]]
    assert client.frames[-1]["upto"] == 3


def test_a_critical_event_with_nothing_pending_completes_its_own_position(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(event(CRITICAL, text="fire"))
    assert client.frames[-1]["upto"] == 1


def test_a_batch_is_closed_at_two_hundred_events(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(*(event(LOW, text=str(n)) for n in range(MOST_IN_BATCH + 6)))
    assert [len(texts) for texts in notes(client.frames)] == [1, MOST_IN_BATCH]
    site.pass_time(2)
    assert [len(texts) for texts in notes(client.frames)] == [1, MOST_IN_BATCH, 5]


def test_a_batch_is_closed_at_64_kib(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(*(event(LOW, text=str(n) + "x" * 10_000) for n in range(9)))
    assert [len(texts) for texts in notes(client.frames)] == [1, 6]
    assert client.frames[-1]["upto"] == 7, "nothing of what did not fit"
    site.pass_time(2)
    assert [len(texts) for texts in notes(client.frames)] == [1, 6, 2]
    assert client.frames[-1]["upto"] == 9


@pytest.mark.parametrize("size", [1, 150, 1_000, 30_000, 70_000])
def test_no_batch_is_larger_than_64_kib_live_or_read_again(bench: MakeBench, size: int) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(*(event(LOW, text="x" * size) for _ in range(450)))
    site.pass_time(2)
    again = site.connect(2, OPERATOR, since=0)
    site.turn(2000)
    for each in (client, again):
        assert sum(len(events_of(frame)) for frame in each.frames) == 450
        batches = [frame for frame in each.frames if frame["type"] == "batch"]
        assert all(len(json.dumps(frame, separators=(",", ":"))) <= 64 * 1024 for frame in batches)


def test_equal_rights_and_subscriptions_share_one_route_and_one_encoding(bench: MakeBench) -> None:
    site = bench()
    clients = [site.connect(user, OPERATOR) for user in range(1, 21)]
    site.turn(30)
    encoded = site.node.router.encodings
    site.publish(event(HIGH, text="x"))
    assert len(site.node.router) == 1
    assert site.node.router.encodings == encoded + 1
    assert all(notes(client.frames) == [["x"]] for client in clients)


def test_two_subscriptions_of_equal_rights_are_two_routes_but_one_encoding(bench: MakeBench) -> None:
    site = bench()
    site.connect(1, OPERATOR)
    other = site.connect(2, OPERATOR)
    site.turn(20)
    other.give("unsubscribe", event_types=["system_*"])
    site.turn(10)
    site.publish(event(HIGH))
    assert (len(site.node.router), site.node.router.encodings) == (2, 1)


def test_an_invisible_event_leaves_no_frame_but_moves_the_position(bench: MakeBench) -> None:
    site = bench()
    owner = site.connect(1, audience(zones={"a.example"}))
    site.turn(20)
    site.publish(event(HIGH, zone="b.example", text="not yours"))
    assert notes(owner.frames) == []
    assert owner.member.upto == 1


def test_a_failing_filter_hides_the_event_and_stops_nothing(bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    from realtime import filters

    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(filters.DataSensitivityFilter, "apply", fail)
        site.publish(event(HIGH, text="withheld"))
    site.pass_time(5)
    site.publish(event(HIGH, text="fine"))
    assert notes(client.frames) == [["fine"]]


def test_the_members_of_a_route_that_fails_find_the_event_in_the_log(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = bench()
    first, second = site.connect(1, OPERATOR), site.connect(2, audience("zones.view_zone", "zones.change_zone"))
    site.turn(20)
    site.publish(event(LOW, text="first"), event(LOW, text="waits"))
    offer, failing = Route.offer, first.member.route

    def fails_once(route: Route, encodings: Encodings) -> None:
        if route is failing and encodings.event.data["text"] == "fatal":
            raise RuntimeError("of all things")
        offer(route, encodings)

    monkeypatch.setattr(Route, "offer", fails_once)
    site.publish(event(LOW, text="fatal"), event(LOW, text="last"))
    site.turn(20)
    site.pass_time(2)
    for client in (first, second):
        assert [e["data"]["text"] for e in client.events()] == ["first", "waits", "fatal", "last"]


async def test_a_wait_that_is_over_within_the_clocks_grain_is_a_wait_like_any_other(catalogue: None) -> None:
    """uvloop answers a timer that is due at once with a handle that knows no time."""
    loop = uvloop.new_event_loop()
    try:
        seen = await asyncio.to_thread(loop.run_until_complete, hasty_route())
    finally:
        loop.close()
    assert seen == 3


async def hasty_route() -> int:
    layer, seen = LocalChannelLayer(), []
    key = RouteKey(OPERATOR, frozenset({LOW, HIGH}), frozenset(), FlowFilter())
    waits = {EventPriority.LOW: 10.0, EventPriority.HIGH: 10.0}
    route = Route(key, layer, waits, lambda: 1, RateLimitFilter(1000))
    layer.attach("client", (lambda: False, seen.append), lambda: None)
    layer.add(route.fan(deflates=False).group, "client")
    route.offer(Encodings(event(LOW)))
    await asyncio.sleep(0.01)
    route._flushed_at = asyncio.get_running_loop().time() - 10 + 0.0003
    route.offer(Encodings(event(LOW)))
    route.offer(Encodings(event(HIGH)))
    await asyncio.sleep(0.05)
    return len(b"".join(seen).split(b'"event_type"')) - 1


def test_an_event_of_a_later_release_is_shown_to_nobody_and_stops_nothing(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    from realtime.events import EventType

    site = bench()
    site.connect(1, audience(is_admin=True))
    site.turn(20)
    for _ in range(2):
        site.publish(event(EventType.of_any_release("zone_teleported")), event(HIGH, text="fine"))
    late = site.connect(2, audience(is_admin=True), since=0)
    site.settle()
    assert [client.events()[-1]["position"] for client in site.clients] == [4, 4]
    assert {e["event_type"] for client in site.clients for e in client.events()} == {HIGH}
    assert late.frames[0]["resumed"] == {"recovered": True, "replayed": 2}
    assert caplog.text.count("zone_teleported") <= 1, "told once"


def test_an_event_that_no_app_declares_stops_nothing(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, audience(is_admin=True))
    site.turn(20)
    from realtime.events import EventType

    site.publish(event(EventType.THREAT_DETECTED, text="of another release"), event(HIGH, text="fine"))
    assert notes(client.frames) == [["fine"]]
    assert client.member.upto == 2


def test_the_last_member_takes_the_route_and_its_pending_events_along(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(event(LOW), event(LOW))
    client.leave()
    site.turn(20)
    assert len(site.node.router) == 0
    assert not site.node.router.readers
    site.pass_time(5)  # a timer that was left would fail here


def test_a_welcome_tells_to_come_back_to_before_the_replay_that_is_still_to_come(bench: MakeBench) -> None:
    site = bench()
    site.publish(*(event(HIGH, text=str(n)) for n in range(9)))
    back = site.connect(1, OPERATOR, since=4)
    site.turn(200)
    assert back.frames[0]["resumed"] == {"recovered": True, "replayed": 5}
    assert back.frames[0]["resume"] == {"epoch": "e", "position": 4}
    assert back.frames[-1]["upto"] == 9


def test_whoever_joins_gets_nothing_from_before_and_everything_from_then_on(bench: MakeBench) -> None:
    site = bench()
    first = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(event(LOW, text="1"), event(LOW, text="2"))
    second = site.connect(2, OPERATOR)
    site.turn(20)
    assert second.frames[0]["resume"]["position"] == 2
    site.publish(event(LOW, text="3"))
    site.pass_time(3)
    assert [text for texts in notes(first.frames) for text in texts] == ["1", "2", "3"]
    assert [text for texts in notes(second.frames) for text in texts] == ["3"]


def test_ones_own_event_is_seen_without_a_permission_and_by_nobody_else_without_one(bench: MakeBench) -> None:
    site = bench()
    one, other = site.connect(1, audience(user_id=1)), site.connect(2, audience(user_id=2))
    admin = site.connect(3, audience(is_admin=True, user_id=3))
    site.turn(30)
    site.publish(event(OWN, subject_id=1, text="about one"))
    site.settle()
    assert [notes(c.frames) for c in (one, other, admin)] == [[["about one"]], [], [["about one"]]]


def test_nothing_after_a_change_of_rights_is_sent_under_the_old_ones(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, audience("zones.view_zone", user_id=1))
    site.turn(20)
    site.publish(event(HIGH, text="before"), event(HIGH, text="still pending"))
    site.desk.rights[1] = audience(user_id=1)
    site.publish(event(RIGHTS, subject_id=1, text="rights"), event(HIGH, text="after"), event(CRITICAL, text="fire"))
    site.settle()
    texts = [text for texts in notes(client.frames) for text in texts]
    assert "after" not in texts
    assert "fire" not in texts
    assert texts[0] == "before"
    assert [f["code"] for f in client.frames if f["type"] == "notice"] == ["permissions_changed"]
    assert client.member.upto == site.feed.position


def test_a_critical_event_does_not_overtake_a_change_of_rights_that_is_being_looked_up(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, audience("zones.view_zone", user_id=1))
    site.turn(20)
    site.desk.rights[1] = audience(user_id=1)
    site.publish(event(RIGHTS, subject_id=1))
    site.turn(1)  # the reader has begun to ask for the rights
    site.publish(event(CRITICAL, text="fire"))
    site.settle()
    assert ["fire"] not in notes(client.frames)


def test_what_a_reader_misses_of_the_flow_is_counted_and_only_what_it_might_have_seen(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, audience(zones={"a.example"}, user_id=1))
    site.turn(20)
    site.publish(*(event(HIGH, zone="a.example") for _ in range(30)))
    client.give("resume", epoch="e", position=0)
    while client.member.route is not None:
        site.turn(1)
    site.stream(event(FLOW, zone="a.example"))
    site.stream(event(FLOW, zone="b.example"))
    site.settle()
    gaps = [f for f in client.frames if f["type"] == "gap"]
    assert [(gap["event_type"], gap["dropped"]) for gap in gaps] == [(FLOW, 1)]


@pytest.mark.parametrize("size", [30_000, 70_000])
def test_flow_that_was_the_last_straw_is_either_there_or_counted(bench: MakeBench, size: int) -> None:
    site = bench(flow_per_s=1000)
    client = site.connect(1, OPERATOR)
    site.turn(20)
    client.answers_pings = False
    for number in range(60):
        site.stream(event(FLOW, text=f"{number} " + "x" * size))
    site.pass_time(2)
    assert client.member.lagging
    client.answers_pings = True
    client.answer()
    site.settle()
    assert gaps(client)[FLOW] > 0
    assert len(client.events()) + gaps(client)[FLOW] == 60


@pytest.mark.parametrize("size", [30_000, 40_000])
def test_what_did_not_fit_is_not_lost_to_whom_the_batch_before_it_was_the_last_straw(
    bench: MakeBench, size: int
) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    client.answers_pings = False
    site.publish(*(event(LOW, text="x" * size) for _ in range(60)))
    assert client.member.lagging
    client.answers_pings = True
    client.answer()
    site.settle()
    assert [each["position"] for each in client.events()] == list(range(1, 61))


def test_flow_that_waited_for_others_is_counted_for_whoever_leaves_meanwhile(bench: MakeBench) -> None:
    site = bench()
    leaves, stays = site.connect(1, OPERATOR), site.connect(2, OPERATOR)
    site.turn(20)
    site.stream(event(FLOW, text="at once"))
    site.stream(event(FLOW, text="waits"))
    site.stream(event(FLOW, text="waits too"))
    leaves.give("unsubscribe", event_types=["nothing_of_the_kind"])
    leaves.give("subscribe", event_types=[HIGH], zones=["a.example"])
    site.settle()
    assert gaps(leaves) == {FLOW: 2}
    assert [text for texts in notes(stays.frames) for text in texts] == ["at once", "waits", "waits too"]


def test_what_the_limit_left_out_is_told_once_to_each_who_was_there(bench: MakeBench) -> None:
    site = bench(flow_per_s=2)
    leaves, stays = site.connect(1, OPERATOR), site.connect(2, OPERATOR)
    site.turn(20)
    for number in range(5):
        site.stream(event(FLOW, text=str(number)))
    leaves.give("subscribe", event_types=[HIGH], zones=["a.example"])
    late = site.connect(3, OPERATOR)
    site.turn(20)
    site.settle()
    shown = {client: sum(len(texts) for texts in notes(client.frames)) for client in (leaves, stays, late)}
    assert shown[stays] + gaps(stays)[FLOW] == shown[leaves] + gaps(leaves)[FLOW] == 5
    assert shown[late] == 0
    assert gaps(late) == {}


def gaps(client: Client) -> Counter[str]:
    """How much of each flow the client was told that it missed."""
    told: Counter[str] = Counter()
    for frame in client.frames:
        if frame["type"] == "gap":
            told[frame["event_type"]] += frame["dropped"]
    return told
