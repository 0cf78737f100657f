"""A claim takes one task, the right one, and never the same one twice."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.db import claim_statements
from app.db.engine import Database
from app.db.tasks import ClaimedTask, Tasks
from app.domain.task import TaskId, TeamId
from app.services.lifecycle import Lifecycle
from tests.builders import (
    MODEL,
    a_running_task,
    a_task,
    a_team,
    a_worker_elsewhere,
    claim,
    many_tasks,
)
from tests.fakes import ListeningDoorbell
from tests.servers import execute


async def test_second_worker_gets_nothing_for_a_claimed_task(db: Database, team: TeamId) -> None:
    task = await a_task(db, team)
    first = await claim(db, worker=uuid4())
    second = await claim(db, worker=uuid4())
    assert [claimed.id for claimed in first] == [task]
    assert second == []


async def test_tasks_are_claimed_in_order_of_submission_and_priority(db: Database, team: TeamId) -> None:
    first, second = await a_task(db, team), await a_task(db, team)
    urgent = await a_task(db, team, priority=5)
    order = [(await claim(db))[0].id for _ in range(3)]
    assert order == [urgent, first, second]


async def test_a_task_of_another_model_is_left_alone(db: Database, team: TeamId) -> None:
    await a_task(db, team, model="acestep-v15-base")
    assert await claim(db, model=MODEL) == []


async def test_a_paused_queue_is_not_claimed(db: Database, team: TeamId, database_url: str) -> None:
    await a_task(db, team)
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO settings VALUES ('queue_paused', 'true')")
    paused = await claim(db)
    await connection.execute("DELETE FROM settings WHERE key = 'queue_paused'")
    await connection.close()
    assert (paused, len(await claim(db))) == ([], 1)


async def test_a_team_at_its_running_limit_waits(db: Database, database_url: str) -> None:
    limited = await a_team(database_url, "limited", max_running=1)
    await a_task(db, limited)
    await a_task(db, limited)
    assert [len(await claim(db)) for _ in range(2)] == [1, 0]


async def test_the_team_with_fewer_running_tasks_is_served_first(
    db: Database, team: TeamId, database_url: str
) -> None:
    other = await a_team(database_url, "other")
    for _ in range(3):
        await a_task(db, team)
    await a_task(db, other)
    served = [(await claim(db))[0].team_id for _ in range(2)]
    assert set(served) == {team, other}


async def test_thirty_claimers_never_share_a_task(db: Database, team: TeamId) -> None:
    tasks = {await a_task(db, team) for _ in range(40)}

    async def work_until_empty() -> list[object]:
        lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=uuid4(), lease_s=30, max_crashes=3)
        mine: list[object] = []
        while (claimed := await lifecycle.claim([MODEL])) is not None:
            mine.append(claimed.id)
        return mine

    claimed = [
        task for mine in await asyncio.gather(*(work_until_empty() for _ in range(30))) for task in mine
    ]
    # A claimer may give up early while others hold the only team; the idle poll then comes back.
    while rest := await claim(db):
        claimed += [task.id for task in rest]
    assert len(claimed) == len(set(claimed))
    assert set(claimed) == tasks


OTHER = "acestep-v15-base"


@pytest.fixture
def lifecycle(db: Database) -> Lifecycle:
    return Lifecycle(db, ListeningDoorbell(), worker_id=uuid4(), lease_s=30, max_crashes=3)


async def make_older(database_url: str, model: str, seconds: float) -> None:
    """Let the waiting tasks of a model have waited for so long already."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE tasks SET run_after = now() - make_interval(secs => $2) WHERE model = $1", model, seconds
    )
    await connection.close()


async def claimed_models(lifecycle: Lifecycle, tasks: int, loaded: Sequence[str]) -> list[str]:
    claims = [await lifecycle.claim([MODEL, OTHER], loaded=loaded) for _ in range(tasks)]
    return [task.model for task in claims if task is not None]


async def test_tasks_of_the_loaded_model_come_first(db: Database, team: TeamId, lifecycle: Lifecycle) -> None:
    for model in (OTHER, MODEL, OTHER, MODEL):
        await a_task(db, team, model=model)
    assert await claimed_models(lifecycle, 5, [MODEL]) == [MODEL, MODEL, OTHER, OTHER]


async def test_a_worker_with_nothing_or_all_loaded_takes_the_oldest(
    db: Database, team: TeamId, lifecycle: Lifecycle
) -> None:
    for model in (OTHER, MODEL, OTHER, MODEL):
        await a_task(db, team, model=model)
    assert await claimed_models(lifecycle, 2, []) == [OTHER, MODEL]
    assert await claimed_models(lifecycle, 2, [MODEL, OTHER]) == [OTHER, MODEL]


@pytest.mark.parametrize(("waited_s", "first"), [(19.0, MODEL), (21.0, OTHER)])
async def test_a_task_of_another_model_waits_twenty_seconds_at_most(
    db: Database, team: TeamId, lifecycle: Lifecycle, database_url: str, waited_s: float, first: str
) -> None:
    for model in (OTHER, MODEL):
        await a_task(db, team, model=model)
    await make_older(database_url, OTHER, waited_s)
    assert (await claimed_models(lifecycle, 1, [MODEL])) == [first]


async def test_a_task_that_may_not_start_does_not_hurry_anybody(
    db: Database, team: TeamId, lifecycle: Lifecycle, database_url: str
) -> None:
    limited = await a_team(database_url, "limited", max_running=0)
    await a_task(db, limited, model=OTHER)
    await make_older(database_url, OTHER, 3600)
    await a_task(db, team, model=OTHER)
    await a_task(db, team, model=MODEL)
    assert await claimed_models(lifecycle, 1, [MODEL]) == [MODEL]


async def without_lm(lifecycle: Lifecycle) -> TaskId | None:
    task = await lifecycle.claim([MODEL, OTHER], loaded=[MODEL], has_lm=False)
    return None if task is None else task.id


async def test_a_task_that_needs_a_language_model_is_left_to_who_offers_one(
    db: Database, team: TeamId, lifecycle: Lifecycle, database_url: str
) -> None:
    thinking, plain = await a_task(db, team, needs_lm=True), await a_task(db, team)
    await a_worker_elsewhere(db, MODEL, language_model="lm")
    await make_older(database_url, MODEL, 60)
    assert await without_lm(lifecycle) == plain
    assert await without_lm(lifecycle) is None
    task = await lifecycle.claim([MODEL])
    assert task is not None
    assert task.id == thinking


async def test_where_nobody_could_serve_it_anybody_takes_it_and_tells(
    db: Database, team: TeamId, lifecycle: Lifecycle, database_url: str
) -> None:
    tasks = [await a_task(db, team, needs_lm=True) for _ in range(3)]
    assert await without_lm(lifecycle) == tasks[0], "no worker at all"
    await a_worker_elsewhere(db, OTHER, language_model="lm")
    assert await without_lm(lifecycle) == tasks[1], "one that has not the task's model"
    await a_worker_elsewhere(db, MODEL, language_model="lm")
    await execute(database_url, "UPDATE workers SET seen_at = now() - interval '4 minutes', state = 'gone'")
    assert await without_lm(lifecycle) is None, "it may come back"
    await execute(database_url, "UPDATE workers SET seen_at = now() - interval '6 minutes'")
    assert await without_lm(lifecycle) == tasks[2]


@pytest.mark.parametrize("analysed_while", ["empty", "one finished", "full", "never"])
async def test_one_statement_never_claims_two_tasks(
    db: Database, team: TeamId, database_url: str, analysed_while: str
) -> None:
    """Statistics taken at the wrong moment once made the planner claim five rows in one statement."""
    connection = await asyncpg.connect(database_url)
    if analysed_while == "empty":
        await connection.execute("ANALYZE")
    for finished in range(4):
        for queued in range(3):
            await _leave(db, team, finished=finished, queued=queued)
            if analysed_while == "full" or (analysed_while == "one finished" and finished == 1):
                await connection.execute("ANALYZE")
            for _ in range(4):
                await a_task(db, team)
            assert [len(await claim(db)) for _ in range(3)] == [1, 1, 1]
            await connection.execute("DELETE FROM task_events")
            await connection.execute("DELETE FROM task_params")
            await connection.execute("DELETE FROM tasks")
            await connection.execute("UPDATE team_state SET running = 0")
    await connection.close()


async def _leave(db: Database, team: TeamId, *, finished: int, queued: int) -> None:
    for _ in range(finished):
        task = await a_running_task(db, team)
        lifecycle = Lifecycle(db, ListeningDoorbell(), worker_id=uuid4(), lease_s=30, max_crashes=3)
        await lifecycle.fail(task, code="internal", message="x", trace=None, retryable=False)
    for _ in range(queued):
        await a_task(db, team)


@pytest.mark.parametrize("waiting", [1, 5000])
async def test_the_claim_reads_the_queue_by_its_index(
    db: Database, team: TeamId, database_url: str, waiting: int
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        """
        INSERT INTO tasks (id, team_id, request_id, kind, model, status, finished_at, error_code)
        SELECT gen_random_uuid(), 1, 'x', 'generate', 'm', 'failed', now(), 'internal'
        FROM generate_series(1, 20000)
        """
    )
    await many_tasks(database_url, team, waiting)
    await connection.execute("ANALYZE")
    statement = str(claim_statements.CLAIM)
    names = ("worker_id", "lease_s", "models", "kinds", "has_lm")
    for place, name in enumerate(names, start=1):
        statement = statement.replace(f":{name}", f"${place}")
    plan = await connection.fetch(
        f"EXPLAIN (ANALYZE, BUFFERS) {statement}", uuid4(), 30.0, [MODEL], ["generate"], False
    )
    await connection.close()
    text = "\n".join(line[0] for line in plan)
    assert "ix_tasks_claim" in text
    assert "Seq Scan on tasks" not in text
    pages = re.search(r"Buffers: shared hit=(\d+)", text)
    assert pages, text
    assert int(pages[1]) < 100, "however long the queue is"


async def test_a_claim_that_returns_too_many_gives_the_rest_back(
    db: Database, team: TeamId, lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No statement of ours does it; if a planner ever makes one do it, no task may be left to nobody."""
    ids = [await a_task(db, team) for _ in range(3)]
    claim_one = Tasks.claim

    async def claim_all(tasks: Tasks, **values: Any) -> list[ClaimedTask]:
        return [claimed for _ in ids for claimed in await claim_one(tasks, **values)]

    with monkeypatch.context() as patched:
        patched.setattr(Tasks, "claim", claim_all)
        first = await lifecycle.claim([MODEL])
    assert first is not None
    rest = [await lifecycle.claim([MODEL]) for _ in ids]
    assert [first.id, *(task.id for task in rest if task is not None)] == ids
