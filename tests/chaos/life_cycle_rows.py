"""The real service on a real Postgres for the life-cycle machine: its use cases, its clock, and its rows."""

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg

from app.db.engine import Database
from app.db.workers import WorkerReport
from app.domain.errors import ServiceError
from app.domain.offers import ModelOffer, Offers
from app.domain.rerun import Wish
from app.domain.submission import parse_submission
from app.domain.task import Accepted, Caller, TaskId, TeamId
from app.services import Relation
from app.services.cancel import Cancel
from app.services.edit import Edit
from app.services.erase import Erase
from app.services.lifecycle import Lifecycle
from app.services.recovery import Recovery
from app.services.repeat import Repeat
from app.services.submit import Submit
from app.storage.folder import FolderStore
from tests.builders import MODEL, uploads_below
from tests.chaos.life_cycle_model import LEASE_H, MAX_CRASHES, MAX_RUNNING
from tests.fakes import ListeningDoorbell
from tests.servers import Servers, fresh_database

T = TypeVar("T")

HOST = "machine"
OFFERS = Offers(models=[ModelOffer(name=MODEL, category="turbo")], default_model=MODEL, max_priority=10)

_ROWS = """
SELECT t.id, t.status, t.attempt, t.failures, t.crashes, t.worker_id, t.priority, t.finished_at,
       t.cancel_requested_at IS NOT NULL AS asked, t.deleted_at IS NOT NULL AS erased,
       (SELECT count(*) FROM task_events e WHERE e.task_seq = t.seq
        AND e.event IN ('succeeded', 'failed', 'cancelled')) AS ends,
       ARRAY(SELECT o.attempt FROM objects o WHERE o.task_seq = t.seq AND o.role = 'output'
             AND o.deleted_at IS NULL) AS outputs
FROM tasks t
"""
_COUNTERS = """
SELECT s.running, s.succeeded, s.failed, s.cancelled,
       coalesce((SELECT sum(u.succeeded) FROM usage_daily u), 0) AS used_succeeded,
       coalesce((SELECT sum(u.failed) FROM usage_daily u), 0) AS used_failed,
       coalesce((SELECT sum(u.cancelled) FROM usage_daily u), 0) AS used_cancelled
FROM team_state s WHERE s.team_id = $1
"""
_WAIT = """
SELECT extract(epoch FROM t.run_after - (SELECT max(e.at) FROM task_events e
                                         WHERE e.task_seq = t.seq AND e.event = 'requeued'))
FROM tasks t WHERE t.id = $1
"""


@dataclass
class World:
    """One database, and everything that moves tasks on it."""

    loop: asyncio.AbstractEventLoop
    servers: Servers
    template: str
    folder: Path

    def run(self, awaitable: Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaitable

        return self.loop.run_until_complete(wait())

    async def open(self) -> None:
        self._stack = AsyncExitStack()
        url = await self._stack.enter_async_context(fresh_database(self.servers, self.template))
        self.db = db = Database(url, pool_size=2)
        self._stack.push_async_callback(db.close)
        self._sql = await asyncpg.connect(url)
        self._stack.push_async_callback(self._sql.close)
        async with db.autocommit() as work:
            self.team = await work.keys.default_team()
        await self._sql.execute("UPDATE teams SET max_priority = 10, max_running = $1", MAX_RUNNING)
        self._caller = Caller(team_id=self.team, key_id=None, scopes=frozenset())
        self._bell = ListeningDoorbell()
        uploads = uploads_below(self.folder, db)
        self._submit = Submit(db, self._bell, uploads, queue_limit=None, ageing_s=600)
        self._repeat = Repeat(db, submit=self._submit, offers=self._offers)
        self._cancel = Cancel(db, self._bell)
        self._edit = Edit(db, ageing_s=600)
        self._erase = Erase(db, FolderStore(self.folder / "objects"))
        self.recovery = Recovery(db, self._bell, max_crashes=MAX_CRASHES, lease_s=0)

    async def close(self) -> None:
        await self._stack.aclose()

    async def forget_everything(self) -> None:
        await self._sql.execute(
            "TRUNCATE tasks, workers, usage_daily, settings CASCADE;"
            "UPDATE team_state SET running = 0, succeeded = 0, failed = 0, cancelled = 0"
        )

    async def _offers(self, team_id: TeamId) -> Offers:
        return OFFERS

    async def start_worker(self, number: int) -> Lifecycle:
        """A worker of this machine whose process id is its number."""
        worker_id = uuid4()
        report = WorkerReport(
            id=worker_id,
            host=HOST,
            pid=number,
            version="1",
            state="ready",
            slots=1,
            models=[],
            loaded=[],
            device=None,
        )
        async with self.db.autocommit() as work:
            await work.workers.report(report)
        return Lifecycle(
            self.db, self._bell, worker_id=worker_id, lease_s=LEASE_H * 3600, max_crashes=MAX_CRASHES
        )

    async def submit(self, priority: int) -> TaskId:
        body = {"prompt": "a song", "batch_size": 1, "priority": priority}
        submission = parse_submission(body, content_type="application/json", offers=OFFERS)
        return (await self._submit(self._caller, submission, request_id="r", client=None)).task_id

    async def repeat(self, task_id: TaskId, relation: Relation) -> TaskId | str:
        return await refused_or(self._repeated(task_id, relation))

    async def _repeated(self, task_id: TaskId, relation: Relation) -> TaskId:
        accepted: Accepted = await self._repeat(
            self._caller, self.team, task_id, relation, Wish(), request={}, request_id="r", client=None
        )
        return accepted.task_id

    async def cancel(self, task_id: TaskId) -> Any:
        return await refused_or(self._cancel(self._caller, self.team, task_id))

    async def edit(self, task_id: TaskId, changes: Any) -> Any:
        return await refused_or(self._edit(self._caller, self.team, task_id, changes))

    async def erase(self, task_id: TaskId) -> Any:
        return await refused_or(self._erase(self._caller, self.team, task_id))

    async def pause(self, paused: bool) -> None:
        async with self.db.autocommit() as work:
            await work.operations.set_paused(paused)

    async def pass_time(self, hours: float) -> None:
        """Move the clock: every time that lies ahead of a row comes nearer."""
        await self._sql.execute(
            "UPDATE tasks SET run_after = run_after - make_interval(secs => $1), "
            "lease_until = lease_until - make_interval(secs => $1) WHERE status IN ('queued', 'running')",
            hours * 3600,
        )

    async def stretch_wait(self, task_id: TaskId, hours: float) -> float:
        """Make a task that waits for its next try wait for hours; returns how many seconds it would have."""
        seconds = await self._sql.fetchval(_WAIT, task_id)
        await self._sql.execute(
            "UPDATE tasks SET run_after = now() + make_interval(secs => $2) WHERE id = $1",
            task_id,
            hours * 3600,
        )
        return float(seconds)

    async def rows(self) -> dict[UUID, asyncpg.Record]:
        return {row["id"]: row for row in await self._sql.fetch(_ROWS)}

    async def counters(self) -> dict[str, int]:
        return dict(await self._sql.fetchrow(_COUNTERS, self.team))


async def refused_or(awaitable: Awaitable[T]) -> T | str:
    """The answer, or the code of the refusal."""
    try:
        return await awaitable
    except ServiceError as error:
        return error.code
