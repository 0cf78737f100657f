"""Rows of stored audio: the way from a public path to a storage key, and which objects have a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import TeamId

_BY_PUBLIC_KEY = text("""
SELECT public_key, storage_key, role, mime, bytes, sha256, duration_s, created_at FROM objects
WHERE public_key = :public_key AND (CAST(:team_id AS bigint) IS NULL OR team_id = CAST(:team_id AS bigint))
  AND deleted_at IS NULL
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
# A row is marked first, so that nobody is sent to an object that is going; then the object is deleted.
_EXPIRE = text("""
WITH due AS MATERIALIZED (
    SELECT o.id FROM objects o JOIN tasks t ON t.seq = o.task_seq
    WHERE o.expires_at < now() AND o.deleted_at IS NULL AND t.finished_at IS NOT NULL AND NOT t.legal_hold
    ORDER BY o.expires_at LIMIT :most
    FOR UPDATE OF o SKIP LOCKED
), gone AS (
    UPDATE objects o SET deleted_at = now(), delete_reason = 'expired'
    FROM due WHERE o.id = due.id
    RETURNING o.task_seq, o.team_id, o.storage_key, o.role
), noted AS (
    INSERT INTO task_events (task_seq, team_id, event, actor_kind, data)
    SELECT task_seq, team_id, 'audio_expired', 'sweeper',
           jsonb_build_object('outputs', count(*) FILTER (WHERE role = 'output'),
                              'inputs', count(*) FILTER (WHERE role = 'input'))
    FROM gone GROUP BY task_seq, team_id
)
SELECT storage_key FROM gone
""")


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

    async def stored(self, *, after: int, most: int) -> list[StoredRow]:
        """Rows of objects that have to be in the store, of all teams, in the order of their ids."""
        rows = await self._connection.execute(_STORED, {"after": after, "most": most})
        return [StoredRow(**row._mapping) for row in rows]

    async def expire(self, *, most: int) -> list[str]:
        """Mark audio of ended tasks whose time is over as deleted; returns its storage keys.

        A legal hold on the task keeps its audio.
        """
        return list(await self._connection.scalars(_EXPIRE, {"most": most}))

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
