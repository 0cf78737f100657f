"""What a poll shows of tasks: one statement for any number of ids, final states without a second look."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queue import positions
from app.domain.task import ClipView, TaskId, TaskStatus, TaskView, TeamId

CLIPS = """
(SELECT jsonb_agg(jsonb_build_object(
            'index', o.item, 'public_key', o.public_key, 'ext', o.ext, 'mime', o.mime,
            'size_bytes', o.bytes, 'sha256', o.sha256, 'duration_s', o.duration_s,
            'sample_rate_hz', o.sample_rate, 'seed', o.seed, 'available', o.deleted_at IS NULL)
        ORDER BY o.item)
 FROM objects o WHERE o.task_seq = t.seq AND o.role = 'output')"""

_BY_IDS = text(f"""
SELECT t.id, t.status, t.attempt, t.created_at, t.progress, t.stage, t.progress_text, t.model,
       t.result #- '{{lm,codes}}' AS result,  -- thousands of numbers, for the audit record only
       t.error_code, t.error_message, p.params, p.adjustments, {CLIPS} AS clips
FROM tasks t JOIN task_params p ON p.task_seq = t.seq
WHERE t.id = ANY(CAST(:ids AS uuid[])) AND t.team_id = :team_id AND t.kind = 'generate'
  AND t.deleted_at IS NULL
""")  # noqa: S608 - parts of this file only

_POSITIONS = text(positions("me.id = ANY(CAST(:ids AS uuid[]))"))

_STATUS = text("SELECT status, attempt, error_code, finished_at FROM tasks WHERE id = :id")


class Views:
    """Reads of single tasks, always within one team."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def by_ids(self, team_id: TeamId, ids: Sequence[TaskId]) -> dict[TaskId, TaskView]:
        """The team's tasks among these ids; unknown, foreign and deleted ones are simply absent."""
        rows = (await self._connection.execute(_BY_IDS, {"ids": list(ids), "team_id": team_id})).all()
        queued = [row.id for row in rows if row.status == TaskStatus.QUEUED]
        places: dict[TaskId, int] = {}
        if queued:
            found = await self._connection.execute(_POSITIONS, {"ids": queued})
            places = {row.id: row.position for row in found}
        return {row.id: _view(row, places) for row in rows}

    async def outcome(self, task_id: TaskId) -> tuple[TaskStatus, int] | None:
        """State and attempt of a task, for a worker whose own commit got no answer."""
        row = (await self._connection.execute(_STATUS, {"id": task_id})).first()
        return (TaskStatus(row.status), row.attempt) if row else None


def _view(row: Row[Any], places: Mapping[TaskId, int]) -> TaskView:
    created_at: datetime = row.created_at
    return TaskView(
        id=TaskId(row.id),
        status=TaskStatus(row.status),
        attempt=row.attempt,
        created_at=created_at,
        progress=round(row.progress, 3),  # stored as float4
        stage=row.stage,
        progress_text=row.progress_text,
        # A task claimed between the two statements has no place any more: it is next.
        queue_position=places.get(row.id, 1) if row.status == TaskStatus.QUEUED else None,
        params=row.params,
        adjustments=row.adjustments,
        model=row.model,
        result=row.result,
        error_code=row.error_code,
        error_message=row.error_message,
        clips=msgspec.convert(row.clips or [], list[ClipView]),
    )
