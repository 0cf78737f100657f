"""Accepts a task: seeds drawn once, queue limit and row in one transaction, bell after the commit."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from uuid import uuid4

from app.db.engine import Database, retrying
from app.db.tasks import NewTask
from app.domain import seeds
from app.domain.errors import DatabaseUnavailableError, QueueFullError
from app.domain.inputs import PATH_PARAMETERS, ReceivedFile, Role
from app.domain.ports import Doorbell, Ping
from app.domain.task import Accepted, Caller, Submission, TaskId
from app.services.uploads import Taken, Uploads

# How long a submission may wait for a database that restarts before the client is told to come back.
RETRY_LIMIT_S = 3.0
QUEUE_FULL_RETRY_AFTER_S = 5


class Submit:
    """The use case behind `/release_task`."""

    def __init__(
        self,
        database: Database,
        doorbell: Doorbell,
        uploads: Uploads,
        *,
        queue_limit: int | None,
        ageing_s: float,
        retention_days: int | None = None,
    ) -> None:
        self._database = database
        self._uploads = uploads
        self._retention_days = retention_days
        self._doorbell = doorbell
        self._queue_limit = queue_limit
        self._ageing_s = ageing_s

    async def __call__(
        self,
        caller: Caller,
        submission: Submission,
        *,
        request_id: str,
        client: Mapping[str, str] | None,
        files: Mapping[Role, ReceivedFile] = MappingProxyType({}),
    ) -> Accepted:
        """Store inputs and task, and wake a worker.

        Raises:
            ValidationError: an input that cannot be used.
            QueueFullError: as many tasks wait as may; nothing was stored.
            DatabaseUnavailableError: nothing is known to be stored.
        """
        taken = await self._uploads.take(caller.team_id, submission.params, files)
        if submission.origin is not None:
            taken = replace(taken, inputs=[*submission.origin.inputs, *taken.inputs])
        task = self._new_task(caller, submission, taken, request_id=request_id, client=client)
        try:
            position = await retrying(lambda: self._store(task), limit_s=RETRY_LIMIT_S)
        except DatabaseUnavailableError:
            self._uploads.discard_unless(lambda: self._is_stored(task.id), taken)
            raise
        except Exception:
            await self._uploads.discard(taken)
            raise
        self._doorbell.ring([Ping(task.id, 0)])
        return Accepted(task_id=task.id, queue_position=position)

    def _new_task(
        self,
        caller: Caller,
        submission: Submission,
        taken: Taken,
        *,
        request_id: str,
        client: Mapping[str, str] | None,
    ) -> NewTask:
        paths = {PATH_PARAMETERS[item.role]: item.path for item in taken.inputs}
        params = {**submission.params, **paths}
        drawn, lm_seed = seeds.draw(
            params["seed"], params["batch_size"], use_random=params["use_random_seed"]
        )
        origin = submission.origin
        if origin is not None:
            drawn = drawn if origin.seeds is None else list(origin.seeds)
            lm_seed = lm_seed if origin.lm_seed is None else origin.lm_seed
        return NewTask(
            id=TaskId(uuid4()),
            team_id=caller.team_id,
            api_key_id=caller.key_id,
            parent_id=origin.task_id if origin else None,
            parent_relation=origin.relation if origin else None,
            request_id=request_id,
            task_type=params["task_type"],
            priority=submission.priority,
            requested_model=submission.requested_model,
            model=params["model"],
            request=submission.request,
            content_type=submission.content_type,
            params={**params, "seeds": drawn, "lm_seed": lm_seed},
            adjustments=list(submission.adjustments),
            inputs=taken.inputs,
            objects=taken.objects,
            labels=submission.labels,
            client=client,
            webhook_url=submission.webhook_url,
        )

    async def _is_stored(self, task_id: TaskId) -> bool:
        """Whether the row was committed; the gate makes it wait for a try that has not ended."""
        async with self._database.transaction() as work:
            await work.tasks.lock_queue_gate()
            return await work.tasks.position_at_submit(task_id) is not None

    async def _store(self, task: NewTask) -> int:
        async with self._database.transaction() as work:
            await work.tasks.lock_queue_gate()
            stored = await work.tasks.position_at_submit(task.id)
            if stored is not None:  # an earlier try was committed, only its answer was lost
                return stored
            waiting, of_team, team_limit = await work.tasks.count_waiting(task.team_id)
            _check("queue is full", waiting, self._queue_limit)
            _check("the team's queue is full", of_team, team_limit)
            await work.tasks.insert(
                task,
                position=waiting + 1,
                ageing_s=self._ageing_s,
                retention_days=self._retention_days,
            )
            return waiting + 1


def _check(what: str, waiting: int, limit: int | None) -> None:
    if limit is not None and waiting >= limit:
        raise QueueFullError(
            f"{what}: {waiting} of {limit} tasks waiting", retry_after_s=QUEUE_FULL_RETRY_AFTER_S
        )
