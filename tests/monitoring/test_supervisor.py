"""Specification of the collectors' supervisor: one leader, each collector for itself, visible, fenced, cleanly ended."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from monitoring import lease as leases
from monitoring import supervisor as supervising
from monitoring.lease import Lease, LeaseLost
from monitoring.models import CollectorLease, LogPlace
from monitoring.supervisor import Supervisor, overview
from zones.collectors import COLLECTORS, collector

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the test's own collectors."""
    before = dict(COLLECTORS)
    COLLECTORS.clear()
    monkeypatch.setattr(supervising, "autodiscover_modules", lambda *_: None)
    monkeypatch.setattr(supervising, "RENEW_S", 0.05)
    monkeypatch.setattr(supervising, "FIRST_PAUSE_S", 0.01)
    yield
    COLLECTORS.clear()
    COLLECTORS.update(before)


async def until(true: Callable[[], Any], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not await asyncio.to_thread(lambda: (true(), connection.close())[0]):
        assert time.monotonic() < deadline, "it never came to that"
        await asyncio.sleep(0.02)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_collectors_run_and_can_be_seen() -> None:
    calls: list[float] = []
    collector("counts", every_s=0.01)(lambda: calls.append(time.monotonic()))

    @collector("watches")
    async def watch() -> None:
        await asyncio.Event().wait()

    running = asyncio.create_task(Supervisor().run())
    await until(lambda: len(calls) > 3 and len(overview().collectors) == 2)
    seen = await asyncio.to_thread(overview)
    assert seen.led
    assert {each.name: each.state for each in seen.collectors} == {"counts": "running", "watches": "running"}
    await stopped(running)
    seen = await asyncio.to_thread(overview)
    assert not seen.led
    assert {each.state for each in seen.collectors} == {"stopped"}


async def test_one_that_fails_is_tried_again_and_disturbs_no_other() -> None:
    broken = True
    calls: list[int] = []

    @collector("fails", every_s=0.01)
    def fail() -> None:
        if broken:
            raise OSError("no such thing")

    collector("works", every_s=0.01)(lambda: calls.append(1))
    running = asyncio.create_task(Supervisor().run())
    await until(lambda: any(each.error == "OSError: no such thing" for each in overview().collectors))
    told = len(calls)
    await until(lambda: len(calls) > told + 5)
    broken = False
    await until(lambda: {each.state for each in overview().collectors} == {"running"})
    await stopped(running)


async def test_one_of_two_collects_and_the_other_takes_over() -> None:
    workers: set[str] = set()

    @collector("who", every_s=0.01)
    def who() -> None:
        workers.add(leases.LEASE.get().node)

    first, second = Supervisor(), Supervisor()
    first.lease.node, second.lease.node = "first", "second"
    one = asyncio.create_task(first.run())
    await until(lambda: workers == {"first"})
    two = asyncio.create_task(second.run())
    await asyncio.sleep(0.5)
    assert workers == {"first"}
    await stopped(one)
    await until(lambda: workers == {"first", "second"})
    await stopped(two)


def test_a_leader_that_sleeps_cannot_write_over_its_successor() -> None:
    old, new = Lease("old"), Lease("new")
    assert old.acquire() and not new.acquire()
    CollectorLease.objects.update(leased_until=timezone.now())  # it sleeps
    assert new.acquire()
    with pytest.raises(LeaseLost), old.fenced():
        LogPlace.objects.create(name="query.log", place={})
    assert not LogPlace.objects.exists()
    with pytest.raises(LeaseLost):
        old.renew()
    assert not old.leads and new.leads
    old.release()
    new.renew()


async def test_a_leader_that_lost_the_lease_stops_collecting() -> None:
    collector("works", every_s=0.01)(lambda: None)
    supervisor = Supervisor()
    running = asyncio.create_task(supervisor.run())
    await until(lambda: overview().led)
    term = supervisor.lease.term
    await asyncio.to_thread(
        lambda: (CollectorLease.objects.update(holder="another", term=term + 1), connection.close())
    )
    await until(lambda: not supervisor.lease.leads)
    await stopped(running)


async def test_a_collector_that_hangs_in_a_thread_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "STOP_WITHIN_S", 0.2)
    let_go = threading.Event()
    collector("hangs", every_s=1)(let_go.wait)
    running = asyncio.create_task(Supervisor().run())
    await until(lambda: overview().led)
    await asyncio.wait_for(stopped(running), 10)
    let_go.set()
