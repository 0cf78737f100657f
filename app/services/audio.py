"""Finds stored audio by its public path, and streams it from the store."""

from collections.abc import AsyncIterator

from app.db.engine import Database, retrying
from app.db.objects import ObjectRow
from app.domain.errors import NotFoundError
from app.domain.ports import ObjectStore
from app.domain.task import TeamId
from app.services import StoredAudio

RETRY_LIMIT_S = 3.0


class Audio:
    """The use case behind `/v1/audio`."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store

    async def find(self, team_id: TeamId | None, public_key: str) -> StoredAudio:
        """Look the path up as text, within the team; the store is never asked about a client's string.

        Raises:
            NotFoundError: unknown, foreign, deleted or malformed, with one text for all.
        """

        async def read() -> ObjectRow | None:
            async with self._database.autocommit() as work:
                return await work.objects.by_public_key(team_id, public_key)

        # Postgres text cannot hold NUL; such a path is only one more unknown one.
        row = await retrying(read, limit_s=RETRY_LIMIT_S) if "\0" not in public_key else None
        if row is None:
            raise NotFoundError("audio file not found")
        return StoredAudio(
            public_key=row.public_key,
            storage_key=row.storage_key,
            mime=row.mime,
            size_bytes=row.bytes,
            sha256=row.sha256,
            created_at=row.created_at,
        )

    async def is_there(self, audio: StoredAudio) -> bool:
        """Ask the store, as a download would."""
        return await self._store.stat(audio.storage_key) is not None

    def open(self, audio: StoredAudio, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream bytes `start` to `end`, end exclusive."""
        return self._store.open_range(audio.storage_key, start, end)
