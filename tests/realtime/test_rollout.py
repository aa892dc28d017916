"""The roll-out: who is on which system, and the steps from one stage to the next and back."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from realtime import rollout
from realtime.events import EventType
from realtime.models import LogEvent, Rollout
from realtime.rollout import Assignment
from tests.parts.site import Site
from tests.realtime.peer import as_person


@pytest.mark.parametrize("percent", [1, 5, 25, 50, 75, 99])
def test_percentages_are_met_within_two_points_over_ten_thousand_users(percent: int) -> None:
    share = Assignment(percent)
    assert abs(sum(share.unified(user) for user in range(1, 10_001)) / 100 - percent) < 2


def test_a_greater_percentage_only_ever_adds_users() -> None:
    stages = [{u for u in range(1, 5000) if Assignment(p).unified(u)} for p in (0, 1, 5, 25, 50, 100)]
    assert all(smaller < greater for smaller, greater in itertools.pairwise(stages))
    assert not stages[0]
    assert len(stages[-1]) == 4999


def test_flag_and_assignment_agree_on_every_user(db: None) -> None:
    users = get_user_model().objects.bulk_create(get_user_model()(username=f"u{n}", password="") for n in range(200))
    rollout.start(25)
    share, flag = rollout.assignment(), rollout.flag()
    assert [share.unified(u.pk) for u in users] == [flag.is_active_for_user(u) for u in users]


def test_chosen_users_and_groups_are_on_whatever_the_percentage(db: None) -> None:
    users = get_user_model().objects
    one, two, other = (users.create(username=name) for name in ("one", "two", "other"))
    testers = Group.objects.create(name="testers")
    two.groups.add(testers)
    rollout.start(0)
    rollout.flag().users.add(one)
    rollout.flag().groups.add(testers)
    assert [rollout.assignment().unified(u.pk) for u in (one, two, other)] == [True, True, False]
    assert rollout.status()["mode"] == "testing"


def test_a_site_begins_with_everyone_on(db: None) -> None:
    status = rollout.status()
    assert (status["percent"], status["mode"], status["locked"]) == (100, "full", False)


def test_the_stages_lead_to_everyone(db: None) -> None:
    rollout.start()
    seen = [rollout.status()["percent"]]
    while rollout.status()["next_percent"] is not None:
        rollout.advance()
        seen.append(rollout.status()["percent"])
    assert seen == [1, 5, 25, 50, 100]
    with pytest.raises(rollout.Refused, match="nothing to advance to"):
        rollout.advance()


def test_a_roll_back_locks_until_a_person_lifts_it(db: None) -> None:
    rollout.start(50)
    rollout.rollback(reason="too slow")
    assert (rollout.status()["percent"], rollout.status()["reason"]) == (0, "too slow")
    for step in (rollout.start, rollout.advance):
        with pytest.raises(rollout.Refused, match="locked"):
            step()
    rollout.resume()
    assert rollout.status()["locked"] is False
    rollout.start(25)
    assert rollout.status()["percent"] == 25


def test_a_pause_stays_at_its_stage(db: None) -> None:
    with pytest.raises(rollout.Refused):
        rollout.pause()
    rollout.start(5)
    rollout.pause()
    assert (rollout.status()["state"], rollout.status()["percent"]) == ("paused", 5)
    rollout.resume()
    assert rollout.progress().state == Rollout.State.RUNNING


def test_every_step_is_in_the_log(db: None) -> None:
    rollout.start(5, "first week")
    rollout.advance()
    rollout.rollback(reason="memory")
    rows = LogEvent.objects.filter(event_type=EventType.ROLLOUT_CHANGED).order_by("pk")
    steps = [json.loads(row.data) for row in rows]
    assert [(s["action"], s["percent_before"], s["percent"], s["reason"]) for s in steps] == [
        ("start", 100, 5, "first week"),
        ("advance", 5, 25, ""),
        ("rollback", 25, 0, "memory"),
    ]


# -- on a running site ----------------------------------------------------------------------------------------------------


async def step(site: Site, *arguments: str) -> dict[str, Any]:
    done = await asyncio.to_thread(site.manage, "realtime_rollout", *arguments, "--json")
    return json.loads(done.stdout)  # type: ignore[no-any-return]


async def test_a_roll_back_takes_open_connections_away_and_a_start_lets_them_in_again(site: Site) -> None:
    async with as_person(site, "olivia") as olivia:
        await olivia.welcome()
        assert (await step(site, "rollback", "--reason", "a test"))["mode"] == "legacy"
        notice = await olivia.frame("notice", code="system_changed")
        assert notice["data"]["system"] == "legacy"
        assert await olivia.closed() == 4510
        assert (await olivia.frame("bye"))["code"] == 4510
    async with as_person(site, "olivia") as refused:
        assert await refused.closed() == 4510
        assert [frame["type"] for frame in refused.frames] == ["error", "bye"]
    locked = await asyncio.to_thread(site.manage, "realtime_rollout", "start", "--percent", "100", check=False)
    assert locked.returncode == 1
    await step(site, "resume")
    await step(site, "start", "--percent", "100")
    async with as_person(site, "olivia") as back:
        await back.welcome()


async def test_the_api_shows_and_moves_the_roll_out_for_administrators_only(site: Site) -> None:
    admin, olivia = site.client("admin"), site.client("olivia")
    assert (await asyncio.to_thread(olivia.get, "/api/realtime/rollout/")).status == 403
    assert (await asyncio.to_thread(admin.get, "/api/realtime/rollout/")).data["percent"] == 100
    async with as_person(site, "admin") as watching:
        await watching.welcome()
        wrong = await asyncio.to_thread(admin.post, "/api/realtime/rollout/", {"action": "advance"})
        assert (wrong.status, wrong.data["code"]) == (409, "conflict")
        wrong = await asyncio.to_thread(admin.post, "/api/realtime/rollout/", {"action": "leap"})
        assert wrong.status == 400
        done = await asyncio.to_thread(admin.post, "/api/realtime/rollout/", {"action": "start", "percent": 100})
        assert done.data["state"] == "running"
        event = await watching.event("rollout_changed", action="start")
    assert event["source_user"]["username"] == "admin"
