"""One music job: request to the child, clips to the store, outcome to the row."""

import asyncio
import logging
import shutil
import time
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from app.db.tasks import ClaimedTask
from app.domain.errors import StorageRefusedError, StorageUnavailableError
from app.domain.log_fields import log_fields
from app.domain.ports import ObjectStore
from app.domain.tracing import Tracer
from app.logs import trace_of
from app.services.lifecycle import RESULT_HOLD_S, Lifecycle
from inference.request import GenerationResult, InputAudio
from workers.failure import TaskFailed
from workers.heartbeat import Heartbeat, RunningJob
from workers.hold import while_store_is_away
from workers.inputs import Inputs
from workers.records import gpu_seconds, object_row, request_of, stored_result
from workers.slot import ChildDied, JobCancelled, JobFailed, Slot

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds: one attempt in all, and a cancel before the child is killed."""

    timeout_s: float
    cancel_grace_s: float


class Generate:
    """Runs claimed generation tasks on a slot."""

    def __init__(
        self,
        *,
        lifecycle: Lifecycle,
        heartbeat: Heartbeat,
        store: ObjectStore,
        inputs: Inputs,
        scratch: Path,
        limits: Limits,
        tracer: Tracer,
    ) -> None:
        self._lifecycle = lifecycle
        self._heartbeat = heartbeat
        self._store = store
        self._inputs = inputs
        self._scratch = scratch
        self._limits = limits
        self._tracer = tracer

    async def __call__(self, task: ClaimedTask, slot: Slot) -> None:
        """Run one claimed task to an outcome; never raises for a fault of the job.

        Raises:
            asyncio.CancelledError: the worker stops; the child is dead and the task given back.
        """
        context = {"task_id": task.id, "attempt": task.attempt, "team": task.team_id}
        with (
            log_fields(**context, request_id=task.request_id),
            self._tracer.span("task", parent=task.traceparent, task=str(task.id), attempt=task.attempt),
        ):
            await self._run(RunningJob(task), slot)

    async def _run(self, job: RunningJob, slot: Slot) -> None:
        task = job.task
        scratch = self._scratch / str(task.id) / str(task.attempt)
        log.info("task claimed")
        self._heartbeat.add(job)
        try:
            await asyncio.to_thread(scratch.mkdir, parents=True, exist_ok=True)
            result = await self._compute(job, slot, scratch)
            if await self._deliver(job, result):
                seconds = round(sum(result.seconds.values()), 3)
                log.info("task finished", extra={"seconds": seconds})
        except JobCancelled:
            job.ending = True
            await self._stopped(job)
        except ChildDied:
            job.ending = True
            log.error("child died")
            await self._lifecycle.child_died(task, gpu_seconds=job.gpu_seconds)
        except (JobFailed, TaskFailed) as failure:
            job.ending = True
            log.warning("task failed", extra={"code": failure.code, "reason": failure.message})
            if failure.trace:
                log.debug("traceback of the failed task\n%s", failure.trace)
            await self._lifecycle.fail(
                task,
                code=failure.code,
                message=failure.message,
                trace=failure.trace,
                retryable=failure.retryable,
                gpu_seconds=job.gpu_seconds,
            )
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(job, slot))
            raise
        except Exception as error:
            log.exception("task failed unexpectedly")
            await self._lifecycle.fail(
                task, code="internal", message="internal error", trace=trace_of(error), retryable=True
            )
        finally:
            self._trace_stages(job)
            self._heartbeat.remove(job)
            await asyncio.to_thread(_remove, scratch)

    def _trace_stages(self, job: RunningJob) -> None:
        """Trace the stages that the job went through, each until the next one began."""
        begun = [*job.stages, ("", time.time_ns())]
        for (stage, start_ns), (_, end_ns) in pairwise(begun):
            self._tracer.past(stage, start_ns=start_ns, end_ns=end_ns)

    async def _compute(self, job: RunningJob, slot: Slot, scratch: Path) -> GenerationResult:
        """Bring the inputs and have the child generate, in one time limit and until asked to stop."""
        deadline = asyncio.get_running_loop().time() + self._limits.timeout_s
        inputs: dict[str, InputAudio] = {}
        if job.task.inputs:
            self._heartbeat.report(job, "loading", 0, 1)
            preparing = self._inputs.prepare(job.task.inputs, scratch)
            inputs = await self._until_asked(job, preparing, deadline)
        generating = slot.generate(
            request_of(job.task, scratch, inputs),
            on_progress=lambda stage, done, total: self._heartbeat.report(job, stage, done, total),
            on_loaded=lambda model, seconds: self._heartbeat.loaded(job, model, seconds),
        )
        return await self._until_asked(job, generating, deadline, slot)

    async def _until_asked(
        self, job: RunningJob, work: Coroutine[Any, Any, T], deadline: float, slot: Slot | None = None
    ) -> T:
        """Wait for work until the deadline or a wish to stop; the child of `slot` is stopped then too."""
        working = asyncio.create_task(work)
        asked = asyncio.create_task(_first(job.cancelled, job.lost))
        try:
            left_s = deadline - asyncio.get_running_loop().time()
            await asyncio.wait({working, asked}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            if asked.done():
                if slot is not None:
                    await self._stop_child(slot, working)
                raise JobCancelled
            if slot is not None:
                await slot.kill()
            limit = f"{self._limits.timeout_s:g}"
            raise TaskFailed("timeout", f"the task took longer than {limit} seconds")
        finally:
            asked.cancel()
            if not working.done():
                working.cancel()
            await asyncio.gather(working, asked, return_exceptions=True)

    async def _stop_child(self, slot: Slot, computing: "asyncio.Task[Any]") -> None:
        """Ask the child to stop at its next step; after the grace, kill it."""
        await slot.cancel()
        await asyncio.wait({computing}, timeout=self._limits.cancel_grace_s)
        if not computing.done():
            log.warning("child did not stop in time and was killed")
            await slot.kill()

    async def _stopped(self, job: RunningJob) -> None:
        """The computation stopped on request: record it, unless the task is somebody else's by now."""
        if job.lost.is_set():
            return
        log.info("task cancelled")
        await self._lifecycle.cancelled(job.task, gpu_seconds=job.gpu_seconds)

    async def _give_back(self, job: RunningJob, slot: Slot) -> None:
        await slot.kill()
        await self._lifecycle.release(job.task.id, job.task.attempt)
        log.info("task released")

    async def _deliver(self, job: RunningJob, result: GenerationResult) -> bool:
        """Objects first, row second; a refused row means that the objects are nobody's, so they go."""
        task = job.task
        if len(result.clips) != len(task.params["seeds"]):
            wanted = len(task.params["seeds"])
            raise TaskFailed("internal", f"the engine delivered {len(result.clips)} of {wanted} clips")
        rows = [object_row(task, clip) for clip in result.clips]
        hold_until = asyncio.get_running_loop().time() + RESULT_HOLD_S
        for clip, row in zip(result.clips, rows, strict=True):
            await while_store_is_away(
                partial(self._put, row, Path(clip.path)), key=row["storage_key"], until=hold_until
            )
        job.ending = True
        done = await self._lifecycle.succeed(
            task,
            result=stored_result(task, result),
            clips=rows,
            gpu_seconds=gpu_seconds(result),
        )
        if not done:
            log.warning("late result dropped")
            # Changes nothing unless a cancel came first.
            await self._lifecycle.cancelled(task, gpu_seconds=gpu_seconds(result))
            await self._discard(rows)
        return done

    async def _discard(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Remove objects that are nobody's; what stays for now is removed as an orphan."""
        for row in rows:
            with suppress(StorageUnavailableError, StorageRefusedError):
                await self._store.delete(row["storage_key"])

    async def _put(self, row: Mapping[str, Any], path: Path) -> None:
        await self._store.put_file(row["storage_key"], path, sha256=row["sha256"], mime=row["mime"])


def _remove(scratch: Path) -> None:
    """Remove one attempt's folder, and the task's where no other attempt uses it."""
    shutil.rmtree(scratch, ignore_errors=True)
    with suppress(OSError):
        scratch.parent.rmdir()


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in waits:
            waiting.cancel()
