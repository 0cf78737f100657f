"""Removing the content of tasks: what stays is a tombstone with times, state, sizes, hashes and events."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.objects import LOCK_OF_TASKS, NEEDED
from app.db.search_models import LISTED
from app.db.tasks import Actor

# Rows first: nobody is sent to an object that is going. One that another task needs goes when it does not
# need it any more: its time is over from now on.
_ERASE = text(f"""
WITH erased AS (
    UPDATE tasks SET deleted_at = now(), progress_text = NULL, batch_key = NULL, error_message = NULL,
                     request_id = '', requested_model = NULL,
                     result = CASE WHEN result IS NOT NULL THEN '{{}}'::jsonb END
    WHERE seq = ANY(CAST(:seqs AS bigint[])) AND finished_at IS NOT NULL AND deleted_at IS NULL
    RETURNING seq, team_id
), params AS (
    DELETE FROM task_params USING erased WHERE task_seq = erased.seq
), terms AS (
    DELETE FROM task_terms USING erased WHERE task_seq = erased.seq
), words AS (
    DELETE FROM task_words USING erased WHERE task_seq = erased.seq
), inputs AS (
    DELETE FROM task_inputs USING erased WHERE task_seq = erased.seq
), objects AS (
    UPDATE objects o SET
        deleted_at = CASE WHEN NOT {NEEDED} THEN now() END,
        delete_reason = CASE WHEN NOT {NEEDED} THEN 'erased' END, expires_at = now()
    FROM erased WHERE o.task_seq = erased.seq AND o.deleted_at IS NULL
    RETURNING o.storage_key, o.deleted_at
), told AS (
    UPDATE webhook_deliveries d SET
        attempts = '[]'::jsonb, last_error = NULL,
        body = d.body || jsonb_build_object('error', d.body->'error_code')
    FROM erased WHERE d.task_seq = erased.seq
), noted AS (
    INSERT INTO task_events (task_seq, team_id, event, actor_kind, actor_id, data)
    SELECT seq, team_id, 'deleted', CAST(:actor_kind AS text), CAST(:actor_id AS text),
           jsonb_build_object('reason', CAST(:reason AS text))
    FROM erased
)
SELECT storage_key FROM objects WHERE deleted_at IS NOT NULL
""")  # noqa: S608 - parts of this file and of `objects.py` only
# In statements of their own: they see the task as erased, and deliveries whose try ended meanwhile.
_ERASE_EVENTS = text("""
UPDATE task_events SET data = data - CAST(:content AS text[])
WHERE task_seq = ANY(CAST(:seqs AS bigint[])) AND data ?| CAST(:content AS text[])
""")
_FORGET_TOLD = text("""
DELETE FROM webhook_deliveries
WHERE task_seq = ANY(CAST(:seqs AS bigint[])) AND (delivered_at IS NOT NULL OR dead_at IS NOT NULL)
""")
CONTENT_OF_EVENTS = ("trace", "message", "set", "removed")
"""What events hold of a task's content: private and public texts of failures, and labels."""

_TOO_OLD = text(f"""
SELECT due.seq FROM teams g CROSS JOIN LATERAL (
    SELECT t.seq FROM tasks t
    WHERE t.team_id = g.id AND {LISTED} AND NOT t.legal_hold
      AND t.finished_at < now() - make_interval(days => coalesce(g.record_retention_days, CAST(:days AS int)))
    ORDER BY t.finished_at LIMIT :most
    FOR UPDATE SKIP LOCKED) due
LIMIT :most
""")  # noqa: S608 - parts of this file only

_FORGET = text("""
WITH due AS MATERIALIZED (
    SELECT seq FROM tasks
    WHERE kind <> 'generate' AND finished_at < now() - make_interval(days => CAST(:days AS int))
    ORDER BY finished_at LIMIT :most
    FOR UPDATE SKIP LOCKED
), events AS (
    DELETE FROM task_events USING due WHERE task_seq = due.seq
), params AS (
    DELETE FROM task_params USING due WHERE task_seq = due.seq
)
DELETE FROM tasks USING due WHERE tasks.seq = due.seq
RETURNING tasks.seq
""")


class Erasures:
    """Statements that remove content."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def erase(self, seqs: Sequence[int], *, actor: Actor, reason: str) -> list[str]:
        """Remove the content of ended tasks; returns the storage keys of objects that have no row now.

        What a webhook still has to tell of them stays until it is told.
        """
        of = {"seqs": list(seqs)}
        await self._connection.execute(LOCK_OF_TASKS, of)
        values = {**of, "actor_kind": actor.kind, "actor_id": actor.id, "reason": reason}
        keys = list(await self._connection.scalars(_ERASE, values))
        await self._connection.execute(_ERASE_EVENTS, {**of, "content": list(CONTENT_OF_EVENTS)})
        await self._connection.execute(_FORGET_TOLD, of)
        return keys

    async def too_old(self, *, days: int | None, most: int) -> list[int]:
        """Ended tasks past the retention of records, held until the transaction ends.

        Args:
            days: how long records are kept where the team says nothing; None = for ever.
        """
        return list(await self._connection.scalars(_TOO_OLD, {"days": days, "most": most}))

    async def forget_prompt_jobs(self, *, days: int, most: int) -> int:
        """Delete rows of ended prompt jobs, which are no history; returns how many."""
        rows = await self._connection.execute(_FORGET, {"days": days, "most": most})
        return len(rows.all())
