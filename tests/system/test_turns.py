"""A crowd of requests waits for its turn; what tells of the site's health does not wait with it."""

from __future__ import annotations

import asyncio
from typing import Any

from dnsadmin.turns import TakingTurns


async def test_so_many_at_a_time_the_others_in_order_and_health_in_between() -> None:
    inside: list[str] = []
    begun: list[str] = []
    go = asyncio.Semaphore(0)

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        begun.append(scope["path"])
        if scope["path"] != "/health/live":
            inside.append(scope["path"])
            assert len(inside) <= 3
            await go.acquire()
            inside.remove(scope["path"])

    application = TakingTurns(inner, 3)
    crowd = [asyncio.create_task(application({"path": f"/{n}"}, None, None)) for n in range(10)]
    await asyncio.sleep(0)
    assert begun == ["/0", "/1", "/2"]
    await application({"path": "/health/live"}, None, None)
    assert begun[-1] == "/health/live"
    crowd[4].cancel()  # who leaves while waiting takes nobody's turn
    for _ in crowd:
        go.release()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert [path for path in begun if path != "/health/live"] == [f"/{n}" for n in range(10) if n != 4]
