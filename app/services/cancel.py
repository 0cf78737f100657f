"""Stops a task: a waiting one at once, a running one by a flag that its worker obeys."""

from app.db.engine import Database, retrying
from app.db.tasks import Actor
from app.domain.errors import ConflictError, NotFoundError
from app.domain.ports import Doorbell
from app.domain.task import Caller, TaskId, TaskStatus, TeamId
from app.services import CancelView
from app.services.actors import actor_of

RETRY_LIMIT_S = 3.0
# Between the look and the change the task may move on; it can do so only a few times.
TRIES = 10


class Cancel:
    """The use case behind `POST /v1/tasks/{id}/cancel`."""

    def __init__(self, database: Database, doorbell: Doorbell) -> None:
        self._database = database
        self._doorbell = doorbell

    async def __call__(self, caller: Caller, team_id: TeamId | None, task_id: TaskId) -> CancelView:
        """Cancel a task of the team, or of any team for None; repeating it is fine.

        Raises:
            NotFoundError: unknown or foreign.
            ConflictError: it has ended otherwise.
        """
        actor = actor_of(caller)
        for _ in range(TRIES):
            view = await retrying(lambda: self._try(actor, team_id, task_id), limit_s=RETRY_LIMIT_S)
            if view is not None:
                return view
        raise ConflictError("the task is changing; try again")

    async def _try(self, actor: Actor, team_id: TeamId | None, task_id: TaskId) -> CancelView | None:
        """Look and act once; None if the task moved on in between."""
        async with self._database.autocommit() as work:
            found = await work.history.state(team_id, task_id)
            if found is None:
                raise NotFoundError("task not found")
            owner, status = TeamId(found.team_id), TaskStatus(found.status)
            match status:
                case TaskStatus.QUEUED:
                    if not await work.tasks.cancel_queued(owner, task_id, actor=actor):
                        return None
                    self._doorbell.changed()
                    status = TaskStatus.CANCELLED
                case TaskStatus.RUNNING:
                    asked = found.cancel_requested_at is not None
                    if not asked and not await work.tasks.request_cancel(owner, task_id, actor=actor):
                        return None
                    self._doorbell.nudge(found.worker_id)
                case TaskStatus.SUCCEEDED | TaskStatus.FAILED:
                    raise ConflictError(f"the task has already {status.value}")
                case TaskStatus.CANCELLED:
                    pass
        return CancelView(id=str(task_id), state=status.value, cancel_requested=True)
