"""The audit record of one task."""

from app.db.engine import Database, retrying
from app.domain.audit import audit_record
from app.domain.errors import NotFoundError
from app.domain.history import StoredTask
from app.domain.record import Record
from app.domain.task import TaskId, TeamId

RETRY_LIMIT_S = 3.0


class History:
    """The use case behind `GET /v1/tasks/{id}`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, team_id: TeamId | None, task_id: TaskId) -> Record:
        """The record of a task of the team, or of any team for None.

        Raises:
            NotFoundError: unknown, foreign or erased, with one text for all.
        """

        async def read() -> StoredTask | None:
            async with self._database.snapshot() as work:
                return await work.history.task(team_id, task_id)

        stored = await retrying(read, limit_s=RETRY_LIMIT_S)
        if stored is None:
            raise NotFoundError("task not found")
        return audit_record(stored)
