"""A worker in the process of the test: real database, store, slot and child, with times of the test's own."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.offers import ModelOffer, Offers
from app.domain.ports import ObjectStore
from app.domain.submission import parse_submission
from app.domain.task import TaskId, TeamId
from app.domain.tracing import NoTracer
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from app.storage.folder import FolderStore
from inference.request import EngineOptions
from tests.builders import MODEL, WORKER, a_task
from tests.fakes import ListeningDoorbell
from tests.processes import STUB
from workers.bell import Bell
from workers.heartbeat import Heartbeat
from workers.inputs import Inputs
from workers.loop import Pauses, SlotLoop
from workers.pace import Pace
from workers.slot import Slot, SlotOptions
from workers.watch import Limits
from workers.wiring import Shared, loop_of

_OFFERS = Offers(models=(ModelOffer(name=MODEL, category="turbo"),), default_model=MODEL)


@dataclass
class Worker:
    """What a test looks at."""

    db: Database
    team: TeamId
    url: str
    slot: Slot
    loop: SlotLoop
    fleet: Fleet
    heartbeat: Heartbeat
    running: "asyncio.Task[None]"

    async def submit(self, prompt: str = "", **parameters: Any) -> TaskId:
        """Queue a task as the API would."""
        body = {"prompt": prompt, "audio_duration": 10, "batch_size": 1, "audio_format": "wav", **parameters}
        params = parse_submission(body, content_type="application/json", offers=_OFFERS).params
        seeds = [next(_SEEDS) for _ in range(params["batch_size"])]
        return await a_task(self.db, self.team, **{**params, "seeds": seeds})

    async def row(self, task_id: TaskId) -> dict[str, Any]:
        """The task's row."""
        (row,) = await self.ask("SELECT * FROM tasks WHERE id = $1", task_id)
        return {**row, "result": json.loads(row["result"] or "{}")}

    async def events(self, task_id: TaskId) -> list[tuple[str, dict[str, Any]]]:
        """Kind and data of the task's events but the stages, in order."""
        rows = await self.ask(
            "SELECT event, data FROM task_events WHERE event <> 'stage' "
            "AND task_seq = (SELECT seq FROM tasks WHERE id = $1) ORDER BY id",
            task_id,
        )
        return [(row["event"], json.loads(row["data"])) for row in rows]

    async def ask(self, statement: str, *values: Any) -> list[Any]:
        """Answer a question of the test's own."""
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[Any] = await connection.fetch(statement, *values)
        finally:
            await connection.close()
        return rows

    async def until(self, condition: Callable[[], Any], *, what: str, limit_s: float = 60.0) -> None:
        """Wait for a condition, which may be a coroutine function."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while True:
            value = condition()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return
            assert asyncio.get_running_loop().time() < deadline, f"waited {limit_s:g} s for {what}"
            await asyncio.sleep(0.02)

    async def ended(self, task_id: TaskId) -> dict[str, Any]:
        """Wait until the task has ended; returns its row."""

        async def finished() -> bool:
            return (await self.row(task_id))["finished_at"] is not None

        await self.until(finished, what="a task to end")
        return await self.row(task_id)

    async def reached(self, task_id: TaskId, stage: str) -> None:
        """Wait until the task's row tells this stage."""

        async def there() -> bool:
            return bool((await self.row(task_id))["stage"] == stage)

        await self.until(there, what=f"a task to be {stage}")

    async def cancel(self, task_id: TaskId) -> None:
        """Ask a running task to stop."""
        async with self.db.autocommit() as work:
            assert await work.tasks.request_cancel(self.team, task_id, actor=Actor(kind="client"))
        self.heartbeat.beat_soon()

    async def stop(self) -> None:
        """Stop as on SIGTERM, with time for the running tasks."""
        self.loop.stop_claiming()
        await self.running


def _seeds() -> Any:
    seed = 0
    while True:
        seed += 1
        yield seed


_SEEDS = _seeds()


@asynccontextmanager
async def a_worker(
    db: Database,
    team: TeamId,
    folder: Path,
    *,
    url: str,
    engine: str = STUB,
    store: ObjectStore | None = None,
    pace: Pace | None = None,
    timeout_s: float = 60.0,
    cancel_grace_s: float = 5.0,
    max_crashes: int = 3,
) -> AsyncIterator[Worker]:
    """Run one slot until the end of the block; what is running then is given back."""
    slot = _slot(folder, engine)
    lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=WORKER, lease_s=30, max_crashes=max_crashes)
    fleet = Fleet(db, worker_id=WORKER, version="1", slots=1, device="cpu", describe=lambda: ([], []))
    heartbeat = Heartbeat(lifecycle, fleet, worker_id=WORKER, every_s=0.2)
    store = store or FolderStore(folder / "objects")
    shared = Shared(
        lifecycle=lifecycle,
        heartbeat=heartbeat,
        bell=Bell("redis://127.0.0.1:1", slots=1),  # never rung: the loop asks often
        fleet=fleet,
        store=store,
        inputs=Inputs(store, max_seconds=600),
        pace=pace or Pace(),
        tracer=NoTracer(),
        limits=Limits(timeout_s=timeout_s, cancel_grace_s=cancel_grace_s),
        pauses=Pauses(idle_poll_s=0.02, first_self_test_s=0.1),
        scratch=folder / "scratch",
    )

    async def on_health() -> None:
        await fleet.change("faulty" if loop.is_broken else "ready")

    loop = loop_of(slot, shared, models=[MODEL], on_health=on_health)

    beating = asyncio.create_task(heartbeat.run_forever())
    running = asyncio.create_task(loop.run())
    try:
        yield Worker(db, team, url, slot, loop, fleet, heartbeat, running)
    finally:
        loop.stop_claiming()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


def _slot(folder: Path, engine: str) -> Slot:
    options = EngineOptions(models=(MODEL,), models_dir=str(folder / "models"), device="cpu", threads=1)
    return Slot(SlotOptions(engine_options=options, engine=engine))
