"""Counters and averages, constant in the size of the history."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import TeamId
from app.domain.usage import Drift

# Waiting and running are bounded by queue and fleet; the rest are sums over one row per team.
_NUMBERS = text("""
SELECT (SELECT count(*) FROM tasks WHERE status = 'queued' AND lane = 1) AS queue_size,
       (SELECT count(*) FROM tasks WHERE status = 'queued' AND lane = 1
            AND (CAST(:team_id AS bigint) IS NULL OR team_id = CAST(:team_id AS bigint))) AS queued,
       (SELECT count(*) FROM tasks WHERE status = 'running' AND kind = 'generate'
            AND (CAST(:team_id AS bigint) IS NULL OR team_id = CAST(:team_id AS bigint))) AS running,
       s.succeeded, s.failed, s.cancelled,
       (SELECT avg(extract(epoch FROM finished_at - started_at))
        FROM (SELECT finished_at, started_at FROM tasks
              WHERE kind = 'generate' AND status IN ('succeeded', 'failed') AND started_at IS NOT NULL
              ORDER BY finished_at DESC LIMIT :window) latest) AS average,
       (SELECT count(*) FROM workers WHERE state IN ('ready', 'draining')
            AND seen_at > now() - make_interval(secs => :lease_s)) AS online,
       (SELECT count(DISTINCT worker_id) FROM tasks WHERE status = 'running') AS busy
FROM (SELECT coalesce(sum(succeeded), 0)::bigint AS succeeded, coalesce(sum(failed), 0)::bigint AS failed,
             coalesce(sum(cancelled), 0)::bigint AS cancelled
      FROM team_state WHERE CAST(:team_id AS bigint) IS NULL OR team_id = CAST(:team_id AS bigint)) s
""")

_RECOUNT = text("""
SELECT count(*) FILTER (WHERE status = 'queued') AS queued,
       count(*) FILTER (WHERE status = 'running') AS running,
       count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       count(*) FILTER (WHERE status = 'cancelled') AS cancelled
FROM tasks WHERE kind = 'generate'
""")

# Kept and counted numbers of every team, the kept ones negative: what is left is the difference.
_DRIFT = text("""
SELECT concat_ws(' ', 'team', team_id, name) AS what, sum(amount)::float8 AS difference
FROM (
    SELECT team_id, status AS name, count(*) AS amount FROM tasks
    WHERE kind = 'generate' AND finished_at IS NOT NULL GROUP BY team_id, status
    UNION ALL
    SELECT team_id, 'running', count(*) FROM tasks WHERE status = 'running' AND lane > 0 GROUP BY team_id
    UNION ALL
    SELECT s.team_id, part.name, -part.amount
    FROM team_state s, LATERAL (VALUES
        ('succeeded', s.succeeded), ('failed', s.failed), ('cancelled', s.cancelled), ('running', s.running)
    ) AS part (name, amount)
) numbers
GROUP BY team_id, name HAVING sum(amount) <> 0 ORDER BY 1
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """One consistent reading; `average_s` is None before any task has ended."""

    queue_size: int
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    average_s: float | None
    workers_online: int
    workers_busy: int


class Stats:
    """Statistics of generation tasks."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def numbers(self, team_id: TeamId | None, *, window: int, lease_s: float) -> Numbers:
        """All numbers of `/v1/stats` in one statement; team None = all teams (open mode and admins)."""
        row = (
            await self._connection.execute(
                _NUMBERS, {"team_id": team_id, "window": window, "lease_s": lease_s}
            )
        ).one()
        return Numbers(
            queue_size=row.queue_size,
            queued=row.queued,
            running=row.running,
            succeeded=row.succeeded,
            failed=row.failed,
            cancelled=row.cancelled,
            average_s=None if row.average is None else float(row.average),
            workers_online=row.online,
            workers_busy=row.busy,
        )

    async def recount(self) -> dict[str, int]:
        """Count the rows themselves; slow in a long history, for checks only."""
        return dict((await self._connection.execute(_RECOUNT)).one()._mapping)

    async def drift(self) -> list[Drift]:
        """Counters of teams that differ from a count of the rows; slow in a long history."""
        return [Drift(**row._mapping) for row in await self._connection.execute(_DRIFT)]
