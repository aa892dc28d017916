"""What is remembered of when something was sent: an hour, exactly, and nothing made up beyond it."""

from __future__ import annotations

import time

import pytest

from realtime import moments
from realtime.moments import Moments


def at_times(monkeypatch: pytest.MonkeyPatch, *pairs: tuple[int, float]) -> Moments:
    made = Moments()
    for position, at in pairs:
        monkeypatch.setattr(time, "time", lambda at=at: at)
        made.note(position)
    return made


def test_a_position_was_passed_with_the_first_that_is_not_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    made = at_times(monkeypatch, (3, 10.0), (7, 20.0), (7, 30.0))
    assert [made.past(position) for position in (1, 3, 4, 7, 8)] == [10.0, 10.0, 20.0, 20.0, None]
    assert [made.at(position) for position in (3, 4, 7, 8)] == [10.0, None, 20.0, None]
    assert [made.reached(position) for position in (7, 8)] == [True, False]
    assert not Moments().reached(1)


def test_what_is_no_longer_kept_has_no_time_rather_than_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "LOOK_EVERY", 4)
    made = at_times(monkeypatch, (2, 0.0), (4, 10.0), (6, 4000.0), (8, 4001.0))
    assert [made.past(position) for position in (3, 4, 5, 7)] == [None, None, 4000.0, 4001.0]
    assert (made.at(4), made.at(6)) == (None, 4000.0)
    assert made.reached(3)


def test_a_log_that_begins_anew_is_remembered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made = at_times(monkeypatch, (500, 1.0), (2, 2.0))
    assert (made.past(2), made.past(400)) == (2.0, None)
