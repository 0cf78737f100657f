"""Erases records whose time is over, as their owners would, and forgets old prompt jobs."""

import logging

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.ports import ObjectStore
from app.services.erase import delete_objects

log = logging.getLogger(__name__)

AT_ONCE = 100
PROMPT_JOB_DAYS = 7

_SWEEPER = Actor(kind="sweeper")


class Retention:
    """Keeps records as long as their teams want them."""

    def __init__(self, database: Database, store: ObjectStore, *, record_days: int | None) -> None:
        self._database = database
        self._store = store
        self._record_days = record_days

    async def erase_old_records(self) -> int:
        """Erase a portion of the tasks that ended too long ago, oldest first; returns how many."""
        async with self._database.transaction() as work:
            seqs = await work.erasures.too_old(days=self._record_days, most=AT_ONCE)
            keys = await work.erasures.erase(seqs, actor=_SWEEPER, reason="retention") if seqs else []
        await delete_objects(self._store, keys)
        if seqs:
            log.info("erased old records", extra={"count": len(seqs)})
        return len(seqs)

    async def forget_prompt_jobs(self) -> int:
        """Delete a portion of the prompt jobs that ended a week ago; returns how many."""
        async with self._database.autocommit() as work:
            return await work.erasures.forget_prompt_jobs(days=PROMPT_JOB_DAYS, most=AT_ONCE)
