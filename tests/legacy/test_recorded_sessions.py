"""Old clients keep working as they are: five recorded sessions are played again, one for each old socket."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from tests.legacy.player import Replay
from tests.parts.site import Site

SOCKETS = ("health", "dns_management", "security", "system", "admin")


@pytest.mark.timeout(300)
async def test_old_sessions_replay_without_change(site: Site) -> None:
    """All five at once, as one old page had them open."""
    replays = [Replay(site, name) for name in SOCKETS]
    played = await asyncio.gather(*(replay.play() for replay in replays))
    for replay, frames in zip(replays, played, strict=True):
        assert frames[0]["type"] == "deprecated", "it says so first, and once"
        assert [frame["type"] for frame in frames].count("deprecated") == 1
        for frame in frames:
            if frame["type"] in replay.knows:
                assert set(frame) == {"type", "data", "timestamp"}
                assert datetime.fromisoformat(frame["timestamp"]).tzinfo is not None
