"""Health of a web process, for load balancers and people: no sign-in, no secrets."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest, JsonResponse

from realtime import log
from realtime.database import in_database
from realtime.lifespan import this_node

PATIENCE_S = 2.0


async def live(request: HttpRequest) -> JsonResponse:
    """The process runs and its event loop turns."""
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """It can do its work: the database answers, the feed is up, and it is not about to stop."""
    node = this_node()
    checks = {
        "draining": not node.draining,
        "database": await _database() is not None,
        "feed": node.feed.ready.is_set(),
    }
    return _answer(checks)


async def realtime(request: HttpRequest) -> JsonResponse:
    """Events get through: the feed is level with the log, give or take what was written a moment ago."""
    node = this_node()
    head = await _database()
    behind = None if head is None else max(0, head - node.feed.position)
    return _answer({"database": head is not None, "feed_level": behind == 0}, behind=behind)


async def _database() -> int | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return (await in_database(log.position)).position
    except Exception:  # noqa: BLE001  # unreachable is the answer, whatever the reason
        return None


def _answer(checks: dict[str, bool], **more: Any) -> JsonResponse:
    good = all(checks.values())
    body = {"status": "ok" if good else "failing", "checks": checks, **more}
    return JsonResponse(body, status=200 if good else 503)
