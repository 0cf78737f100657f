"""Prompt tasks of one worker: short texts for the language model, beside whatever the slots generate."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from app.db.prompts import KIND
from app.domain.errors import DatabaseUnavailableError
from app.domain.log_fields import log_fields
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from inference.language import LanguageOptions, PromptRequest, PromptResult, Song
from workers.bell import Bell
from workers.failure import ChildDied, JobFailed
from workers.heartbeat import Heartbeat
from workers.job import RunningJob
from workers.language import is_language_model, stored_record
from workers.settle import Settle
from workers.slot import Slot
from workers.watch import Watch

log = logging.getLogger(__name__)

AFTER_FAILURE_S = 1.0
FIRST_RESTART_S, LONGEST_RESTART_S = 0.5, 30.0


class PromptLoop:
    """Claims prompt tasks one by one; the song that a slot makes meanwhile goes on."""

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        own: Slot | None,
        lifecycle: Lifecycle,
        heartbeat: Heartbeat,
        bell: Bell,
        fleet: Fleet,
        watch: Watch,
        backend: str,
        idle_poll_s: float,
    ) -> None:
        """Put the language model into service.

        Args:
            slots: whose children answer between two steps of what they generate.
            own: a slot for prompts alone; its child answers at once.
            backend: the installation's backend of the language model.
        """
        self._slots = slots
        self._own = own
        self._lifecycle = lifecycle
        self._heartbeat = heartbeat
        self._bell = bell
        self._fleet = fleet
        self._watch = watch
        self._settle = Settle(lifecycle)
        self._backend = backend
        self._idle_poll_s = idle_poll_s

    async def run(self) -> None:
        """Work until cancelled; the task at hand is given back then."""
        keeping = asyncio.create_task(self._keep_own_child(), name="prompt slot")
        try:
            while True:
                if not await self._work_safely():
                    await self._bell.wait(self._idle_poll_s)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            if self._own is not None:
                await asyncio.shield(self._own.stop())

    async def _work_safely(self) -> bool:
        """Work once; whatever goes wrong, the next prompt is tried."""
        try:
            return await self._work_once()
        except DatabaseUnavailableError:
            log.warning("prompts postponed: database not available")
        except Exception:
            log.exception("prompt failed, going on")
        await asyncio.sleep(AFTER_FAILURE_S)
        return False

    async def _work_once(self) -> bool:
        """Claim and answer one prompt; False if there was none, or no child that could."""
        slot = self._free_slot()
        if slot is None or self._fleet.drain_requested or self._fleet.state == "draining":
            return False
        models = [model.name for model in slot.models if is_language_model(model)]
        task = await self._lifecycle.claim(models, [KIND]) if models else None
        if task is None:
            return False
        with log_fields(**task.log_fields()):
            await self._run(RunningJob(task), slot)
        return True

    def _free_slot(self) -> Slot | None:
        own = [self._own] if self._own is not None else []
        return next((slot for slot in [*own, *self._slots] if slot.alive), None)

    async def _run(self, job: RunningJob, slot: Slot) -> None:
        """Answer one prompt; never raises for a fault of the job."""
        self._heartbeat.add(job)
        try:
            request = request_of(job.task.params, model=job.task.model, backend=self._backend)
            answering = slot.format_prompt(request, job_id=job.child_id)
            # Only a child of our own may be killed for a prompt that does not stop.
            result = await self._watch.over(job, answering, slot=slot if slot is self._own else None)
            job.ending = True
            await self._lifecycle.succeed(
                job.task, result=stored(result), clips=[], gpu_seconds=sum(result.seconds.values())
            )
        except asyncio.CancelledError:
            await asyncio.shield(self._settle.release(job))
            raise
        except Exception as error:
            job.ending = True
            await self._settle(job, error)
        finally:
            self._heartbeat.remove(job)

    async def _keep_own_child(self) -> None:
        """Start the child for prompts, and again whenever it died, waiting longer each time it fails."""
        delay_s = FIRST_RESTART_S
        while self._own is not None:
            if not self._own.alive:
                try:
                    await self._own.start()
                    delay_s = FIRST_RESTART_S
                except (ChildDied, JobFailed, TimeoutError) as error:
                    log.error(
                        "prompt child did not start", extra={"reason": str(error), "again_in_s": delay_s}
                    )
                    delay_s = min(delay_s * 2, LONGEST_RESTART_S)
            await asyncio.sleep(delay_s)


def request_of(params: Mapping[str, Any], *, model: str, backend: str) -> PromptRequest:
    """Map a stored prompt to the engine's request; what the user did not give stays open."""
    language = params["vocal_language"] or ""
    return PromptRequest(
        options=LanguageOptions(
            model=model, backend=backend, seed=params["lm_seed"], temperature=params["temperature"]
        ),
        song=Song(
            caption=params["prompt"],
            lyrics=params["lyrics"],
            bpm=params["bpm"],
            keyscale=params["key_scale"],
            timesignature=params["time_signature"],
            duration=params["duration_s"],
            language="" if language == "unknown" else language,
        ),
    )


def stored(result: PromptResult) -> dict[str, Any]:
    """What the row keeps of an answer."""
    song = result.song
    return {
        "caption": song.caption,
        "lyrics": song.lyrics,
        "bpm": song.bpm,
        "keyscale": song.keyscale,
        "timesignature": song.timesignature,
        "duration": song.duration,
        "language": song.language,
        "lm": stored_record(result.record),
        "seconds": result.seconds,
    }
