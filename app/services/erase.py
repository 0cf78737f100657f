"""Removes the content of a task on request; a tombstone stays."""

import logging
from collections.abc import Iterable

from app.db.engine import Database, retrying
from app.db.unit_of_work import UnitOfWork
from app.domain.errors import ConflictError, NotFoundError, ServiceError
from app.domain.ports import ObjectStore
from app.domain.task import Caller, TaskId, TaskStatus, TeamId
from app.services import ErasedView
from app.services.actors import actor_of

log = logging.getLogger(__name__)

RETRY_LIMIT_S = 3.0


class Erase:
    """The use case behind `DELETE /v1/tasks/{id}`."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store

    async def __call__(self, caller: Caller, team_id: TeamId | None, task_id: TaskId) -> ErasedView:
        """Erase a task of the team, or of any for None; a waiting one is cancelled first.

        Whoever asks again, because the answer got lost, gets the same one.

        Raises:
            NotFoundError: unknown or foreign.
            ConflictError: it runs, or a legal hold keeps it.
        """

        async def erase() -> tuple[ErasedView, list[str]]:
            async with self._database.transaction() as work:
                return await self._erase(work, caller, team_id, task_id)

        view, keys = await retrying(erase, limit_s=RETRY_LIMIT_S)
        await delete_objects(self._store, keys)
        return view

    async def _erase(
        self, work: UnitOfWork, caller: Caller, team_id: TeamId | None, task_id: TaskId
    ) -> tuple[ErasedView, list[str]]:
        task = await work.edits.lock(team_id, task_id)
        if task is None:
            raise NotFoundError("task not found")
        if task.deleted_at is not None:
            return ErasedView(id=str(task_id), state=task.status), []
        if task.legal_hold:
            raise ConflictError("a legal hold keeps this task")
        actor, status = actor_of(caller), TaskStatus(task.status)
        if status is TaskStatus.RUNNING:
            raise ConflictError("the task is running: cancel it first")
        if status is TaskStatus.QUEUED:
            await work.tasks.cancel_queued(TeamId(task.team_id), task_id, actor=actor)
            status = TaskStatus.CANCELLED
        keys = await work.erasures.erase([task.seq], actor=actor, reason="requested")
        return ErasedView(id=str(task_id), state=status.value), keys


async def delete_objects(store: ObjectStore, keys: Iterable[str]) -> None:
    """Delete objects that have no row any more; what cannot be deleted now is an orphan."""
    for key in keys:
        try:
            await store.delete(key)
        except ServiceError as error:
            log.warning("object left to the orphan sweep", extra={"reason": str(error)})
