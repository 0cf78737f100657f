"""Notices at once when a worker of this machine dies, and gives its tasks to others before its lease ends."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from app.domain.errors import ServiceError
from app.services.recovery import Recovery

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.2
AFTER_FAILURE_S = 2.0


class Neighbours:
    """Looks for folders that dead workers left; every worker and API process of a machine does it."""

    def __init__(self, recovery: Recovery, *, abandoned: Callable[[], Sequence[Path]]) -> None:
        """Watch with a function that returns those folders, each named by the id of its worker."""
        self._recovery = recovery
        self._abandoned = abandoned

    async def run_forever(self) -> None:
        """Look until cancelled; what cannot be done now is left to the next look, at last to the lease."""
        while True:
            pause_s = LOOK_EVERY_S
            try:
                await self.look()
            except (ServiceError, OSError) as error:
                log.warning("tasks of a dead worker wait", extra={"reason": str(error)})
                pause_s = AFTER_FAILURE_S
            except Exception:
                log.exception("looking after neighbours failed")
                pause_s = AFTER_FAILURE_S
            await asyncio.sleep(pause_s)

    async def look(self) -> None:
        """Give back the tasks of the workers that died, then remove what they left."""
        for folder in await asyncio.to_thread(self._abandoned):
            worker_id = _worker_of(folder)
            if worker_id is not None:
                await self._recovery.worker_lost(worker_id)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _worker_of(folder: Path) -> UUID | None:
    try:
        return UUID(folder.name)
    except ValueError:
        return None
