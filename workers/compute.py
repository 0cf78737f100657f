"""A job's way through the child: inputs, its turn in the line, and once more on a fresh child."""

import logging
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference.request import GenerationRequest, GenerationResult, InputAudio
from workers.failure import ChildDied, JobFailed, StartFailed, TaskReleased
from workers.heartbeat import Heartbeat
from workers.inputs import Inputs
from workers.job import RunningJob
from workers.line import Line
from workers.pace import Pace, Silence
from workers.progress import LAST_GPU_STAGE
from workers.records import audio_seconds, request_of
from workers.slot import Slot
from workers.watch import Watch

log = logging.getLogger(__name__)

OUT_OF_MEMORY = "gpu_out_of_memory"


class Compute:
    """Has the children of one slot compute claimed tasks."""

    def __init__(
        self, slot: Slot, line: Line, *, heartbeat: Heartbeat, inputs: Inputs, watch: Watch, pace: Pace
    ) -> None:
        self._slot = slot
        self._line = line
        self._heartbeat = heartbeat
        self._inputs = inputs
        self._watch = watch
        self._pace = pace

    async def __call__(self, job: RunningJob, scratch: Path) -> GenerationResult:
        """Return when the files of the job are in the scratch folder.

        Raises:
            TaskReleased: the job cannot go on here.
            TaskFailed: an input cannot be used, or the job took too long.
            JobFailed, JobCancelled, ChildDied: as for `Slot.generate`.
        """
        inputs: dict[str, InputAudio] = {}
        if job.task.inputs:
            self._heartbeat.report(job, "loading", 0, 1)
            inputs = await self._watch.over(job, self._inputs.prepare(job.task.inputs, scratch))
        await self._watch.over(job, self._line.turn(job))
        try:
            return await self._in_child(job, request_of(job.task, scratch, inputs))
        finally:
            job.computed()
            self._line.computed(job)

    async def _in_child(self, job: RunningJob, request: GenerationRequest) -> GenerationResult:
        """Generate; where the memory of the accelerator was too small, once more on a fresh child."""
        if not self._slot.alive:
            await self._start(job, self._slot.start())
        try:
            return await self._generate(job, request)
        except JobFailed as failed:
            if failed.code != OUT_OF_MEMORY:
                raise
            self._note_memory(job, "fresh child", failed.peak_memory_bytes)
        await self._start(job, self._slot.renew())
        result = await self._generate(job, request)
        return replace(result, audit=result.audit | {"fresh_child": True})

    def _note_memory(self, job: RunningJob, remedy: str, peak_memory_bytes: int | None) -> None:
        log.warning("out of memory", extra={"remedy": remedy, "peak_memory_bytes": peak_memory_bytes})
        known = {} if peak_memory_bytes is None else {"peak_memory_bytes": peak_memory_bytes}
        self._heartbeat.note(job, "out_of_memory", {"remedy": remedy, **known})

    async def _start(self, job: RunningJob, starting: Coroutine[Any, Any, None]) -> None:
        self._heartbeat.report(job, "loading", 0, 1)
        try:
            await self._watch.over(job, starting)
        except (StartFailed, ChildDied, TimeoutError) as error:
            log.error("child did not start", extra={"reason": str(error)})
            raise TaskReleased from error

    async def _generate(self, job: RunningJob, request: GenerationRequest) -> GenerationResult:
        pid = self._slot.pid or 0
        silence = job.silence = Silence(self._pace, model=request.model, audio_s=audio_seconds(job.task))
        job.is_in_child = True

        def on_progress(stage: str, done: int, total: int) -> None:
            self._heartbeat.report(job, stage, done, total)
            if stage == LAST_GPU_STAGE:
                self._line.leaving(job)

        def on_computed() -> None:
            job.computed()
            self._line.computed(job)

        generating = self._slot.generate(
            request,
            job_id=job.child_id,
            on_progress=on_progress,
            on_computed=on_computed,
            on_loaded=lambda model, seconds: self._heartbeat.loaded(job, model, seconds),
        )
        try:
            result = await self._watch.over(job, generating, slot=self._slot)
        except (ChildDied, JobFailed) as error:
            if error.poisons if isinstance(error, JobFailed) else not error.wanted:
                self._line.health.died(pid, job.task.id, computing=not job.is_computed)
            raise
        finally:
            job.silence = None
        job.is_in_child, job.is_written = False, True
        if result.audit.get("halved"):
            self._note_memory(job, "halves", result.peak_memory_bytes)
        silence.learn(sum(clip.duration for clip in result.clips))
        self._line.health.worked()
        return result
