"""Has a language model rewrite a text: a short task ahead of all music, awaited for a bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from uuid import uuid4

from app.db.engine import Database, retrying
from app.db.prompts import KIND, LANE, Ended
from app.db.submissions import NewTask
from app.db.tasks import Actor
from app.domain import seeds
from app.domain.errors import (
    LanguageModelFailedError,
    LanguageModelUnavailableError,
    QueueFullError,
    ServiceError,
)
from app.domain.format_input import FormattedInput, FormatWish, join
from app.domain.ports import Doorbell, Ping
from app.domain.task import Caller, TaskId, TaskStatus
from app.services.outcomes import Outcomes

RETRY_LIMIT_S = 3.0
RETRY_AFTER_S = 2
MOST_WAITING = 50


class Prompting:
    """The use case behind `/format_input`."""

    def __init__(
        self,
        database: Database,
        doorbell: Doorbell,
        *,
        offered: Callable[[], Awaitable[Sequence[str]]],
        timeout_s: float,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Keep what is needed.

        Args:
            offered: language models that live workers offer now, the default one first.
            timeout_s: longest wait for an answer, the time in the queue included.
        """
        self._database = database
        self._doorbell = doorbell
        self._outcomes = Outcomes(database)
        self._offered = offered
        self._timeout_s = timeout_s
        self._most_waiting = most_waiting

    async def __call__(
        self,
        caller: Caller,
        wish: FormatWish,
        *,
        request: Mapping[str, Any],
        content_type: str,
        request_id: str,
    ) -> FormattedInput:
        """Store the task, wait for its end, and join the answer with what the user had given.

        Whoever stops waiting, by a time limit or because the client is gone, has the task cancelled.

        Raises:
            LanguageModelUnavailableError: no live worker offers a language model.
            QueueFullError: too many wait.
            LanguageModelFailedError: the model failed, or the wait ended.
        """
        offered = await self._offered()
        if not offered:
            raise LanguageModelUnavailableError
        task = _new_task(
            caller, wish, offered[0], request=request, content_type=content_type, request_id=request_id
        )
        await retrying(lambda: self._store(task), limit_s=RETRY_LIMIT_S)
        self._doorbell.ring([Ping(task.id, 0)])
        try:
            async with asyncio.timeout(self._timeout_s):
                return _answer(await self._outcomes.of(task.id), wish)
        except TimeoutError:
            await self._stop(caller, task.id)
            raise LanguageModelFailedError(f"no answer within {self._timeout_s:g} seconds") from None
        except asyncio.CancelledError:
            await asyncio.shield(self._stop(caller, task.id))
            raise

    async def _store(self, task: NewTask) -> None:
        async with self._database.transaction() as work:
            await work.prompts.lock_gate()
            waiting = await work.prompts.count_waiting()
            if waiting >= self._most_waiting:
                raise QueueFullError(
                    f"{waiting} texts wait for the language model already", retry_after_s=RETRY_AFTER_S
                )
            await work.submissions.insert([(task, waiting + 1)], ageing_s=0)

    async def _stop(self, caller: Caller, task_id: TaskId) -> None:
        with suppress(ServiceError):  # it has ended after all, or the sweep will see to it
            async with self._database.autocommit() as work:
                actor = Actor(kind="client", id=None if caller.key_id is None else str(caller.key_id))
                if not await work.tasks.cancel_queued(caller.team_id, task_id, actor=actor):
                    await work.tasks.request_cancel(caller.team_id, task_id, actor=actor)


def _new_task(
    caller: Caller,
    wish: FormatWish,
    model: str,
    *,
    request: Mapping[str, Any],
    content_type: str,
    request_id: str,
) -> NewTask:
    _, lm_seed = seeds.draw([None], 1, use_random=True)
    return NewTask(
        id=TaskId(uuid4()),
        team_id=caller.team_id,
        api_key_id=caller.key_id,
        request_id=request_id,
        kind=KIND,
        lane=LANE,
        model=model,
        request=request,
        content_type=content_type,
        params={**asdict(wish), "lm_seed": lm_seed},
    )


def _answer(ended: Ended, wish: FormatWish) -> FormattedInput:
    if ended.status is not TaskStatus.SUCCEEDED:
        raise LanguageModelFailedError(ended.error_message)
    return join(wish, ended.result)
