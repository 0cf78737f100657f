"""One slot's life: keep a child ready, claim, let jobs run, and listen for the bell when nothing is to do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.domain.errors import DatabaseUnavailableError
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from workers.bell import Bell
from workers.failure import ChildDied, JobFailed
from workers.generate import Generate
from workers.job import RunningJob
from workers.language import is_language_model
from workers.line import Line
from workers.selftest import SelfTest
from workers.slot import Slot

log = logging.getLogger(__name__)

AFTER_FAILURE_S = 1.0
FIRST_RESTART_S, LONGEST_RESTART_S = 0.5, 30.0
LONGEST_SELF_TEST_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Seconds between two questions.

    Attributes:
        idle_poll_s: of an idle slot to the database, without a ring.
        first_self_test_s: of a broken one to its child, after the first answer; it doubles.
    """

    idle_poll_s: float = 1.0
    first_self_test_s: float = 30.0


class SlotLoop:
    """Claims tasks for one slot as its line has room for them."""

    def __init__(
        self,
        slot: Slot,
        line: Line,
        *,
        lifecycle: Lifecycle,
        generate: Generate,
        self_test: SelfTest,
        bell: Bell,
        fleet: Fleet,
        models: Sequence[str],
        on_health: Callable[[], Awaitable[None]],
        pauses: Pauses,
    ) -> None:
        """Put a slot into service.

        Args:
            on_health: called when the slot broke, and when it is well again.
        """
        self._slot = slot
        self._line = line
        self._lifecycle = lifecycle
        self._generate = generate
        self._self_test = self_test
        self._bell = bell
        self._fleet = fleet
        self._models = models
        self._on_health = on_health
        self._pauses = pauses
        self._stopping = asyncio.Event()
        self._lacks_child = False
        self._working: set[asyncio.Task[None]] = set()

    @property
    def loaded(self) -> tuple[str, ...]:
        """The models in the child's memory."""
        return self._slot.loaded if self._slot.alive else ()

    @property
    def is_broken(self) -> bool:
        """Whether the slot claims nothing until a child starts, or its machine works again."""
        return self._lacks_child or self._line.health.is_broken

    def stop_claiming(self) -> None:
        """Let the running tasks end, give back the one that waits behind them, then return from `run`."""
        self._stopping.set()
        self._line.close()

    async def run(self) -> None:
        """Work until told to stop; cancelling gives the running tasks back."""
        try:
            while await self._line.room():
                if self._line.health.is_broken:
                    await self._recover()
                elif not await self._claim_safely():
                    await self._idle()
            if self._working:
                await asyncio.wait(self._working)
        finally:
            for working in self._working:
                working.cancel()
            await asyncio.gather(*self._working, return_exceptions=True)
            await asyncio.shield(self._slot.stop())

    async def _claim_safely(self) -> bool:
        """Claim once; whatever goes wrong, the slot stays in service."""
        try:
            return await self._claim()
        except DatabaseUnavailableError:
            log.warning("work postponed: database not available")
        except Exception:
            log.exception("slot failed, going on")
            await asyncio.sleep(AFTER_FAILURE_S)
        return False

    async def _claim(self) -> bool:
        """Claim one task and let it run; False if there was none."""
        if self._fleet.drain_requested or not await self._has_child():
            return False
        task = await self._lifecycle.claim(
            self._models, loaded=self.loaded, has_lm=any(map(is_language_model, self._slot.models))
        )
        if task is None:
            return False
        job = RunningJob(task)
        self._line.join(job)
        working = asyncio.create_task(self._work(job), name=f"task {task.id}")
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        return True

    async def _work(self, job: RunningJob) -> None:
        try:
            await self._generate(job)
        except Exception:
            # The row could not be written for long; its lease has run out, and another attempt has it.
            log.exception("outcome of a task is lost", extra={"task_id": job.task.id})
        finally:
            self._line.leave(job)

    async def _idle(self) -> None:
        waiting = asyncio.create_task(self._bell.wait(self._pauses.idle_poll_s))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            stopping.cancel()

    async def _has_child(self) -> bool:
        """Replace a dead child, waiting longer each time it does not come up; False when told to stop."""
        delay_s = FIRST_RESTART_S
        while self._line.is_idle and not self._slot.alive and not self._stopping.is_set():
            try:
                await self._slot.start()
            except (ChildDied, JobFailed, TimeoutError) as error:
                log.error("child did not start", extra={"reason": str(error), "again_in_s": delay_s})
                self._lacks_child = True
                await self._tell_health()
                await self._pause(delay_s)
                delay_s = min(delay_s * 2, LONGEST_RESTART_S)
        if self._lacks_child and self._slot.alive:
            self._lacks_child = False
            await self._tell_health()
        return not self._stopping.is_set()

    async def _recover(self) -> None:
        """Test the machine until it works again, or the worker stops."""
        log.error("three children died in a row with different tasks: the machine is taken for broken")
        await self._tell_health()
        delay_s = self._pauses.first_self_test_s
        while not self._stopping.is_set():
            if await self._self_test.passes(self._slot):
                self._line.health.worked()
                await self._tell_health()
                return
            await self._pause(delay_s)
            delay_s = min(delay_s * 2, LONGEST_SELF_TEST_S)

    async def _tell_health(self) -> None:
        with suppress(DatabaseUnavailableError):  # the next heartbeat tells it
            await self._on_health()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
