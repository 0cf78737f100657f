"""Reads tasks for pollers; a database that restarts is waited for inside the request."""

from collections.abc import Mapping, Sequence

from app.db.engine import Database, retrying
from app.domain.task import TaskId, TaskView, TeamId

# Several clients give a whole job up after one bad poll.
RETRY_LIMIT_S = 5.0


class Query:
    """The use case behind `/query_result`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, team_id: TeamId, ids: Sequence[TaskId]) -> Mapping[TaskId, TaskView]:
        """The team's tasks among these ids; unknown and foreign ones are absent."""
        if not ids:
            return {}

        async def read() -> Mapping[TaskId, TaskView]:
            async with self._database.autocommit() as work:
                return await work.views.by_ids(team_id, ids)

        return await retrying(read, limit_s=RETRY_LIMIT_S)
