"""One place for one accelerator's child process: start it, give it jobs, stop it, notice its death."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from inference.language import PromptRequest, PromptResult
from inference.request import EngineOptions, GenerationRequest, GenerationResult, ModelInfo, OnProgress
from workers import protocol
from workers.child_process import ChildProcess, child_environment
from workers.failure import ChildDied, JobCancelled, JobFailed, StartFailed

log = logging.getLogger(__name__)

# Files of a finished job that a child may still write before it is replaced.
WRITING_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotOptions:
    """What a slot is made of.

    Attributes:
        engine: dotted name of a class; empty = the diffusion engine.
        start_timeout_s: from the start of the process to `ready`, model load included.
        environment: added to the variables that a child may inherit.
    """

    engine_options: EngineOptions
    engine: str = ""
    start_timeout_s: float = 600.0
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A job that the child has and has not answered."""

    result: asyncio.Future[Any]
    on_progress: OnProgress = lambda stage, done, total: None
    on_computed: Callable[[], None] = lambda: None
    on_loaded: Callable[[str, float], None] = lambda model, seconds: None


class Slot:
    """At most one living child at a time; after its death `start` makes a new one.

    Attributes:
        models: what the child offers, from `start` on.
        loaded: the models in the child's memory.
        start_seconds: where the last start spent its time.
    """

    def __init__(self, options: SlotOptions) -> None:
        self._options = options
        self._pending: dict[str, _Pending] = {}
        self._child: ChildProcess | None = None
        self._following: asyncio.Task[None] | None = None
        self._ending: ChildProcess | None = None
        self._retired = False
        self.models: tuple[ModelInfo, ...] = ()
        self.loaded: tuple[str, ...] = ()
        self.start_seconds: dict[str, float] = {}

    @property
    def alive(self) -> bool:
        """Whether there is a child for the next job."""
        return self._runs and not self._retired

    @property
    def _runs(self) -> bool:
        """Whether there is a process that is not known to be dead; a retired one may be writing files."""
        return self._following is not None and not self._following.done()

    @property
    def pid(self) -> int | None:
        """Process id of the child, None when there is none."""
        return self._child.pid if self._child is not None and self.alive else None

    async def start(self) -> None:
        """Start a child and wait until its model is loaded; one for the next job is left as it is.

        Raises:
            StartFailed: the engine said why it cannot start.
            ChildDied: the process ended without a word.
            TimeoutError: not ready within `start_timeout_s`.
        """
        if self.alive:
            return
        if self._runs:
            await self._retire()
        begun = time.monotonic()
        ready: asyncio.Future[protocol.Ready] = asyncio.get_running_loop().create_future()
        child = await ChildProcess.spawn(child_environment(os.environ, self._options.environment))
        self._child, self._retired = child, False
        self._following = asyncio.create_task(self._follow(child, ready))
        try:
            async with asyncio.timeout(self._options.start_timeout_s):
                await child.send(
                    protocol.Start(engine=self._options.engine, options=self._options.engine_options)
                )
                told = await ready
        except BaseException:
            await self.kill()
            raise
        self.models = told.models
        self.loaded = told.loaded
        self.start_seconds = told.seconds | {"total": time.monotonic() - begun}

    async def generate(
        self,
        request: GenerationRequest,
        *,
        job_id: str | None = None,
        on_progress: OnProgress = lambda stage, done, total: None,
        on_computed: Callable[[], None] = lambda: None,
        on_loaded: Callable[[str, float], None] = lambda model, seconds: None,
    ) -> GenerationResult:
        """Run one job and return when its files are written.

        A second call may be made as soon as `on_computed` was called for the first. When this call is
        cancelled itself, the child is asked to stop the job. `on_loaded` is called with the model and the
        seconds, if the model had to be brought into memory first.

        Raises:
            JobFailed: the child reported an error.
            JobCancelled: after `cancel`.
            ChildDied: the child ended, by itself or by `kill`, or there is none.
        """
        pending = _Pending(
            result=asyncio.get_running_loop().create_future(),
            on_progress=on_progress,
            on_computed=on_computed,
            on_loaded=on_loaded,
        )
        job = protocol.Job(id=job_id or uuid4().hex, request=request)
        result: GenerationResult = await self._answer_to(job, pending)
        return result

    async def format_prompt(self, request: PromptRequest, *, job_id: str | None = None) -> PromptResult:
        """Have a text improved, between two steps of what the child does besides.

        Raises:
            JobFailed, JobCancelled, ChildDied: as for `generate`.
        """
        pending = _Pending(result=asyncio.get_running_loop().create_future())
        prompt = protocol.Prompt(id=job_id or uuid4().hex, request=request)
        result: PromptResult = await self._answer_to(prompt, pending)
        return result

    async def _answer_to(self, command: protocol.Job | protocol.Prompt, pending: _Pending) -> Any:
        self._pending[command.id] = pending
        try:
            await self._send(command)
            return await pending.result
        except asyncio.CancelledError:
            await self.cancel(command.id)
            raise
        except JobFailed as error:
            self._retired = self._retired or error.poisons
            raise
        finally:
            del self._pending[command.id]

    async def cancel(self, job_id: str | None = None) -> None:
        """Ask the child to stop this job, or every one; it looks between two steps."""
        for each in [job_id] if job_id is not None else list(self._pending):
            with contextlib.suppress(ChildDied):
                await self._send(protocol.Cancel(id=each))

    async def renew(self) -> None:
        """Replace the child by a fresh one, as soon as it has written the files at hand.

        Raises:
            StartFailed, ChildDied, TimeoutError: as for `start`.
        """
        self._retired = True
        await self.start()

    async def kill(self) -> None:
        """End the child at once (SIGKILL) and wait until it is gone; its jobs raise ChildDied."""
        if self._child is not None and self._following is not None:
            self._ending = self._child
            self._child.kill()
            await asyncio.wait([self._following])

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """End the child in order, or by force after `grace_s`; what it was doing is dropped."""
        if self._following is not None:
            self._ending = self._child
            with contextlib.suppress(ChildDied):
                await self._send(protocol.Quit())
            await asyncio.wait([self._following], timeout=grace_s)
        await self.kill()

    async def _retire(self) -> None:
        """Give the child that serves no more jobs the time to write what it has computed, then end it."""
        answers = [pending.result for pending in self._pending.values()]
        if answers:
            await asyncio.wait(answers, timeout=WRITING_S)
        await self.stop()

    async def _follow(self, child: ChildProcess, ready: asyncio.Future[protocol.Ready]) -> None:
        """Pass the child's reports on until it is gone, then tell everyone who waits."""
        try:
            async for report in child.reports():
                self._dispatch(report, ready)
        except Exception:
            log.exception("reports of the child could not be used", extra={"pid": child.pid})
            child.kill()
        finally:
            died = ChildDied(await child.ended(), wanted=child is self._ending)
            for result in (pending.result for pending in self._pending.values()):
                if not result.done():
                    result.set_exception(died)
            if not ready.done():
                ready.set_exception(died)

    def _dispatch(self, report: protocol.Report, ready: asyncio.Future[protocol.Ready]) -> None:
        if isinstance(report, protocol.Ready):
            ready.set_result(report)
            return
        if isinstance(report, protocol.Failed) and not report.id:
            ready.set_exception(StartFailed(report))
            return
        if isinstance(report, protocol.Loaded):
            self.loaded = report.loaded
        pending = self._pending.get(report.id)
        if pending is not None and not pending.result.done():  # else its caller has gone away
            self._answer(pending, report)

    def _answer(self, pending: _Pending, report: protocol.Report) -> None:
        match report:
            case protocol.Progress():
                pending.on_progress(report.stage, report.done, report.total)
            case protocol.Loaded() if report.model in report.loaded:
                pending.on_loaded(report.model, report.seconds)
            case protocol.Computed():
                pending.on_computed()
            case protocol.Done() | protocol.Answered():
                pending.result.set_result(report.result)
            case protocol.Failed(code="cancelled"):
                pending.result.set_exception(JobCancelled(report.message))
            case protocol.Failed():
                pending.result.set_exception(JobFailed(report))

    async def _send(self, command: protocol.Command) -> None:
        if self._child is None or not self._runs:
            raise ChildDied(None)
        await self._child.send(command)
