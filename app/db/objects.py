"""Rows of stored audio: the way from a public path to a storage key, and which objects have a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import TeamId

_BY_PUBLIC_KEY = text("""
SELECT public_key, storage_key, mime, bytes, sha256, created_at FROM objects
WHERE public_key = :public_key AND (CAST(:team_id AS bigint) IS NULL OR team_id = CAST(:team_id AS bigint))
  AND deleted_at IS NULL
""")
# An object whose task this database does not know belongs to somebody else: another database may share the
# store. One of a running attempt may get its row at any moment.
_ORPHANS = text("""
SELECT k.key
FROM unnest(CAST(:keys AS text[]), CAST(:task_ids AS uuid[]), CAST(:attempts AS int[]))
     AS k(key, task_id, attempt)
JOIN tasks t ON t.id = k.task_id
WHERE NOT (t.status = 'running' AND t.attempt = k.attempt)
  AND NOT EXISTS (SELECT FROM objects o WHERE o.storage_key = k.key AND o.deleted_at IS NULL)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """One stored object."""

    public_key: str
    storage_key: str
    mime: str
    bytes: int
    sha256: str
    created_at: datetime


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

    async def orphans(self, outputs: Sequence[OutputKey]) -> list[str]:
        """Storage keys that belong to tasks of this database and to no row, and never will."""
        rows = await self._connection.scalars(
            _ORPHANS,
            {
                "keys": [output.key for output in outputs],
                "task_ids": [output.task_id for output in outputs],
                "attempts": [output.attempt for output in outputs],
            },
        )
        return list(rows)
