"""Compares what the rows say is stored with what the store holds, both ways."""

import hashlib
from collections.abc import AsyncIterator

from app.db.engine import Database
from app.db.objects import StoredRow
from app.domain.errors import NotFoundError
from app.domain.findings import Finding, fail, good, warn
from app.domain.ports import ObjectStore
from app.services.orphans import orphans

ROWS_AT_ONCE = 1000

_LOST = "copy {key} from a backup of the store, or erase the task: DELETE /v1/tasks/{task}"
_ORPHAN = "none needed: a worker removes it within two hours"


class Verify:
    """The use case behind `acestep-service verify`; it only reads."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        self._database = database
        self._store = store

    async def run(self, *, with_hashes: bool) -> AsyncIterator[Finding]:
        """Yield one finding for each mismatch, and at the end one that counts.

        Args:
            with_hashes: also read every object and compare its sha256.
        """
        checked = wrong = 0
        async for row in self._rows():
            checked += 1
            difference = await self._difference(row, with_hashes=with_hashes)
            # On a live service the row may have gone since it was read, and its object with it.
            if difference and await self._is_still_named(row):
                wrong += 1
                remedy = _LOST.format(key=row.storage_key, task=row.task_id)
                yield fail("object", f"{row.storage_key} {difference}", remedy)
        async for key in orphans(self._database, self._store, older_than_s=0):
            wrong += 1
            yield warn("object", f"{key} belongs to no row", _ORPHAN)
        if not wrong:
            how = "size and sha256" if with_hashes else "size"
            yield good("objects", f"{checked} rows, each with its object and {how}; no object without a row")

    async def _rows(self) -> AsyncIterator[StoredRow]:
        after = 0
        while True:
            async with self._database.autocommit() as work:
                rows = await work.objects.stored(after=after, most=ROWS_AT_ONCE)
            for row in rows:
                yield row
            if len(rows) < ROWS_AT_ONCE:
                return
            after = rows[-1].id

    async def _is_still_named(self, row: StoredRow) -> bool:
        async with self._database.autocommit() as work:
            return row in await work.objects.stored(after=row.id - 1, most=1)

    async def _difference(self, row: StoredRow, *, with_hashes: bool) -> str | None:
        """What is wrong with the object of a row, in a few words; None if nothing is."""
        found = await self._store.stat(row.storage_key)
        if found is None:
            return "is missing"
        if found.size_bytes != row.bytes:
            return f"has {found.size_bytes} bytes instead of {row.bytes}"
        if with_hashes and await self._sha256(row) != row.sha256:
            return "has other content: its sha256 differs"
        return None

    async def _sha256(self, row: StoredRow) -> str | None:
        digest = hashlib.sha256()
        try:
            async for chunk in self._store.open_range(row.storage_key, 0, row.bytes):
                digest.update(chunk)
        except NotFoundError:
            return None
        return digest.hexdigest()
