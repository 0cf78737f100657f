"""One place for one accelerator's child process: start it, give it jobs, stop it, notice its death."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from inference.request import EngineOptions, GenerationRequest, GenerationResult, ModelInfo, OnProgress
from workers import protocol
from workers.child_process import ChildDied, ChildProcess, child_environment

__all__ = ["ChildDied", "JobCancelled", "JobFailed", "Slot", "SlotOptions", "StartFailed"]

log = logging.getLogger(__name__)


class JobFailed(Exception):
    """The child reported an error.

    Attributes:
        code, message: public.
        trace: traceback, for admins only.
        retryable: another attempt may help.
        poisons: the child has ended itself and must be started again.
    """

    def __init__(self, report: protocol.Failed) -> None:
        super().__init__(report.message)
        self.code = report.code
        self.message = report.message
        self.trace = report.trace
        self.retryable = report.retryable
        self.poisons = report.poisons


class StartFailed(JobFailed):
    """The engine could not be built, or its model not be loaded."""


class JobCancelled(Exception):
    """The job stopped because it was asked to."""


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

    result: asyncio.Future[GenerationResult]
    on_progress: OnProgress
    on_computed: Callable[[], None]
    on_loaded: Callable[[str, float], None]


class Slot:
    """At most one living child at a time; after its death `start` makes a new one.

    Attributes:
        models: what the child offers, from `start` on.
        loaded: the models in the child's memory.
        start_seconds: where the last start spent its time.
        last_progress_at: monotonic time of the last sign of work, for a watchdog.
    """

    def __init__(self, options: SlotOptions) -> None:
        self._options = options
        self._pending: dict[str, _Pending] = {}
        self._child: ChildProcess | None = None
        self._following: asyncio.Task[None] | None = None
        self.models: tuple[ModelInfo, ...] = ()
        self.loaded: tuple[str, ...] = ()
        self.start_seconds: dict[str, float] = {}
        self.last_progress_at = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether there is a child that is not known to be dead."""
        return self._following is not None and not self._following.done()

    @property
    def pid(self) -> int | None:
        """Process id of the child, None when there is none."""
        return self._child.pid if self._child is not None and self.alive else None

    async def start(self) -> None:
        """Start a child and wait until its model is loaded; a living one is left as it is.

        Raises:
            StartFailed: the engine said why it cannot start.
            ChildDied: the process ended without a word.
            TimeoutError: not ready within `start_timeout_s`.
        """
        if self.alive:
            return
        begun = time.monotonic()
        ready: asyncio.Future[protocol.Ready] = asyncio.get_running_loop().create_future()
        child = await ChildProcess.spawn(child_environment(os.environ, self._options.environment))
        self._child = child
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
        self.last_progress_at = time.monotonic()
        self.start_seconds = told.seconds | {"total": self.last_progress_at - begun}

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
        job_id = job_id or uuid4().hex
        pending = _Pending(
            result=asyncio.get_running_loop().create_future(),
            on_progress=on_progress,
            on_computed=on_computed,
            on_loaded=on_loaded,
        )
        self._pending[job_id] = pending
        self.last_progress_at = time.monotonic()
        try:
            await self._send(protocol.Job(id=job_id, request=request))
            return await pending.result
        except asyncio.CancelledError:
            await self.cancel(job_id)
            raise
        except JobFailed as error:
            if error.poisons:
                await self.kill()  # it is ending anyway; `alive` shall say so at once
            raise
        finally:
            del self._pending[job_id]

    async def cancel(self, job_id: str | None = None) -> None:
        """Ask the child to stop this job, or every one; it looks between two steps."""
        for each in [job_id] if job_id is not None else list(self._pending):
            with contextlib.suppress(ChildDied):
                await self._send(protocol.Cancel(id=each))

    async def kill(self) -> None:
        """End the child at once (SIGKILL) and wait until it is gone; its jobs raise ChildDied."""
        if self._child is not None and self._following is not None:
            self._child.kill()
            await asyncio.wait([self._following])

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """End the child in order, or by force after `grace_s`; what it was doing is dropped."""
        if self._following is not None:
            with contextlib.suppress(ChildDied):
                await self._send(protocol.Quit())
            await asyncio.wait([self._following], timeout=grace_s)
        await self.kill()

    async def _follow(self, child: ChildProcess, ready: asyncio.Future[protocol.Ready]) -> None:
        """Pass the child's reports on until it is gone, then tell everyone who waits."""
        try:
            async for report in child.reports():
                self._dispatch(report, ready)
        except Exception:
            log.exception("reports of the child could not be used", extra={"pid": child.pid})
            child.kill()
        finally:
            died = ChildDied(await child.ended())
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
        self.last_progress_at = time.monotonic()
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
            case protocol.Done():
                pending.result.set_result(report.result)
            case protocol.Failed(code="cancelled"):
                pending.result.set_exception(JobCancelled(report.message))
            case protocol.Failed():
                pending.result.set_exception(JobFailed(report))

    async def _send(self, command: protocol.Command) -> None:
        if self._child is None or not self.alive:
            raise ChildDied(None)
        await self._child.send(command)
