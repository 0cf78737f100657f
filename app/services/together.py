"""Calls that wait while an operation runs share the next one, and each gets an answer of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from app.domain.errors import DatabaseUnavailableError

T = TypeVar("T")
R = TypeVar("R")

# So that one operation stays far below the time limit of a statement.
MOST_TOGETHER = 64


class Together(Generic[T, R]):
    """Runs one operation at a time for all who wait; there is no timer, so the first one never waits.

    An operation that fails as a whole is repeated for each call alone: none fails for its neighbour. Only
    while the database is away everyone is told so.
    """

    def __init__(
        self,
        operation: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        key: Callable[[T], Hashable | None],
    ) -> None:
        """Keep what is needed.

        Args:
            operation: returns an answer, or the error to raise, for each item in order.
            key: items with an equal one do not go together; None goes with everything.
        """
        self._operation = operation
        self._key = key
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: T) -> R:
        """Wait for the answer to one item; it may still be worked on when the caller is cancelled."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="together")
        return await answer

    async def _run(self) -> None:
        while batch := self._next():
            try:
                await self._answer(batch)
            finally:  # whoever ended this task must not leave them waiting
                for _, answer in batch:
                    answer.cancel()

    def _next(self) -> list[tuple[T, asyncio.Future[R]]]:
        batch: list[tuple[T, asyncio.Future[R]]] = []
        later: list[tuple[T, asyncio.Future[R]]] = []
        keys: set[Hashable] = set()
        for item, answer in self._waiting:
            key = self._key(item)
            if answer.done():
                continue
            if len(batch) == MOST_TOGETHER or key in keys:
                later.append((item, answer))
                continue
            batch.append((item, answer))
            if key is not None:
                keys.add(key)
        self._waiting = later
        return batch

    async def _answer(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        answers: Sequence[R | Exception]
        try:
            answers = await self._operation([item for item, _ in batch])
        except DatabaseUnavailableError:
            answers = [DatabaseUnavailableError() for _ in batch]
        except Exception as error:
            if len(batch) > 1:
                for each in batch:
                    await self._answer([each])
                return
            answers = [error]
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if waiting.done():
                continue
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)
