"""Identifiers of events sort by time and never repeat."""

from __future__ import annotations

import time
import uuid

import pytest

from realtime.identifiers import uuid7


def test_an_identifier_is_a_uuid_of_version_7() -> None:
    made = uuid.UUID(uuid7())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_its_first_48_bits_are_the_milliseconds_since_1970() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(uuid7()).int >> 80
    assert before <= made <= time.time_ns() // 1_000_000


def test_later_ones_sort_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for moment in (0, 1_000_000, 10**18, 1_795_000_000 * 10**9, 2**47 * 1_000_000):
        monkeypatch.setattr(time, "time_ns", lambda moment=moment: moment)
        made.append(uuid7())
    assert made == sorted(made)


def test_they_do_not_repeat() -> None:
    assert len({uuid7() for _ in range(20_000)}) == 20_000
