"""One music job: compute, upload, and whatever became of it into the row."""

import asyncio
import logging
import shutil
import time
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from app.domain.log_fields import log_fields
from app.domain.tracing import Tracer
from app.logs import trace_of
from app.services.lifecycle import Lifecycle
from workers.compute import Compute
from workers.failure import ChildDied, JobCancelled, JobFailed, TaskFailed, TaskReleased
from workers.heartbeat import Heartbeat
from workers.job import RunningJob
from workers.slot import Slot
from workers.upload import Upload

log = logging.getLogger(__name__)


class Generate:
    """Runs claimed generation tasks of one slot, each to its outcome."""

    def __init__(
        self,
        slot: Slot,
        *,
        compute: Compute,
        upload: Upload,
        lifecycle: Lifecycle,
        heartbeat: Heartbeat,
        scratch: Path,
        tracer: Tracer,
    ) -> None:
        self._slot = slot
        self._compute = compute
        self._upload = upload
        self._lifecycle = lifecycle
        self._heartbeat = heartbeat
        self._scratch = scratch
        self._tracer = tracer

    async def __call__(self, job: RunningJob) -> None:
        """Run one claimed task to an outcome; never raises for a fault of the job.

        Raises:
            asyncio.CancelledError: the worker stops; the child is dead and the task given back.
        """
        task = job.task
        with (
            log_fields(task_id=task.id, attempt=task.attempt, team=task.team_id, request_id=task.request_id),
            self._tracer.span("task", parent=task.traceparent, task=str(task.id), attempt=task.attempt),
        ):
            await self._run(job)

    async def _run(self, job: RunningJob) -> None:
        scratch = self._scratch / str(job.task.id) / str(job.task.attempt)
        log.info("task claimed")
        self._heartbeat.add(job)
        try:
            await asyncio.to_thread(scratch.mkdir, parents=True, exist_ok=True)
            result = await self._compute(job, scratch)
            if await self._upload(job, result):
                seconds = round(sum(result.seconds.values()), 3)
                log.info("task finished", extra={"seconds": seconds})
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(job))
            raise
        except Exception as error:
            job.ending = True
            await self._settle(job, error)
        finally:
            self._trace_stages(job)
            self._heartbeat.remove(job)
            await asyncio.to_thread(_remove, scratch)

    def _trace_stages(self, job: RunningJob) -> None:
        """Trace the stages that the job went through, each until the next one began."""
        begun = [*job.stages, ("", time.time_ns())]
        for (stage, start_ns), (_, end_ns) in pairwise(begun):
            self._tracer.past(stage, start_ns=start_ns, end_ns=end_ns)

    async def _settle(self, job: RunningJob, error: Exception) -> None:
        """Write what ended the job."""
        match error:
            case JobCancelled():
                await self._cancelled(job)
            case ChildDied(wanted=False):
                log.error("child died")
                await self._lifecycle.child_died(job.task, gpu_seconds=job.gpu_seconds)
            case ChildDied() | TaskReleased():
                # The child was ended for the sake of another job, or there is none to be had.
                await self._release(job)
            case JobFailed() | TaskFailed():
                await self._failed(job, error)
            case _:
                log.error("task failed unexpectedly", exc_info=error)
                unexpected = TaskFailed("internal", "internal error", retryable=True)
                unexpected.trace = trace_of(error)
                await self._failed(job, unexpected)

    async def _cancelled(self, job: RunningJob) -> None:
        """The work stopped on request: record it, unless the task is somebody else's by now."""
        if job.lost.is_set():
            return
        log.info("task cancelled")
        await self._lifecycle.cancelled(job.task, gpu_seconds=job.gpu_seconds)

    async def _failed(self, job: RunningJob, failure: JobFailed | TaskFailed) -> None:
        log.warning("task failed", extra={"code": failure.code, "reason": failure.message})
        if failure.trace:
            log.debug("traceback of the failed task\n%s", failure.trace)
        await self._lifecycle.fail(
            job.task,
            code=failure.code,
            message=failure.message,
            trace=failure.trace,
            retryable=failure.retryable,
            gpu_seconds=job.gpu_seconds,
        )

    async def _give_back(self, job: RunningJob) -> None:
        """Release the task, once no child works for it."""
        if job.is_in_child:
            await self._slot.kill()
        await self._release(job)

    async def _release(self, job: RunningJob) -> None:
        await self._lifecycle.release(job.task.id, job.task.attempt, gpu_seconds=job.gpu_seconds)
        log.info("task released")


def _remove(scratch: Path) -> None:
    """Remove one attempt's folder, and the task's where no other attempt uses it."""
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):
        scratch.parent.rmdir()
