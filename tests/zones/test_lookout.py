"""A thread that looks after something: woken it looks at once, and what is told during a look is not forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from realtime.events import EventType
from realtime.hearing import heard
from zones.lookout import Lookout, Post


class Counting(Lookout):
    """Counts its looks; `does` is what happens in the next ones, `pause_s` what each of them answers."""

    def __init__(self, pause_s: float = 3600.0) -> None:
        super().__init__("counting")
        self.pause_s = pause_s
        self.looks = 0
        self.does: list[Callable[[], None]] = []

    def look(self) -> float:
        self.looks += 1
        if self.does:
            self.does.pop(0)()
        return self.pause_s


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def lookout(db: None) -> Iterator[Counting]:
    made = Counting()
    yield made
    made.stop()


def test_it_looks_when_it_starts_and_each_time_it_is_woken(lookout: Counting) -> None:
    lookout.start()
    until(lambda: lookout.looks == 1)
    lookout.wake()
    until(lambda: lookout.looks == 2)
    lookout.wake()
    until(lambda: lookout.looks == 3)


def test_it_looks_again_by_itself_when_it_has_said_so(lookout: Counting) -> None:
    lookout.pause_s = 0.01
    lookout.start()
    until(lambda: lookout.looks > 3)


def test_a_wake_during_a_look_leads_to_another(lookout: Counting) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        go_on.wait(20)

    lookout.does = [long]
    lookout.start()
    begun.wait(20)
    lookout.wake()
    go_on.set()
    until(lambda: lookout.looks == 2)


def test_many_signs_within_a_moment_are_one_look(lookout: Counting) -> None:
    lookout.start()
    until(lambda: lookout.looks == 1)
    for _ in range(1000):
        lookout.wake(not_again_within_s=0.5)
    until(lambda: lookout.looks == 2)
    lookout.wake(not_again_within_s=3600)
    assert lookout.looks == 2


def test_a_look_that_fails_is_made_again(lookout: Counting, caplog: pytest.LogCaptureFixture) -> None:
    lookout.does = [lambda: 1 / 0]  # type: ignore[list-item]
    lookout.start()
    until(lambda: lookout.looks == 2)
    assert "the counting could not look" in caplog.text


def test_what_another_process_changed_wakes_the_one_that_stands_here(db: None) -> None:
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting())
        return made[-1]

    post = Post(make, EventType.ZONE_CREATED)
    heard(EventType.ZONE_CREATED)  # where none stands, it is nobody's business
    post.start()
    post.start()
    assert len(made) == 1
    until(lambda: made[0].looks == 1)
    heard(EventType.RECORD_UPDATED)
    heard(EventType.ZONE_CREATED)
    until(lambda: made[0].looks == 2)
    post.stop()
    post.stop()
    post.wake()
