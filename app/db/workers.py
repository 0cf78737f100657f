"""Reports of worker processes: who is alive, and what models they offer and hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_REPORT = text("""
INSERT INTO workers (id, host, pid, version, state, slots, models, loaded, device, doorbell_failures)
VALUES (:id, :host, :pid, :version, :state, :slots, CAST(:models AS jsonb), CAST(:loaded AS jsonb), :device,
        :doorbell_failures)
ON CONFLICT (id) DO UPDATE SET
    state = excluded.state, slots = excluded.slots, models = excluded.models, loaded = excluded.loaded,
    device = excluded.device, doorbell_failures = excluded.doorbell_failures, seen_at = now()
RETURNING drain_requested
""")

_ALIVE = text("""
SELECT id, models, loaded FROM workers
WHERE state IN ('ready', 'draining') AND seen_at > now() - make_interval(secs => :lease_s)
ORDER BY started_at
""")

_OF_PROCESS = text("SELECT id FROM workers WHERE host = :host AND pid = :pid AND state <> 'gone'")
_PIDS = text("SELECT DISTINCT pid FROM workers WHERE host = :host AND state <> 'gone'")
_READY = text("SELECT EXISTS (SELECT FROM workers WHERE host = :host AND pid = :pid AND state = 'ready')")
_GONE = text("UPDATE workers SET state = 'gone' WHERE id = :id")
_FORGET = text("DELETE FROM workers WHERE seen_at < now() - interval '7 days'")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """What a supervisor tells about itself.

    `models` holds what it can serve (name, category, tasks, revision), `loaded` what its slots hold now.
    """

    id: UUID
    host: str
    pid: int
    version: str
    state: str
    slots: int
    models: Sequence[Any]
    loaded: Sequence[str]
    device: str | None
    doorbell_failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorker:
    """A worker seen within a lease."""

    id: UUID
    models: list[dict[str, Any]]
    loaded: list[str]


class Workers:
    """Statements on the `workers` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def report(self, report: WorkerReport) -> bool:
        """Write the report; returns whether this worker is asked to drain."""
        drain = await self._connection.scalar(
            _REPORT,
            {
                "id": report.id,
                "host": report.host,
                "pid": report.pid,
                "version": report.version,
                "state": report.state,
                "slots": report.slots,
                "models": msgspec.json.encode(report.models).decode(),
                "loaded": msgspec.json.encode(report.loaded).decode(),
                "device": report.device,
                "doorbell_failures": report.doorbell_failures,
            },
        )
        return bool(drain)

    async def alive(self, *, lease_s: float) -> list[LiveWorker]:
        """Workers that reported within a lease, oldest first."""
        rows = await self._connection.execute(_ALIVE, {"lease_s": lease_s})
        return [LiveWorker(id=row.id, models=row.models, loaded=row.loaded) for row in rows]

    async def of_process(self, host: str, pid: int) -> list[UUID]:
        """Ids of the workers that ran, or run, as this process."""
        return list(await self._connection.scalars(_OF_PROCESS, {"host": host, "pid": pid}))

    async def pids_of(self, host: str) -> list[int]:
        """Process ids of this machine's workers that did not say that they ended."""
        return list(await self._connection.scalars(_PIDS, {"host": host}))

    async def is_ready(self, host: str, pid: int) -> bool:
        """Whether the worker that runs as this process has its models loaded."""
        return bool(await self._connection.scalar(_READY, {"host": host, "pid": pid}))

    async def gone(self, worker_id: UUID) -> None:
        """Mark a worker as ended."""
        await self._connection.execute(_GONE, {"id": worker_id})

    async def forget_old(self) -> None:
        """Remove workers not seen for seven days."""
        await self._connection.execute(_FORGET)
