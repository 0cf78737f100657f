"""One slot's life: keep a child ready, claim, run, and listen for the bell when there is nothing to do."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from app.domain.errors import DatabaseUnavailableError
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from workers.bell import Bell
from workers.generate import Generate
from workers.slot import ChildDied, JobFailed, Slot

log = logging.getLogger(__name__)

IDLE_POLL_S = 1.0
AFTER_FAILURE_S = 1.0
FIRST_RESTART_S, LONGEST_RESTART_S = 0.5, 30.0


class SlotLoop:
    """Claims tasks for one slot, one after the other."""

    def __init__(
        self,
        slot: Slot,
        *,
        lifecycle: Lifecycle,
        generate: Generate,
        bell: Bell,
        fleet: Fleet,
        models: Sequence[str],
    ) -> None:
        self._slot = slot
        self._lifecycle = lifecycle
        self._generate = generate
        self._bell = bell
        self._fleet = fleet
        self._models = models
        self._stopping = asyncio.Event()

    @property
    def loaded(self) -> tuple[str, ...]:
        """The models in the child's memory."""
        return self._slot.loaded if self._slot.alive else ()

    def stop_claiming(self) -> None:
        """Let the running task end, then return from `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until told to stop; cancelling gives the running task back."""
        try:
            while not self._stopping.is_set():
                await self._ensure_child()
                if not await self._work_safely():
                    await self._idle()
        finally:
            await asyncio.shield(self._slot.stop())

    async def _work_safely(self) -> bool:
        """Work once; whatever goes wrong, the slot stays in service."""
        try:
            return await self._work_once()
        except DatabaseUnavailableError:
            log.warning("work postponed: database not available")
        except Exception:
            log.exception("slot failed, going on")
            await asyncio.sleep(AFTER_FAILURE_S)
        return False

    async def _work_once(self) -> bool:
        """Claim and run one task; False if there was none."""
        if self._fleet.drain_requested:
            return False
        task = await self._lifecycle.claim(self._models, loaded=self.loaded)
        if task is None:
            return False
        await self._generate(task, self._slot)
        return True

    async def _idle(self) -> None:
        waiting = asyncio.create_task(self._bell.wait(IDLE_POLL_S))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            stopping.cancel()

    async def _ensure_child(self) -> None:
        """Replace a dead child, waiting longer each time it does not come up."""
        delay = FIRST_RESTART_S
        while not self._slot.alive and not self._stopping.is_set():
            try:
                await self._slot.start()
            except (ChildDied, JobFailed, TimeoutError) as error:
                log.error("child did not start", extra={"reason": str(error), "again_in_s": delay})
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._stopping.wait()
                delay = min(delay * 2, LONGEST_RESTART_S)
