"""Rows of stored audio: the way from a public path to a storage key, and which objects have a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import TeamId

# The path of an erased task is dead at once, though another task may still need the audio.
_BY_PUBLIC_KEY = text("""
SELECT o.public_key, o.storage_key, o.role, o.mime, o.bytes, o.sha256, o.duration_s, o.created_at
FROM objects o LEFT JOIN tasks t ON t.seq = o.task_seq
WHERE o.public_key = :public_key AND o.deleted_at IS NULL AND t.deleted_at IS NULL
  AND (CAST(:team_id AS bigint) IS NULL OR o.team_id = CAST(:team_id AS bigint))
""")
# Locked in one order; who removes objects takes the same locks first (`LOCK_OF_TASKS`).
_KEEP = text("""
SELECT id FROM objects
WHERE team_id = :team_id AND public_key = ANY(CAST(:public_keys AS text[])) AND deleted_at IS NULL
ORDER BY id FOR SHARE
""")
EXPIRES = "now() + make_interval(days => coalesce(teams.audio_retention_days, CAST(:retention_days AS int)))"
"""SQL: when a new object of the row `teams` expires."""

NEEDED = """
EXISTS (SELECT FROM task_inputs i JOIN tasks c ON c.seq = i.task_seq
        WHERE i.object_id = o.id AND (c.status IN ('queued', 'running') OR c.legal_hold))"""
"""SQL: a task that has not ended, or that a legal hold keeps, begins with the object `o` of another one."""

LOCK_OF_TASKS = text("""
SELECT id FROM objects WHERE task_seq = ANY(CAST(:seqs AS bigint[])) AND deleted_at IS NULL
ORDER BY id FOR UPDATE
""")
# An object whose task this database does not know belongs to somebody else: another database may share the
# store. One of a running attempt may get its row at any moment.
_ORPHAN_OUTPUTS = text("""
SELECT k.key
FROM unnest(CAST(:keys AS text[]), CAST(:task_ids AS uuid[]), CAST(:attempts AS int[]))
     AS k(key, task_id, attempt)
JOIN tasks t ON t.id = k.task_id
WHERE NOT (t.status = 'running' AND t.attempt = k.attempt)
  AND NOT EXISTS (SELECT FROM objects o WHERE o.storage_key = k.key AND o.deleted_at IS NULL)
""")
_ORPHAN_INPUTS = text("""
SELECT k.key FROM unnest(CAST(:keys AS text[])) AS k(key)
WHERE NOT EXISTS (SELECT FROM objects o WHERE o.storage_key = k.key AND o.deleted_at IS NULL)
""")
_STORED = text("""
SELECT o.id, o.storage_key, o.bytes, o.sha256, t.id AS task_id
FROM objects o LEFT JOIN tasks t ON t.seq = o.task_seq
WHERE o.deleted_at IS NULL AND o.id > :after
ORDER BY o.id LIMIT :most
""")
_INSTALLATION = text("SELECT value FROM settings WHERE key = 'installation'")
_DUE = text(f"""
SELECT o.id FROM objects o JOIN tasks t ON t.seq = o.task_seq
WHERE o.expires_at <= now() AND o.deleted_at IS NULL AND t.finished_at IS NOT NULL AND NOT t.legal_hold
  AND NOT {NEEDED}
ORDER BY o.expires_at LIMIT :most
FOR UPDATE OF o SKIP LOCKED FOR SHARE OF t SKIP LOCKED
""")  # noqa: S608 - parts of this file only
# The task is locked too: a legal hold that was confirmed meanwhile counts.
# A row is marked first, so that nobody is sent to an object that is going; then the object is deleted.
# Whether it is needed is asked once more: that may have changed before it was locked.
_EXPIRE = text(f"""
WITH gone AS (
    UPDATE objects o
    SET deleted_at = now(), delete_reason = CASE WHEN t.deleted_at IS NULL THEN 'expired' ELSE 'erased' END
    FROM tasks t WHERE t.seq = o.task_seq AND o.id = ANY(CAST(:ids AS bigint[])) AND NOT {NEEDED}
    RETURNING o.task_seq, o.team_id, o.storage_key, o.role, o.delete_reason
), noted AS (
    INSERT INTO task_events (task_seq, team_id, event, actor_kind, data)
    SELECT task_seq, team_id, 'audio_expired', 'sweeper',
           jsonb_build_object('outputs', count(*) FILTER (WHERE role = 'output'),
                              'inputs', count(*) FILTER (WHERE role = 'input'))
    FROM gone WHERE delete_reason = 'expired' GROUP BY task_seq, team_id
)
SELECT storage_key FROM gone
""")  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """One stored object."""

    public_key: str
    storage_key: str
    role: str
    mime: str
    bytes: int
    sha256: str
    duration_s: float | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """What a row says of one object in the store; `id` orders them."""

    id: int
    storage_key: str
    bytes: int
    sha256: str
    task_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputKey:
    """A storage key `o/<team>/<task id>/<attempt>/<item>.<ext>`, taken apart."""

    key: str
    task_id: UUID
    attempt: int


class Objects:
    """Statements on the `objects` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def by_public_key(self, team_id: TeamId | None, public_key: str) -> ObjectRow | None:
        """The object behind a public path; team None only where audio is public."""
        row = (
            await self._connection.execute(_BY_PUBLIC_KEY, {"public_key": public_key, "team_id": team_id})
        ).first()
        return ObjectRow(**row._mapping) if row else None

    async def installation(self) -> str:
        """Name of this database in shared stores: the second part of every input's storage key."""
        return str((await self._connection.execute(_INSTALLATION)).scalar_one())

    async def keep(self, team_id: TeamId, public_keys: Sequence[str]) -> list[int]:
        """Ids of those that are still there; nobody removes them until the transaction ends."""
        values = {"team_id": team_id, "public_keys": list(public_keys)}
        return list(await self._connection.scalars(_KEEP, values))

    async def stored(self, *, after: int, most: int) -> list[StoredRow]:
        """Rows of objects that have to be in the store, of all teams, in the order of their ids."""
        rows = await self._connection.execute(_STORED, {"after": after, "most": most})
        return [StoredRow(**row._mapping) for row in rows]

    async def expire(self, *, most: int) -> list[str]:
        """Mark audio of ended tasks whose time is over as deleted; returns its storage keys.

        A legal hold on the task keeps its audio, and so does another task that needs it. Ask within a
        transaction.
        """
        ids = list(await self._connection.scalars(_DUE, {"most": most}))
        return list(await self._connection.scalars(_EXPIRE, {"ids": ids})) if ids else []

    async def orphan_outputs(self, outputs: Sequence[OutputKey]) -> list[str]:
        """Storage keys that belong to tasks of this database and to no row, and never will."""
        rows = await self._connection.scalars(
            _ORPHAN_OUTPUTS,
            {
                "keys": [output.key for output in outputs],
                "task_ids": [output.task_id for output in outputs],
                "attempts": [output.attempt for output in outputs],
            },
        )
        return list(rows)

    async def orphan_inputs(self, keys: Sequence[str]) -> list[str]:
        """Those storage keys of this installation's inputs that no live row names."""
        return list(await self._connection.scalars(_ORPHAN_INPUTS, {"keys": list(keys)}))
