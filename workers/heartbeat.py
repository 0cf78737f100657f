"""Keeps the leases of running jobs, carries their progress out and their cancel flags back."""

import asyncio
import logging
from contextlib import suppress
from uuid import UUID

from app.db.tasks import Beat, ClaimedTask
from app.domain.errors import DatabaseUnavailableError
from app.domain.task import TaskId
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from workers.progress import Progress

log = logging.getLogger(__name__)

# Progress is written at most this often between heartbeats.
SHORTEST_GAP_S = 0.5


class RunningJob:
    """One claimed task in this process.

    Attributes:
        cancelled: set when a cancel was asked for.
        lost: set when another attempt owns the task.
        ending: the outcome is being written, so a row that is no longer running is no surprise.
    """

    def __init__(self, task: ClaimedTask) -> None:
        self.task = task
        self.progress = Progress(has_source=bool(task.inputs))
        self.cancelled = asyncio.Event()
        self.lost = asyncio.Event()
        self.ending = False
        self._stage_changed = False

    def beat(self) -> Beat:
        """What the next heartbeat writes."""
        changed, self._stage_changed = self._stage_changed, False
        return Beat(
            id=self.task.id,
            attempt=self.task.attempt,
            progress=self.progress.value,
            stage=self.progress.stage,
            progress_text=self.progress.text,
            stage_changed=changed,
        )

    def report(self, stage: str, done: int, total: int) -> None:
        """Take in progress of the engine."""
        if self.progress.report(stage, done, total):
            self._stage_changed = True


class Heartbeat:
    """One loop for all jobs of this worker; it runs on the supervisor's loop, so no GPU can delay it."""

    def __init__(self, lifecycle: Lifecycle, fleet: Fleet, *, worker_id: UUID, every_s: float) -> None:
        self._lifecycle = lifecycle
        self._fleet = fleet
        self._worker_id = worker_id
        self._every_s = every_s
        self._jobs: dict[TaskId, RunningJob] = {}
        self._soon = asyncio.Event()

    def add(self, job: RunningJob) -> None:
        """Begin to keep the lease of a job."""
        self._jobs[job.task.id] = job

    def remove(self, job: RunningJob) -> None:
        """Stop keeping the lease: the job ended, or must end."""
        self._jobs.pop(job.task.id, None)

    def report(self, job: RunningJob, stage: str, done: int, total: int) -> None:
        """Take in progress and write it soon."""
        job.report(stage, done, total)
        self._soon.set()

    async def run_forever(self) -> None:
        """Beat until cancelled; a database that is away is tried again at the next turn."""
        loop = asyncio.get_running_loop()
        report_at = loop.time()
        while True:
            self._soon.clear()
            try:
                await self._beat()
                if loop.time() >= report_at:
                    report_at = loop.time() + self._every_s
                    await self._fleet.report()
                    await self._lifecycle.release_unknown(self._known())
            except DatabaseUnavailableError:
                log.warning("heartbeat postponed: database not available")
            except Exception:
                log.exception("heartbeat failed")
            await asyncio.sleep(min(SHORTEST_GAP_S, self._every_s))
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, report_at - loop.time())):
                    await self._soon.wait()

    async def _beat(self) -> None:
        jobs = dict(self._jobs)
        if not jobs:
            return
        mine = await self._lifecycle.heartbeat([job.beat() for job in jobs.values()])
        for task_id, job in jobs.items():
            if job.ending or self._jobs.get(task_id) is not job:
                continue
            if task_id not in mine:
                log.warning("task is no longer mine", extra={"task_id": task_id, "attempt": job.task.attempt})
                job.lost.set()
            elif mine[task_id]:
                job.cancelled.set()

    def _known(self) -> set[tuple[TaskId, int]]:
        return {(job.task.id, job.task.attempt) for job in self._jobs.values()}
