"""Rows of stored audio: the way from a public path to a storage key, and which objects have a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import TeamId

_BY_PUBLIC_KEY = text("""
SELECT public_key, storage_key, role, mime, bytes, sha256, duration_s, created_at FROM objects
WHERE public_key = :public_key AND (CAST(:team_id AS bigint) IS NULL OR team_id = CAST(:team_id AS bigint))
  AND deleted_at IS NULL
""")
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
_KNOWN = text("""
SELECT storage_key FROM objects WHERE storage_key = ANY(CAST(:keys AS text[])) AND deleted_at IS NULL
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

    async def expire(self, *, most: int) -> list[str]:
        """Mark audio of ended tasks whose time is over as deleted; returns its storage keys.

        A legal hold on the task keeps its audio.
        """
        return list(await self._connection.scalars(_EXPIRE, {"most": most}))

    async def known(self, storage_keys: Sequence[str]) -> set[str]:
        """Those of the storage keys that a live row names."""
        return set(await self._connection.scalars(_KNOWN, {"keys": list(storage_keys)}))
