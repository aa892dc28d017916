"""One visit for all who ask at the same time.

After a restart a thousand clients come back within seconds. Whoever asks while a visit to the database is under way
shares the next one, so what a visit costs is paid once for many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

MOST_AT_ONCE = 200


class Together(Generic[Item, Answer]):
    """Collects what is asked for and answers it visit by visit.

    visit: answers a list of items with a list as long; an answer that is an exception is raised to who asked, and what
    `visit` itself raises to everyone. abandoned: called with the item of whoever gave up meanwhile, whatever became of it.
    """

    def __init__(
        self,
        visit: Callable[[list[Item]], Awaitable[Sequence[Answer | Exception]]],
        abandoned: Callable[[Item], None] = lambda item: None,
    ) -> None:
        self._visit = visit
        self._abandoned = abandoned
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Answer:
        """The answer to `item`, by the next visit that begins."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answered))
        if self._serving is None:
            self._serving = asyncio.ensure_future(self._serve())
        return await answered

    async def _serve(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                try:
                    answers = await self._visit([item for item, _ in batch])
                except Exception as problem:  # noqa: BLE001  # it is theirs to handle, not this task's
                    answers = [problem] * len(batch)
                for (item, answered), answer in zip(batch, answers, strict=True):
                    if answered.done():
                        self._abandoned(item)
                    elif isinstance(answer, Exception):
                        answered.set_exception(answer)
                    else:
                        answered.set_result(answer)
        finally:
            self._serving = None
