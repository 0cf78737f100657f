"""Reads tasks for pollers."""

from collections.abc import Mapping, Sequence

from app.db.engine import Database
from app.domain.task import TaskId, TaskView, TeamId


class Query:
    """The use case behind `/query_result`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, team_id: TeamId, ids: Sequence[TaskId]) -> Mapping[TaskId, TaskView]:
        """The team's tasks among these ids; unknown and foreign ones are absent."""
        async with self._database.autocommit() as work:
            return await work.views.by_ids(team_id, ids)
