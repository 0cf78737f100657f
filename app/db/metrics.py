"""Numbers for monitoring, read at every scrape; none of them grows with the history."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.numbers import TeamNumbers, WorkerNumbers

_TEAMS = text("""
SELECT t.name, coalesce(q.waiting, 0) AS waiting, coalesce(q.oldest_s, 0) AS oldest_s,
       s.running, s.succeeded, s.failed, s.cancelled, s.waits, s.waits_s
FROM teams t JOIN team_state s ON s.team_id = t.id
LEFT JOIN (
    SELECT team_id, count(*) AS waiting, extract(epoch FROM now() - min(created_at)) AS oldest_s
    FROM tasks WHERE status = 'queued' AND lane = 1 GROUP BY team_id
) q ON q.team_id = t.id
ORDER BY t.id
""")
_STAGES = text("""
SELECT stage.key AS stage,
       percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY CAST(stage.value AS float8)) AS seconds
FROM (
    SELECT result FROM tasks
    WHERE kind = 'generate' AND status IN ('succeeded', 'failed') AND started_at IS NOT NULL
    ORDER BY finished_at DESC LIMIT :window
) latest CROSS JOIN LATERAL jsonb_each_text(coalesce(latest.result -> 'seconds', '{}'::jsonb)) AS stage
GROUP BY stage.key ORDER BY stage.key
""")
_WORKERS = text("""
SELECT id, state, slots, doorbell_failures FROM workers
WHERE state <> 'gone' AND seen_at > now() - make_interval(secs => :lease_s)
ORDER BY started_at
""")
_LOST = text("SELECT count(*) FROM task_events WHERE event = 'heartbeat_lost'")


class Metrics:
    """Reads for `/metrics`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def teams(self) -> list[TeamNumbers]:
        """Waiting, running and ended tasks of every team, and how long they waited."""
        rows = await self._connection.execute(_TEAMS)
        return [TeamNumbers(**{**row._mapping, "oldest_s": float(row.oldest_s)}) for row in rows]

    async def stages(self, *, window: int) -> dict[str, tuple[float, float]]:
        """Median and 95th percentile of the seconds of each stage, over the latest tasks that ended."""
        rows = await self._connection.execute(_STAGES, {"window": window})
        return {row.stage: (row.seconds[0], row.seconds[1]) for row in rows}

    async def workers(self, *, lease_s: float) -> list[WorkerNumbers]:
        """Workers that reported within a lease."""
        rows = await self._connection.execute(_WORKERS, {"lease_s": lease_s})
        return [WorkerNumbers(**row._mapping) for row in rows]

    async def leases_lost(self) -> int:
        """How often an attempt lost its lease since the beginning."""
        return int((await self._connection.execute(_LOST)).scalar_one())
