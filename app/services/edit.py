"""Changes priority, labels or legal hold of a task."""

from app.db.engine import Database, retrying
from app.db.unit_of_work import UnitOfWork
from app.domain.changes import Changes
from app.domain.errors import ConflictError, NotFoundError
from app.domain.task import Caller, TaskId, TaskStatus, TeamId
from app.services.actors import actor_of, name_of

RETRY_LIMIT_S = 3.0


class Edit:
    """The use case behind `PATCH /v1/tasks/{id}`."""

    def __init__(self, database: Database, *, ageing_s: float) -> None:
        self._database = database
        self._ageing_s = ageing_s

    async def __call__(
        self, caller: Caller, team_id: TeamId | None, task_id: TaskId, changes: Changes
    ) -> None:
        """Make all changes or none, to a task of the team, or of any for None.

        Raises:
            NotFoundError: unknown, foreign or erased.
            ConflictError: another priority for a task that waits no longer.
        """

        async def change() -> None:
            async with self._database.transaction() as work:
                await self._change(work, caller, team_id, task_id, changes)

        await retrying(change, limit_s=RETRY_LIMIT_S)

    async def _change(
        self, work: UnitOfWork, caller: Caller, team_id: TeamId | None, task_id: TaskId, changes: Changes
    ) -> None:
        task = await work.edits.lock(team_id, task_id)
        if task is None or task.deleted_at is not None:
            raise NotFoundError("task not found")
        if changes.priority is not None:
            if task.status != TaskStatus.QUEUED:
                raise ConflictError(f"the priority of a {task.status} task cannot be changed any more")
            priority = min(changes.priority, task.max_priority)
            if priority != task.priority:
                actor = actor_of(caller)
                await work.edits.set_priority(task, priority, actor=actor, ageing_s=self._ageing_s)
        if changes.labels not in (None, task.labels):
            await work.edits.set_labels(task, changes.labels or {}, actor=actor_of(caller))
        if changes.legal_hold not in (None, task.legal_hold):
            await work.edits.set_legal_hold(task, bool(changes.legal_hold))
            change = {"legal_hold": changes.legal_hold}
            await work.audit.note(name_of(caller), "task.legal_hold", f"task {task_id}", change)
