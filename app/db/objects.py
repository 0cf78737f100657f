"""Rows of stored audio: the way from a public path to a storage key, and which objects have a row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.task import TeamId

_BY_PUBLIC_KEY = text("""
SELECT public_key, storage_key, mime, bytes, sha256, created_at FROM objects
WHERE public_key = :public_key AND (CAST(:team_id AS bigint) IS NULL OR team_id = CAST(:team_id AS bigint))
  AND deleted_at IS NULL
""")
_KNOWN = text("""
SELECT storage_key FROM objects WHERE storage_key = ANY(CAST(:keys AS text[])) AND deleted_at IS NULL
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

    async def known(self, storage_keys: Sequence[str]) -> set[str]:
        """Those of the storage keys that a live row names."""
        return set(await self._connection.scalars(_KNOWN, {"keys": list(storage_keys)}))
