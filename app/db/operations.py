"""What operators see and switch: live tasks, the last hour, the pause, workers, private traces."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.operations import LastHour, LiveTasks, Load, Trace, WorkerRow
from app.domain.task import TaskId

# Bounded by queue and fleet: one partial index for each of the two states.
_LIVE = text("""
WITH live AS MATERIALIZED (
    SELECT team_id, model, 'queued' AS stage, created_at AS waits_since, created_at AS since
    FROM tasks WHERE status = 'queued' AND lane = 1
    UNION ALL
    SELECT team_id, model, coalesce(stage, 'loading'), NULL, started_at
    FROM tasks WHERE status = 'running' AND kind = 'generate'
)
SELECT CASE WHEN GROUPING(g.name) = 0 THEN 'teams' WHEN GROUPING(live.model) = 0 THEN 'models'
            WHEN GROUPING(live.stage) = 0 THEN 'stages' ELSE 'total' END AS list,
       coalesce(g.name, live.model, live.stage, '') AS name,
       count(live.waits_since) AS queued, count(live.since) - count(live.waits_since) AS running,
       CAST(extract(epoch FROM now() - CASE WHEN GROUPING(live.stage) = 0 THEN min(live.since)
                                            ELSE min(live.waits_since) END) AS float8) AS oldest_seconds
FROM live JOIN teams g ON g.id = live.team_id
GROUP BY GROUPING SETS ((g.name), (live.model), (live.stage), ())
ORDER BY name
""")

_LAST_HOUR = text("""
SELECT count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       count(*) FILTER (WHERE status = 'cancelled') AS cancelled
FROM (
    SELECT status FROM tasks
    WHERE kind = 'generate' AND status IN ('succeeded', 'failed') AND started_at IS NOT NULL
      AND finished_at > now() - interval '1 hour'
    UNION ALL
    SELECT status FROM tasks
    WHERE kind = 'generate' AND finished_at IS NOT NULL AND (status = 'cancelled' OR started_at IS NULL)
      AND finished_at > now() - interval '1 hour'
) ended
""")

_PAUSED = text("SELECT EXISTS (SELECT FROM settings WHERE key = 'queue_paused' AND value = 'true'::jsonb)")
_SET_PAUSED = text("""
INSERT INTO settings AS s (key, value)
SELECT 'queue_paused', to_jsonb(CAST(:paused AS bool))
WHERE CAST(:paused AS bool) OR EXISTS (SELECT FROM settings WHERE key = 'queue_paused')
ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE s.value <> excluded.value
RETURNING key
""")

_WORKERS = text("""
SELECT w.id, w.host, w.pid, w.version, w.state, w.slots, w.models, w.loaded, w.device, w.vram_mb,
       w.started_at, w.seen_at, w.drain_requested, w.doorbell_failures,
       w.state <> 'gone' AND w.seen_at > now() - make_interval(secs => :lease_s) AS alive,
       ARRAY(SELECT t.id FROM tasks t WHERE t.status = 'running' AND t.worker_id = w.id
             ORDER BY t.started_at) AS task_ids
FROM workers w
WHERE CAST(:after AS uuid) IS NULL
   OR (w.started_at, w.id) < (SELECT o.started_at, o.id FROM workers o WHERE o.id = CAST(:after AS uuid))
ORDER BY w.started_at DESC, w.id DESC LIMIT :most
""")
_DRAIN = text("""
UPDATE workers w SET drain_requested = TRUE
FROM (SELECT id, drain_requested FROM workers WHERE id = :id AND state <> 'gone' FOR UPDATE) before
WHERE w.id = before.id
RETURNING before.drain_requested AS was_asked
""")

_TASK_EXISTS = text("SELECT EXISTS (SELECT FROM tasks WHERE id = :id AND deleted_at IS NULL)")
_TRACES = text("""
SELECT e.attempt, e.at, e.data->>'code' AS code, e.data->>'trace' AS text
FROM task_events e JOIN tasks t ON t.seq = e.task_seq
WHERE t.id = :id AND e.data ? 'trace' ORDER BY e.id
""")


class Operations:
    """Statements for those who run the service; they reach over all teams."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def live_tasks(self) -> LiveTasks:
        """Waiting and running generation tasks."""
        found: dict[str, list[Load]] = {}
        for row in await self._connection.execute(_LIVE):
            load = Load(
                name=row.name, queued=row.queued, running=row.running, oldest_seconds=row.oldest_seconds
            )
            found.setdefault(row.list, []).append(load)
        return LiveTasks(
            total=found["total"][0],
            teams=found.get("teams", []),
            models=found.get("models", []),
            stages=found.get("stages", []),
        )

    async def last_hour(self) -> LastHour:
        """How tasks ended within the last hour."""
        return LastHour(**(await self._connection.execute(_LAST_HOUR)).one()._mapping)

    async def is_paused(self) -> bool:
        """Whether no task may be claimed."""
        return bool(await self._connection.scalar(_PAUSED))

    async def set_paused(self, paused: bool) -> bool:
        """Stop or allow all claims; returns whether that is a change, which one of several at once makes."""
        return await self._connection.scalar(_SET_PAUSED, {"paused": paused}) is not None

    async def workers(self, *, lease_s: float, after: UUID | None, most: int) -> list[WorkerRow]:
        """Workers of the last days, those that started last first; `after` = those behind this one."""
        values = {"lease_s": lease_s, "after": after, "most": most}
        return [WorkerRow(**row._mapping) for row in await self._connection.execute(_WORKERS, values)]

    async def drain(self, worker_id: UUID) -> bool | None:
        """Ask a worker to claim nothing more.

        Returns:
            Whether it had been asked before; None if there is no such worker.
        """
        was_asked: bool | None = await self._connection.scalar(_DRAIN, {"id": worker_id})
        return was_asked

    async def traces(self, task_id: TaskId) -> list[Trace] | None:
        """Private texts of failed attempts, None for no such task, or an erased one."""
        if not await self._connection.scalar(_TASK_EXISTS, {"id": task_id}):
            return None
        return [Trace(**row._mapping) for row in await self._connection.execute(_TRACES, {"id": task_id})]
