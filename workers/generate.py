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
from workers.compute import Compute
from workers.failpoint import Failpoints
from workers.heartbeat import Heartbeat
from workers.job import RunningJob
from workers.settle import Settle
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
        settle: Settle,
        heartbeat: Heartbeat,
        scratch: Path,
        tracer: Tracer,
        failpoints: Failpoints,
    ) -> None:
        self._slot = slot
        self._compute = compute
        self._upload = upload
        self._settle = settle
        self._heartbeat = heartbeat
        self._scratch = scratch
        self._tracer = tracer
        self._failpoints = failpoints

    async def __call__(self, job: RunningJob) -> None:
        """Run one claimed task to an outcome; never raises for a fault of the job.

        Raises:
            asyncio.CancelledError: the worker stops; the child is dead and the task given back.
        """
        task = job.task
        with (
            log_fields(**task.log_fields()),
            self._tracer.span("task", parent=task.traceparent, task=str(task.id), attempt=task.attempt),
        ):
            await self._run(job)

    async def _run(self, job: RunningJob) -> None:
        scratch = self._scratch / str(job.task.id) / str(job.task.attempt)
        log.info("task claimed")
        self._heartbeat.add(job)
        try:
            self._failpoints.hit("worker.after_claim")
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

    async def _give_back(self, job: RunningJob) -> None:
        """Release the task, once no child works for it."""
        if job.is_in_child:
            await self._slot.kill()
        await self._settle.release(job)


def _remove(scratch: Path) -> None:
    """Remove one attempt's folder, and the task's where no other attempt uses it."""
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):
        scratch.parent.rmdir()
