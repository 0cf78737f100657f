"""What streams follow: events of tasks in the order of their ids, running tasks, and the present state.

Events of one task get their ids under the lock of its row, so their order is that of the changes. Between
tasks an id can become visible after a higher one; `app.services.feed` waits for such gaps.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.stream import Change
from app.domain.task import TaskId, TaskStatus, TeamId

_SHOWN = """
t.id AS task_id, t.team_id, g.public_id AS public_team_id, t.status, t.progress, t.stage, t.progress_text,
       t.error_code, t.error_message, t.kind = 'generate' AND t.deleted_at IS NULL AS is_shown"""
_TASK = "tasks t JOIN teams g ON g.id = t.team_id"
_STATES = "('queued', 'claimed', 'requeued', 'succeeded', 'failed', 'cancelled')"
_OF_TEAM = "(CAST(:team_id AS bigint) IS NULL OR t.team_id = CAST(:team_id AS bigint))"

_NEWEST = text("SELECT coalesce(max(id), 0) FROM task_events")
_RECENT = text("SELECT id FROM task_events WHERE id > :after ORDER BY id")
# One statement, whatever the number of streams: all events behind a place, and what runs now.
_AFTER = text(f"""
(SELECT e.id, e.event, {_SHOWN}
 FROM task_events e JOIN tasks t ON t.seq = e.task_seq JOIN teams g ON g.id = t.team_id
 WHERE e.id > :after ORDER BY e.id LIMIT :most)
UNION ALL
(SELECT NULL, NULL, {_SHOWN} FROM {_TASK}
 WHERE t.status = 'running' AND (CAST(:everyone AS bool) OR t.team_id = ANY(CAST(:teams AS bigint[]))))
""")  # noqa: S608 - parts of this file only
_MISSED = text(f"""
SELECT e.id, e.event, {_SHOWN}
FROM task_events e JOIN tasks t ON t.seq = e.task_seq JOIN teams g ON g.id = t.team_id
WHERE e.id > :after AND e.id <= :upto AND e.event IN {_STATES} AND {_OF_TEAM}
  AND t.kind = 'generate' AND t.deleted_at IS NULL
ORDER BY e.id LIMIT :most
""")  # noqa: S608
_MISSED_OF_TASK = text(f"""
SELECT e.id, e.event, {_SHOWN}
FROM {_TASK} JOIN task_events e ON e.task_seq = t.seq
WHERE t.id = :task_id AND e.id > :after AND e.event IN {_STATES}
ORDER BY e.id
""")  # noqa: S608
_LAST = "(SELECT max(e.id) FROM task_events e WHERE e.task_seq = t.seq)"
_PRESENT = text(f"""
SELECT {_LAST} AS id, NULL AS event, {_SHOWN} FROM {_TASK}
WHERE t.id = :task_id AND {_OF_TEAM} AND t.kind = 'generate'
  AND (t.deleted_at IS NULL OR CAST(:team_id AS bigint) IS NULL)
""")  # noqa: S608
# One state at a time: each has an index of its own.
_LIVE = text(f"""
SELECT t.seq FROM tasks t WHERE t.status = 'queued' AND t.lane = 1 AND {_OF_TEAM}
UNION ALL
SELECT t.seq FROM tasks t WHERE t.status = 'running' AND t.kind = 'generate' AND {_OF_TEAM}
ORDER BY seq
""")  # noqa: S608
_OF_SEQS = text(f"""
SELECT {_LAST} AS id, NULL AS event, {_SHOWN} FROM {_TASK}
WHERE t.seq = ANY(CAST(:seqs AS bigint[])) AND t.deleted_at IS NULL
ORDER BY t.seq
""")  # noqa: S608


class Events:
    """Reads of `task_events`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def newest(self) -> int:
        """The highest id that is visible."""
        return int((await self._connection.execute(_NEWEST)).scalar_one())

    async def recent(self, after: int) -> list[int]:
        """The visible ids behind a place, in order."""
        return list(await self._connection.scalars(_RECENT, {"after": after}))

    async def after(self, place: int, *, most: int, teams: list[TeamId], everyone: bool) -> list[Change]:
        """All events behind a place, the lowest first, then the running tasks of these teams or of all."""
        values = {"after": place, "most": most, "teams": teams, "everyone": everyone}
        return [_change(row) for row in await self._connection.execute(_AFTER, values)]

    async def missed(self, team_id: TeamId | None, *, after: int, upto: int, most: int) -> list[Change]:
        """States of a team's tasks, or of all for None, between two places; the lowest first."""
        values = {"team_id": team_id, "after": after, "upto": upto, "most": most}
        return [_change(row) for row in await self._connection.execute(_MISSED, values)]

    async def missed_of(self, task_id: TaskId, *, after: int) -> list[Change]:
        """States of one task behind a place."""
        values = {"task_id": task_id, "after": after}
        return [_change(row) for row in await self._connection.execute(_MISSED_OF_TASK, values)]

    async def present(self, team_id: TeamId | None, task_id: TaskId) -> Change | None:
        """A task of the team, or of any for None, as it is now."""
        row = (await self._connection.execute(_PRESENT, {"team_id": team_id, "task_id": task_id})).first()
        return _change(row) if row else None

    async def live(self, team_id: TeamId | None) -> list[int]:
        """The `seq` of every waiting and running task of a team, or of all for None, the oldest first."""
        return list(await self._connection.scalars(_LIVE, {"team_id": team_id}))

    async def present_of(self, seqs: Sequence[int]) -> list[Change]:
        """These tasks as they are now, without those that are erased."""
        return [_change(row) for row in await self._connection.execute(_OF_SEQS, {"seqs": list(seqs)})]


def _change(row: Row[Any]) -> Change:
    values = dict(row._mapping)
    return Change(**{**values, "status": TaskStatus(row.status), "progress": round(row.progress, 3)})
