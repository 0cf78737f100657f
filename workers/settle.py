"""Writes into the row what ended a job that did not succeed."""

import logging

from app.logs import redacted, trace_of
from app.services.lifecycle import Lifecycle
from workers.failure import ChildDied, JobCancelled, JobFailed, TaskFailed, TaskReleased
from workers.job import RunningJob

log = logging.getLogger(__name__)


class Settle:
    """One outcome for each way in which a job can end early."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    async def __call__(self, job: RunningJob, error: Exception) -> None:
        """Cancel, fail, retry or release the task."""
        match error:
            case JobCancelled():
                await self._cancelled(job)
            case ChildDied(wanted=False):
                log.error("child died")
                await self._lifecycle.child_died(job.task, gpu_seconds=job.gpu_seconds)
            case ChildDied() | TaskReleased():
                # The child was ended for the sake of another job, or there is none to be had.
                await self.release(job)
            case JobFailed() | TaskFailed():
                await self._failed(job, error)
            case _:
                log.error("task failed unexpectedly", exc_info=error)
                unexpected = TaskFailed("internal", "internal error", retryable=True)
                unexpected.trace = trace_of(error)
                await self._failed(job, unexpected)

    async def release(self, job: RunningJob) -> None:
        """Give the task back untouched; no child works for it any more."""
        await self._lifecycle.release(job.task.id, job.task.attempt, gpu_seconds=job.gpu_seconds)
        log.info("task released")

    async def _cancelled(self, job: RunningJob) -> None:
        """The work stopped on request: record it, unless the task is somebody else's by now."""
        if job.lost.is_set():
            return
        log.info("task cancelled")
        await self._lifecycle.cancelled(job.task, gpu_seconds=job.gpu_seconds)

    async def _failed(self, job: RunningJob, failure: JobFailed | TaskFailed) -> None:
        log.warning("task failed", extra={"code": failure.code, "reason": failure.message})
        trace = redacted(failure.trace) if failure.trace else None
        if trace:
            log.debug("traceback of the failed task\n%s", trace)
        await self._lifecycle.fail(
            job.task,
            code=failure.code,
            message=failure.message,
            trace=trace,
            retryable=failure.retryable,
            gpu_seconds=job.gpu_seconds,
            peak_memory_bytes=failure.peak_memory_bytes,
        )
