"""Waits for a job's work no longer than the job may go on: a cancel, its time limit, a child that hangs."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from workers.failure import JobCancelled, TaskFailed, TaskReleased
from workers.job import RunningJob
from workers.slot import Slot

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds: one attempt in all, and a cancel before the child is killed."""

    timeout_s: float
    cancel_grace_s: float


class Watch:
    """Watches one piece of work at a time of each job."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def over(self, job: RunningJob, work: Coroutine[Any, Any, T], *, slot: Slot | None = None) -> T:
        """Wait for work until the job must stop.

        Args:
            slot: whose child does the work; it is told to stop, and killed where that does not help.

        Raises:
            JobCancelled: a cancel was asked for, or the task is somebody else's.
            TaskReleased: the worker stops.
            TaskFailed: the job took too long, or made no progress.
        """
        working = asyncio.create_task(work)
        asked = asyncio.create_task(_first(job.cancelled, job.lost, job.turned_away))
        try:
            while True:
                await asyncio.wait(
                    {working, asked}, timeout=self._left_s(job), return_when=asyncio.FIRST_COMPLETED
                )
                if working.done():
                    return working.result()
                if asked.done():
                    await self._stop(job, working, slot)
                    raise TaskReleased if job.turned_away.is_set() else JobCancelled
                if reason := self._overdue(job):
                    if slot is not None:
                        await slot.kill()
                    raise TaskFailed("timeout", reason)
        finally:
            asked.cancel()
            working.cancel()
            await asyncio.gather(working, asked, return_exceptions=True)

    async def _stop(self, job: RunningJob, working: "asyncio.Task[Any]", slot: Slot | None) -> None:
        """Ask the child to stop at its next step; after the grace kill it, unless another job computes."""
        if slot is None:
            return
        await slot.cancel(job.child_id)
        await asyncio.wait({working}, timeout=self._limits.cancel_grace_s)
        if not working.done() and not job.is_computed:
            log.warning("child did not stop in time and was killed", extra={"task_id": job.task.id})
            await slot.kill()

    def _left_s(self, job: RunningJob) -> float | None:
        """Seconds until there may be something to object to; a finished result has all the time it needs."""
        if job.is_written:
            return None
        left_s = job.begun_at + self._limits.timeout_s - time.monotonic()
        return left_s if job.silence is None else min(left_s, job.silence.left_s)

    def _overdue(self, job: RunningJob) -> str | None:
        """Say, for the public, why the job may not go on."""
        if time.monotonic() - job.begun_at >= self._limits.timeout_s:
            return f"the task took longer than {self._limits.timeout_s:g} seconds"
        if job.silence is not None and job.silence.left_s <= 0:
            return f"the task made no progress for {job.silence.patience_s:g} seconds"
        return None


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in waits:
            waiting.cancel()
