"""Figures of the event system: what is counted, and what the guard of the roll-out makes of it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from realtime.conf import RolloutSettings
from realtime.guard import objections
from realtime.leaks import KEPT, Look, suspect
from tests.parts.site import Site
from tests.realtime.peer import as_person


def value(text: str, name: str, **labels: str) -> float:
    for line in text.splitlines():
        if line.startswith(name) and all(f'{k}="{v}"' in line for k, v in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


async def figures(site: Site) -> str:
    return (await asyncio.to_thread(site.client().get, "/metrics")).text


async def test_the_figures_follow_what_happens(site: Site) -> None:
    async with as_person(site, "olivia") as olivia:
        await olivia.welcome()
        text = await figures(site)
        assert value(text, "dnsadmin_realtime_connections", system="unified", client="api") == 1
        zone = {"name": "figures.example", "kind": "primary"}
        await asyncio.to_thread(site.client("olivia").post, "/api/zones/", zone)
        await olivia.event("zone_created", zone="figures.example")
        await olivia.send("{")
        await olivia.frame("error")

        async def timed() -> bool:
            return value(await figures(site), "dnsadmin_realtime_commit_to_client_seconds_count") > 0

        async with asyncio.timeout(30):
            while not await timed():  # noqa: ASYNC110  # the site is another process
                await asyncio.sleep(0.1)
        text = await figures(site)
        assert value(text, "dnsadmin_realtime_frames_sent_total") > 0
        assert value(text, "dnsadmin_realtime_errors_total", code="invalid_message", system="unified") == 1


async def test_every_figure_has_a_help_text(site: Site) -> None:
    text = await figures(site)
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    assert names
    assert names == set(re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE))


async def test_administrators_see_the_figures_of_every_process(site: Site) -> None:
    assert (await asyncio.to_thread(site.client("olivia").get, "/api/realtime/stats/")).status == 403
    async with asyncio.timeout(30):
        while True:
            answer = await asyncio.to_thread(site.client("admin").get, "/api/realtime/stats/")
            if answer.data["nodes"]:
                break
            await asyncio.sleep(0.5)
    assert {"connections", "memory_bytes", "p99_s", "routes"} <= answer.data["nodes"][0].keys()


# -- the guard ------------------------------------------------------------------------------------------------------------


def sample(
    unified: int = 100, legacy: int = 100, lagging: int = 0, p99_s: float | None = 0.1, **more: Any
) -> dict[str, Any]:
    return {
        "tally": {"opened.unified": 0} | more.pop("tally", {}),
        "connections_by_system": {"unified": unified, "legacy": legacy},
        "lagging": lagging,
        "p99_s": p99_s,
        "memory_bytes": 100_000_000,
    } | more


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (sample(tally={"erring.unified": 20}), "met an error"),
        (sample(tally={"returned.unified": 80}), "ended abnormally"),
        (sample(p99_s=9.0), "from commit to the browser"),
        (sample(lagging=50), "too slow"),
        (sample(memory_bytes=300_000_000), "grew from 100 to 300 MB"),
    ],
)
def test_bad_figures_are_named(later: dict[str, Any], words: str) -> None:
    problems = objections({"n": [sample(), later]}, {"n": 100_000_000}, RolloutSettings())
    assert len(problems) == 1
    assert words in problems[0]


def test_good_figures_and_few_connections_roll_nothing_back() -> None:
    assert objections({"n": [sample(), sample()]}, {}, RolloutSettings()) == []
    few = sample(unified=3, tally={"erring.unified": 3})
    assert objections({"n": [sample(unified=3), few]}, {}, RolloutSettings()) == []


def test_what_the_old_system_suffers_from_as_well_is_not_the_new_ones_fault() -> None:
    both = sample(tally={"erring.unified": 20, "erring.legacy": 20})
    assert objections({"n": [sample(), both]}, {}, RolloutSettings()) == []


# -- leaks ----------------------------------------------------------------------------------------------------------------


def look(connections: int = 10, memory: int = 10**8, **more: Any) -> Look:
    return Look(connections, more.pop("channels", connections), more.pop("tasks", {"feed": 5}), memory)


def test_a_leak_is_named() -> None:
    assert "channels" in str(suspect([look(channels=900)]))
    assert "Reader.run" in str(suspect([look(tasks={"Reader.run": 2000, "feed": 2})]))
    assert "memory" in str(suspect([look(memory=10**8 + step * 10**7) for step in range(KEPT)]))


def test_growth_with_connections_and_a_quiet_process_are_no_leak() -> None:
    assert suspect([look() for _ in range(KEPT)]) is None
    assert suspect([look(10 + step, 10**8 + step * 10**7) for step in range(KEPT)]) is None
