"""What teams have used, by day; kept in the transactions of tasks, and counted anew from their rows."""

from collections.abc import Sequence

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.usage import Drift, UsageQuery, UsageRow

_GROUPS = {
    "day": "to_char(u.day, 'YYYY-MM-DD')",
    "team": "CAST(t.public_id AS text)",
    "key": "CAST(k.public_id AS text)",
    "model": "u.model",
}
_SUMS = """
sum(u.succeeded)::bigint AS succeeded, sum(u.failed)::bigint AS failed, sum(u.cancelled)::bigint AS cancelled,
       sum(u.audio_seconds) AS audio_seconds, sum(u.gpu_seconds) AS gpu_seconds,
       sum(u.stored_bytes)::bigint AS stored_bytes,
       sum(u.run_seconds) / nullif(sum(u.ran), 0)::float8 AS average_run_seconds,
       sum(u.wait_seconds) / nullif(sum(u.ran), 0)::float8 AS average_wait_seconds"""

# Kept and counted sums of every team, key, model and day, the kept ones negative: the rest is the difference.
# A task whose last attempt went back to the queue has an event that says so, and did not end while it ran.
_DRIFT = text("""
WITH ended AS MATERIALIZED (
    SELECT t.*, CAST(t.finished_at AT TIME ZONE 'UTC' AS date) AS day,
           t.attempt > 0 AND NOT EXISTS (
               SELECT FROM task_events e
               WHERE e.task_seq = t.seq AND e.event = 'requeued' AND e.attempt = t.attempt) AS has_run
    FROM tasks t WHERE t.kind = 'generate' AND t.finished_at IS NOT NULL
), sums (team_id, api_key_id, model, day, name, amount) AS (
    SELECT team_id, api_key_id, model, day, status, 1::float8 FROM ended
    UNION ALL
    SELECT team_id, api_key_id, model, day, part.name, part.amount
    FROM ended, LATERAL (VALUES ('ran', 1::float8),
                                ('run_seconds', extract(epoch FROM finished_at - started_at)::float8),
                                ('wait_seconds', extract(epoch FROM first_started_at - created_at)::float8)
                        ) AS part (name, amount)
    WHERE has_run
    UNION ALL
    SELECT t.team_id, t.api_key_id, t.model, CAST(e.at AT TIME ZONE 'UTC' AS date), 'gpu_seconds',
           CAST(e.data->>'gpu_seconds' AS float8)
    FROM task_events e JOIN tasks t ON t.seq = e.task_seq
    WHERE t.kind = 'generate' AND e.data ? 'gpu_seconds'
    UNION ALL
    SELECT t.team_id, t.api_key_id, t.model, t.day, part.name, part.amount
    FROM ended t JOIN objects o ON o.task_seq = t.seq AND o.role = 'output',
         LATERAL (VALUES ('audio_seconds', o.duration_s), ('stored_bytes', o.bytes::float8))
             AS part (name, amount)
    UNION ALL
    SELECT u.team_id, u.api_key_id, u.model, u.day, part.name, -part.amount
    FROM usage_daily u, LATERAL (VALUES
        ('succeeded', u.succeeded::float8), ('failed', u.failed), ('cancelled', u.cancelled), ('ran', u.ran),
        ('run_seconds', u.run_seconds), ('wait_seconds', u.wait_seconds), ('gpu_seconds', u.gpu_seconds),
        ('audio_seconds', u.audio_seconds), ('stored_bytes', u.stored_bytes)) AS part (name, amount)
)
SELECT concat_ws(' ', 'usage', to_char(day, 'YYYY-MM-DD'), 'team', team_id, 'key', api_key_id, model, name)
           AS what, sum(amount) AS difference
FROM sums GROUP BY team_id, api_key_id, model, day, name
HAVING abs(sum(amount)) > 1e-3
ORDER BY 1
""")


def sums_by(groups: Sequence[str]) -> TextClause:
    """Write the query for sums of usage, one row for each group in the order of their values."""
    columns = ", ".join(_GROUPS[group] for group in groups)
    return text(f"""
        SELECT {columns}, {_SUMS}
        FROM usage_daily u JOIN teams t ON t.id = u.team_id LEFT JOIN api_keys k ON k.id = u.api_key_id
        WHERE u.day BETWEEN :first AND :last
          AND (CAST(:owner AS bigint) IS NULL OR u.team_id = CAST(:owner AS bigint))
          AND (CAST(:team AS uuid) IS NULL OR t.public_id = CAST(:team AS uuid))
          AND (CAST(:key_id AS uuid) IS NULL OR k.public_id = CAST(:key_id AS uuid))
          AND (CAST(:model AS text) IS NULL OR u.model = CAST(:model AS text))
        GROUP BY {columns} ORDER BY {columns} LIMIT :most
    """)  # noqa: S608 - parts of this file only


class Usage:
    """Statements on the `usage_daily` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def rows(self, query: UsageQuery, *, most: int) -> list[UsageRow]:
        """Sums by group, in the order of their values; at most `most`."""
        values = {
            "owner": query.owner,
            "first": query.first,
            "last": query.last,
            "team": query.team,
            "key_id": query.key_id,
            "model": query.model,
            "most": most,
        }
        found = await self._connection.execute(sums_by(query.group_by), values)
        return [
            UsageRow(
                groups=tuple(row[: len(query.group_by)]),
                succeeded=row.succeeded,
                failed=row.failed,
                cancelled=row.cancelled,
                audio_seconds=row.audio_seconds,
                gpu_seconds=row.gpu_seconds,
                stored_bytes=row.stored_bytes,
                average_run_seconds=row.average_run_seconds,
                average_wait_seconds=row.average_wait_seconds,
            )
            for row in found
        ]

    async def drift(self) -> list[Drift]:
        """Sums that differ from a count of the rows; slow in a long history."""
        return [Drift(**row._mapping) for row in await self._connection.execute(_DRIFT)]
