"""Our queue as a bench of job queues sees it: a job is stored, rung for, claimed, handled and finished.

`prepare`, `clear`, `producer` and `work` are what such a bench calls. The service's own code does the work:
submit under the gate, the doorbell, the loop of a slot with its line, bell and heartbeat. Only the engine is
missing: where it would compute, `handle` is awaited. `DATABASE_URL` and `REDIS_URL` name the servers.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import asyncpg

from app.db.engine import Database
from app.db.migrate import migrate
from app.domain.keys import ALL_SCOPES
from app.domain.offers import ModelOffer, Offers
from app.domain.ports import Doorbell
from app.domain.submission import parse_submission
from app.domain.task import Caller
from app.queue.doorbell import ArqDoorbell
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from app.services.submit import Submit
from app.services.uploads import Uploads
from app.storage.folder import FolderStore
from workers.bell import Bell
from workers.generate import Generate
from workers.heartbeat import Heartbeat
from workers.job import RunningJob
from workers.line import Line
from workers.loop import Pauses, SlotLoop
from workers.selftest import SelfTest
from workers.slot import Slot

Enqueue = Callable[[str], Awaitable[None]]
Handler = Callable[[str], Awaitable[None]]

STORE = "postgres"
MODEL = "bench"
LEASE_S = 30.0
CONNECTIONS = 16
OFFERS = Offers(models=(ModelOffer(name=MODEL, category="turbo"),), default_model=MODEL)
# Keys, teams, settings and the version of the schema stay.
_LISTS = "tasks, task_params, task_events, task_terms, task_words, objects, webhook_deliveries, usage_daily"
_RESULT: dict[str, Any] = {"items": [], "seconds": {}}


async def prepare() -> None:
    """Create the tables."""
    await migrate(os.environ["DATABASE_URL"])


async def clear() -> None:
    """Remove all tasks, and reset the counters of the teams."""
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    try:
        await connection.execute(f"TRUNCATE {_LISTS} CASCADE")
        await connection.execute(
            "UPDATE team_state SET running = 0, succeeded = 0, failed = 0, cancelled = 0"
        )
    finally:
        await connection.close()


@asynccontextmanager
async def producer() -> AsyncIterator[Enqueue]:
    """Yield a function that returns when the task is committed; its lyrics are the body of the job."""
    database = Database(os.environ["DATABASE_URL"], pool_size=CONNECTIONS)
    doorbell = ArqDoorbell(os.environ["REDIS_URL"])
    async with database.autocommit() as work:
        team = await work.keys.default_team()
    caller = Caller(team_id=team, key_id=None, scopes=ALL_SCOPES)
    submit = submit_on(database, doorbell)

    async def enqueue(body: str) -> None:
        fields = {"prompt": "bench", "lyrics": body}
        submission = parse_submission(fields, content_type="application/json", offers=OFFERS)
        await submit(caller, submission, request_id="bench", client=None)

    await doorbell.start()
    try:
        yield enqueue
    finally:
        await doorbell.close()
        await database.close()


def submit_on(database: Database, doorbell: Doorbell) -> Submit:
    """Return the service's own submit on a database, without a limit of the queue."""

    async def no_kinds() -> list[str]:
        return []

    folder = Path(tempfile.gettempdir())
    uploads = Uploads(
        database,
        FolderStore(folder),
        spool_dir=folder,
        input_dirs=(),
        kinds=no_kinds,
        max_bytes=0,
        max_seconds=0,
    )
    return Submit(database, doorbell, uploads, queue_limit=None, ageing_s=600.0)


class _Child:
    """A slot whose child is always there and holds the model."""

    alive = True
    loaded = (MODEL,)

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""


class _Handled:
    """A job whose only stage on the accelerator, and so its last one, is `handle`."""

    def __init__(self, handle: Handler, line: Line, lifecycle: Lifecycle, heartbeat: Heartbeat) -> None:
        self._handle = handle
        self._line = line
        self._lifecycle = lifecycle
        self._heartbeat = heartbeat

    async def __call__(self, job: RunningJob) -> None:
        """Have the job handled in its turn, and finish it."""
        self._heartbeat.add(job)
        try:
            await self._line.turn(job)
            self._line.leaving(job)
            await self._handle(job.task.params["lyrics"])
            self._line.computed(job)
            job.ending = True
            await self._lifecycle.succeed(job.task, result=_RESULT, clips=[], gpu_seconds=0.0)
        finally:
            self._heartbeat.remove(job)


async def work(handle: Handler, concurrency: int) -> None:
    """Run a worker with so many slots until cancelled."""
    database = Database(os.environ["DATABASE_URL"], pool_size=5 + 2 * concurrency)
    doorbell = ArqDoorbell(os.environ["REDIS_URL"])
    bell = Bell(os.environ["REDIS_URL"], slots=concurrency)
    worker_id = uuid4()
    lifecycle = Lifecycle(database, doorbell, worker_id=worker_id, lease_s=LEASE_S, max_crashes=3)
    fleet = Fleet(
        database,
        worker_id=worker_id,
        version="bench",
        slots=concurrency,
        device="cpu",
        describe=lambda: ([{"name": MODEL}], [MODEL]),
    )
    heartbeat = Heartbeat(lifecycle, fleet, worker_id=worker_id, every_s=LEASE_S / 6)

    def a_loop() -> SlotLoop:
        line, slot = Line(), cast(Slot, _Child())
        return SlotLoop(
            slot,
            line,
            lifecycle=lifecycle,
            generate=cast(Generate, _Handled(handle, line, lifecycle, heartbeat)),
            self_test=cast(SelfTest, None),  # only of a broken machine
            bell=bell,
            fleet=fleet,
            models=[MODEL],
            on_health=_nobody_asks,
            pauses=Pauses(),
        )

    await fleet.change("ready")
    await doorbell.start()
    loops = [a_loop() for _ in range(concurrency)]
    coroutines: list[Any] = [loop.run() for loop in loops]
    try:
        await asyncio.gather(heartbeat.run_forever(), bell.run_forever(), *coroutines)
    finally:
        await doorbell.close()
        await database.close()


async def _nobody_asks() -> None:
    pass
