"""Cancel against claim and finish: whoever comes first, a task ends in exactly one way.

CANCEL_RACES=1000 runs as many.
"""

import asyncio
import os
import random
from collections import Counter
from uuid import uuid4

import asyncpg

from app.db.engine import Database
from app.domain.errors import ConflictError
from app.domain.keys import OPEN_SCOPES
from app.domain.task import Caller, TaskId, TeamId
from app.services.cancel import Cancel
from app.services.lifecycle import Lifecycle
from app.services.usage import Usage
from tests.builders import MODEL, a_clip, a_task
from tests.fakes import ListeningDoorbell

RACES = int(os.environ.get("CANCEL_RACES", "100"))
AT_ONCE = 8


class Race:
    """A client that cancels one task while a worker takes and finishes whatever waits."""

    def __init__(self, db: Database, team: TeamId, draw: random.Random) -> None:
        self._db = db
        self._team = team
        self._draw = draw
        self._cancel = Cancel(db, ListeningDoorbell())
        self.told: dict[TaskId, str] = {}

    async def run(self) -> None:
        task_id = await a_task(self._db, self._team)
        await asyncio.gather(self._ask(task_id), self._work())

    async def _ask(self, task_id: TaskId) -> None:
        await asyncio.sleep(self._draw.uniform(0, 0.03))
        caller = Caller(team_id=self._team, key_id=None, scopes=OPEN_SCOPES)
        try:
            self.told[task_id] = (await self._cancel(caller, self._team, task_id)).state
        except ConflictError:
            self.told[task_id] = "succeeded"

    async def _work(self) -> None:
        """What a worker does: finish, and where that is refused, end as asked."""
        lifecycle = Lifecycle(self._db, ListeningDoorbell(), worker_id=uuid4(), lease_s=30, max_crashes=3)
        task = await lifecycle.claim([MODEL])
        if task is None:
            return
        await asyncio.sleep(self._draw.uniform(0, 0.01))
        clips = [a_clip(task)]
        if not await lifecycle.succeed(task, result={"items": []}, clips=clips, gpu_seconds=0.1):
            await lifecycle.cancelled(task, gpu_seconds=0.1)


async def test_every_race_has_one_winner(db: Database, team: TeamId, database_url: str) -> None:
    seed = random.randrange(10**6)
    race = Race(db, team, random.Random(seed))
    for _ in range(RACES // AT_ONCE + 1):
        await asyncio.gather(*(race.run() for _ in range(AT_ONCE)))
        await race._work()  # what a worker found too late for its race

    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT id, status, finished_at IS NOT NULL AS ended FROM tasks")
    ends = await connection.fetch(
        "SELECT count(*) FROM task_events WHERE event IN ('succeeded', 'failed', 'cancelled') "
        "GROUP BY task_seq"
    )
    clips = await connection.fetchval("SELECT count(*) FROM objects")
    await connection.close()
    states = Counter(row["status"] for row in rows)
    assert set(states) <= {"succeeded", "cancelled"}, f"seed {seed}"
    assert all(row["ended"] for row in rows)
    assert [row["count"] for row in ends] == [1] * len(rows)
    assert clips == states["succeeded"]
    assert await Usage(db).drift() == []
    for row in rows:
        # A client that was told "cancelled" or "succeeded" was told the truth; "running" may end either way.
        assert race.told[row["id"]] in (row["status"], "running"), f"seed {seed}"
    assert states["succeeded"], f"no race: {states}, seed {seed}"
    assert states["cancelled"], f"no race: {states}, seed {seed}"
