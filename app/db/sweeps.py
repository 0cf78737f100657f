"""Statements of the sweeper: its lock, forgotten rings, rows a worker does not know, drifted counters."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.ports import Ping
from app.domain.task import TaskId

SWEEP_KEY = 0x0ACE57E5

_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:key)")
_WAITING_LONG = text("""
SELECT id, attempt FROM tasks
WHERE status = 'queued' AND run_after < now() - make_interval(secs => :age_s)
ORDER BY lane, seq LIMIT 200
""")
_HELD_BY = text("""
SELECT id, attempt FROM tasks
WHERE status = 'running' AND worker_id = :worker_id
  AND started_at < now() - make_interval(secs => :age_s)
""")
_FORGET_KEYS = text("""
UPDATE tasks SET idempotency_key = NULL, admin_team_id = NULL, admin_idempotency_key = NULL,
                 request_hash = NULL
WHERE seq = ANY(ARRAY(
    SELECT seq FROM tasks
    WHERE idempotency_key IS NOT NULL AND created_at < now() - make_interval(hours => CAST(:hours AS int))
    LIMIT :most FOR UPDATE SKIP LOCKED) || ARRAY(
    SELECT seq FROM tasks
    WHERE admin_idempotency_key IS NOT NULL
      AND created_at < now() - make_interval(hours => CAST(:hours AS int))
    LIMIT :most FOR UPDATE SKIP LOCKED))
RETURNING seq
""")
_LOCK_COUNTERS = text("SELECT FROM team_state ORDER BY team_id FOR UPDATE")
_CORRECT_RUNNING = text("""
WITH counted AS MATERIALIZED (
    SELECT s.team_id, (SELECT count(*) FROM tasks t
                       WHERE t.team_id = s.team_id AND t.status = 'running' AND t.lane > 0) AS running
    FROM team_state s
)
UPDATE team_state s SET running = counted.running FROM counted
WHERE s.team_id = counted.team_id AND s.running <> counted.running
RETURNING (SELECT public_id FROM teams WHERE id = s.team_id)
""")


class Sweeps:
    """Statements that repair what a crash left behind."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def try_lock(self) -> bool:
        """Become the one sweeper until the end of this transaction, or learn that another is at work."""
        return bool(await self._connection.scalar(_TRY_LOCK, {"key": SWEEP_KEY}))

    async def waiting_longer_than(self, age_s: float) -> Sequence[Ping]:
        """Tasks ready for some time, oldest first, at most 200: perhaps nobody heard their ring."""
        rows = await self._connection.execute(_WAITING_LONG, {"age_s": age_s})
        return [Ping(TaskId(row.id), row.attempt) for row in rows]

    async def held_by(self, worker_id: UUID, *, age_s: float) -> list[tuple[TaskId, int]]:
        """Tasks and attempts that the rows have given to this worker for at least this long."""
        rows = await self._connection.execute(_HELD_BY, {"worker_id": worker_id, "age_s": age_s})
        return [(TaskId(row.id), row.attempt) for row in rows]

    async def forget_idempotency_keys(self, *, older_than_h: int, most: int) -> int:
        """Let clients use old keys again; returns how many were forgotten, at most `most`."""
        rows = await self._connection.execute(_FORGET_KEYS, {"hours": older_than_h, "most": most})
        return len(rows.all())

    async def correct_running(self) -> list[UUID]:
        """Set the running counters to what the rows say; returns the public ids of teams that were wrong.

        The lock comes first: who changes a running task holds its counter until the commit, so the count
        that follows, with a fresh snapshot, sees rows and counters of one moment.
        """
        await self._connection.execute(_LOCK_COUNTERS)
        return list(await self._connection.scalars(_CORRECT_RUNNING))
