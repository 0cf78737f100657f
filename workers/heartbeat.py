"""Keeps the leases of running jobs, carries their progress out and their cancel flags back."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any
from uuid import UUID

from app.db.tasks import Beat, ClaimedTask
from app.domain.errors import DatabaseUnavailableError
from app.domain.task import TaskId
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from workers.progress import GPU_STAGES, Progress

log = logging.getLogger(__name__)

# Progress is written at most this often between heartbeats.
SHORTEST_GAP_S = 0.5
# A step of progress that is worth a write of its own: a job causes at most 20 of them.
WORTH_TELLING = 0.05
_ENOUGH_TO_ESTIMATE = 0.1


class RunningJob:
    """One claimed task in this process.

    Attributes:
        cancelled: set when a cancel was asked for.
        lost: set when another attempt owns the task.
        ending: the outcome is being written, so a row that is no longer running is no surprise.
        stages: when each stage began, in nanoseconds since 1970.
    """

    def __init__(self, task: ClaimedTask) -> None:
        self.task = task
        self.progress = Progress(has_source=bool(task.inputs))
        self.cancelled = asyncio.Event()
        self.lost = asyncio.Event()
        self.ending = False
        self.stage_changed = False
        self.stages: list[tuple[str, int]] = [(self.progress.stage, time.time_ns())]
        self._computing_since: float | None = None
        self._told = self.progress.value

    @property
    def key(self) -> tuple[TaskId, int]:
        """Task and attempt; two attempts of one task can meet in one worker."""
        return self.task.id, self.task.attempt

    @property
    def gpu_seconds(self) -> float:
        """Seconds since the accelerator began to work for this attempt."""
        return 0.0 if self._computing_since is None else time.monotonic() - self._computing_since

    @property
    def rest_s(self) -> float | None:
        """Estimated seconds to the end; None before there is anything to go by."""
        if self._computing_since is None or self.progress.value < _ENOUGH_TO_ESTIMATE:
            return None
        return self.gpu_seconds * (1.0 - self.progress.value) / self.progress.value

    def beat(self) -> Beat:
        """What the next heartbeat writes."""
        self._told = self.progress.value
        return Beat(
            id=self.task.id,
            attempt=self.task.attempt,
            progress=self.progress.value,
            stage=self.progress.stage,
            progress_text=self.progress.text,
            stage_changed=self.stage_changed,
        )

    def report(self, stage: str, done: int, total: int) -> bool:
        """Take in progress of the engine; returns whether a poller should see it soon."""
        if self._computing_since is None and stage in GPU_STAGES:
            self._computing_since = time.monotonic()
        if self.progress.report(stage, done, total):
            self.stage_changed = True
            self.stages.append((self.progress.stage, time.time_ns()))
        return self.stage_changed or self.progress.value - self._told >= WORTH_TELLING


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
        self._swaps: list[tuple[ClaimedTask, dict[str, Any]]] = []

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
        self._swaps.append((job.task, {"model": model, "seconds": seconds}))
        self._report_at = 0.0
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
                await self._note_swaps()
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

    async def _note_swaps(self) -> None:
        while self._swaps:
            task, data = self._swaps[0]
            await self._lifecycle.note(task, "model_loaded", data)
            self._swaps.pop(0)

    async def _beat(self) -> None:
        jobs = list(self._jobs.values())
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
