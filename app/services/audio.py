"""Finds stored audio by its public path, and streams it from the store."""

import hashlib
import logging
from collections.abc import AsyncIterator

from app.db.engine import Database, retrying
from app.db.objects import ObjectRow
from app.domain.errors import NotFoundError
from app.domain.ports import ObjectStore
from app.domain.task import TeamId
from app.services import StoredAudio

log = logging.getLogger(__name__)

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

    async def open(self, audio: StoredAudio, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream bytes `start` to `end`, end exclusive; a whole clip ends only if it has its hash.

        Raises:
            NotFoundError: the store has other bytes; the last portion was not sent.
        """
        content = self._store.open_range(audio.storage_key, start, end)
        if (start, end) != (0, audio.size_bytes):
            async for portion in content:
                yield portion
            return
        digest, last = hashlib.sha256(), b""
        async for portion in content:
            digest.update(portion)
            if last:
                yield last
            last = portion
        if digest.hexdigest() != audio.sha256:
            log.error("stored audio has other bytes than its row says", extra={"key": audio.storage_key})
            raise NotFoundError("audio file not found")
        yield last
