"""What a worker may do with a task: claim it, keep it, and end it. The only writer of running tasks."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db.engine import Database, retrying
from app.db.tasks import Actor, Beat, ClaimedTask, Settled
from app.domain.ports import Doorbell, Ping
from app.domain.task import TaskId, TaskStatus

log = logging.getLogger(__name__)

# How long an outcome is kept while the database is away; then the lease has long expired anyway.
RESULT_HOLD_S = 900.0
MAX_FAILURES = 2
CLAIM_TRIES = 5
# A task of a model that is not in memory waits at most this long behind tasks of one that is.
AFFINITY_MAX_WAIT_S = 20.0
# Longer than any statement may take (`Database`), so that an answer on its way is never taken for a lost one.
CLAIM_ANSWER_S = 20.0


class Lifecycle:
    """Moves of one worker's tasks. Every method may be repeated: a late or doubled call changes nothing."""

    def __init__(
        self,
        database: Database,
        doorbell: Doorbell,
        *,
        worker_id: UUID,
        lease_s: float,
        max_crashes: int,
        retention_days: int | None = None,
    ) -> None:
        self._database = database
        self._doorbell = doorbell
        self._worker_id = worker_id
        self._actor = Actor(kind="worker", id=str(worker_id))
        self._lease_s = lease_s
        self._max_crashes = max_crashes
        self._retention_days = retention_days

    async def claim(
        self,
        models: Sequence[str],
        kinds: Sequence[str] = ("generate",),
        *,
        loaded: Collection[str] = (),
        has_lm: bool = True,
    ) -> ClaimedTask | None:
        """Take the best eligible task, or None if there is none.

        Args:
            models: all that the claimer can serve.
            loaded: those in its memory; their tasks come first, until one of another model has waited too
                long.
            has_lm: the claimer offers a language model; tasks that need one are left to others if not.
        """
        ready = [model for model in models if model in loaded]
        others = [model for model in models if model not in loaded]
        if ready and others and not await self._have_waited(others, kinds, has_lm):
            task = await self._claim(ready, kinds, has_lm)
            if task is not None:
                return task
        return await self._claim(models, kinds, has_lm)

    async def _have_waited(self, models: Sequence[str], kinds: Sequence[str], has_lm: bool) -> bool:
        async with self._database.autocommit() as work:
            return await work.tasks.waited_long_exists(
                models=models, kinds=kinds, waited_s=AFFINITY_MAX_WAIT_S, has_lm=has_lm
            )

    async def _claim(self, models: Sequence[str], kinds: Sequence[str], has_lm: bool) -> ClaimedTask | None:
        """Claim once, in a few tries.

        An empty answer while tasks are eligible means that another worker held their team's row for a
        moment; the claim is then repeated.
        """
        for _ in range(CLAIM_TRIES):
            async with self._database.autocommit() as work:
                claimed = await work.tasks.claim(
                    worker_id=self._worker_id,
                    models=models,
                    kinds=kinds,
                    lease_s=self._lease_s,
                    has_lm=has_lm,
                )
                if not claimed and not await work.tasks.eligible_exists(
                    models=models, kinds=kinds, has_lm=has_lm
                ):
                    return None
            if claimed:
                for surplus in claimed[1:]:
                    log.error("claim returned a surplus task", extra={"task_id": surplus.id})
                    await self.release(surplus.id, surplus.attempt)
                self._doorbell.changed()
                return claimed[0]
            await asyncio.sleep(random.uniform(0.002, 0.010))
        return None

    async def heartbeat(self, beats: Sequence[Beat]) -> dict[tuple[TaskId, int], bool]:
        """Renew leases; returns the attempts still mine, each with whether a cancel was requested."""
        async with self._database.autocommit() as work:
            mine = await work.tasks.heartbeat(beats, worker_id=self._worker_id, lease_s=self._lease_s)
        if any(beat.stage_changed for beat in beats):
            self._doorbell.changed()
        return mine

    async def note(self, task: ClaimedTask, event: str, data: Mapping[str, Any]) -> None:
        """Add an event to the history of a task; it changes nothing else."""
        async with self._database.autocommit() as work:
            await work.tasks.note(task.id, task.attempt, event, actor=self._actor, data=data)

    async def succeed(
        self,
        task: ClaimedTask,
        *,
        result: Mapping[str, Any],
        clips: Sequence[Mapping[str, Any]],
        gpu_seconds: float,
    ) -> bool:
        """Finish a task with its stored clips; False if another attempt owns it or a cancel came first."""

        async def finish() -> bool:
            async with self._database.autocommit() as work:
                return await work.tasks.succeed(
                    task.id,
                    task.attempt,
                    actor=self._actor,
                    result=result,
                    clips=clips,
                    gpu_seconds=gpu_seconds,
                    retention_days=self._retention_days,
                )

        return await self._applied(finish, task, TaskStatus.SUCCEEDED)

    async def fail(
        self,
        task: ClaimedTask,
        *,
        code: str,
        message: str,
        trace: str | None,
        retryable: bool,
        gpu_seconds: float = 0.0,
        peak_memory_bytes: int | None = None,
    ) -> None:
        """Record a failure: back to the queue if another try may help, else the end."""

        async def give_up() -> Settled | None:
            async with self._database.autocommit() as work:
                return await work.tasks.fail_or_retry(
                    task.id,
                    task.attempt,
                    actor=self._actor,
                    code=code,
                    message=message,
                    trace=trace,
                    max_failures=MAX_FAILURES if retryable else 1,
                    gpu_seconds=gpu_seconds,
                    peak_memory_bytes=peak_memory_bytes,
                )

        await retrying(give_up, limit_s=RESULT_HOLD_S)
        self._doorbell.changed()

    async def cancelled(self, task: ClaimedTask, *, gpu_seconds: float = 0.0) -> None:
        """End a task as cancelled, after its computation stopped."""

        async def cancel() -> bool:
            async with self._database.autocommit() as work:
                return await work.tasks.cancel_running(
                    task.id, task.attempt, actor=self._actor, gpu_seconds=gpu_seconds
                )

        await retrying(cancel, limit_s=RESULT_HOLD_S)
        self._doorbell.changed()

    async def child_died(self, task: ClaimedTask, *, gpu_seconds: float = 0.0) -> None:
        """Record that the process of this attempt died without a word."""

        async def lose() -> Settled | None:
            async with self._database.autocommit() as work:
                return await work.tasks.lose_attempt(
                    task.id,
                    task.attempt,
                    actor=self._actor,
                    max_crashes=self._max_crashes,
                    gpu_seconds=gpu_seconds,
                )

        self._ring_if_queued(await retrying(lose, limit_s=RESULT_HOLD_S))

    async def release(self, task_id: TaskId, attempt: int, *, gpu_seconds: float = 0.0) -> None:
        """Give a task back untouched; its computation must be dead."""

        async def give_back() -> Settled | None:
            async with self._database.autocommit() as work:
                return await work.tasks.release(task_id, attempt, actor=self._actor, gpu_seconds=gpu_seconds)

        self._ring_if_queued(await retrying(give_back, limit_s=5))

    async def release_unknown(self, known: set[tuple[TaskId, int]], *, age_s: float = CLAIM_ANSWER_S) -> None:
        """Release rows that are mine by their worker id but whose claim never reached me.

        Args:
            age_s: a younger claim may still be on its way here.
        """
        async with self._database.autocommit() as work:
            for task_id, attempt in await work.sweeps.held_by(self._worker_id, age_s=age_s):
                if (task_id, attempt) not in known:
                    log.warning("released a task whose claim was lost", extra={"task_id": task_id})
                    await work.tasks.release(task_id, attempt, actor=self._actor)

    def _ring_if_queued(self, settled: Settled | None) -> None:
        if settled is not None and settled.status is TaskStatus.QUEUED:
            self._doorbell.ring([Ping(settled.id, settled.attempt)])

    async def _applied(
        self, operation: Callable[[], Awaitable[bool]], task: ClaimedTask, outcome: TaskStatus
    ) -> bool:
        """Run an operation whose answer may get lost: if it seems refused, the row tells the truth."""
        if await retrying(operation, limit_s=RESULT_HOLD_S):
            self._doorbell.changed()
            return True

        async def read() -> tuple[TaskStatus, int] | None:
            async with self._database.autocommit() as work:
                return await work.views.outcome(task.id)

        return await retrying(read, limit_s=RESULT_HOLD_S) == (outcome, task.attempt)
