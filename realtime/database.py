"""Database work of the event loop, in a bounded pool of threads.

`database_sync_to_async` would run it in the one thread that all of a process's synchronous code shares.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from django.db import connections

from realtime.conf import conf

P = ParamSpec("P")
T = TypeVar("T")

_pool: ThreadPoolExecutor | None = None


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `function` in the pool, with database connections that are fit for use."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(conf().database_threads, thread_name_prefix="realtime-db")
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(
        _pool, partial(context.run, with_kept_connections, partial(function, *args, **kwargs))
    )


def with_kept_connections(function: Callable[[], T]) -> T:
    """Run `function` in a thread that lives as long as the process, and keep its database connections for the next visit."""
    _look_after_connections()
    try:
        return function()
    finally:
        _look_after_connections()


def _look_after_connections() -> None:
    """Keep this thread's database connections open, and replace those that broke.

    Threads of a pool live as long as the process, unlike those of requests, so opening a connection for each visit,
    which costs more than most of them, would be for nothing. One that broke meanwhile is found by a health check.
    """
    for connection in connections.all(initialized_only=True):
        connection.close_at = None
        connection.health_check_enabled = True  # type: ignore[attr-defined]  # unknown to the stubs
        connection.close_if_unusable_or_obsolete()
