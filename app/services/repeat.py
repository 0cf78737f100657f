"""Makes a new task from an old one: a retry of what failed, or a re-run of anything that ended."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from app.db.engine import Database, retrying
from app.domain.errors import ConflictError, NotFoundError
from app.domain.history import StoredTask
from app.domain.idempotency import Idempotency
from app.domain.offers import Offers
from app.domain.rerun import Wish, derive
from app.domain.task import Accepted, Caller, TaskId, TaskStatus, TeamId
from app.services import Relation, Submit

RETRY_LIMIT_S = 3.0


class Repeat:
    """The use case behind `POST /v1/tasks/{id}/retry` and `/rerun`."""

    def __init__(
        self, database: Database, *, submit: Submit, offers: Callable[[TeamId], Awaitable[Offers]]
    ) -> None:
        self._database = database
        self._submit = submit
        self._offers = offers

    async def __call__(
        self,
        caller: Caller,
        team_id: TeamId | None,
        task_id: TaskId,
        relation: Relation,
        wish: Wish,
        *,
        request: Mapping[str, Any],
        request_id: str,
        client: Mapping[str, str] | None,
        idempotency: Idempotency | None = None,
    ) -> Accepted:
        """Submit the new task, in the team of the old one.

        Args:
            team_id: the old task is one of this team, or of any for None.
            request: the body, as received.

        Raises:
            NotFoundError: unknown or foreign.
            ConflictError: it has not ended so, or an input of it is gone.
            ValidationError: a wrong value, or something that is not offered any more.
            QueueFullError, QuotaExceededError: no room; nothing was stored.
        """
        task = await retrying(lambda: self._read(team_id, task_id), limit_s=RETRY_LIMIT_S)
        _check_state(task, relation)
        offers = await self._offers(task.team_id)
        submission = derive(task, wish, offers, relation=relation.value, request=request)
        assert submission.origin is not None
        paths = {given.path for given in submission.origin.inputs}
        if not await retrying(lambda: self._are_there(task.team_id, paths), limit_s=RETRY_LIMIT_S):
            raise ConflictError("input no longer available")
        # The key of the request stays among those of the caller's team (`Idempotency`).
        owner = replace(caller, team_id=task.team_id)
        return await self._submit(
            owner, submission, request_id=request_id, client=client, files={}, idempotency=idempotency
        )

    async def _read(self, team_id: TeamId | None, task_id: TaskId) -> StoredTask:
        async with self._database.snapshot() as work:
            task = await work.history.task(team_id, task_id)
        if task is None:
            raise NotFoundError("task not found")
        return task

    async def _are_there(self, team_id: TeamId, paths: set[str]) -> bool:
        """Whether the inputs are stored, be it for this task alone."""
        async with self._database.autocommit() as work:
            return len(await work.objects.keep(team_id, sorted(paths))) == len(paths)


def _check_state(task: StoredTask, relation: Relation) -> None:
    if task.deleted_at is not None:
        raise ConflictError("the content of this task was erased")
    if not task.status.is_final:
        raise ConflictError(f"the task is {task.status.value}: it can be repeated when it has ended")
    if relation is Relation.RETRY and task.status is TaskStatus.SUCCEEDED:
        raise ConflictError("the task has succeeded: re-run it instead")
