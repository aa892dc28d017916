"""Readers: who is not level with the feed catches up from the log, at the client's own pace, under today's rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime import connections, fans
from realtime.protocol import LARGEST_BATCH
from tests.realtime.bench import Bench, Client, events_of
from tests.realtime.catalogue import CRITICAL, HIGH, LOW, RIGHTS, audience, event

MakeBench = Callable[..., Bench]
OPERATOR = audience("zones.view_zone", user_id=1)


@pytest.fixture
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client may have 10,000 bytes under way."""
    monkeypatch.setattr(connections, "WINDOW", 10_000)
    monkeypatch.setattr(connections, "PING_EVERY", 2_500)
    monkeypatch.setattr(fans, "LOOK_EVERY", 300)


def positions(client: Client) -> list[int]:
    return [each["position"] for each in client.events()]


def test_a_resume_sends_again_in_order_and_is_answered_after_the_events(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(*(event(HIGH) for _ in range(20)))
    site.settle()
    seen = len(client.frames)
    number = client.give("resume", epoch="e", position=5)
    site.settle()
    again: list[dict[str, Any]] = client.frames[seen:]
    assert [e["position"] for f in again for e in events_of(f)] == list(range(6, 21))
    assert again[-1] == {"type": "response", "id": number, "data": {"recovered": True, "replayed": 15}}


def test_two_resumes_at_once_are_both_answered(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(*(event(HIGH) for _ in range(20)))
    numbers = [client.give("resume", epoch="e", position=10), client.give("resume", epoch="e", position=3)]
    site.settle()
    assert [client.answers()[n]["data"]["recovered"] for n in numbers] == [True, True]
    assert set(range(4, 21)) <= set(positions(client))


@pytest.mark.parametrize(
    ("epoch", "position", "reason"),
    [("other", 3, "epoch_changed"), ("e", 999, "epoch_changed"), ("e", -1, "epoch_changed"), ("e", 2, "too_old")],
)
def test_a_position_that_cannot_be_resumed_from_says_why_and_live_events_go_on(
    bench: MakeBench, epoch: str, position: int, reason: str
) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    site.publish(*(event(HIGH) for _ in range(10)))
    site.settle()
    site.feed.floor = 5
    number = client.give("resume", epoch=epoch, position=position)
    site.settle()
    assert client.answers()[number]["data"] == {"recovered": False, "reason": reason}
    site.publish(event(HIGH))
    assert positions(client)[-1] == 11


def test_replay_follows_todays_rights_not_those_of_then(bench: MakeBench) -> None:
    site = bench()
    client = site.connect(1, audience(zones={"a"}, user_id=1))
    site.turn(20)
    site.publish(event(HIGH, zone="a"), event(HIGH, zone="b"))
    site.desk.rights[1] = audience(zones={"b"}, user_id=1)
    site.publish(event(RIGHTS, subject_id=1))
    site.settle()
    seen = len(client.events())
    client.give("resume", epoch="e", position=0)
    site.settle()
    assert [e["data"]["zone"] for e in client.events()[seen:]] == ["b", None]


@pytest.mark.parametrize("turns", range(7))
def test_rights_that_change_while_they_are_looked_up_are_looked_up_again(bench: MakeBench, turns: int) -> None:
    site = bench()
    client = site.connect(1, audience(zones={"a"}, user_id=1))
    site.turn(20)
    site.publish(event(RIGHTS, subject_id=1))
    site.turn(turns)  # at some time in this the desk has read the rights, and not answered yet
    site.desk.rights[1] = audience(user_id=1)
    site.publish(event(RIGHTS, subject_id=1), event(HIGH, zone="a"))
    site.settle()
    assert [e["event_type"] for e in client.events()] == [RIGHTS, RIGHTS]


def test_a_slow_client_is_sent_no_more_than_its_window_and_all_when_it_confirms(
    bench: MakeBench, small_window: None
) -> None:
    site = bench()
    slow, quick = site.connect(1, OPERATOR), site.connect(2, audience("zones.view_zone", user_id=2))
    slow.answers_pings = False
    site.turn(20)
    for _ in range(20):
        site.publish(*(event(LOW, text="x" * 100) for _ in range(10)))
        site.pass_time(1.1)
    assert slow.member.lagging
    assert slow.member.unconfirmed < 2 * connections.WINDOW
    assert positions(quick) == list(range(1, 201)), "one slow reader costs no one else"
    slow.answers_pings = True
    slow.answer()
    site.settle()
    assert positions(slow) == list(range(1, 201))
    assert slow.member.route is quick.member.route


def test_a_reader_keeps_to_the_window_as_well(bench: MakeBench, small_window: None) -> None:
    site = bench()
    site.feed.piece = 500
    site.publish(*(event(LOW, text="x" * 100) for _ in range(300)))
    slow = site.connect(1, OPERATOR, since=0)
    slow.answers_pings = False
    site.turn(300)
    assert slow.member.lagging
    assert slow.member.unconfirmed < LARGEST_BATCH + connections.WINDOW, "one batch, which was the last straw"
    assert slow.member.upto < 300
    slow.answers_pings = True
    slow.answer()
    site.settle()
    assert positions(slow) == list(range(1, 301))


def test_a_client_that_confirms_nothing_for_a_minute_is_told_to_come_back(bench: MakeBench, small_window: None) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    client.answers_pings = False
    site.turn(20)
    site.publish(*(event(LOW, text="x" * 200) for _ in range(100)))
    site.settle()
    site.pass_time(70)
    site.turn(20)
    assert client.code == 4002
    assert client.frames[-1]["type"] == "bye"
    assert client.frames[-1]["retry_in_ms"] > 0


def test_a_confirmation_of_what_is_still_in_our_buffer_counts_for_nothing(bench: MakeBench, small_window: None) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    site.turn(20)
    client.buffered = 9_000
    site.publish(*(event(HIGH, text="x" * 300) for _ in range(40)))
    site.pass_time(1)
    client.say({"type": "pong", "data": {"n": 10**9}})
    site.turn(5)
    assert client.member.unconfirmed >= 9_000


def test_who_lags_is_sent_no_critical_event_out_of_turn(bench: MakeBench, small_window: None) -> None:
    site = bench()
    client = site.connect(1, OPERATOR)
    client.answers_pings = False
    site.turn(20)
    site.publish(*(event(LOW, text="x" * 200) for _ in range(100)))
    site.pass_time(2)
    frames = len(client.frames)
    site.publish(event(CRITICAL))
    assert len(client.frames) == frames


def test_a_log_that_was_pruned_under_a_reader_ends_its_connection(bench: MakeBench, small_window: None) -> None:
    site = bench()
    site.publish(*(event(LOW, text="x" * 200) for _ in range(200)))
    client = site.connect(1, OPERATOR, since=0)
    client.answers_pings = False
    site.turn(400)  # it was counted what there is to send, and some of it was sent
    site.feed.floor = 190
    client.answers_pings = True
    client.answer()
    site.settle()
    assert client.code == 4002
    assert "no longer reaches back" in client.frames[-1]["reason"]


def test_whoever_joins_a_route_that_ends_in_that_moment_is_sent_everything(
    bench: MakeBench, small_window: None
) -> None:
    site = bench()
    first = site.connect(1, OPERATOR)
    first.answers_pings = False
    site.turn(20)
    site.publish(event(LOW), event(LOW, text="x" * 12_000))  # pending: more than the window of the only member
    second = site.connect(2, audience("zones.view_zone", user_id=2))
    site.turn(20)
    site.publish(event(HIGH, text="for both"))
    site.settle()
    assert [e["data"]["text"] for e in second.events()] == ["for both"]


@pytest.mark.parametrize("turns", range(8))
def test_who_subscribes_while_catching_up_is_sent_what_follows_the_answer(bench: MakeBench, turns: int) -> None:
    site = bench()
    site.feed.piece = 100
    site.publish(*(event(HIGH) for _ in range(3)))
    client = site.connect(1, OPERATOR)
    client.give("unsubscribe", event_types=["*"])
    site.settle()
    client.give("resume", epoch="e", position=0)
    site.turn(turns)  # at some time in this the log is being read
    number = client.give("subscribe", event_types=[HIGH])
    while number not in client.answers():
        site.turn()
    site.publish(event(HIGH))
    site.settle()
    assert positions(client)[-1:] == [4]
