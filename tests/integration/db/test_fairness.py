"""Teams share the workers by their weights, and a flood of one does not delay another.

FAIRNESS_TASKS=10000 floods with as many tasks as a host would fear.
"""

import asyncio
import os
from collections import Counter
from uuid import uuid4

import pytest

from app.db.engine import Database
from app.db.tasks import Actor, ClaimedTask
from app.domain.task import TeamId
from app.services.lifecycle import Lifecycle
from tests.builders import MODEL, a_task, a_team, claim, many_tasks
from tests.fakes import ListeningDoorbell

FLOOD = int(os.environ.get("FAIRNESS_TASKS", "300"))
TURNS = 400
WORKER_ACTOR = Actor(kind="worker")


async def end(db: Database, task: ClaimedTask) -> None:
    async with db.autocommit() as work:
        await work.tasks.fail_or_retry(
            task.id,
            task.attempt,
            actor=WORKER_ACTOR,
            code="internal",
            message="x",
            trace=None,
            max_failures=1,
            gpu_seconds=0.0,
        )


async def two_teams(database_url: str, **weights: float) -> list[TeamId]:
    return [await a_team(database_url, name, weight=weight) for name, weight in weights.items()]


@pytest.mark.parametrize("slots", [1, 4])
async def test_weights_one_to_three_give_turns_one_to_three(
    db: Database, database_url: str, slots: int
) -> None:
    light, heavy = await two_teams(database_url, light=1, heavy=3)
    for team in (light, heavy):
        await many_tasks(database_url, team, TURNS)
    served: Counter[TeamId] = Counter()
    running: list[ClaimedTask] = []
    for _ in range(TURNS):
        if len(running) == slots:
            await end(db, running.pop(0))
        (task,) = await claim(db)
        served[task.team_id] += 1
        running.append(task)
    assert served[heavy] / served[light] == pytest.approx(3, rel=0.1)


async def test_workers_that_claim_at_once_keep_the_weights(db: Database, database_url: str) -> None:
    light, heavy = await two_teams(database_url, light=1, heavy=3)
    for team in (light, heavy):
        await many_tasks(database_url, team, TURNS)
    served: list[TeamId] = []

    async def work(place: int) -> None:
        lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=uuid4(), lease_s=30, max_crashes=3)
        while len(served) < TURNS:
            task = await lifecycle.claim([MODEL])
            assert task is not None
            served.append(task.team_id)
            await asyncio.sleep(0.01 + 0.001 * place)
            await end(db, task)

    await asyncio.gather(*(work(place) for place in range(4)))
    counted = Counter(served[:TURNS])
    assert counted[heavy] / counted[light] == pytest.approx(3, rel=0.1)


async def test_a_flood_delays_another_team_by_two_tasks_at_most(db: Database, database_url: str) -> None:
    """Team B asks for one task at a time; in between, several tasks of A are served."""
    flooding, quiet = await two_teams(database_url, flooding=1, quiet=1)
    await many_tasks(database_url, flooding, FLOOD)
    waits = []
    for round_ in range(FLOOD // 10):
        asked = await a_task(db, quiet)
        waits.append(0)
        while (task := (await claim(db))[0]).id != asked:
            waits[-1] += 1
            await end(db, task)
        await end(db, task)
        for _ in range(round_ % 4):
            await end(db, (await claim(db))[0])
    assert max(waits) <= 1, "beside the task that runs, at most one goes first"


async def test_a_team_that_was_away_does_not_make_up_for_it(db: Database, database_url: str) -> None:
    present, returning = await two_teams(database_url, present=1, returning=1)
    await many_tasks(database_url, present, 60)
    for _ in range(30):
        await end(db, (await claim(db))[0])
    await many_tasks(database_url, returning, 20)
    served = [(await claim(db))[0].team_id for _ in range(10)]
    assert Counter(served) == {present: 5, returning: 5}
    assert served[0] == returning


async def test_priority_counts_inside_a_team_only(db: Database, database_url: str) -> None:
    pushing, other = await two_teams(database_url, pushing=1, other=1)
    for _ in range(4):
        await a_task(db, pushing, priority=10)
        await a_task(db, other, priority=-10)
    served = [(await claim(db))[0].team_id for _ in range(8)]
    assert Counter(served[:4]) == {pushing: 2, other: 2}


async def test_ten_minutes_of_waiting_weigh_as_much_as_one_step_of_priority(
    db: Database, team: TeamId
) -> None:
    old, urgent, more_urgent = [await a_task(db, team, priority=step) for step in (0, 1, 2)]
    async with db.transaction() as work:
        await work.tasks._connection.exec_driver_sql(
            "UPDATE tasks SET queue_rank = queue_rank - interval '11 minutes' WHERE priority = 0"
        )
    assert [(await claim(db))[0].id for _ in range(3)] == [more_urgent, old, urgent]


async def test_the_running_limit_is_exact_when_many_claim_at_once(db: Database, database_url: str) -> None:
    limited = await a_team(database_url, "limited", max_running=3)
    await many_tasks(database_url, limited, 40)

    async def work() -> int:
        lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=uuid4(), lease_s=30, max_crashes=3)
        return sum([await lifecycle.claim([MODEL]) is not None for _ in range(3)])

    claimed = await asyncio.gather(*(work() for _ in range(12)))
    assert sum(claimed) + len(await claim(db)) == 3
