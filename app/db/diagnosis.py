"""Why tasks wait: counts that an operator looks at when something does not move."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_SERVER_VERSION = text("SHOW server_version")
_PAUSED = text("SELECT EXISTS (SELECT FROM settings WHERE key = 'queue_paused' AND value = 'true'::jsonb)")
_WAITING = text("""
SELECT model, count(*) AS tasks, count(*) FILTER (WHERE needs_lm) AS need_lm,
       extract(epoch FROM now() - min(created_at))::float8 AS oldest_s
FROM tasks WHERE status = 'queued' AND lane = 1 GROUP BY model ORDER BY model
""")
_AT_LIMIT = text("""
SELECT t.name, t.max_running, t.disabled_at IS NOT NULL AS disabled,
       (SELECT count(*) FROM tasks q WHERE q.team_id = t.id AND q.status = 'queued' AND q.lane = 1) AS waiting
FROM teams t JOIN team_state s ON s.team_id = t.id
WHERE (t.disabled_at IS NOT NULL OR s.running >= t.max_running)
  AND EXISTS (SELECT FROM tasks q WHERE q.team_id = t.id AND q.status = 'queued' AND q.lane = 1)
ORDER BY t.name
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFor:
    """Waiting tasks of one model, and the seconds that the oldest of them has waited.

    `need_lm`: those that cannot run without a language model.
    """

    model: str
    tasks: int
    oldest_s: float
    need_lm: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTeam:
    """A team whose waiting tasks may not start now: it is disabled, or runs as many as it may."""

    name: str
    max_running: int | None
    disabled: bool
    waiting: int


class Diagnosis:
    """Questions of `acestep-service doctor`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def server_version(self) -> str:
        """Version of Postgres."""
        return str(await self._connection.scalar(_SERVER_VERSION))

    async def is_paused(self) -> bool:
        """Whether an admin has paused the queue."""
        return bool(await self._connection.scalar(_PAUSED))

    async def waiting(self) -> Sequence[WaitingFor]:
        """Waiting tasks by model."""
        return [WaitingFor(**row._mapping) for row in await self._connection.execute(_WAITING)]

    async def held_teams(self) -> Sequence[HeldTeam]:
        """Teams with waiting tasks of which none may start."""
        return [HeldTeam(**row._mapping) for row in await self._connection.execute(_AT_LIMIT)]
