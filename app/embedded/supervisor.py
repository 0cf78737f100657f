"""Keep child processes running: restart with backoff, give up in time, stop in reverse order of start."""

import asyncio
import logging
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from app.embedded.errors import EmbeddedError, ProgramFailedError
from app.embedded.program import Program, last_lines, launch

log = logging.getLogger(__name__)

OnExit = Callable[[str, int], Awaitable[None]]
"""Called with (name, pid) after a child has ended, stopped or not, before it starts again; may take 5 s."""

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 30.0
MAX_FAILED_STARTS = 5
READY_POLL_S = 0.02
ON_EXIT_TIMEOUT_S = 5.0


class Supervisor:
    """Runs programs as children of this process, which must start them from its main thread."""

    def __init__(self, *, on_exit: OnExit | None = None) -> None:
        self._on_exit = on_exit
        self._kept: dict[str, _Kept] = {}
        self._failed = asyncio.Event()
        self._error: BaseException | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_all()

    async def start(self, program: Program) -> None:
        """Start a program and keep it running.

        Returns when it is ready, or at once where it has no `ready` check.

        Raises:
            EmbeddedError: it failed to start five times in a row.
        """
        if program.name in self._kept:
            raise ValueError(f"{program.name} is already supervised")
        kept = self._kept[program.name] = _Kept(program, self._on_exit)
        waiting = asyncio.ensure_future(kept.up.wait())
        try:
            await asyncio.wait((kept.task, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if kept.task.done():
            del self._kept[program.name]
            kept.task.result()
        else:
            kept.task.add_done_callback(self._ended)

    async def stop(self, name: str) -> None:
        """End one program; returns when its process is gone."""
        kept = self._kept.get(name)
        if kept is not None:
            await kept.stop()
            self._kept.pop(name, None)

    async def stop_all(self) -> None:
        """End every program, the last started first, each one gone before the next is asked."""
        for name in reversed(list(self._kept)):
            await self.stop(name)

    async def watch(self) -> None:
        """Wait, as long as all is well.

        Raises:
            EmbeddedError: a program failed to start five times in a row; the caller stops the rest.
        """
        await self._failed.wait()
        raise self._error or EmbeddedError("a program ended")

    def pid(self, name: str) -> int | None:
        """Tell the process id of a program, None while it is down."""
        kept = self._kept.get(name)
        return kept.pid if kept else None

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error
            self._failed.set()


class _Kept:
    """One supervised program; its task is the only one that starts or ends the process."""

    def __init__(self, program: Program, on_exit: OnExit | None) -> None:
        self._program = program
        self._on_exit = on_exit
        self._stop = asyncio.Event()
        self._process: Process | None = None
        self.up = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=f"supervise {program.name}")

    @property
    def pid(self) -> int | None:
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.wait((self.task,))

    async def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            process, came_up = await self._run_once()
            failures = 0 if came_up else failures + 1
            await self._report(process)
            if failures >= MAX_FAILED_STARTS and not self._stop.is_set():
                raise self._failure(process)
            with suppress(TimeoutError):
                delay_s = min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** max(0, failures - 1))
                await asyncio.wait_for(self._stop.wait(), delay_s)

    async def _run_once(self) -> tuple[Process, bool]:
        """Start the process and see it end; also say whether it had come up."""
        if self._program.prepare is not None:
            await self._program.prepare()
        self._process = process = await launch(self._program)
        log.info("child started", extra={"child": self._program.name, "pid": process.pid})
        exited = asyncio.ensure_future(process.wait())
        works = asyncio.ensure_future(self._wait_until_it_works())
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            if self._program.ready is None:
                self.up.set()
            first = (exited, works, stop)
            await asyncio.wait(
                first, timeout=self._program.start_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            came_up = works.done() and not exited.done()
            if came_up:
                works.result()  # raises what the check raised
                self.up.set()
                await asyncio.wait((exited, stop), return_when=asyncio.FIRST_COMPLETED)
        finally:
            works.cancel()
            stop.cancel()
            await self._end(process, exited)
        return process, came_up

    async def _wait_until_it_works(self) -> None:
        if self._program.ready is None:
            await asyncio.sleep(self._program.healthy_after_s)
            return
        while not await self._program.ready():  # noqa: ASYNC110 - another process is asked
            await asyncio.sleep(READY_POLL_S)

    async def _end(self, process: Process, exited: asyncio.Future[int]) -> None:
        for number, grace_s in self._program.stop:
            if exited.done():
                break
            with suppress(ProcessLookupError):
                process.send_signal(number)
            await asyncio.wait((exited,), timeout=grace_s)
        # Also what the process left behind: it led a session, and so a group, of its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await exited

    async def _report(self, process: Process) -> None:
        wanted = self._stop.is_set()
        details = {"child": self._program.name, "pid": process.pid, "status": process.returncode}
        log.log(logging.INFO if wanted else logging.WARNING, "child ended", extra=details)
        if self._on_exit is None:
            return
        try:
            await asyncio.wait_for(self._on_exit(self._program.name, process.pid), ON_EXIT_TIMEOUT_S)
        except Exception:  # the caller's code must not end the supervision
            log.exception("exit callback failed", extra=details)

    def _failure(self, process: Process) -> ProgramFailedError:
        text = (
            f"{self._program.name} failed to start {MAX_FAILED_STARTS} times in a row "
            f"(exit status {process.returncode})"
        )
        lines = last_lines(self._program.log) if self._program.log else ""
        return ProgramFailedError(f"{text}; its last lines:\n{lines}" if lines else text)
