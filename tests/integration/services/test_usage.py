"""What is kept of usage is what the rows say, after every way in which an attempt can end.

USAGE_TASKS=2000 plays as many tasks; a failure names the seed of its acts.
"""

import asyncio
import os
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.db.engine import Database
from app.db.tasks import Actor, ClaimedTask
from app.domain.errors import ValidationError
from app.domain.task import TeamId
from app.domain.usage import UsageQuery
from app.services import usage as usage_service
from app.services.usage import Usage
from tests.builders import MODEL, a_clip, a_task, a_team
from tests.servers import execute

TASKS = int(os.environ.get("USAGE_TASKS", "120"))
WORKER_ACTOR = Actor(kind="worker")


class Player:
    """Ends attempts in every way that there is."""

    def __init__(self, db: Database, teams: list[TeamId], draw: random.Random) -> None:
        self._db = db
        self._teams = teams
        self._draw = draw

    async def play(self) -> None:
        """Claim and act until nothing waits."""
        worker = uuid4()
        while True:
            async with self._db.autocommit() as work:
                claimed = await work.tasks.claim(
                    worker_id=worker, models=[MODEL], kinds=["generate"], lease_s=30
                )
            if not claimed:
                return
            await self._act(claimed[0], worker)

    async def _act(self, task: ClaimedTask, worker: UUID) -> None:
        act = self._draw.choice(
            ["succeed", "succeed", "fail", "retry", "lose", "worker", "release", "cancel"]
        )
        seconds = self._draw.random()
        async with self._db.autocommit() as work:
            tasks = work.tasks
            match act:
                case "succeed":
                    await tasks.succeed(
                        task.id,
                        task.attempt,
                        actor=WORKER_ACTOR,
                        result={"items": []},
                        clips=[a_clip(task, item) | {"duration_s": seconds * 100} for item in range(2)],
                        gpu_seconds=seconds,
                    )
                case "fail" | "retry":
                    await tasks.fail_or_retry(
                        task.id,
                        task.attempt,
                        actor=WORKER_ACTOR,
                        code="internal",
                        message="x",
                        trace=None,
                        max_failures=2 if act == "retry" else 1,
                        gpu_seconds=seconds,
                    )
                case "lose":
                    await tasks.lose_attempt(
                        task.id, task.attempt, actor=WORKER_ACTOR, max_crashes=3, gpu_seconds=seconds
                    )
                case "worker":
                    await tasks.lose_worker(worker, actor=WORKER_ACTOR, max_crashes=3)
                case "release":
                    await tasks.release(task.id, task.attempt, actor=WORKER_ACTOR)
                    if self._draw.random() < 0.5:
                        await tasks.cancel_queued(task.team_id, task.id, actor=Actor(kind="client"))
                case "cancel":
                    await tasks.request_cancel(task.team_id, task.id, actor=Actor(kind="client"))
                    await tasks.cancel_running(task.id, task.attempt, actor=WORKER_ACTOR, gpu_seconds=seconds)


async def test_counters_and_usage_equal_a_count_of_the_rows(db: Database, database_url: str) -> None:
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    teams = [await a_team(database_url, f"team-{n}", weight=n + 1) for n in range(3)]
    ids = [await a_task(db, draw.choice(teams)) for _ in range(TASKS)]
    async with db.autocommit() as work:
        for id_ in ids[::9]:
            for team in teams:
                await work.tasks.cancel_queued(team, id_, actor=Actor(kind="client"))
    player = Player(db, teams, draw)
    while True:
        await asyncio.gather(*(player.play() for _ in range(4)))
        await execute(database_url, "UPDATE tasks SET run_after = now() WHERE status = 'queued'")
        async with db.autocommit() as work:
            counted = await work.stats.recount()
        if not counted["queued"] and not counted["running"]:
            break
    # What is erased later was used all the same.
    async with db.transaction() as work:
        await work.erasures.erase(range(1, TASKS, 3), actor=Actor(kind="client"), reason="asked")
    assert await Usage(db).drift() == [], f"seed {seed}"
    assert sum(counted.values()) == TASKS
    rows = await Usage(db)(a_query())
    assert sum(row.succeeded for row in rows) == counted["succeeded"]
    assert sum(row.cancelled for row in rows) == counted["cancelled"]


async def test_a_drift_is_named(db: Database, team: TeamId, database_url: str) -> None:
    await a_task(db, team)
    await Player(db, [team], random.Random(0)).play()
    await execute(database_url, "UPDATE team_state SET succeeded = succeeded + 2")
    await execute(database_url, "UPDATE usage_daily SET gpu_seconds = gpu_seconds - 1")
    drift = await Usage(db).drift()
    assert {part.what.split()[-1]: round(part.difference, 6) for part in drift} == {
        "succeeded": -2,
        "gpu_seconds": 1,
    }


def a_query(**limits: Any) -> UsageQuery:
    today = datetime.now(UTC).date()
    return UsageQuery(**{"owner": None, "first": today - timedelta(days=1), "last": today, **limits})


async def kept(url: str, team: TeamId, day: date, *, model: str = MODEL, key: int | None = None) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO usage_daily (team_id, api_key_id, model, day, succeeded, failed, cancelled, "
        "audio_seconds, gpu_seconds, stored_bytes, ran, run_seconds, wait_seconds) "
        "VALUES ($1, $2, $3, $4, 3, 1, 1, 60, 7.5, 1000, 4, 12, 2)",
        team,
        key,
        model,
        day,
    )
    await connection.close()


async def test_rows_are_grouped_filtered_and_averaged(db: Database, team: TeamId, database_url: str) -> None:
    other = await a_team(database_url, "other")
    today = datetime.now(UTC).date()
    for day in (today, today - timedelta(days=1), today - timedelta(days=40)):
        await kept(database_url, team, day)
    await kept(database_url, team, today, model="base")
    await kept(database_url, other, today)
    usage = Usage(db)

    by_day = await usage(a_query())
    assert [(row.groups, row.succeeded) for row in by_day] == [
        ((str(today - timedelta(days=1)),), 3),
        ((str(today),), 9),
    ]
    assert (by_day[0].average_run_seconds, by_day[0].average_wait_seconds) == (3.0, 0.5)
    assert (by_day[1].audio_seconds, by_day[1].gpu_seconds, by_day[1].stored_bytes) == (180, 22.5, 3000)

    by_two = await usage(a_query(owner=team, group_by=("model", "day")))
    assert {row.groups for row in by_two} == {
        (MODEL, str(today - timedelta(days=1))),
        (MODEL, str(today)),
        ("base", str(today)),
    }
    assert [row.succeeded for row in await usage(a_query(model="base"))] == [3]
    assert [row.groups for row in await usage(a_query(group_by=("key",)))] == [(None,)]
    assert await usage(a_query(key_id=uuid4())) == []
    assert len(await usage(a_query(first=today - timedelta(days=60)))) == 3
    (team_row, other_row) = await usage(a_query(group_by=("team",)))
    assert sorted((team_row.succeeded, other_row.succeeded)) == [3, 9]
    named = UUID(team_row.groups[0])
    (only,) = await usage(a_query(team=named, group_by=("team",)))
    assert only == team_row
    assert await usage(a_query(owner=other, team=UUID(int=1))) == []


async def test_without_a_run_there_is_no_average(db: Database, team: TeamId) -> None:
    task = await a_task(db, team)
    async with db.autocommit() as work:
        await work.tasks.cancel_queued(team, task, actor=Actor(kind="client"))
    (row,) = await Usage(db)(a_query())
    assert (row.cancelled, row.average_run_seconds, row.average_wait_seconds) == (1, None, None)


async def test_too_many_groups_are_refused(
    db: Database, team: TeamId, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_service, "MOST_ROWS", 1)
    today = datetime.now(UTC).date()
    await kept(database_url, team, today)
    assert len(await Usage(db)(a_query())) == 1
    await kept(database_url, team, today - timedelta(days=1))
    with pytest.raises(ValidationError, match="more than 1 groups"):
        await Usage(db)(a_query())
