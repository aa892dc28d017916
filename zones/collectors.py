"""Background work of the site: what measures, probes, expires or refreshes, declared where it is written.

    @collector("expired rules", every_s=5)
    def expire_rules() -> None: ...

    @collector("query log")
    async def follow() -> None: ...     # runs until it is cancelled

`monitoring.supervisor` runs all of them in one process at a time, starts again with back-off what fails, and tells how
each is doing. A plain function runs in a thread and may use the database; a coroutine runs on the event loop and must not
block it. Modules named `collectors` in each app are imported when the supervisor starts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from django.core.exceptions import ImproperlyConfigured

F = TypeVar("F", bound=Callable[[], Awaitable[None]] | Callable[[], Any])


def _always() -> bool:
    return True


class Collector(msgspec.Struct, frozen=True):
    """every_s: seconds between two runs (a number, or a function asked before each pause); `None` for what runs until it is
    cancelled. wanted: whether there is anything for it to do on this site; asked when the supervisor starts."""

    name: str
    run: Callable[[], Any]
    every_s: float | Callable[[], float] | None
    wanted: Callable[[], bool]

    def pause_s(self) -> float:
        """Seconds until the next run."""
        return self.every_s() if callable(self.every_s) else self.every_s or 0.0


COLLECTORS: dict[str, Collector] = {}


def collector(
    name: str, *, every_s: float | Callable[[], float] | None = None, wanted: Callable[[], bool] = _always
) -> Callable[[F], F]:
    """Register a function or coroutine function as background work under a name that people will read."""

    def register(run: F) -> F:
        if name in COLLECTORS and COLLECTORS[name].run is not run:
            raise ImproperlyConfigured(f"there are two collectors named {name!r}")
        COLLECTORS[name] = Collector(name, run, every_s, wanted)
        return run

    return register
