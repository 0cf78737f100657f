"""Repairs what crashes leave behind: expired leases, lost rings, drifted counters, orphan objects."""

import asyncio
import logging
import random
from collections.abc import Callable
from uuid import UUID

from app.db.engine import Database
from app.db.tasks import Actor, Settled
from app.domain.errors import ServiceError, StorageUnavailableError
from app.domain.ports import Doorbell, ObjectStore, Ping
from app.domain.task import TaskStatus
from app.services.orphans import orphans
from app.services.retention import Retention

log = logging.getLogger(__name__)

SWEEP_EVERY_S = 5.0
CORRECT_EVERY_S = 60.0
ORPHANS_EVERY_S = 3600.0
ORPHAN_AGE_S = 3600.0
EXPIRED_AT_ONCE = 100
KEYS_AT_ONCE = 5000
RING_AGAIN_AFTER_S = 2.0
# Deliveries of webhooks that ended are listed for this long.
DELIVERIES_DAYS = 30

SWEEPER = Actor(kind="sweeper")


class Recovery:
    """The sweeper: runs in every API and worker process, one at a time in the whole service."""

    def __init__(
        self,
        database: Database,
        doorbell: Doorbell,
        *,
        max_crashes: int,
        lease_s: float,
        store: ObjectStore | None = None,
        idempotency_h: int = 24,
        model_wait_s: float = 0.0,
        retention: Retention | None = None,
    ) -> None:
        self._database = database
        self._doorbell = doorbell
        self._max_crashes = max_crashes
        self._lease_s = lease_s
        self._store = store
        self._idempotency_h = idempotency_h
        self._model_wait_s = model_wait_s
        self._retention = retention

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
                await self.erase_old()
                if loop.time() >= correct_at:
                    correct_at = loop.time() + CORRECT_EVERY_S
                    await self.correct_counters()
                    await self.forget_idempotency_keys()
                if loop.time() >= orphans_at:
                    orphans_at = loop.time() + ORPHANS_EVERY_S
                    await self.remove_orphans()
            except ServiceError as error:
                log.warning("sweep postponed", extra={"reason": str(error)})
                # Holders that were cut off from the database too get the time to renew their leases.
                await asyncio.sleep(self._lease_s)
            except Exception:
                log.exception("sweep failed")

    async def sweep(self) -> list[Settled]:
        """Take back expired tasks and ring for those that wait; returns what was taken back."""
        async with self._database.transaction() as work:
            if not await work.sweeps.try_lock():
                return []
            lost = await work.tasks.lose_expired(
                actor=SWEEPER, max_crashes=self._max_crashes, lease_s=self._lease_s
            )
            if self._model_wait_s > 0:
                failed = await work.tasks.fail_unserved(actor=SWEEPER, wait_s=self._model_wait_s)
                if failed:
                    log.warning("failed tasks of models that nobody offers", extra={"count": len(failed)})
            waiting = await work.sweeps.waiting_longer_than(RING_AGAIN_AFTER_S)
        self._tell(lost)
        if waiting:
            self._doorbell.ring(waiting)
        return lost

    async def worker_died(self, host: str, pid: int) -> list[Settled]:
        """Take all tasks at once from the worker that ran as this process, which its parent saw die."""
        async with self._database.autocommit() as work:
            workers = await work.workers.of_process(host, pid)
        return [task for worker_id in workers for task in await self.worker_lost(worker_id)]

    async def worker_lost(self, worker_id: UUID) -> list[Settled]:
        """Take all tasks at once from a worker whose process is known to be gone."""
        async with self._database.transaction() as work:
            lost = await work.tasks.lose_worker(worker_id, actor=SWEEPER, max_crashes=self._max_crashes)
            await work.workers.gone(worker_id)
        self._tell(lost)
        return lost

    async def workers_died(self, host: str, *, is_alive: Callable[[int], bool]) -> None:
        """Take the tasks of all workers of this machine whose process is gone."""
        async with self._database.autocommit() as work:
            pids = await work.workers.pids_of(host)
        for pid in pids:
            if not is_alive(pid):
                await self.worker_died(host, pid)

    async def correct_counters(self) -> None:
        """Compare the running counters with the rows; a difference is an error of ours, and is mended."""
        async with self._database.transaction() as work:
            if not await work.sweeps.try_lock():
                return
            wrong = await work.sweeps.correct_running()
            await work.workers.forget_old()
            await work.deliveries.forget_old(days=DELIVERIES_DAYS)
        if wrong:
            log.error("running counters were wrong", extra={"teams": wrong})

    async def forget_idempotency_keys(self) -> int:
        """Let clients use their old `Idempotency-Key`s again; returns how many."""
        forgotten = 0
        while True:
            async with self._database.autocommit() as work:
                count = await work.sweeps.forget_idempotency_keys(
                    older_than_h=self._idempotency_h, most=KEYS_AT_ONCE
                )
            forgotten += count
            if count < KEYS_AT_ONCE:
                return forgotten

    async def expire_audio(self) -> int:
        """Remove audio whose retention is over; returns how much.

        An object that cannot be deleted now has no live row any more, so that it is an orphan.
        """
        if self._store is None:
            return 0
        async with self._database.transaction() as work:
            keys = await work.objects.expire(most=EXPIRED_AT_ONCE)
        try:
            for key in keys:
                await self._store.delete(key)
        except StorageUnavailableError as error:
            # What else the sweep does goes on: leases do not wait for the store.
            log.warning("expired audio left to the orphan sweep", extra={"reason": str(error)})
        if keys:
            log.info("removed expired audio", extra={"count": len(keys)})
        return len(keys)

    async def erase_old(self) -> None:
        """Remove the records whose retention is over, a portion at a time."""
        if self._retention is not None:
            await self._retention.erase_old_records()
            await self._retention.forget_prompt_jobs()

    async def remove_orphans(self, *, older_than_s: float = ORPHAN_AGE_S) -> int:
        """Delete stored audio of this database that no row names; returns how much.

        Args:
            older_than_s: spares objects that are still being worked with, by the clock of this machine.
        """
        removed = 0
        if self._store is not None:
            async for key in orphans(self._database, self._store, older_than_s=older_than_s):
                await self._store.delete(key)
                removed += 1
        if removed:
            log.info("removed orphan objects", extra={"count": removed})
        return removed

    def _tell(self, lost: list[Settled]) -> None:
        for task in lost:
            log.warning(
                "task taken from a lost attempt",
                extra={"task_id": task.id, "attempt": task.attempt, "state": task.status.value},
            )
        requeued = [Ping(task.id, task.attempt) for task in lost if task.status is TaskStatus.QUEUED]
        if requeued:
            self._doorbell.ring(requeued)
