"""Runs the collectors (`zones.collectors`): in one process at a time, each for itself, started again when it fails.

In a process of their own (`manage.py run_monitors`) or inside the web process. Any number of processes may run a
supervisor; the lease lets one of them collect, the others stand by.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import random
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from typing import TypeVar

import msgspec
from django.db import DatabaseError
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from monitoring.lease import LEASE, Lease, LeaseLost
from monitoring.models import CollectorLease, CollectorState
from realtime.database import with_kept_connections
from zones.collectors import COLLECTORS, Collector

logger = logging.getLogger(__name__)

T = TypeVar("T")

RENEW_S = 1.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 30.0
"""A collector that worked for so long begins its back-off anew."""
WRITTEN_EVERY_S = 5.0
"""Seconds between two times that are written down of a collector that goes on working."""
THREADS = 8
STOP_WITHIN_S = 8.0

State = CollectorState.State


class Standing(msgspec.Struct):
    """How a collector is doing in this process. changed: not written to the database yet. written_at: when it was, of the
    monotonic clock."""

    name: str
    state: State
    since: datetime
    worked_at: datetime | None = None
    failures: int = 0
    error: str = ""
    changed: bool = True
    written_at: float = 0.0

    def enter(self, state: State, error: str = "") -> None:
        if state is not self.state:
            self.since = timezone.now()
        self.changed = self.changed or state is not self.state or error != self.error
        self.state, self.error = state, error

    @property
    def stale(self) -> bool:
        """Whether the database knows too little of when it last worked."""
        return self.worked_at is not None and time.monotonic() - self.written_at > WRITTEN_EVERY_S


class Supervisor:
    """`run()` it as a task, and cancel that to stop."""

    def __init__(self) -> None:
        self.lease = Lease(f"{socket.gethostname()[:64]}.{os.getpid()}")
        self._standings: dict[str, Standing] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="collector")

    async def run(self) -> None:
        """Stand by until the lease can be had, collect until it is lost, and again."""
        autodiscover_modules("collectors")
        try:
            while True:
                if await self._acquired():
                    await self._lead()
                await asyncio.sleep(RENEW_S * random.uniform(0.8, 1.2))
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _acquired(self) -> bool:
        try:
            return await self._in_thread(self.lease.acquire)
        except DatabaseError as error:
            logger.warning("the collectors wait for the database: %s", error)
            return False

    async def _lead(self) -> None:
        LEASE.set(self.lease)
        wanted = [each for each in COLLECTORS.values() if each.wanted()]
        logger.info("collecting, in term %d: %s", self.lease.term, ", ".join(each.name for each in wanted))
        self._standings = {each.name: Standing(each.name, State.RUNNING, timezone.now()) for each in wanted}
        tasks = [asyncio.create_task(self._supervise(each), name=f"collector {each.name}") for each in wanted]
        try:
            while True:
                try:
                    await self._in_thread(self._renew)
                except DatabaseError as error:
                    # Nothing can be written, by anybody; what is counted meanwhile waits. See `Lease.leads`.
                    logger.warning("the collectors' lease cannot be renewed: %s", error)
                await asyncio.sleep(RENEW_S)
        except LeaseLost as lost:
            logger.warning("%s; standing by", lost)
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
            with contextlib.suppress(DatabaseError, LeaseLost):
                await self._in_thread(self._stand_down)

    async def _supervise(self, each: Collector) -> None:
        standing = self._standings[each.name]
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            try:
                await self._perform(each)
                if each.every_s is None:
                    raise RuntimeError("it ended by itself")
            except LeaseLost:
                standing.enter(State.STOPPED)
                return  # the renewal finds out as well
            except Exception as error:
                logger.log(
                    logging.ERROR if standing.failures == 0 else logging.WARNING,
                    "collector %s failed; again in %.1f s: %s",
                    each.name,
                    pause_s,
                    error,
                    exc_info=standing.failures == 0,
                )
                if time.monotonic() - began > STEADY_S:
                    pause_s = FIRST_PAUSE_S
                standing.failures += 1
                standing.enter(State.FAILING, f"{type(error).__name__}: {error}"[:500])
                await asyncio.sleep(pause_s * random.uniform(0.8, 1.2))
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                if each.every_s is None:
                    standing.enter(State.RUNNING, standing.error)
            else:
                standing.enter(State.RUNNING)
                standing.worked_at = timezone.now()
                standing.failures, pause_s = 0, FIRST_PAUSE_S
                await asyncio.sleep(each.pause_s())

    async def _perform(self, each: Collector) -> None:
        if inspect.iscoroutinefunction(each.run):
            await each.run()
        else:
            await self._in_thread(each.run)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, lambda: context.run(with_kept_connections, function)
        )

    # -- what others can see

    def _renew(self) -> None:
        self.lease.renew()
        if any(standing.changed or standing.stale for standing in self._standings.values()):
            self._write()

    def _stand_down(self) -> None:
        for standing in self._standings.values():
            standing.enter(State.STOPPED)
        self._write()
        self.lease.release()

    def _write(self) -> None:
        told = list(self._standings.values())
        rows = [
            CollectorState(
                name=each.name,
                state=each.state,
                since=each.since,
                worked_at=each.worked_at,
                failures=each.failures,
                error=each.error,
            )
            for each in told
        ]
        with self.lease.fenced():
            CollectorState.objects.exclude(name__in=self._standings).delete()
            CollectorState.objects.bulk_create(
                rows,
                update_conflicts=True,
                unique_fields=["name"],
                update_fields=["state", "since", "worked_at", "failures", "error"],
            )
        for each in told:
            each.changed, each.written_at = False, time.monotonic()


class Overview(msgspec.Struct, frozen=True):
    """Who collects, and how each collector is doing. led: whether any process does now; `leader` names the last one, and
    `renewed_at` is its last sign of life."""

    led: bool
    leader: str
    renewed_at: datetime | None
    collectors: list[Standing]


def overview() -> Overview:
    """What any process can know of the collectors: two queries."""
    lease = CollectorLease.objects.first()
    led = lease is not None and lease.leased_until is not None and lease.leased_until > timezone.now()
    collectors = [
        Standing(
            row.name,
            State(row.state) if led else State.STOPPED,
            row.since if led or row.state == State.STOPPED or lease is None else (lease.renewed_at or row.since),
            row.worked_at,
            row.failures,
            row.error,
            changed=False,
        )
        for row in CollectorState.objects.all()
    ]
    return Overview(led, lease.node if lease else "", lease.renewed_at if lease else None, collectors)
