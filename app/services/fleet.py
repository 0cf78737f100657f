"""A worker's report about itself: alive, what it offers, what it holds, whether it should drain."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from app.db.engine import Database
from app.db.workers import WorkerReport


class Fleet:
    """Writes one worker's row.

    `describe` is asked at each report for the models offered (mappings with name, category, tasks, revision)
    and the names loaded now.
    """

    def __init__(
        self,
        database: Database,
        *,
        worker_id: UUID,
        version: str,
        slots: int,
        device: str,
        describe: Callable[[], tuple[Sequence[Mapping[str, Any]], Sequence[str]]],
        doorbell_failures: Callable[[], int] = lambda: 0,
    ) -> None:
        self._database = database
        self._worker_id = worker_id
        self._version = version
        self._slots = slots
        self._device = device
        self._describe = describe
        self._doorbell_failures = doorbell_failures
        self.state = "starting"
        self.drain_requested = False

    async def report(self) -> None:
        """Write the row, and learn whether this worker is asked to drain."""
        models, loaded = self._describe()
        report = WorkerReport(
            id=self._worker_id,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self._version,
            state=self.state,
            slots=self._slots,
            models=list(models),
            loaded=list(loaded),
            device=self._device,
            doorbell_failures=self._doorbell_failures(),
        )
        async with self._database.autocommit() as work:
            self.drain_requested = await work.workers.report(report)

    async def change(self, state: str) -> None:
        """Report a new state: starting, ready, draining, faulty or gone."""
        self.state = state
        await self.report()
