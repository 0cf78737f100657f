"""Changes that owners make to their tasks, each with its event."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.tasks import Actor
from app.domain.task import TaskId, TeamId
from app.domain.terms import label_terms

# The row is held to the end of the transaction: what was judged is what is changed.
_LOCK = text("""
SELECT t.seq, t.team_id, t.created_at, t.status, t.priority, t.legal_hold, t.deleted_at,
       p.labels, g.max_priority
FROM tasks t JOIN teams g ON g.id = t.team_id LEFT JOIN task_params p ON p.task_seq = t.seq
WHERE t.id = :id AND t.kind = 'generate'
  AND (CAST(:team_id AS bigint) IS NULL OR t.team_id = CAST(:team_id AS bigint))
FOR UPDATE OF t
""")

_PRIORITY = text("""
WITH changed AS (
    UPDATE tasks SET
        priority = CAST(:priority AS smallint),
        queue_rank = created_at
            - make_interval(secs => CAST(:ageing_s AS float8) * CAST(:priority AS smallint))
    WHERE seq = :seq RETURNING seq, team_id
)
INSERT INTO task_events (task_seq, team_id, event, actor_kind, actor_id, data)
SELECT seq, team_id, 'priority_changed', CAST(:actor_kind AS text), CAST(:actor_id AS text),
       jsonb_build_object('from', CAST(:before AS int), 'to', CAST(:priority AS int))
FROM changed
""")

_LABELS = text("""
WITH changed AS (
    UPDATE task_params SET labels = CAST(:labels AS jsonb) WHERE task_seq = :seq
), gone AS (
    DELETE FROM task_terms WHERE task_seq = :seq AND term = ANY(CAST(:old_terms AS text[]))
), noted AS (
    INSERT INTO task_events (task_seq, team_id, event, actor_kind, actor_id, data)
    SELECT :seq, :team_id, 'labels_changed', CAST(:actor_kind AS text), CAST(:actor_id AS text),
           CAST(:difference AS jsonb)
)
INSERT INTO task_terms (task_seq, team_id, created_at, term)
SELECT :seq, :team_id, :created_at, unnest(CAST(:new_terms AS text[]))
""")

_HOLD = text("UPDATE tasks SET legal_hold = :hold WHERE seq = :seq")

_EXPORTED = text("""
INSERT INTO task_exports (task_seq, export_id, actor_kind, actor_id, form)
SELECT seq, CAST(:export_id AS bigint), CAST(:actor_kind AS text), CAST(:actor_id AS text),
       CAST(:form AS text)
FROM unnest(CAST(:seqs AS bigint[])) AS seq
""")


class Edits:
    """Statements on tasks that their owners give."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, team_id: TeamId | None, task_id: TaskId) -> Row[Any] | None:
        """Hold a task of the team, or of any for None, until the transaction ends; None if there is none.

        One that was erased is found too.
        """
        return (await self._connection.execute(_LOCK, {"id": task_id, "team_id": team_id})).first()

    async def set_priority(self, task: Row[Any], priority: int, *, actor: Actor, ageing_s: float) -> None:
        """Move a held, waiting task in the queue of its team."""
        values = {"seq": task.seq, "before": task.priority, "priority": priority, "ageing_s": ageing_s}
        await self._connection.execute(_PRIORITY, values | _by(actor))

    async def set_labels(self, task: Row[Any], labels: Mapping[str, str], *, actor: Actor) -> None:
        """Replace the labels of a held task, and what lists find of them."""
        before: Mapping[str, str] = task.labels
        difference = {
            "set": dict(labels.items() - before.items()),
            "removed": dict(before.items() - labels.items()),
        }
        new, old = label_terms(labels), label_terms(task.labels)
        values = {
            "seq": task.seq,
            "team_id": task.team_id,
            "created_at": task.created_at,
            "labels": msgspec.json.encode(labels).decode(),
            "old_terms": [term for term in old if term not in new],
            "new_terms": [term for term in new if term not in old],
            "difference": msgspec.json.encode(difference).decode(),
        }
        await self._connection.execute(_LABELS, values | _by(actor))

    async def set_legal_hold(self, task: Row[Any], hold: bool) -> None:
        """Keep everything of a held task from being removed, or no longer."""
        await self._connection.execute(_HOLD, {"seq": task.seq, "hold": hold})

    async def note_exported(self, seqs: Sequence[int], export_id: int, *, actor: Actor, form: str) -> None:
        """Note with each task that it is being sent out.

        Args:
            export_id: the export's entry in the audit log.
        """
        values = {"seqs": list(seqs), "export_id": export_id, "form": form}
        await self._connection.execute(_EXPORTED, values | _by(actor))


def _by(actor: Actor) -> dict[str, str | None]:
    return {"actor_kind": actor.kind, "actor_id": actor.id}
