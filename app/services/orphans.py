"""Finds stored audio of this database that no row names and none will."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.db.engine import Database
from app.db.objects import OutputKey
from app.domain.ports import ObjectStore

KEYS_AT_ONCE = 500


async def orphans(database: Database, store: ObjectStore, *, older_than_s: float) -> AsyncIterator[str]:
    """Yield their storage keys.

    Args:
        older_than_s: spares objects that are still being worked with, by the clock of this machine.
    """
    async with database.autocommit() as work:
        installation = await work.objects.installation()
    for prefix in ("o/", f"i/{installation}/"):
        async for keys in _old_keys(store, prefix, older_than_s):
            for key in await _without_row(database, keys):
                yield key


async def _old_keys(store: ObjectStore, prefix: str, older_than_s: float) -> AsyncIterator[list[str]]:
    """Yield storage keys below a prefix in portions."""
    limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
    batch: list[str] = []
    async for item in store.list(prefix):
        if item.modified_at <= limit:
            batch.append(item.key)
        if len(batch) >= KEYS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


async def _without_row(database: Database, keys: Sequence[str]) -> list[str]:
    async with database.autocommit() as work:
        if not keys[0].startswith("o/"):
            return await work.objects.orphan_inputs(keys)
        outputs = [output for key in keys if (output := _output_key(key)) is not None]
        return await work.objects.orphan_outputs(outputs)


def _output_key(key: str) -> OutputKey | None:
    """Take `o/<team>/<task id>/<attempt>/<item>.<ext>` apart; None for a key of another form."""
    parts = key.split("/")
    if len(parts) != 5 or not parts[3].isdecimal():
        return None
    try:
        return OutputKey(key=key, task_id=UUID(parts[2]), attempt=int(parts[3]))
    except ValueError:
        return None
