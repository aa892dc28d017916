"""The background work around queries: following the logs, and forgetting old counts."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import close_old_connections, connection

from monitoring.lease import LeaseLost, fenced
from monitoring.models import QueryRollup
from monitoring.queries import demo, ingest, source  # noqa: F401  # the demo registers itself
from realtime.interests import InterestBook
from zones.collectors import collector
from zones.nameserver.endpoint import endpoint
from zones.nameserver.errors import NameServerError

T = TypeVar("T")

QUIET_S = 0.05
"""Seconds between two looks at a log in which nothing was new."""
ASK_EVERY_S = 1.0


@collector("query log")
async def follow_queries() -> None:
    """Follow the name server's logs until cancelled. Raises `NameServerError` while no name server is known."""
    where = endpoint()
    if where.log_dir is None:
        await asyncio.Event().wait()  # nobody has said where they are, which is a choice; settings stay until a restart
    book = InterestBook()
    loop = asyncio.get_running_loop()
    context = copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="query-log") as pool:

        def in_pool(function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
            return loop.run_in_executor(pool, lambda: context.run(function, *args))

        reading: ingest.Ingest = await in_pool(ingest.Ingest, where, book)
        helpers = [asyncio.create_task(book.listen()), asyncio.create_task(_ask(reading))]
        ending = threading.Event()
        try:
            while True:
                await in_pool(_read_on, reading, ending)
        finally:
            ending.set()
            for task in helpers:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(in_pool(_end, reading))


def _read_on(reading: ingest.Ingest, ending: threading.Event) -> None:
    """Until there is more to read than a turn takes: for a log in which little is new the event loop is not woken."""
    while not reading.turn() and not ending.wait(QUIET_S):
        pass


def _end(reading: ingest.Ingest) -> None:
    close_old_connections()
    try:
        with contextlib.suppress(LeaseLost):
            reading.close()
    finally:
        connection.close()


async def _ask(reading: ingest.Ingest) -> None:
    """Ask the server for its own counts, now and then."""
    while True:
        try:
            reading.take(await asyncio.to_thread(source.ask, endpoint(), reading.lines))
        except NameServerError as error:
            reading.take(error)
        await asyncio.sleep(ASK_EVERY_S)


@collector("retention of query counts", every_s=600)
def prune_counts() -> None:
    """Delete old counts."""
    period, conf = QueryRollup.Period, settings.QUERIES
    kept = {
        period.MINUTE: timedelta(days=conf.minutes_kept_days),
        period.HOUR: timedelta(days=conf.hours_kept_days),
        period.DAY: timedelta(days=conf.days_kept_days),
    }
    with fenced():
        ingest.prune(kept, datetime.now(UTC))
