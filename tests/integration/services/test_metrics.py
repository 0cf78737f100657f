"""The numbers of monitoring, from the rows themselves."""

import pytest

from app.db.engine import Database
from app.db.tasks import Actor
from app.domain.numbers import WAIT_BOUNDS_S
from app.domain.task import TeamId
from app.services.metrics import Metrics
from tests.builders import WORKER, a_clip, a_running_task, a_task, a_team, claim
from tests.servers import execute
from tests.webhooks import an_endpoint


async def test_every_number_is_what_the_rows_say(db: Database, team: TeamId, database_url: str) -> None:
    await a_team(database_url, "idle")
    await an_endpoint(db, team, "https://example.org/")
    for seconds in (1.0, 3.0):
        task = await a_running_task(db, team)
        async with db.autocommit() as work:
            await work.tasks.succeed(
                task.id,
                1,
                actor=Actor(kind="worker", id=str(WORKER)),
                result={"items": [], "seconds": {"diffusing": seconds, "decoding": 0.5}},
                clips=[a_clip(task)],
                gpu_seconds=seconds,
            )
    lost = await a_running_task(db, team)
    async with db.autocommit() as work:
        await work.tasks.lose_attempt(lost.id, 1, actor=Actor(kind="worker"), max_crashes=1)
    await a_running_task(db, team)
    await a_task(db, team)
    await execute(
        database_url, "UPDATE tasks SET created_at = now() - interval '1 minute' WHERE status = 'queued'"
    )
    await execute(
        database_url,
        "INSERT INTO workers (id, host, pid, version, state, slots, doorbell_failures) VALUES "
        "(gen_random_uuid(), 'here', 1, '1', 'ready', 2, 7), "
        "(gen_random_uuid(), 'here', 2, '1', 'gone', 2, 9)",
    )

    numbers = await Metrics(db, window=50, lease_s=30)()
    mine, idle = numbers.teams
    assert (mine.name, mine.waiting, mine.running) == ("default", 1, 1)
    assert (mine.succeeded, mine.failed, mine.cancelled) == (2, 1, 0)
    assert 60 <= mine.oldest_s < 90
    assert (idle.name, idle.waiting, idle.oldest_s, idle.running) == ("idle", 0, 0, 0)
    assert numbers.stages["diffusing"] == (2.0, pytest.approx(2.9))
    assert numbers.stages["decoding"] == (0.5, 0.5)
    (worker,) = numbers.workers
    assert (worker.state, worker.slots, worker.doorbell_failures) == ("ready", 2, 7)
    assert numbers.leases_lost == 1
    assert numbers.deliveries_waiting == 3
    assert 0 <= numbers.deliveries_oldest_s < 30
    assert sum(mine.waits) == 4
    assert sum(idle.waits) == idle.waits_s == 0


async def test_the_wait_of_a_task_is_counted_once_where_it_belongs(
    db: Database, team: TeamId, database_url: str
) -> None:
    await a_team(database_url, "other")
    for waited_s in (0, 7, 700, 10_000):
        await a_task(db, team)
        await age(database_url, waited_s)
        (task,) = await claim(db)
        async with db.autocommit() as work:
            await work.tasks.release(task.id, 1, actor=Actor(kind="worker"))
        (again,) = await claim(db)
        assert (again.id, again.attempt) == (task.id, 2), "waited already"
    async with db.autocommit() as work:
        mine, others = await work.metrics.teams()
    assert (len(mine.waits), sum(mine.waits), sum(mine.waits[:3])) == (len(WAIT_BOUNDS_S) + 1, 4, 1)
    assert (mine.waits[WAIT_BOUNDS_S.index(10)], mine.waits[WAIT_BOUNDS_S.index(1800)]) == (1, 1)
    assert mine.waits[-1] == 1
    assert 10_707 <= mine.waits_s < 10_807
    assert (others.name, sum(others.waits)) == ("other", 0)


async def age(url: str, seconds: int) -> None:
    """Let the waiting tasks have been submitted earlier."""
    await execute(
        url,
        f"UPDATE tasks SET created_at = created_at - interval '{seconds} s' "  # noqa: S608 - a number
        "WHERE status = 'queued'",
    )
