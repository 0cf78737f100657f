"""The place that a waiting task is told is the place in which it is claimed."""

import random
from typing import Any

import pytest

from app.db.engine import Database
from app.domain.room import COUNTED
from app.domain.task import TaskId, TeamId
from tests.builders import a_task, a_team, claim, many_tasks


async def told(db: Database, teams: list[TeamId], ids: list[TaskId]) -> dict[TaskId, int]:
    found: dict[TaskId, Any] = {}
    async with db.autocommit() as work:
        for team in teams:
            found |= await work.views.by_ids(team, ids)
    return {id_: view.queue_position for id_, view in found.items()}


@pytest.mark.parametrize("seed", range(6))
async def test_the_order_of_claims_is_the_order_of_places(db: Database, database_url: str, seed: int) -> None:
    draw = random.Random(seed)
    weights = [1.0] * 4 if seed % 2 else [draw.choice([0.7, 1.3, 2.9, 3.1]) for _ in range(4)]
    teams = [await a_team(database_url, f"team-{n}", weight=weight) for n, weight in enumerate(weights)]
    for team in teams:
        await many_tasks(database_url, team, draw.randrange(3))
    while await claim(db):
        pass
    for _ in range(2):
        ids = [await a_task(db, draw.choice(teams), priority=draw.choice([0, 0, 0, -3])) for _ in range(15)]
        places = await told(db, teams, ids)
        claimed = [(await claim(db))[0].id for _ in range(8)]
    while rest := await claim(db):
        claimed.append(rest[0].id)
    expected = sorted(places, key=lambda id_: places[id_])
    assert [id_ for id_ in claimed if id_ in places] == expected


async def test_the_place_at_submission_is_the_one_that_a_poll_shows(db: Database, database_url: str) -> None:
    flooding, other = [await a_team(database_url, name) for name in ("flooding", "other")]
    await many_tasks(database_url, flooding, 10)
    await claim(db)
    async with db.autocommit() as work:
        first = await work.queue.room(other)
        back = await work.queue.room(flooding)
        pushed = await work.queue.room(flooding, priority=-1, ageing_s=600)
    assert (first.position, first.waiting, first.of_team) == (1, 9, 0)
    assert (back.position, pushed.position, back.of_team) == (10, 10, 9)
    ids = [await a_task(db, other) for _ in range(3)]
    assert await told(db, [other], ids) == dict(zip(ids, (1, 3, 5), strict=True))
    async with db.autocommit() as work:
        record = await work.history.task(other, ids[2])
    assert record is not None
    assert record.queue_position == 5


async def test_behind_a_long_queue_a_place_is_the_least_that_it_can_be(
    db: Database, database_url: str
) -> None:
    team = await a_team(database_url, "long")
    await many_tasks(database_url, team, COUNTED + 5)
    last = await a_task(db, team)
    assert await told(db, [team], [last]) == {last: COUNTED + 1}
    async with db.autocommit() as work:
        room = await work.queue.room(team, most=3)
    assert (room.waiting, room.position, room.of_team) == (3, COUNTED + 1, COUNTED)
