"""The promise of delivery, under every mixture of joins, resumes, lags, changed rights and subscriptions.

A machine drives the real consumers, readers and routes at random, and looks at every frame as it comes:

- every event that one may see and wants comes, at the latest when things have come to rest;
- within what one asked for, nothing comes twice (a critical event may, because it overtakes), and all in order of position;
- an `upto` is never told before everything up to there was sent;
- nothing comes that none of one's rights since the event would show.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from realtime import connections, fans
from realtime.audience import Audience
from realtime.events import Event
from realtime.filters import view
from realtime.subscriptions import Subscribe, subscriptions
from tests.realtime.bench import Bench, Client, events_of
from tests.realtime.catalogue import CRITICAL, HIGH, LOW, NORMAL, RIGHTS, audience, event

ZONES = ("a", "b", "c")
USERS = (1, 2, 3)
KINDS = (CRITICAL, HIGH, HIGH, NORMAL, NORMAL, LOW)
PATTERNS = (HIGH, NORMAL, "zone_*", "*", LOW, CRITICAL)


class Watcher(Client):
    """A client that checks each frame against what is known of the events and of its rights."""

    machine: Machine
    user: int
    wanted: frozenset[str]

    def begin(self, machine: Machine, user: int, since: int | None) -> None:
        self.machine, self.user = machine, user
        self.since = since
        self.start = -1  # everything that is due after this position must come
        self.got: list[int] = []
        self.told = -1
        self.resuming: dict[int, tuple[int, int]] = {}  # id of a resume command -> its position, how much had come
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
            position, had = self.resuming.pop(frame["id"])
            if frame["data"]["recovered"]:
                self.start = position  # which may lie ahead: who asks from there has what is before
                self.told = -1
                # What came after that position before it asked is to come again. (While it waits, either may come.)
                kept = [p for p in self.got[:had] if p <= position]
                self.got[:had] = kept
                for later, (its_position, its_had) in self.resuming.items():
                    self.resuming[later] = its_position, its_had - had + len(kept)
                missing = [] if self.resuming else self.missing(self.machine.bench.feed.position)
                assert not missing, f"answered before {missing} were sent again"
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
        self.got.append(position)

    def asks_to_resume(self, position: int) -> None:
        number = self.give("resume", epoch="e", position=position)
        self.resuming[number] = position, len(self.got)


class Machine:
    """The site, its people, and what may happen to them; see the module."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.bench = Bench()
        self.published: list[Event] = []
        self.problems: list[AssertionError] = []
        self.watchers: list[Watcher] = []
        self.steps: list[str] = []
        for user in USERS:
            self.bench.desk.rights[user] = audience(zones={"a"}, user_id=user)

    def run(self, steps: int) -> None:
        """Do so many things at random, and look after each whether all is well."""
        rules = [rule for rule, weight in RULES for _ in range(weight)]
        for _ in range(steps):
            rule = self.random.choice(rules)
            self.steps.append(rule.__name__)
            rule(self)
            self.all_is_well()
        self.come_to_rest()

    def living(self) -> list[Watcher]:
        return [w for w in self.watchers if w.code is None]

    def anyone(self) -> Watcher | None:
        return self.random.choice(self.living() or [None])  # type: ignore[list-item]

    def somewhere(self) -> int:
        """A position to go back to, mostly a near one."""
        return max(0, self.bench.feed.position - self.random.choice((0, 1, 5, 20, 60)))

    def publish(self, each: Event) -> None:
        position = self.bench.feed.position + 1
        self.published.append(msgspec.structs.replace(each, position=position))
        for watcher in self.watchers:
            watcher.due_from[position] = len(watcher.views) - (2 if watcher.changing else 1)
        self.bench.publish(each)

    # -- what may happen

    def events(self) -> None:
        zone = self.random.choice(ZONES)
        for _ in range(self.random.choice((1, 2, 3, 12))):
            self.publish(event(self.random.choice(KINDS), zone=zone, text="x" * 40))

    def turn(self) -> None:
        self.bench.turn(self.random.randint(1, 9))

    def pass_time(self) -> None:
        self.bench.pass_time(self.random.choice((0.01, 0.06, 0.3, 1.5)))

    def connect(self) -> None:
        if len(self.living()) == 5:
            return
        user = self.random.choice(USERS)
        since = None if self.random.random() < 0.3 else self.somewhere()
        watcher = Watcher.__new__(Watcher)
        watcher.begin(self, user, since)
        rights = self.bench.desk.rights[user]
        watcher.views.append((rights, subscriptions.types(subscriptions.defaults(rights), rights)))
        self.watchers.append(watcher)
        Client.__init__(watcher, self.bench, user, since, f"c{len(self.watchers)}")
        self.bench.clients.append(watcher)
        self.bench.turn(self.random.randint(0, 12))

    def disconnect(self) -> None:
        if watcher := self.anyone():
            watcher.leave()
            self.bench.turn(3)
            watcher.code = 1000

    def resume(self) -> None:
        if watcher := self.anyone():
            watcher.asks_to_resume(self.somewhere())
            self.bench.turn(self.random.randint(0, 12))

    def subscribe(self) -> None:
        watcher = self.anyone()
        if watcher is None or watcher.resuming or not watcher.frames:
            return
        rights, _ = watcher.views[-1]
        pattern = self.random.choice(PATTERNS)
        if self.random.random() < 0.6:
            command = "subscribe"
            wants, _ = subscriptions.add(watcher.member.wants, Subscribe(event_types=[pattern]), rights)
        else:
            command = "unsubscribe"
            wants = subscriptions.remove(watcher.member.wants, [pattern], rights)
        watcher.views.append((rights, subscriptions.types(wants, rights)))
        watcher.changing = True
        number = watcher.give(command, event_types=[pattern])
        for _ in range(50):
            self.bench.turn(1)
            if number in watcher.answers() or watcher.code is not None:
                break
        watcher.changing = False

    def change_rights(self) -> None:
        user = self.random.choice(USERS)
        zones = {zone for zone in ZONES if self.random.random() < 0.7}
        concerned = [watcher for watcher in self.watchers if watcher.user == user]
        for watcher in concerned:
            _, wanted = watcher.views[-1]
            watcher.views.append((audience(zones=zones, user_id=user), wanted))
            watcher.changing = True
        self.bench.desk.rights[user] = audience(zones=zones, user_id=user)  # committed; its event follows
        self.bench.turn(self.random.choice((0, 0, 1, 4)))
        self.publish(event(RIGHTS, subject_id=user))
        for watcher in concerned:
            watcher.changing = False

    def stop_confirming(self) -> None:
        if watcher := self.anyone():
            watcher.answers_pings = False

    def confirm_again(self) -> None:
        for watcher in self.living():
            watcher.answers_pings = True
            watcher.answer()

    def prune(self) -> None:
        keep = self.random.randint(20, 60)
        self.bench.feed.floor = max(self.bench.feed.floor, self.bench.feed.position - keep)

    # -- what must hold

    def all_is_well(self) -> None:
        for problem in self.problems:
            raise problem
        reasons = {f["reason"] for w in self.watchers for f in w.frames if f["type"] == "bye"}
        assert reasons <= {"the log no longer reaches back that far"}
        for watcher in self.living():
            if watcher.frames and not watcher.member.closing:
                member = watcher.member
                assert member.route is not None or member.reader is not None or member.entering

    def come_to_rest(self) -> None:
        self.confirm_again()
        self.bench.settle()
        self.all_is_well()
        for watcher in self.living():
            assert watcher.frames, "it was never welcomed"
            assert not watcher.resuming, "a resume was never answered"
            assert watcher.member.route is not None, "it never came to its route"
            assert watcher.member.upto == self.bench.feed.position
            assert watcher.missing(self.bench.feed.position) == []
        assert not self.bench.node.router.readers


RULES = (
    (Machine.events, 8),
    (Machine.turn, 4),
    (Machine.pass_time, 4),
    (Machine.connect, 3),
    (Machine.disconnect, 1),
    (Machine.resume, 3),
    (Machine.subscribe, 2),
    (Machine.change_rights, 3),
    (Machine.stop_confirming, 2),
    (Machine.confirm_again, 2),
    (Machine.prune, 1),
)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_promise_is_kept(seed: int, catalogue: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "WINDOW", 3000)
    monkeypatch.setattr(fans, "LOOK_EVERY", 100)
    monkeypatch.setattr(connections, "PING_EVERY", 800)
    machine = Machine(seed)
    try:
        machine.run(300)
    except AssertionError as problem:
        problem.add_note(f"the last steps: {machine.steps[-25:]}")
        raise
    finally:
        machine.bench.close()
    assert len(machine.published) > 150, "hardly anything happened"
    assert sum(len(watcher.got) for watcher in machine.watchers) > 200, "hardly anything arrived"
