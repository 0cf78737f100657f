"""Repairs what crashes leave behind: expired leases, lost rings, drifted counters, orphan objects."""

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta

from app.db.engine import Database
from app.db.tasks import Actor, Settled
from app.domain.errors import ServiceError
from app.domain.ports import Doorbell, ObjectStore
from app.domain.task import TaskStatus

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 5.0
CORRECT_EVERY_S = 60.0
ORPHANS_EVERY_S = 3600.0
ORPHAN_AGE_S = 3600.0
AUDIO_PREFIXES = ("o/", "i/")
EXPIRED_AT_ONCE = 100
RING_AGAIN_AFTER_S = 2.0

SWEEPER = Actor(kind="sweeper")


class Recovery:
    """The sweeper: runs in every API and worker process, one at a time in the whole service."""

    def __init__(
        self, database: Database, doorbell: Doorbell, *, max_crashes: int, store: ObjectStore | None = None
    ) -> None:
        self._database = database
        self._doorbell = doorbell
        self._max_crashes = max_crashes
        self._store = store

    async def run_forever(self, *, every_s: float = SWEEP_EVERY_S) -> None:
        """Sweep until cancelled; a service that is away is tried again at the next turn."""
        loop = asyncio.get_running_loop()
        correct_at = loop.time() + CORRECT_EVERY_S
        orphans_at = loop.time() + random.uniform(0.5, 1.0) * ORPHANS_EVERY_S
        while True:
            await asyncio.sleep(every_s * random.uniform(0.8, 1.2))
            try:
                await self.sweep()
                await self.expire_audio()
                if loop.time() >= correct_at:
                    correct_at = loop.time() + CORRECT_EVERY_S
                    await self.correct_counters()
                if loop.time() >= orphans_at:
                    orphans_at = loop.time() + ORPHANS_EVERY_S
                    await self.remove_orphans()
            except ServiceError as error:
                log.warning("sweep postponed", extra={"reason": str(error)})
            except Exception:
                log.exception("sweep failed")

    async def sweep(self) -> list[Settled]:
        """Take back expired tasks and ring for those that wait; returns what was taken back."""
        async with self._database.transaction() as work:
            if not await work.sweeps.try_lock():
                return []
            lost = await work.tasks.lose_expired(actor=SWEEPER, max_crashes=self._max_crashes)
            waiting = await work.sweeps.waiting_longer_than(RING_AGAIN_AFTER_S)
        self._tell(lost)
        if waiting:
            self._doorbell.ring(waiting)
        return lost

    async def worker_died(self, host: str, pid: int) -> list[Settled]:
        """Take all tasks at once from the worker that ran as this process, which its parent saw die."""
        lost: list[Settled] = []
        async with self._database.transaction() as work:
            for worker_id in await work.workers.of_process(host, pid):
                lost += await work.tasks.lose_worker(worker_id, actor=SWEEPER, max_crashes=self._max_crashes)
                await work.workers.gone(worker_id)
        self._tell(lost)
        return lost

    async def correct_counters(self) -> None:
        """Compare the running counters with the rows; a difference is an error of ours, and is mended."""
        async with self._database.transaction() as work:
            wrong = await work.sweeps.correct_running()
            await work.workers.forget_old()
        if wrong:
            log.error("running counters were wrong", extra={"teams": wrong})

    async def expire_audio(self) -> int:
        """Remove audio whose retention is over; returns how much.

        An object that cannot be deleted now has no live row any more, so that it is an orphan.
        """
        if self._store is None:
            return 0
        async with self._database.autocommit() as work:
            keys = await work.objects.expire(most=EXPIRED_AT_ONCE)
        for key in keys:
            await self._store.delete(key)
        if keys:
            log.info("removed expired audio", extra={"count": len(keys)})
        return len(keys)

    async def remove_orphans(self, *, older_than_s: float = ORPHAN_AGE_S) -> int:
        """Delete stored audio that no row names; returns how many.

        Args:
            older_than_s: younger objects may belong to an attempt that has not committed yet.
        """
        return sum([await self._remove_orphans(prefix, older_than_s) for prefix in AUDIO_PREFIXES])

    async def _remove_orphans(self, prefix: str, older_than_s: float) -> int:
        if self._store is None:
            return 0
        limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
        removed = 0
        batch: list[str] = []
        async for item in self._store.list(prefix):
            if item.modified_at <= limit:
                batch.append(item.key)
            if len(batch) >= 500:
                removed += await self._remove_unknown(batch)
                batch = []
        removed += await self._remove_unknown(batch)
        if removed:
            log.info("removed orphan objects", extra={"count": removed})
        return removed

    async def _remove_unknown(self, keys: list[str]) -> int:
        if not keys or self._store is None:
            return 0
        async with self._database.autocommit() as work:
            known = await work.objects.known(keys)
        orphans = [key for key in keys if key not in known]
        for key in orphans:
            await self._store.delete(key)
        return len(orphans)

    def _tell(self, lost: list[Settled]) -> None:
        for task in lost:
            log.warning(
                "task taken from a lost attempt",
                extra={"task_id": task.id, "attempt": task.attempt, "state": task.status.value},
            )
        requeued = [task.id for task in lost if task.status is TaskStatus.QUEUED]
        if requeued:
            self._doorbell.ring(requeued)
