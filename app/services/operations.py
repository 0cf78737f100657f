"""What operators do: look at the whole service, pause the queue, drain workers. Every change is noted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from app.db.engine import Database
from app.domain.audit_log import AuditEntry
from app.domain.authority import Authority
from app.domain.errors import NotFoundError
from app.domain.operations import LastHour, LiveTasks, Trace, WorkerRow
from app.domain.page import Page, page_of
from app.domain.ports import Doorbell, ObjectStore
from app.domain.task import TaskId

log = logging.getLogger(__name__)

HEALTH_CACHE_S = 5.0
HEALTH_LIMIT_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole service at one moment; `queue_limit` None = unlimited."""

    is_paused: bool
    queue_limit: int | None
    live: LiveTasks
    last_hour: LastHour
    redis_answers: bool
    store_answers: bool


class Operations:
    """The use cases behind `/v1/admin`."""

    def __init__(
        self,
        database: Database,
        doorbell: Doorbell,
        store: ObjectStore,
        *,
        ping_redis: Callable[[], Awaitable[None]],
        queue_limit: int | None,
        lease_s: float,
    ) -> None:
        self._database = database
        self._doorbell = doorbell
        self._store = store
        self._ping_redis = ping_redis
        self._queue_limit = queue_limit
        self._lease_s = lease_s
        self._health: tuple[float, bool, bool] | None = None

    async def status(self) -> Status:
        """Look at everything; what lies outside the database is asked at most every five seconds."""
        redis_answers, store_answers = await self._outside()
        async with self._database.snapshot() as work:
            return Status(
                is_paused=await work.operations.is_paused(),
                queue_limit=self._queue_limit,
                live=await work.operations.live_tasks(),
                last_hour=await work.operations.last_hour(),
                redis_answers=redis_answers,
                store_answers=store_answers,
            )

    async def workers(self, *, after: UUID | None, limit: int) -> Page[WorkerRow]:
        """One page of workers, those that started last first."""
        async with self._database.autocommit() as work:
            found = await work.operations.workers(lease_s=self._lease_s, after=after, most=limit + 1)
        return page_of(found, limit, lambda worker: worker.id)

    async def audit(self, *, after: UUID | None, limit: int) -> Page[AuditEntry]:
        """One page of the audit log, newest first."""
        before = None if after is None else after.int
        async with self._database.autocommit() as work:
            found = await work.audit.page(before=before, most=limit + 1)
        return page_of(found, limit, lambda entry: UUID(int=entry.number))

    async def set_paused(self, by: Authority, paused: bool) -> None:
        """Stop all claims, or allow them again; submissions and running tasks go on."""
        async with self._database.transaction() as work:
            if await work.operations.set_paused(paused):
                await work.audit.note(by.name, "queue.paused" if paused else "queue.resumed", "queue", {})

    async def drain(self, by: Authority, worker_id: UUID) -> None:
        """Ask a worker to end its tasks and claim no more.

        Raises:
            NotFoundError: no such worker, or it has ended.
        """
        async with self._database.transaction() as work:
            was_asked = await work.operations.drain(worker_id)
            if was_asked is None:
                raise NotFoundError("worker not found")
            if not was_asked:
                await work.audit.note(by.name, "worker.drained", f"worker {worker_id}", {})
        self._doorbell.nudge(worker_id)

    async def traces(self, task_id: TaskId) -> list[Trace]:
        """Private texts of a task's failed attempts, oldest first.

        Raises:
            NotFoundError: no such task.
        """
        async with self._database.autocommit() as work:
            traces = await work.operations.traces(task_id)
        if traces is None:
            raise NotFoundError("task not found")
        return traces

    async def _outside(self) -> tuple[bool, bool]:
        now = asyncio.get_running_loop().time()
        if self._health is None or now - self._health[0] > HEALTH_CACHE_S:
            redis_answers, store_answers = await asyncio.gather(
                _answers(self._ping_redis), _answers(self._store.health)
            )
            self._health = (now, redis_answers, store_answers)
        return self._health[1:]


async def _answers(ask: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(HEALTH_LIMIT_S):
            await ask()
    except Exception as error:
        log.warning("a part of the service does not answer", extra={"reason": type(error).__name__})
        return False
    return True
