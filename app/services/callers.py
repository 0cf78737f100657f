"""Who a key belongs to; answers are kept for ten seconds, so a revoked or expired key stops within them."""

import asyncio

from app.db.engine import Database
from app.domain.errors import DatabaseUnavailableError
from app.domain.task import Caller

CACHE_S = 10.0
OPEN_CACHE_S = 1.0
MOST_CACHED = 4096


class Callers:
    """Looks keys up by their keyed hash."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._callers: dict[bytes, tuple[float, Caller]] = {}
        self._has_keys: tuple[float, bool] | None = None

    async def caller(self, digest: bytes) -> Caller | None:
        """The caller behind a digest; misses are never kept."""
        now = asyncio.get_running_loop().time()
        cached = self._callers.get(digest)
        if cached and now - cached[0] < CACHE_S:
            return cached[1]
        async with self._database.autocommit() as work:
            caller = await work.keys.caller(digest)
        self._callers.pop(digest, None)
        if caller is not None:
            if len(self._callers) >= MOST_CACHED:
                self._callers.clear()
            self._callers[digest] = (now, caller)
        return caller

    async def has_keys(self) -> bool:
        """Whether a key was ever created; once true, it stays true, for keys are never deleted."""
        now = asyncio.get_running_loop().time()
        if self._has_keys and (self._has_keys[1] or now - self._has_keys[0] < OPEN_CACHE_S):
            return self._has_keys[1]
        try:
            async with self._database.autocommit() as work:
                self._has_keys = (now, await work.keys.any_exists())
        except DatabaseUnavailableError:
            if self._has_keys is None:
                raise
        return self._has_keys[1]
