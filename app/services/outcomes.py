"""Waits for the ends of tasks: one statement for all that are awaited in this process, however many."""

import asyncio

from app.db.engine import Database
from app.db.prompts import Ended
from app.domain.errors import DatabaseUnavailableError
from app.domain.task import TaskId

LOOK_EVERY_S = 0.05
WHILE_AWAY_S = 1.0


class Outcomes:
    """Tells callers how their tasks ended; it looks only while somebody waits."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._awaited: dict[TaskId, asyncio.Future[Ended]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def of(self, task_id: TaskId) -> Ended:
        """Wait until the task has ended, for ever if need be; a task has one waiter."""
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._awaited[task_id] = future
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="outcomes")
        try:
            return await future
        finally:
            del self._awaited[task_id]

    async def _look(self) -> None:
        """Look until nobody waits any more; what goes wrong is told to those who wait."""
        try:
            while self._awaited:  # noqa: ASYNC110 - the rows change elsewhere, no event tells
                await asyncio.sleep(await self._look_once())
        except Exception as error:
            for future in self._awaited.values():
                if not future.done():
                    future.set_exception(error)

    async def _look_once(self) -> float:
        """Answer those whose task has ended; returns the seconds to the next look."""
        try:
            async with self._database.autocommit() as work:
                ended = await work.prompts.ended(list(self._awaited))
        except DatabaseUnavailableError:
            return WHILE_AWAY_S
        for task_id, outcome in ended.items():
            future = self._awaited.get(task_id)
            if future is not None and not future.done():
                future.set_result(outcome)
        return LOOK_EVERY_S
