"""Who belongs where is read once for all who ask together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime import rollout
from realtime.lifespan import this_node
from realtime.mover import Mover
from realtime.rollout import Assignment


async def test_a_refused_crowd_costs_one_look_and_each_goes_by_what_is_decided_now(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Assignment] = []
    read = rollout.assignment

    def counted() -> Assignment:
        looks.append(read())
        return looks[-1]

    monkeypatch.setattr(rollout, "assignment", counted)
    moving: Any = Mover(this_node())
    moving.assignment = Assignment(0.0)
    assert not moving.admits(7, "web")
    await asyncio.gather(*(moving.look() for _ in range(100)))
    assert moving.admits(7, "web"), "everybody is on: what was known before is out of date"
    assert len(looks) == 1
    # Whoever asks while a look is under way may not have its answer: the decision may be younger.
    first = asyncio.ensure_future(moving.look())
    await asyncio.sleep(0)
    await asyncio.gather(first, *(moving.look() for _ in range(100)))
    assert len(looks) == 3
