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

from django.db import close_old_connections

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
        _pool, partial(context.run, _call, partial(function, *args, **kwargs))
    )


def _call(function: Callable[[], T]) -> T:
    close_old_connections()
    try:
        return function()
    finally:
        close_old_connections()
