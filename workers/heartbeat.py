"""Keeps the leases of running jobs, carries their progress out and their cancel flags back."""

import asyncio
import logging
from contextlib import suppress
from typing import Any
from uuid import UUID

from app.db.tasks import ClaimedTask
from app.domain.errors import DatabaseUnavailableError
from app.domain.task import TaskId
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from workers.job import RunningJob

log = logging.getLogger(__name__)

# Progress is written at most this often between heartbeats.
SHORTEST_GAP_S = 0.5


class Heartbeat:
    """One loop for all jobs of this worker; it runs on the supervisor's loop, so no GPU can delay it."""

    def __init__(self, lifecycle: Lifecycle, fleet: Fleet, *, worker_id: UUID, every_s: float) -> None:
        self._lifecycle = lifecycle
        self._fleet = fleet
        self._worker_id = worker_id
        self._every_s = every_s
        self._jobs: dict[tuple[TaskId, int], RunningJob] = {}
        self._soon = asyncio.Event()
        self._report_at = 0.0
        self._notes: list[tuple[ClaimedTask, str, dict[str, Any]]] = []

    def add(self, job: RunningJob) -> None:
        """Begin to keep the lease of a job."""
        self._jobs[job.key] = job

    def remove(self, job: RunningJob) -> None:
        """Stop keeping the lease: the job ended, or must end."""
        self._jobs.pop(job.key, None)

    def report(self, job: RunningJob, stage: str, done: int, total: int) -> None:
        """Take in progress and write it soon."""
        if job.report(stage, done, total):
            self._soon.set()

    def loaded(self, job: RunningJob, model: str, seconds: float) -> None:
        """Note soon that a model was loaded for a job, and report what this worker holds now."""
        log.info("model loaded", extra={"task_id": job.task.id, "model": model, "seconds": seconds})
        self._report_at = 0.0
        self.note(job, "model_loaded", {"model": model, "seconds": seconds})

    def note(self, job: RunningJob, event: str, data: dict[str, Any]) -> None:
        """Add an event to the history of a job's task soon."""
        self._notes.append((job.task, event, data))
        self._soon.set()

    @property
    def longest_rest_s(self) -> float:
        """The longest estimate of the running jobs, in seconds; unknown ones count as nothing."""
        return max((job.rest_s or 0.0 for job in self._jobs.values()), default=0.0)

    def beat_soon(self) -> None:
        """Look at the rows soon: somebody says that one of them has changed."""
        self._soon.set()

    async def run_forever(self) -> None:
        """Beat until cancelled; a database that is away is tried again at the next turn."""
        loop = asyncio.get_running_loop()
        while True:
            self._soon.clear()
            try:
                await self._beat()
                await self._write_notes()
                if loop.time() >= self._report_at:
                    self._report_at = loop.time() + self._every_s
                    await self._fleet.report()
                    await self._lifecycle.release_unknown(set(self._jobs))
            except DatabaseUnavailableError:
                log.warning("heartbeat postponed: database not available")
            except Exception:
                log.exception("heartbeat failed")
            await asyncio.sleep(min(SHORTEST_GAP_S, self._every_s))
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._report_at - loop.time())):
                    await self._soon.wait()

    async def _write_notes(self) -> None:
        while self._notes:
            task, event, data = self._notes[0]
            await self._lifecycle.note(task, event, data)
            self._notes.pop(0)

    async def _beat(self) -> None:
        # A child that hangs must not keep a task, whatever becomes of our attempt to end it.
        jobs = [job for job in self._jobs.values() if not job.is_hung]
        if not jobs:
            return
        beats = [job.beat() for job in jobs]
        mine = await self._lifecycle.heartbeat(beats)
        for job, beat in zip(jobs, beats, strict=True):
            if beat.stage_changed and job.progress.stage == beat.stage:
                job.stage_changed = False
            if job.ending or job.key not in self._jobs:
                continue
            if job.key not in mine:
                log.warning("task is no longer mine", extra={"task_id": job.task.id, "attempt": beat.attempt})
                job.lost.set()
            elif mine[job.key]:
                job.cancelled.set()
