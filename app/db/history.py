"""Everything that is stored of tasks, for their owners; team None stands for an admin, who sees all teams."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.queue import positions
from app.domain.history import StoredEvent, StoredTask
from app.domain.task import ClipView, TaskId, TaskStatus, TeamId

# Erased tasks are shown to admins only.
_VISIBLE = """
t.id = :id AND t.kind = 'generate'
  AND (CAST(:team_id AS bigint) IS NULL OR (t.team_id = CAST(:team_id AS bigint) AND t.deleted_at IS NULL))
"""

# A key of another team, an admin's, is named to admins only.
_KEY = "(k.team_id = {of}.team_id OR CAST(:team_id AS bigint) IS NULL)"

_TASK = f"""
SELECT t.seq, t.id, t.team_id, g.public_id AS public_team_id, k.public_id AS public_key_id,
       k.prefix AS key_prefix, t.status, t.task_type, t.priority, t.request_id,
       coalesce(t.idempotency_key, CASE WHEN CAST(:team_id AS bigint) IS NULL
                                        THEN t.admin_idempotency_key END) AS idempotency_key,
       t.parent_id, t.parent_relation, t.legal_hold, t.created_at, t.first_started_at, t.started_at,
       t.finished_at, t.deleted_at, now() AS read_at, t.progress, t.stage, t.progress_text,
       t.requested_model, t.model, t.result, t.error_code, t.error_message,
       p.request, p.content_type, p.params, p.adjustments, p.inputs, p.labels, p.client, p.webhook_url
FROM tasks t
JOIN teams g ON g.id = t.team_id
LEFT JOIN api_keys k ON k.id = t.api_key_id AND {_KEY.format(of="t")}
LEFT JOIN task_params p ON p.task_seq = t.seq
"""  # noqa: S608 - parts of this file only
_BY_ID = text(f"{_TASK} WHERE {_VISIBLE}")
_BY_SEQ = text(f"{_TASK} WHERE t.seq = ANY(CAST(:seqs AS bigint[]))")

_POSITIONS = text(positions("me.id = ANY(CAST(:ids AS uuid[]))"))

# Ids tell the order of a task's events, as times are those at which transactions began; an export stands
# behind the events of its time.
_EVENTS = text(f"""
SELECT e.task_seq, e.at, e.event, e.attempt, e.actor_kind, e.actor_id, k.prefix AS key_prefix, e.data
FROM (
    SELECT task_seq, team_id, id AS place, 0 AS export_id, at, event, attempt, actor_kind, actor_id, data
    FROM task_events WHERE task_seq = ANY(CAST(:seqs AS bigint[]))
    UNION ALL
    SELECT x.task_seq, t.team_id,
           (SELECT max(p.id) FROM task_events p WHERE p.task_seq = x.task_seq AND p.at <= x.at),
           x.export_id, x.at, 'exported', 0, x.actor_kind, x.actor_id, jsonb_build_object('form', x.form)
    FROM task_exports x JOIN tasks t ON t.seq = x.task_seq
    WHERE x.task_seq = ANY(CAST(:seqs AS bigint[]))
) e
LEFT JOIN api_keys k
    ON k.id = CASE WHEN e.actor_kind IN ('client', 'admin') THEN CAST(e.actor_id AS bigint) END
   AND {_KEY.format(of="e")}
ORDER BY e.place NULLS FIRST, e.export_id
""")  # noqa: S608

_OUTPUTS = text("""
SELECT task_seq, item AS index, public_key, ext, mime, bytes AS size_bytes, sha256, duration_s,
       sample_rate AS sample_rate_hz, seed, deleted_at IS NULL AS available, expires_at
FROM objects WHERE task_seq = ANY(CAST(:seqs AS bigint[])) AND role = 'output' ORDER BY item
""")

_STATE = text(f"""
SELECT t.team_id, t.status, t.worker_id, t.cancel_requested_at FROM tasks t WHERE {_VISIBLE}
""")  # noqa: S608


class History:
    """Reads of whole tasks; several statements, so ask within a snapshot."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def task(self, team_id: TeamId | None, task_id: TaskId) -> StoredTask | None:
        """All that is stored of a task, or None if the team has no such task."""
        row = (await self._connection.execute(_BY_ID, {"id": task_id, "team_id": team_id})).first()
        return None if row is None else (await self._whole(team_id, [row]))[0]

    async def tasks(
        self, team_id: TeamId | None, seqs: Sequence[int], *, with_events: bool = True
    ) -> list[StoredTask]:
        """All that is stored of the tasks of a list, in its order."""
        rows = await self._connection.execute(_BY_SEQ, {"seqs": list(seqs), "team_id": team_id})
        by_seq = {row.seq: row for row in rows}
        return await self._whole(team_id, [by_seq[seq] for seq in seqs], with_events=with_events)

    async def _whole(
        self, team_id: TeamId | None, rows: Sequence[Row[Any]], *, with_events: bool = True
    ) -> list[StoredTask]:
        seqs = [row.seq for row in rows]
        events: dict[int, list[StoredEvent]] = {seq: [] for seq in seqs}
        if with_events:
            for event in await self._connection.execute(_EVENTS, {"seqs": seqs, "team_id": team_id}):
                values = dict(event._mapping)
                events[values.pop("task_seq")].append(StoredEvent(**values))
        outputs: dict[int, list[Row[Any]]] = {seq: [] for seq in seqs}
        for output in await self._connection.execute(_OUTPUTS, {"seqs": seqs}):
            outputs[output.task_seq].append(output)
        places = await self._places([row.id for row in rows if row.status == TaskStatus.QUEUED])
        return [_stored(row, events[row.seq], outputs[row.seq], places.get(row.id)) for row in rows]

    async def _places(self, waiting: Sequence[TaskId]) -> dict[TaskId, int]:
        if not waiting:
            return {}
        rows = await self._connection.execute(_POSITIONS, {"ids": list(waiting)})
        return {row.id: row.position for row in rows}

    async def state(self, team_id: TeamId | None, task_id: TaskId) -> Row[Any] | None:
        """Team, status, worker and time of the cancel request of a task."""
        return (await self._connection.execute(_STATE, {"id": task_id, "team_id": team_id})).first()


def _stored(
    row: Row[Any], events: list[StoredEvent], outputs: Sequence[Row[Any]], place: int | None
) -> StoredTask:
    values: dict[str, Any] = {name: value for name, value in row._mapping.items() if name != "seq"}
    values["status"] = TaskStatus(row.status)
    # Neither a result before the end, nor parameters after an erasure.
    for name in ("result", "request", "params", "labels"):
        values[name] = values[name] or {}
    for name in ("adjustments", "inputs"):
        values[name] = values[name] or []
    return StoredTask(
        **values,
        expires_at=min((o.expires_at for o in outputs if o.available and o.expires_at), default=None),
        queue_position=place,
        events=events,
        clips=[_clip(output._mapping) for output in outputs],
    )


def _clip(output: RowMapping) -> ClipView:
    return msgspec.convert(
        {name: output[name] for name in output if name not in ("expires_at", "task_seq")}, ClipView
    )
