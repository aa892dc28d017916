"""The promise of delivery, under every mixture of joins, resumes, lags, changed rights and subscriptions.

A machine drives the real consumers, readers and routes at random, and looks at every frame as it comes:

- every event that one may see and wants comes, at the latest when things have come to rest;
- within what one asked for, nothing comes twice (a critical event may, because it overtakes), and all in order of position;
- an `upto` is never told before everything up to there was sent;
- nothing comes that none of one's rights since the event would show.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime import connections
from realtime.audience import Audience
from realtime.events import Event
from realtime.filters import view
from realtime.subscriptions import subscriptions
from tests.realtime.bench import Bench, Client, events_of
from tests.realtime.catalogue import CRITICAL, HIGH, LOW, NORMAL, RIGHTS, audience, event, small_catalogue

ZONES = ("a", "b", "c")
USERS = (1, 2, 3)
KINDS = (CRITICAL, HIGH, HIGH, NORMAL, NORMAL, LOW)
PATTERNS = (HIGH, NORMAL, "zone_*", "*", LOW, CRITICAL)


class Watcher(Client):
    """A client that checks each frame against what is known of the events and of its rights."""

    machine: DeliveryMachine
    user: int
    wanted: frozenset[str]

    def begin(self, machine: DeliveryMachine, user: int, since: int | None) -> None:
        self.machine, self.user = machine, user
        self.since = since
        self.start = -1  # everything that is due after this position must come
        self.got: list[int] = []
        self.told = -1
        self.resuming: dict[int, int] = {}  # id of a resume command -> its position
        # What it may see and wants, over time: an event is due if all views since it was published show it.
        self.views: list[tuple[Audience, frozenset[str]]] = []
        self.due_from: dict[int, int] = {}
        self.changing = False  # between the last two views

    # -- what is due

    def shows(self, each: Event, rights: Audience, wanted: frozenset[str]) -> bool:
        return each.event_type in wanted and view(each, rights) is not None

    def due(self, each: Event) -> bool:
        first = self.due_from.get(each.position or 0, 0)
        return all(self.shows(each, *seen) for seen in self.views[first:])

    def allowed(self, each: Event) -> bool:
        first = self.due_from.get(each.position or 0, 0)
        rights = [seen[0] for seen in self.views[first:]] + [self.machine.bench.desk.rights[self.user]]
        return any(view(each, r) is not None for r in rights)

    def missing(self, upto: int) -> list[int]:
        got = set(self.got)
        return [p for p in range(self.start + 1, upto + 1) if p not in got and self.due(self.machine.published[p - 1])]

    # -- what came

    def on_frame(self, frame: dict[str, Any]) -> None:
        try:
            self.check(frame)
        except AssertionError as problem:  # raised here it would end in the log of whatever task sent the frame
            self.machine.problems.append(problem)

    def check(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "welcome":
            resumed = frame["resumed"]
            recovered = resumed is not None and resumed["recovered"]
            self.start = self.since if recovered and self.since is not None else frame["resume"]["position"]
        for each in events_of(frame):
            self.take(each)
        if frame["type"] == "response" and frame["id"] in self.resuming:
            position = self.resuming.pop(frame["id"])
            if frame["data"]["recovered"] and not self.resuming:
                self.start = position  # which may lie ahead: who asks from there has what is before
                assert not self.missing(self.machine.bench.feed.position), "answered before everything was sent again"
                self.told = -1
        if "upto" in frame and not self.resuming:
            assert frame["upto"] >= self.told, f"upto went back from {self.told} to {frame['upto']}"
            self.told = frame["upto"]
            missing = self.missing(frame["upto"])
            assert not missing, f"told upto {frame['upto']} without {missing}"

    def take(self, each: dict[str, Any]) -> None:
        assert self.frames[0]["type"] == "welcome", "something came before the welcome"
        position = each["position"]
        known = self.machine.published[position - 1]
        assert each["id"] == known.id
        assert self.allowed(known), f"{position} was none of its business"
        if known.event_type != CRITICAL and not self.resuming:
            assert position not in self.got, f"{position} came twice"
            earlier = [p for p in self.got if self.machine.published[p - 1].event_type != CRITICAL]
            assert not earlier or position > max(earlier), f"{position} came after {max(earlier)}"
        if position > self.start or self.resuming:
            self.got.append(position)

    def asks_to_resume(self, position: int) -> None:
        number = self.give("resume", epoch="e", position=position)
        self.resuming[number] = position
        if position >= self.machine.bench.feed.floor:
            # Forget what came after: it is to come again. (What comes before the answer may be either.)
            self.got = [p for p in self.got if p <= position]


class DeliveryMachine(RuleBasedStateMachine):
    """The rules; see the module."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(small_catalogue())
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(connections, "WINDOW", 3000)
        patch.setattr(connections, "PING_EVERY", 800)
        self.bench = Bench()
        self.published: list[Event] = []
        self.problems: list[AssertionError] = []
        self.watchers: list[Watcher] = []

    @initialize()
    def begin(self) -> None:
        for user in USERS:
            self.bench.desk.rights[user] = audience(zones={"a"}, user_id=user)

    def living(self) -> list[Watcher]:
        return [w for w in self.watchers if w.code is None]

    def pick(self, number: int) -> Watcher:
        living = self.living()
        return living[number % len(living)]

    def publish(self, each: Event) -> None:
        import msgspec

        position = self.bench.feed.position + 1
        self.published.append(msgspec.structs.replace(each, position=position))
        for watcher in self.watchers:
            watcher.due_from[position] = len(watcher.views) - (2 if watcher.changing else 1)
        self.bench.publish(each)

    # -- rules

    @rule(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=12), zone=st.sampled_from(ZONES))
    def events(self, kinds: list[Any], zone: str) -> None:
        for kind in kinds:
            self.publish(event(kind, zone=zone, text="x" * 40))

    @rule(times=st.integers(1, 9))
    def turn(self, times: int) -> None:
        self.bench.turn(times)

    @rule(seconds=st.sampled_from([0.01, 0.06, 0.3, 1.5]))
    def pass_time(self, seconds: float) -> None:
        self.bench.pass_time(seconds)

    @rule(user=st.sampled_from(USERS), back=st.one_of(st.none(), st.integers(0, 60)), times=st.integers(0, 12))
    def connect(self, user: int, back: int | None, times: int) -> None:
        if len(self.living()) == 5:
            return
        since = None if back is None else max(0, self.bench.feed.position - back)
        watcher = Watcher.__new__(Watcher)
        watcher.begin(self, user, since)
        rights = self.bench.desk.rights[user]
        watcher.views.append((rights, frozenset(subscriptions.types(subscriptions.defaults(rights), rights))))
        self.watchers.append(watcher)
        for each in self.published:
            watcher.due_from[each.position or 0] = 0
        Client.__init__(watcher, self.bench, user, since, f"c{len(self.watchers)}")
        self.bench.clients.append(watcher)
        self.bench.turn(times)

    @precondition(lambda self: self.living())
    @rule(which=st.integers(0, 4))
    def disconnect(self, which: int) -> None:
        watcher = self.pick(which)
        watcher.leave()
        self.bench.turn(3)
        watcher.code = 1000

    @precondition(lambda self: self.living())
    @rule(which=st.integers(0, 4), back=st.integers(0, 60), times=st.integers(0, 6))
    def resume(self, which: int, back: int, times: int) -> None:
        self.pick(which).asks_to_resume(max(0, self.bench.feed.position - back))
        self.bench.turn(times)

    @precondition(lambda self: self.living())
    @rule(which=st.integers(0, 4), pattern=st.sampled_from(PATTERNS), add=st.booleans())
    def subscribe(self, which: int, pattern: str, add: bool) -> None:
        watcher = self.pick(which)
        if not watcher.frames or watcher.frames[0]["type"] != "welcome" or watcher.resuming:
            return
        rights, _ = watcher.views[-1]
        member = watcher.member
        if add:
            from realtime.subscriptions import Subscribe

            wants, _ = subscriptions.add(member.wants, Subscribe(event_types=[pattern]), rights)
        else:
            wants = subscriptions.remove(member.wants, [pattern], rights)
        watcher.views.append((rights, frozenset(subscriptions.types(wants, rights))))
        watcher.changing = True
        number = watcher.give("subscribe" if add else "unsubscribe", event_types=[pattern])
        for _ in range(50):
            self.bench.turn(1)
            if number in watcher.answers() or watcher.code is not None:
                break
        watcher.changing = False

    @rule(user=st.sampled_from(USERS), zones=st.sets(st.sampled_from(ZONES)), late=st.integers(0, 4))
    def rights(self, user: int, zones: set[str], late: int) -> None:
        concerned = [watcher for watcher in self.watchers if watcher.user == user]
        for watcher in concerned:
            _, wanted = watcher.views[-1]
            watcher.views.append((audience(zones=zones, user_id=user), wanted))
            watcher.changing = True
        self.bench.desk.rights[user] = audience(zones=zones, user_id=user)  # committed; its event follows
        self.bench.turn(late)
        self.publish(event(RIGHTS, subject_id=user))
        for watcher in concerned:
            watcher.changing = False

    @precondition(lambda self: self.living())
    @rule(which=st.integers(0, 4))
    def stop_confirming(self, which: int) -> None:
        self.pick(which).answers_pings = False

    @precondition(lambda self: self.living())
    @rule(which=st.integers(0, 4))
    def confirm_again(self, which: int) -> None:
        watcher = self.pick(which)
        watcher.answers_pings = True
        watcher.answer()

    @rule(keep=st.integers(20, 60))
    def prune(self, keep: int) -> None:
        self.bench.feed.floor = max(self.bench.feed.floor, self.bench.feed.position - keep)

    # -- what must hold

    @invariant()
    def nothing_was_wrong(self) -> None:
        for problem in self.problems:
            raise problem

    @invariant()
    def nobody_is_closed_but_for_being_too_old(self) -> None:
        reasons = {f["reason"] for w in self.watchers for f in w.frames if f["type"] == "bye"}
        assert reasons <= {"the log no longer reaches back that far"}

    @invariant()
    def every_connection_is_on_a_route_or_reading(self) -> None:
        for watcher in self.living():
            if watcher.frames and not watcher.member.closing:
                member = watcher.member
                assert member.route is not None or member.reader is not None or member.entering

    def teardown(self) -> None:
        try:
            for watcher in self.living():
                watcher.answers_pings = True
                watcher.answer()
            self.bench.settle()
            self.nothing_was_wrong()
            self.nobody_is_closed_but_for_being_too_old()
            for watcher in self.living():
                assert watcher.frames, "it was never welcomed"
                assert not watcher.resuming, "a resume was never answered"
                assert watcher.member.route is not None, "it never came to its route"
                assert watcher.member.upto == self.bench.feed.position
                assert watcher.missing(self.bench.feed.position) == []
            assert not self.bench.node.router.readers
        finally:
            self.bench.close()
            self.stack.close()


TestDelivery = DeliveryMachine.TestCase
TestDelivery.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    # Without shrinking, which takes minutes: the time limit of a test would come first, and hide what failed.
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
