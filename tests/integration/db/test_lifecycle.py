"""Every move of a task's row: what it needs, what it writes, and that a late caller changes nothing."""

from uuid import uuid4

import asyncpg
import pytest

from app.db.engine import Database
from app.db.tasks import Actor, Beat, ClaimedTask
from app.domain.task import TaskStatus, TeamId
from tests.builders import WORKER, a_clip, a_running_task, a_task, claim

WORKER_ACTOR = Actor(kind="worker", id=str(WORKER))


async def succeed(db: Database, task: ClaimedTask, attempt: int | None = None) -> bool:
    async with db.autocommit() as work:
        return await work.tasks.succeed(
            task.id,
            attempt or task.attempt,
            actor=WORKER_ACTOR,
            result={"items": []},
            clips=[a_clip(task)],
            gpu_seconds=1.5,
        )


async def fail(db: Database, task: ClaimedTask, *, max_failures: int) -> TaskStatus | None:
    async with db.autocommit() as work:
        settled = await work.tasks.fail_or_retry(
            task.id,
            task.attempt,
            actor=WORKER_ACTOR,
            code="internal",
            message="broken",
            trace="Traceback",
            max_failures=max_failures,
            gpu_seconds=0.5,
        )
    return settled.status if settled else None


async def numbers(db: Database) -> dict[str, int]:
    async with db.autocommit() as work:
        counted = await work.stats.numbers(None, window=50, lease_s=30)
        recounted = await work.stats.recount()
    kept = {name: getattr(counted, name) for name in recounted}
    assert kept == recounted
    return kept


async def events(database_url: str) -> list[str]:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("SELECT event FROM task_events ORDER BY id")
    await connection.close()
    return [row["event"] for row in rows]


async def test_a_finished_task_is_counted_metered_and_noted(
    db: Database, team: TeamId, database_url: str
) -> None:
    task = await a_running_task(db, team)
    assert await succeed(db, task)
    assert (await numbers(db))["succeeded"] == 1
    assert await events(database_url) == ["queued", "claimed", "succeeded"]
    connection = await asyncpg.connect(database_url)
    usage = dict(await connection.fetchrow("SELECT * FROM usage_daily"))
    await connection.close()
    assert (usage["succeeded"], usage["gpu_seconds"], usage["audio_seconds"], usage["stored_bytes"]) == (
        1,
        1.5,
        10.0,
        100,
    )
    async with db.autocommit() as work:
        view = (await work.views.by_ids(team, [task.id]))[task.id]
    assert (view.status, len(view.clips), view.clips[0].available) == (TaskStatus.SUCCEEDED, 1, True)


async def test_a_final_state_never_changes(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    assert await succeed(db, task)
    assert not await succeed(db, task)
    assert await fail(db, task, max_failures=1) is None
    async with db.autocommit() as work:
        assert not await work.tasks.cancel_running(task.id, 1, actor=WORKER_ACTOR, gpu_seconds=0)
        assert not await work.tasks.release(task.id, 1, actor=WORKER_ACTOR)
        assert not await work.tasks.cancel_queued(team, task.id, actor=Actor(kind="client"))
        assert not await work.tasks.request_cancel(team, task.id, actor=Actor(kind="client"))
        assert await work.tasks.lose_worker(WORKER, actor=WORKER_ACTOR, max_crashes=3) == []
    assert await numbers(db) == {"queued": 0, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0}


async def test_a_late_attempt_is_refused(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team, lease_s=0.001)
    async with db.autocommit() as work:
        (lost,) = await work.tasks.lose_expired(actor=Actor(kind="sweeper"), max_crashes=3, lease_s=0)
    assert lost.status is TaskStatus.QUEUED
    (again,) = await claim(db, worker=uuid4())
    assert (again.id, again.attempt) == (task.id, 2)
    assert not await succeed(db, task)
    assert await succeed(db, again)


async def test_a_live_lease_is_not_taken(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team, lease_s=0.05)
    beat = Beat(id=task.id, attempt=1, progress=0.4, stage="diffusing", progress_text="x", stage_changed=True)
    async with db.autocommit() as work:
        assert await work.tasks.heartbeat([beat], worker_id=WORKER, lease_s=30) == {(task.id, 1): False}
        assert await work.tasks.lose_expired(actor=Actor(kind="sweeper"), max_crashes=3, lease_s=0) == []


async def test_progress_does_not_go_back_within_an_attempt(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    async with db.autocommit() as work:
        for value in (0.5, 0.2):
            beat = Beat(
                id=task.id,
                attempt=1,
                progress=value,
                stage="diffusing",
                progress_text="x",
                stage_changed=False,
            )
            await work.tasks.heartbeat([beat], worker_id=WORKER, lease_s=30)
        view = (await work.views.by_ids(team, [task.id]))[task.id]
    assert view.progress == pytest.approx(0.5)


async def test_a_crash_is_retried_until_its_budget_is_used_up(db: Database, team: TeamId) -> None:
    await a_task(db, team)
    outcomes = []
    for _ in range(3):
        async with db.autocommit() as work:
            await work.tasks._connection.exec_driver_sql("UPDATE tasks SET run_after = now()")
        (task,) = await claim(db)
        async with db.autocommit() as work:
            settled = await work.tasks.lose_attempt(task.id, task.attempt, actor=WORKER_ACTOR, max_crashes=3)
        assert settled is not None
        outcomes.append(settled.status)
    assert outcomes == [TaskStatus.QUEUED, TaskStatus.QUEUED, TaskStatus.FAILED]
    async with db.autocommit() as work:
        view = (await work.views.by_ids(team, [task.id]))[task.id]
    assert (view.error_code, view.error_message) == ("worker_lost", "the worker was lost 3 times")


async def test_a_retryable_failure_runs_once_more(db: Database, team: TeamId, database_url: str) -> None:
    task = await a_running_task(db, team)
    assert await fail(db, task, max_failures=2) is TaskStatus.QUEUED
    assert await claim(db) == [], "it waits before the next try"
    async with db.autocommit() as work:
        await work.tasks._connection.exec_driver_sql("UPDATE tasks SET run_after = now()")
    (again,) = await claim(db)
    assert await fail(db, again, max_failures=2) is TaskStatus.FAILED
    assert await events(database_url) == ["queued", "claimed", "requeued", "claimed", "failed"]
    assert (await numbers(db))["failed"] == 1


async def test_a_cancel_before_the_finish_wins(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    async with db.autocommit() as work:
        assert await work.tasks.request_cancel(team, task.id, actor=Actor(kind="client"))
        assert not await work.tasks.request_cancel(team, task.id, actor=Actor(kind="client"))
    assert not await succeed(db, task)
    async with db.autocommit() as work:
        assert await work.tasks.cancel_running(task.id, 1, actor=WORKER_ACTOR, gpu_seconds=0.2)
        view = (await work.views.by_ids(team, [task.id]))[task.id]
    assert (view.status, view.clips) == (TaskStatus.CANCELLED, [])
    assert (await numbers(db))["cancelled"] == 1


async def test_a_task_asked_to_cancel_is_not_tried_again(db: Database, team: TeamId) -> None:
    failing, released = [await a_running_task(db, team) for _ in range(2)]
    async with db.autocommit() as work:
        for task in (failing, released):
            assert await work.tasks.request_cancel(team, task.id, actor=Actor(kind="client"))
    assert await fail(db, failing, max_failures=2) is TaskStatus.CANCELLED
    async with db.autocommit() as work:
        settled = await work.tasks.release(released.id, 1, actor=WORKER_ACTOR)
    assert settled is not None
    assert settled.status is TaskStatus.CANCELLED
    assert (await numbers(db))["cancelled"] == 2


async def test_a_running_task_that_nobody_cancelled_is_not_cancelled(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    async with db.autocommit() as work:
        assert not await work.tasks.cancel_running(task.id, 1, actor=WORKER_ACTOR, gpu_seconds=0)


async def test_a_released_task_costs_no_budget(db: Database, team: TeamId) -> None:
    task = await a_running_task(db, team)
    async with db.autocommit() as work:
        assert await work.tasks.release(task.id, 1, actor=WORKER_ACTOR)
    (again,) = await claim(db)
    assert (again.id, again.attempt, again.crashes) == (task.id, 2, 0)


async def test_events_cannot_be_changed(db: Database, team: TeamId, database_url: str) -> None:
    await a_task(db, team)
    connection = await asyncpg.connect(database_url)
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await connection.execute("UPDATE task_events SET event = 'x'")
    await connection.close()


async def test_heartbeats_write_no_index(db: Database, team: TeamId, database_url: str) -> None:
    task = await a_running_task(db, team)
    beat = Beat(
        id=task.id, attempt=1, progress=0.4, stage="diffusing", progress_text="x", stage_changed=False
    )
    async with db.autocommit() as work:
        for _ in range(20):
            await work.tasks.heartbeat([beat], worker_id=WORKER, lease_s=30)
    connection = await asyncpg.connect(database_url)
    before = await _updates(connection)
    async with db.autocommit() as work:
        for _ in range(20):
            await work.tasks.heartbeat([beat], worker_id=WORKER, lease_s=30)
    await db.close()  # a session tells its counters at its end
    after = await _updates(connection)
    await connection.close()
    assert after[0] - before[0] >= 20
    assert after[1] - before[1] >= 0.9 * (after[0] - before[0])


async def _updates(connection: asyncpg.Connection) -> tuple[int, int]:
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    row = await connection.fetchrow(
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'tasks'"
    )
    return row["n_tup_upd"], row["n_tup_hot_upd"]


async def test_counters_that_drifted_are_corrected(db: Database, team: TeamId, database_url: str) -> None:
    await a_running_task(db, team)
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE team_state SET running = 7")
    public_id = await connection.fetchval("SELECT public_id FROM teams WHERE id = $1", team)
    async with db.transaction() as work:
        assert await work.sweeps.correct_running() == [public_id], "as logs name it"
    async with db.transaction() as work:
        assert await work.sweeps.correct_running() == []
    assert await connection.fetchval("SELECT running FROM team_state") == 1
    await connection.close()
