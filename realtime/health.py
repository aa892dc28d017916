"""Health of a web process, for load balancers and people: no sign-in, no secrets.

Three questions, each with its own answer, so that one cause turns one of them red: does the process live (`live`), can it
do its work (`ready`), and do events get through at once (`realtime`). What fails says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST

from realtime import log
from realtime.database import in_database
from realtime.lifespan import this_node
from realtime.metrics import metrics

PATIENCE_S = 2.0

Check = Callable[[], str | None]
REALTIME_CHECKS: dict[str, Check] = {}
"""What other apps add to `/health/realtime`: a function that uses the database and says what is wrong, or `None`."""


async def live(request: HttpRequest) -> JsonResponse:
    """The process runs and its event loop turns."""
    return _answer({"event_loop": this_node().watch.blockage()})


async def ready(request: HttpRequest) -> JsonResponse:
    """It can do its work: the database answers, the feed is up, and it is not about to stop."""
    node = this_node()
    return _answer(
        {
            "staying": "the process is about to stop" if node.draining else None,
            "database": await _asked(_database, "the database does not answer"),
            "feed": None if node.feed.ready.is_set() else "the process has not begun to follow the log",
        }
    )


async def realtime(request: HttpRequest) -> JsonResponse:
    """Events get through at once: a canary comes back through the channel layer every second, the feed is level with the
    log, and what else the apps watch works. Whether the database answers is the question of `ready`."""
    watch = this_node().watch
    checks = {"channel_layer": watch.silence(), "feed_level": watch.lateness()}
    for name, check in REALTIME_CHECKS.items():
        checks[name] = await _asked(check, None)
    return _answer(checks)


async def exposition(request: HttpRequest) -> HttpResponse:
    """The figures of this process for Prometheus."""
    return HttpResponse(metrics.exposition(this_node()), content_type=CONTENT_TYPE_LATEST)


def _database() -> str | None:
    log.position()
    return None


async def _asked(check: Check, otherwise: str | None) -> str | None:
    """What a check says; `otherwise`, when it cannot be made."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await in_database(check)
    except Exception:  # noqa: BLE001  # unreachable is the answer, whatever the reason
        return otherwise


def _answer(checks: dict[str, str | None]) -> JsonResponse:
    why = {name: problem for name, problem in checks.items() if problem}
    body = {
        "status": "failing" if why else "ok",
        "checks": {name: problem is None for name, problem in checks.items()},
        "why": why,
    }
    return JsonResponse(body, status=503 if why else 200, headers={"Cache-Control": "no-store"})
